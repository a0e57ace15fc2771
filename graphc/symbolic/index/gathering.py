"""Integer tensors as indices: what is affine in simpler integer tensors is written so.

The place n · C + t[n] in a flattened matrix is an index in mixed radix, so that a gradient by the matrix
itself can be read off; the tensor that holds all places is not looked at as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dimension import Dim, same
from graphc.ir.dtype import is_integer
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.ops import indexing, shape
from graphc.ops.sources import ARANGE, CONSTANT, DIMENSION
from graphc.symbolic.index.affine import ZERO, Affine, Gather, constant, of, raveled, unraveled

_DEPTH = 12  # nodes looked through


def gathered(tensor: Tensor, index: Sequence[Affine], size: Dim) -> Affine:
    """An element of an integer tensor, which is in 0 … size − 1, as an index."""
    found = _unfolded(tensor, tuple(index), _DEPTH)
    return of(Gather(tensor, tuple(index), size)) if found is None else found


def _unfolded(tensor: Tensor, index: tuple[Affine, ...], depth: int) -> Affine | None:
    """The element by parts whose bounds are known; None where one is not."""
    op = tensor.op
    if depth == 0 or not is_integer(tensor.dtype):
        return None
    if op is indexing.INDEX_CHECK:
        return of(Gather(tensor, index, tensor.attrs["size"]))
    if op is ARANGE:
        return index[0]
    number = _number(tensor)
    if number is not None:
        return constant(number)
    if op in (shape.RESHAPE, shape.BROADCAST_TO, shape.TRANSPOSE):
        return _unfolded(tensor.inputs[0], viewed_index(tensor, index), depth - 1)
    if op is ew.CAST:
        return _unfolded(tensor.inputs[0], index, depth - 1)
    if op in (ew.ADD, ew.SUBTRACT):
        parts = [_unfolded(x, broadcast_read(x, tensor, index), depth - 1) for x in tensor.inputs]
        if parts[0] is None or parts[1] is None:
            return None
        return parts[0] + parts[1] if op is ew.ADD else parts[0] - parts[1]
    if op is ew.MULTIPLY:
        for x, factor in (tensor.inputs, tensor.inputs[::-1]):
            number = _number(factor)
            if number is not None:
                part = _unfolded(x, broadcast_read(x, tensor, index), depth - 1)
                return None if part is None else part.times(number)
    return None


def _number(tensor: Tensor) -> Dim | None:
    """The one integer that the tensor is, if it is known."""
    if tensor.op is DIMENSION:
        found: Dim = tensor.attrs["value"]
        return found
    if tensor.op is CONSTANT and tensor.attrs["value"].size == 1:
        return int(tensor.attrs["value"].reshape(-1)[0])
    return None


def viewed_index(tensor: Tensor, index: tuple[Affine, ...]) -> tuple[Affine, ...]:
    """Where the operand of a view is read for an index of the view."""
    (x,) = tensor.inputs
    if tensor.op is shape.TRANSPOSE:
        places = dict(zip(tensor.attrs["axes"], index, strict=True))
        return tuple([places[a] for a in range(x.ndim)])
    if tensor.op is shape.BROADCAST_TO:
        return broadcast_read(x, tensor, index)
    wide = [a for a, size in enumerate(tensor.shape) if not same(size, 1)]
    axes = [a for a, size in enumerate(x.shape) if not same(size, 1)]
    if len(wide) == len(axes) and all(
        same(tensor.shape[a], x.shape[b]) for a, b in zip(wide, axes, strict=True)
    ):  # axes of size 1 come or go: no index needs its digits
        found = [ZERO] * x.ndim
        for a, b in zip(wide, axes, strict=True):
            found[b] = index[a]
        return tuple(found)
    return unraveled(raveled(index, tensor.shape), x.shape)


def broadcast_read(x: Tensor, tensor: Tensor, index: tuple[Affine, ...]) -> tuple[Affine, ...]:
    """Where an operand that broadcasts is read for an index of the result."""
    offset = tensor.ndim - x.ndim
    return tuple(
        [
            ZERO if same(size, 1) and not same(tensor.shape[offset + a], 1) else index[offset + a]
            for a, size in enumerate(x.shape)
        ]
    )
