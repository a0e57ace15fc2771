"""Small graphs that derivative rules are made of: zeros, ones, sums over broadcast axes, identities."""

from __future__ import annotations

from graphc.ir.build import apply
from graphc.ir.dimension import Shape, broadcast_axes, element_count, same_shape
from graphc.ir.dtype import DType
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import astype, equal
from graphc.ops.reductions import SUM
from graphc.ops.shape import BROADCAST_TO, RESHAPE, TRANSPOSE
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
