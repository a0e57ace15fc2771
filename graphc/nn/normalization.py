"""Normalisation and dropout: a tensor enters, a tensor of the same shape leaves.

Names, arguments and meaning are those of ``torch.nn.functional``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc import ops
from graphc.errors import GraphError, ShapeError
from graphc.ir.dimension import Dim, Shape, as_shape, element_count, format_shape, same_shape
from graphc.ir.dtype import FLOAT32, FLOAT64
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import float_tensor, probability
from graphc.nn.state import announce
from graphc.ops.elementwise import unguarded_where
from graphc.ops.sources import PARAMETER, as_tensor


def batch_norm(
    x: object,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: object = None,
    bias: object = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x − mean) / √(variance + eps) · weight + bias, for each channel (axis 1). Ioffe and Szegedy 2015.

    ``x`` is float, (N, C) or (N, C, …); the rest are (C,). In training the statistics are those of
    the batch, and the running ones, if given as parameters, are to become (1 − momentum) · running +
    momentum · batch, with the unbiased variance: `gc.nn.state_updates` collects these new values.
    Otherwise the statistics are the running ones.

    Raises ShapeError where an argument is not (C,), GraphError where not training without running
    statistics.

    >>> import graphc as gc
    >>> x = gc.input("x", ("N", 3, 8, 8))
    >>> gc.nn.batch_norm(x, None, None, training=True).shape
    (N, 3, 8, 8)
    """
    x = float_tensor(x, "batch_norm")
    if x.ndim < 2:
        raise ShapeError(
            f"x has shape {format_shape(x.shape)}, where (N, C) or (N, C, …) is needed",
            op="batch_norm", location=user_location(), remedy="add a batch axis in front",
        )  # fmt: skip
    channel = x.shape[1]
    column: Shape = (channel, *[1] * (x.ndim - 2))
    axes = (0, *range(2, x.ndim))

    def per_channel(value: object, name: str) -> Tensor:
        return ops.reshape(_shaped(value, (channel,), name, "batch_norm"), column)

    # The arguments are checked before anything is announced.
    scale = None if weight is None else per_channel(weight, "weight")
    shift = None if bias is None else per_channel(bias, "bias")
    for name, value in (("running_mean", running_mean), ("running_var", running_var)):
        if value is not None:
            _shaped(value, (channel,), name, "batch_norm")
    if training:
        mean = ops.mean(x, axis=axes, keepdims=True)
        centred = x - mean
        variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
    elif running_mean is None or running_var is None:
        raise GraphError(
            "there are no running statistics to normalise with", op="batch_norm", location=user_location(),
            remedy="pass running_mean and running_var, or training=True to use the batch's own",
        )  # fmt: skip
    else:
        centred = x - ops.reshape(running_mean, column)
        variance = ops.reshape(running_var, column)
    inverse = ops.reciprocal(ops.sqrt(variance + eps))
    if training:
        count = element_count([x.shape[a] for a in axes])
        if running_mean is not None and running_mean.op is PARAMETER:
            announce(inverse, running_mean, _towards(ops.reshape(mean, (channel,)), momentum))
        if running_var is not None and running_var.op is PARAMETER:
            unbiased = ops.reshape(variance, (channel,)) * count / (count - 1)
            announce(inverse, running_var, _towards(unbiased, momentum))
    return _affine(centred * inverse, scale, shift)


def layer_norm(
    x: object,
    normalized_shape: int | str | Sequence[int | str | Dim],
    weight: object = None,
    bias: object = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x − mean) / √(variance + eps) · weight + bias, over the last axes of each example. Ba et al. 2016.

    ``x`` is float; its last axes are ``normalized_shape``, which is also the shape of weight and
    bias. Raises ShapeError where they differ.

    >>> import graphc as gc
    >>> gc.nn.layer_norm(gc.input("x", ("N", 6, 4)), (6, 4)).shape
    (N, 6, 4)
    """
    x = float_tensor(x, "layer_norm")
    wanted = as_shape(normalized_shape)
    rank = len(wanted)
    if not rank or rank > x.ndim or not same_shape(x.shape[x.ndim - rank :], wanted):
        raise ShapeError(
            f"x has shape {format_shape(x.shape)}, which does not end in {format_shape(wanted)}",
            op="layer_norm", location=user_location(), remedy="normalized_shape is the end of x.shape",
        )  # fmt: skip
    scale = None if weight is None else _shaped(weight, wanted, "weight", "layer_norm")
    shift = None if bias is None else _shaped(bias, wanted, "bias", "layer_norm")
    axes = tuple(range(x.ndim - rank, x.ndim))
    centred = x - ops.mean(x, axis=axes, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
    return _affine(centred * ops.reciprocal(ops.sqrt(variance + eps)), scale, shift)


def dropout(x: object, p: float = 0.5, training: bool = True) -> Tensor:
    """x with each element set to 0 with probability p and the others divided by 1 − p.

    Srivastava et al. 2014. The mask is drawn anew at every call of the compiled function, from its
    ``seed``. Without ``training``, x itself. Raises GraphError where p is outside [0, 1].

    >>> import graphc as gc
    >>> gc.nn.dropout(gc.input("x", ("N", 8)), p=0.2)
    <where: float32(N, 8)>
    """
    p = probability(p, "dropout")
    x = float_tensor(x, "dropout")
    if not training or p == 0:
        return x
    kept = ops.random_uniform(x.shape, FLOAT64 if x.dtype == FLOAT64 else FLOAT32) >= p
    # At p = 1 nothing is kept, and the scale does not matter.
    return unguarded_where(kept, x * (1 / (1 - p) if p < 1 else 1.0), 0.0)


def _towards(value: Tensor, momentum: float) -> Callable[[Tensor], Tensor]:
    return lambda running: running * (1 - momentum) + value * momentum


def _affine(x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    if scale is not None:
        x = x * scale
    if shift is not None:
        x = x + shift
    return x


def _shaped(value: object, wanted: Shape, name: str, op: str) -> Tensor:
    tensor = as_tensor(value)
    if not same_shape(tensor.shape, wanted):
        raise ShapeError(
            f"{name} has shape {format_shape(tensor.shape)}, where {format_shape(wanted)} is needed",
            op=op, location=user_location(), remedy=f"give one number for each of {format_shape(wanted)}",
        )  # fmt: skip
    return tensor
