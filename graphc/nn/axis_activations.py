"""Activation functions along an axis: a tensor enters, one of that or a smaller axis leaves.

Names, arguments and meaning are those of ``torch.nn.functional``, save that an axis is called
``axis``.
"""

from __future__ import annotations

from graphc import ops
from graphc.errors import GraphError, ShapeError
from graphc.ir.dimension import Dim, floor_div, format_shape, same
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import one_axis
from graphc.ops.sources import as_tensor


def maxout(x: object, num_pieces: int, axis: int = -1) -> Tensor:
    """The largest of ``num_pieces`` neighbours along an axis; does not saturate.

    The input is the result of one affine map with ``num_pieces`` rows for each maxout unit, so the
    unit is a piecewise linear convex function of what went in. The axis shrinks by that factor. A
    tie shares the gradient evenly. Raises ShapeError where the axis does not divide. Goodfellow et
    al. 2013.

    >>> import graphc as gc
    >>> gc.nn.maxout(gc.input("x", ("N", 12)), num_pieces=3)
    <max: float32(N, 4)>
    """
    x = as_tensor(x)
    axis = one_axis(axis, x.ndim, "maxout")
    units = _divided(x, axis, num_pieces, "maxout")
    return ops.max(ops.reshape(x, (*x.shape[:axis], units, num_pieces, *x.shape[axis + 1 :])), axis=axis + 1)


def glu(x: object, axis: int = -1) -> Tensor:
    """a · σ(b), where a and b are the two halves of x along an axis. Dauphin et al. 2016.

    Raises ShapeError where the axis has no even size.

    >>> import graphc as gc
    >>> gc.nn.glu(gc.input("x", ("N", 8)))
    <multiply: float32(N, 4)>
    """
    x = as_tensor(x)
    axis = one_axis(axis, x.ndim, "glu")
    half = _divided(x, axis, 2, "glu")
    before = (slice(None),) * axis
    return x[(*before, slice(None, half))] * ops.sigmoid(x[(*before, slice(half, None))])


def softmax(x: object, axis: int = -1) -> Tensor:
    """eˣ / Σ eˣ along an axis: positive numbers that sum to 1. Free of overflow.

    >>> import graphc as gc
    >>> gc.nn.softmax(gc.input("x", ("N", 10)), axis=1)
    <softmax: float32(N, 10)>
    """
    return ops.softmax(x, axis=axis)


def log_softmax(x: object, axis: int = -1) -> Tensor:
    """x − log Σ eˣ along an axis: the logarithm of `softmax`, free of overflow.

    >>> import graphc as gc
    >>> gc.nn.log_softmax(gc.input("x", ("N", 10)), axis=1)
    <log_softmax: float32(N, 10)>
    """
    return ops.log_softmax(x, axis=axis)


def _divided(x: Tensor, axis: int, parts: int, op: str) -> Dim:
    """The size of one of ``parts`` equal parts of an axis."""
    if isinstance(parts, bool) or not isinstance(parts, int) or parts < 1:
        raise GraphError(
            f"the number of pieces is {parts!r}",
            op=op,
            location=user_location(),
            remedy="give an int of 1 or more",
        )
    part = floor_div(x.shape[axis], parts)
    if not same(part * parts, x.shape[axis]):
        raise ShapeError(
            f"axis {axis} of {format_shape(x.shape)} does not divide into {parts}",
            op=op, location=user_location(), remedy=f"give that axis a size that is a multiple of {parts}",
        )  # fmt: skip
    return part
