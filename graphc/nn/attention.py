"""Attention: queries, keys and values enter, for each query a mean of the values leaves.

Names, arguments and meaning are those of ``torch.nn.functional``.
"""

from __future__ import annotations

import math

import numpy as np

from graphc import ops
from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.ir.dimension import Dim, broadcast_shapes, format_shape, same, same_shape
from graphc.ir.dtype import BOOL, is_float
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import float_tensor
from graphc.nn.dropout import dropout
from graphc.ops.arguments import integer
from graphc.ops.elementwise import unguarded_where
from graphc.ops.sources import as_tensor, dimension_value

_OP = "scaled_dot_product_attention"


def scaled_dot_product_attention(
    query: object,
    key: object,
    value: object,
    attn_mask: object = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(query · keyᵀ · scale + mask) · value: each query's mean of the values, by likeness to the keys.

    ``query`` is float, (…, T, E), ``key`` (…, S, E), ``value`` (…, S, F), the result (…, T, F); the
    axes before broadcast. ``scale`` is by default 1/√E. ``attn_mask`` broadcasts to (…, T, S): a bool
    one says which keys take part (True), a float one is added, and −∞ takes a key out.
    ``is_causal``: query t sees the keys 0 to t; with a mask, those that both let pass. A query that
    sees no key gets 0, and no NaN reaches a gradient. ``dropout_p`` is the probability with which a
    weight is set to 0, also outside training: pass 0 there.

    Raises ShapeError where the sizes do not fit, DTypeError where an argument is not float, or the
    mask neither bool nor float. Vaswani et al. 2017.

    >>> import graphc as gc
    >>> q = gc.input("q", ("N", 8, "T", 64))
    >>> k = v = gc.input("k", ("N", 8, "S", 64))
    >>> gc.nn.scaled_dot_product_attention(q, k, v).shape
    (N, 8, T, 64)
    """
    query, key, value = _checked(query, key, value)
    width = query.shape[-1]
    if scale is not None:
        query = query * float(scale)
    elif isinstance(width, int):
        query = query * (1 / math.sqrt(max(width, 1)))
    else:
        query = query / ops.sqrt(dimension_value(width, query.dtype))
    scores = ops.matmul(query, key.mT)
    mask = None if attn_mask is None else _checked_mask(attn_mask, scores)
    allowed = _causal(scores) if is_causal else None
    if mask is not None:
        seen = mask if mask.dtype == BOOL else mask != -np.inf
        if mask.dtype != BOOL:
            scores = scores + mask
        allowed = seen if allowed is None else seen & allowed
    if allowed is not None:
        # Finite, so that a row without any key does not become ∞ − ∞; half the least number, so that
        # subtracting the row's largest score does not overflow.
        scores = unguarded_where(allowed, scores, float(np.finfo(scores.dtype).min) / 2)
    weights = dropout(ops.softmax(scores, axis=-1), dropout_p)
    result = ops.matmul(weights, value)
    if mask is None or allowed is None:
        return result  # the first key is seen by every query
    return unguarded_where(ops.any(allowed, axis=-1, keepdims=True), result, 0.0)


def positional_encoding(length: Dim | str, features: int, dtype: object = "float32") -> Tensor:
    """Sines and cosines of each place, (length, features): what tells a network without order the order.

    Feature 2i is sin(place / 10000^(2i/features)), feature 2i + 1 the cosine; the wavelengths go from
    2π to 10000 · 2π. The length may be symbolic: ``x.shape[1]``. Raises GraphError where features <
    1. Vaswani et al. 2017, §3.5.

    >>> import graphc as gc
    >>> x = gc.input("x", ("N", "T", 16))
    >>> (x + gc.nn.positional_encoding(x.shape[1], 16)).shape
    (N, T, 16)
    """
    features = integer(features, "features", "positional_encoding")
    if features < 1:
        raise GraphError(
            f"features = {features} is no number of features",
            op="positional_encoding", location=user_location(), remedy="give an int of 1 or more",
        )  # fmt: skip
    # In float64: an angle of a thousand has but four decimals left in float32.
    places = ops.expand_dims(ops.arange(length, "float64"), 1)
    angles = places * ops.constant(10000.0 ** (-np.arange(0, features, 2) / features))
    pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=2)
    table = ops.reshape(pairs, (angles.shape[0], features + features % 2))
    return (table if features % 2 == 0 else table[:, :features]).astype(dtype)


def _causal(scores: Tensor) -> Tensor:
    """(T, S): whether key s is not later than query t."""
    rows, columns = scores.shape[-2:]
    return ops.expand_dims(ops.arange(rows), 1) >= ops.arange(columns)


def _checked(query: object, key: object, value: object) -> tuple[Tensor, Tensor, Tensor]:
    query, key, value = (
        float_tensor(x, _OP, name) for x, name in ((query, "query"), (key, "key"), (value, "value"))
    )
    if min(query.ndim, key.ndim, value.ndim) < 2:
        problem = "each needs at least two axes"
    elif not same(query.shape[-1], key.shape[-1]):
        problem = "the last axes of query and key differ"
    elif not same(key.shape[-2], value.shape[-2]):
        problem = "key and value differ in length (axis -2)"
    else:
        return query, key, value
    raise ShapeError(
        f"query has shape {format_shape(query.shape)}, key {format_shape(key.shape)}, "
        f"value {format_shape(value.shape)}: {problem}",
        op=_OP, location=user_location(), remedy="give (…, T, E), (…, S, E) and (…, S, F)",
    )  # fmt: skip


def _checked_mask(mask: object, scores: Tensor) -> Tensor:
    """The mask, bool or of the scores' dtype, with at least one axis."""
    mask = as_tensor(mask)
    if mask.dtype != BOOL and not is_float(mask.dtype):
        raise DTypeError(
            f"the mask has dtype {mask.dtype}, where bool or float is needed", op=_OP,
            location=user_location(), remedy="compare first, e.g. mask != 0: True takes part",
        )  # fmt: skip
    try:
        fits = same_shape(broadcast_shapes([mask.shape, scores.shape]), scores.shape)
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(
            f"the mask has shape {format_shape(mask.shape)}, the scores have {format_shape(scores.shape)}",
            op=_OP, location=user_location(),
            remedy="give a mask that broadcasts to the scores; one of padding, (N, S), as mask[:, None, :]",
        )  # fmt: skip
    mask = ops.reshape(mask, (1,)) if mask.ndim == 0 else mask
    return mask if mask.dtype == BOOL else mask.astype(scores.dtype)
