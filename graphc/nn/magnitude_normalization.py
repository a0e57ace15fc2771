"""Division by a magnitude: a tensor enters, one of the same shape and of tamed size leaves.

Names, arguments and meaning are those of ``torch.nn.functional``, save that an axis is called ``axis``.
No mean is subtracted; what does is in ``normalization``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from graphc import ops
from graphc.errors import GraphError, ShapeError
from graphc.ir.dimension import Dim, format_shape
from graphc.ir.dtype import FLOAT64
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import float_tensor, last_axes, of_shape
from graphc.ops.arguments import Axes, integer, several_axes


def rms_norm(
    x: object,
    normalized_shape: int | str | Sequence[int | str | Dim],
    weight: object = None,
    eps: float | None = None,
) -> Tensor:
    """x / √(mean of x² + eps) · weight, over the last axes of each example. Zhang and Sennrich 2019.

    ``x`` is float; its last axes are ``normalized_shape``, which is also the shape of the weight.
    ``eps`` is by default the distance from 1 to the next number of x's dtype (float32's for float16).
    Raises ShapeError where the shapes differ.

    >>> import graphc as gc
    >>> gc.nn.rms_norm(gc.input("x", ("N", "T", 16)), 16).shape
    (N, T, 16)
    """
    x = float_tensor(x, "rms_norm")
    axes, wanted = last_axes(x, normalized_shape, "rms_norm")
    scale = None if weight is None else of_shape(weight, wanted, "weight", "rms_norm")
    if eps is None:
        eps = float(np.finfo(np.float64 if x.dtype == FLOAT64 else np.float32).eps)
    mean_square = ops.mean(ops.square(x), axis=axes, keepdims=True)
    y = x * ops.reciprocal(ops.sqrt(mean_square + eps))
    return y if scale is None else y * scale


def local_response_norm(
    x: object, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha · mean of x² over ``size`` neighbouring channels)^beta. Krizhevsky et al. 2012.

    ``x`` is float, (N, C, L) or (N, C, …). The neighbours of channel c are c − ⌊size/2⌋ to c +
    ⌊(size − 1)/2⌋; those outside count as 0, and the mean is always over ``size`` (PyTorch's form: the
    paper has a sum). Raises ShapeError for fewer than three axes, GraphError where size < 1.

    >>> import graphc as gc
    >>> gc.nn.local_response_norm(gc.input("x", ("N", 8, 6, 6)), size=5).shape
    (N, 8, 6, 6)
    """
    x = float_tensor(x, "local_response_norm")
    size = integer(size, "size", "local_response_norm")
    if x.ndim < 3:
        raise ShapeError(
            f"x has shape {format_shape(x.shape)}, where (N, C, L) or (N, C, …) is needed",
            op="local_response_norm", location=user_location(), remedy="add the axes that are missing",
        )  # fmt: skip
    if size < 1:
        raise GraphError(
            f"size = {size} is no number of channels",
            op="local_response_norm", location=user_location(), remedy="give an int of 1 or more",
        )  # fmt: skip
    around = ((0, 0), (size // 2, (size - 1) // 2), *[(0, 0)] * (x.ndim - 2))
    padded = ops.pad(ops.square(x), around)
    total = padded[:, : x.shape[1]]
    for shift in range(1, size):
        total = total + padded[:, shift : shift + x.shape[1]]
    return x / ops.power(total * (alpha / size) + k, beta)


def normalize(x: object, p: float = 2.0, axis: Axes = 1, eps: float = 1e-12) -> Tensor:
    """x / max(‖x‖ₚ, eps), the norm taken along an axis or several: vectors of length 1.

    ``p`` is 0 (the number of nonzero elements) or more; ``math.inf`` is the largest absolute value.
    A vector of zeros stays zero, and the derivative there is 1/eps, as in PyTorch. Raises GraphError
    for p < 0.

    >>> import graphc as gc
    >>> gc.nn.normalize(gc.input("x", ("N", 16))).shape
    (N, 16)
    """
    x = float_tensor(x, "normalize")
    axes = several_axes(axis, x.ndim, "normalize")
    if not p >= 0:
        raise GraphError(
            f"p = {p!r} gives no norm", op="normalize", location=user_location(),
            remedy="give a number of 0 or more, or math.inf",
        )  # fmt: skip
    return x / ops.clip(_norm(x, float(p), axes), eps)


def _norm(x: Tensor, p: float, axes: tuple[int, ...]) -> Tensor:
    """‖x‖ₚ with its axes kept. Where its derivative has a pole, at 0, it is 0: the middle of a ball."""
    if p == 0:
        return ops.sum((x != 0).astype(x.dtype), axis=axes, keepdims=True)
    if math.isinf(p):
        return ops.max(ops.abs(x), axis=axes, keepdims=True)
    if p == 1:
        return ops.sum(ops.abs(x), axis=axes, keepdims=True)
    if p == 2:
        powers = ops.square(x)
    else:
        powers = ops.power(ops.abs(x), p)
        if p < 1:
            powers = ops.where(x == 0, 0.0, powers)
    total = ops.sum(powers, axis=axes, keepdims=True)
    # The test is for 0 and not for > 0, so that NaN stays NaN.
    return ops.where(total == 0, 0.0, ops.sqrt(total) if p == 2 else ops.power(total, 1 / p))
