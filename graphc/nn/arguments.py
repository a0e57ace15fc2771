"""Checks that many functions of networks share: an argument enters, its checked form or an error leaves."""

from __future__ import annotations

from graphc import ops
from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.ir.dimension import format_shape, same, same_shape
from graphc.ir.dtype import is_float
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops.sources import as_tensor


def same_shapes(input: object, target: object, op: str) -> tuple[Tensor, Tensor]:
    """Both as tensors; ShapeError where their shapes differ.

    Losses never broadcast: (N, 1) against (N,) would silently compare every pair.
    """
    a, b = as_tensor(input), as_tensor(target)
    if not same_shape(a.shape, b.shape):
        raise ShapeError(
            f"the input has shape {format_shape(a.shape)}, the target {format_shape(b.shape)}",
            op=op, location=user_location(),
            remedy="reshape one of them: a loss compares tensors of one shape and does not broadcast",
        )  # fmt: skip
    return a, b


def float_tensor(x: object, op: str) -> Tensor:
    """x as a tensor; DTypeError where it is no float."""
    x = as_tensor(x)
    if not is_float(x.dtype):
        raise DTypeError(
            f"x has dtype {x.dtype}, where a float is needed",
            op=op, location=user_location(), remedy='convert it with astype("float32")',
        )  # fmt: skip
    return x


def probability(p: float, op: str) -> float:
    """p itself; GraphError where it is not in [0, 1]."""
    if not 0.0 <= p <= 1.0:
        raise GraphError(
            f"p = {p!r} is no probability",
            op=op,
            location=user_location(),
            remedy="give a number from 0 to 1",
        )
    return float(p)


def check_features(x: Tensor, axis: int, wanted: int, op: str) -> None:
    """Raise ShapeError where an axis is missing or of another size than the layer was made for."""
    if x.ndim < (2 if axis == 1 else 1) or not same(x.shape[axis], wanted):
        raise ShapeError(
            f"x has shape {format_shape(x.shape)}, where axis {axis} of size {wanted} is needed",
            op=op, location=user_location(),
            remedy=f"make the layer for the size that x has, or reshape x so that axis {axis} is {wanted}",
        )  # fmt: skip


def reduced(loss: Tensor, reduction: str, op: str) -> Tensor:
    """The elementwise loss as asked: its "mean", its "sum", or itself for "none"."""
    if reduction == "mean":
        return ops.mean(loss)
    if reduction == "sum":
        return ops.sum(loss)
    if reduction == "none":
        return loss
    raise unknown_reduction(reduction, op)


def unknown_reduction(reduction: object, op: str) -> GraphError:
    return GraphError(
        f"reduction = {reduction!r} is unknown",
        op=op, location=user_location(), remedy='use "mean", "sum" or "none"',
    )  # fmt: skip
