"""Small graphs that derivative rules are made of: zeros, ones, sums over broadcast axes, identities."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from graphc.ir.build import apply
from graphc.ir.dimension import Dim, Shape, broadcast_axes, element_count, same, same_shape, simplified
from graphc.ir.dtype import DType
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import add, astype, equal
from graphc.ops.reductions import SUM
from graphc.ops.shape import BROADCAST_TO, CONCATENATE, EMBED, RESHAPE, TRANSPOSE
from graphc.ops.sources import CONSTANT, arange, filled


def full(value: float, shape: Shape, dtype: DType) -> Tensor:
    """A tensor of one number."""
    return broadcast_to(filled(value, dtype), shape)


def like(node: Tensor, value: float) -> Tensor:
    """A tensor of one number, of the shape and dtype of a node."""
    return full(value, node.shape, node.dtype)


def is_plain_number(node: Tensor) -> bool:
    """Whether the node is a 0-dimensional constant."""
    return node.op is CONSTANT and not node.shape


def is_one(node: Tensor) -> bool:
    """Whether the node is the 0-dimensional constant 1, the usual seed of reverse mode."""
    return is_plain_number(node) and bool(node.attrs["value"] == 1)


def reshape(x: Tensor, shape: Shape) -> Tensor:
    """x under another shape, x itself where it has that shape."""
    return x if same_shape(x.shape, shape) else apply(RESHAPE, (x,), shape=shape)


def transpose(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x with permuted axes, x itself where the permutation is the identity."""
    return x if axes == tuple(range(len(axes))) else apply(TRANSPOSE, (x,), axes=axes)


def broadcast_to(x: Tensor, shape: Shape) -> Tensor:
    """x stretched to a shape, x itself where it has that shape."""
    return x if same_shape(x.shape, shape) else apply(BROADCAST_TO, (x,), shape=shape)


def sum_over(x: Tensor, axes: tuple[int, ...], keepdims: bool = False) -> Tensor:
    """The sum over some axes, x itself where there are none."""
    return apply(SUM, (x,), axis=axes, keepdims=keepdims) if axes else x


def total(parts: Sequence[Tensor]) -> Tensor:
    """The sum of one or more nodes.

    Where they are pieces put into zeros side by side, as the cotangents of slices are, that sum is the
    pieces joined: nothing is added to the zeros.
    """
    joined = _joined(parts)
    return reduce(add, parts) if joined is None else joined


def _joined(parts: Sequence[Tensor]) -> Tensor | None:
    """The concatenation that a sum of embedded pieces is, where they fill one axis exactly once."""
    if len(parts) < 2 or any(p.op is not EMBED or any(s != 1 for s in p.attrs["step"]) for p in parts):
        return None
    shape = parts[0].shape
    cut = {axis for p in parts for axis, n in enumerate(p.inputs[0].shape) if not same(n, shape[axis])}
    if len(cut) != 1:
        return None
    (axis,) = cut
    left, pieces = list(parts), []
    at: Dim = 0
    while left:
        follower = next((p for p in left if same(p.attrs["start"][axis], at)), None)
        if follower is None or same(follower.inputs[0].shape[axis], 0):
            return None
        pieces.append(follower.inputs[0])
        left = [p for p in left if p is not follower]
        at = simplified(at + pieces[-1].shape[axis])
    if not same(at, shape[axis]) or any(p.dtype != pieces[0].dtype for p in pieces):
        return None
    return apply(CONCATENATE, tuple(pieces), axis=axis)


def unbroadcast(x: Tensor, shape: Shape) -> Tensor:
    """The sum over the axes that broadcasting ``shape`` to the shape of x added or stretched."""
    if same_shape(x.shape, shape):
        return x
    added, stretched = broadcast_axes(shape, x.shape)
    return reshape(sum_over(x, added + stretched), shape)


def as_cotangent(x: Tensor, operand: Tensor) -> Tensor:
    """What reached an operand, in the operand's own shape and dtype."""
    return astype(unbroadcast(x, operand.shape), operand.dtype)


def fitted(x: Tensor, node: Tensor) -> Tensor:
    """A tangent in the shape and dtype of its node."""
    return broadcast_to(astype(x, node.dtype), node.shape)


def expand_axes(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x with an axis of size 1 put in at each of these places of the result."""
    sizes = iter(x.shape)
    rank = len(x.shape) + len(axes)
    return reshape(x, tuple(1 if axis in axes else next(sizes) for axis in range(rank)))


def identity(shape: Shape, dtype: DType) -> Tensor:
    """The identity map on tensors of a shape: element (n, i) is 1 where i is the n-th index."""
    count = element_count(shape)
    if isinstance(count, int) and count == 1:
        return full(1.0, (count, *shape), dtype)
    rows = reshape(arange(count), (count, 1))
    eye = astype(equal(rows, arange(count)), dtype)
    return reshape(eye, (count, *shape))
