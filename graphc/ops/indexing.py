"""Indexing ops: a tensor and integer tensors enter, the elements at those places leave; and the adjoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError, UnsupportedError
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, Shape, element_count, format_shape, same, same_shape, simplified
from graphc.ir.dtype import BOOL, INT64, DType, is_integer
from graphc.ir.op import Attrs, Op
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import one_axis, one_size, shape_error
from graphc.ops.elementwise import add, astype, equal, multiply
from graphc.ops.shape import expand_dims, reshape, transpose
from graphc.ops.sources import CONSTANT, arange, as_tensor, constant, dimension_value

Array = np.ndarray[Any, Any]


# -- ops -------------------------------------------------------------------------------------------
def _infer_index_check(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    (i,) = inputs
    if not is_integer(i.dtype):
        raise DTypeError(
            f"an index has dtype {i.dtype}, where integers are needed",
            remedy='round and convert first, e.g. i.astype("int64")',
        )
    return i.shape, INT64


def _index_check(attrs: Attrs, i: Array) -> Array:
    size = attrs["size"]
    outside = (i < -size) | (i >= size)
    if outside.any():
        raise IndexError(f"index {i[outside].flat[0]} is out of bounds for an axis of size {size}")
    return np.where(i < 0, i + size, i).astype(np.int64)


def _infer_take(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    x, i = inputs
    _check_positions(i)
    axis: int = attrs["axis"]
    return (*x.shape[:axis], *i.shape, *x.shape[axis + 1 :]), x.dtype


def _infer_scatter_add(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    g, i = inputs
    _check_positions(i)
    axis: int = attrs["axis"]
    middle = g.shape[axis : axis + i.ndim]
    if not same_shape(middle, i.shape):
        raise ShapeError(
            f"the values have {format_shape(middle)} at axis {axis}, the indices {format_shape(i.shape)}",
            remedy="give one value an index",
        )
    return (*g.shape[:axis], attrs["size"], *g.shape[axis + i.ndim :]), g.dtype


def _check_positions(i: Tensor) -> None:
    if i.dtype != INT64:
        raise DTypeError(f"positions have dtype {i.dtype}, where int64 is needed", remedy="use gc.take")


def _scatter_add(attrs: Attrs, g: Array, i: Array) -> Array:
    axis = attrs["axis"]
    result = np.zeros((*g.shape[:axis], attrs["size"], *g.shape[axis + i.ndim :]), g.dtype)
    np.add.at(result, (slice(None),) * axis + (i,), g)
    return result


# Integers into [0, size), negative ones counted from the end; an IndexError at run time outside.
INDEX_CHECK = Op("index_check", "indexing", _infer_index_check, _index_check)
# Positions are in [0, size) already: `take` the function puts an index_check before.
TAKE = Op("take", "indexing", _infer_take, lambda attrs, x, i: np.take(x, i, axis=attrs["axis"]))
# The adjoint of take: zeros with `size` along the axis, and each value added at its position.
SCATTER_ADD = Op("scatter_add", "indexing", _infer_scatter_add, _scatter_add)

OPS = (INDEX_CHECK, TAKE, SCATTER_ADD)


# -- functions -------------------------------------------------------------------------------------
def positions(indices: object, size: Dim, op: str, axis: int) -> Tensor:
    """Integer indices as int64 positions in [0, size); known ones are checked at once.

    Raises DTypeError for floats, UnsupportedError for masks, ShapeError for a known index outside.
    """
    if isinstance(indices, (list, tuple)) and len(indices) == 0:
        indices = np.zeros(0, np.int64)  # NumPy reads an empty list as floats
    node = as_tensor(indices)
    if node.dtype == BOOL:
        raise UnsupportedError(
            "a boolean mask is no index: the size of the result would depend on values",
            op=op, location=user_location(),
            remedy="keep the shape and choose elements with gc.where(mask, x, other)",
        )  # fmt: skip
    if not is_integer(node.dtype):
        raise DTypeError(
            f"an index has dtype {node.dtype}, where integers are needed",
            op=op, location=user_location(), remedy='round and convert first, e.g. i.astype("int64")',
        )  # fmt: skip
    if node.op is not CONSTANT or not isinstance(size, int):
        return apply(INDEX_CHECK, (node,), size=size)
    value = node.attrs["value"]
    outside = (value < -size) | (value >= size)
    if outside.any():
        raise shape_error(
            op,
            f"index {value[outside].flat[0]} is out of bounds for axis {axis} of size {size}",
            f"use indices from {-size} to {size - 1}" if size else "an empty axis has no elements",
        )
    return constant(np.where(value < 0, value + size, value), "int64")


def take(x: object, indices: object, axis: int | None = None) -> Tensor:
    """The elements at integer indices along an axis, whose place the axes of the indices take.

    Negative indices count from the end; one out of range raises IndexError at the call, or ShapeError at
    once where indices and size are known. ``axis=None`` indexes the elements in C order.

    >>> import graphc as gc
    >>> table, words = gc.input("table", (1000, 64)), gc.input("words", ("N", 7), "int64")
    >>> gc.take(table, words, axis=0)
    <take: float32(N, 7, 64)>
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    chosen = one_axis(axis, x.ndim, "take")
    return taken(x, positions(indices, x.shape[chosen], "take", chosen), chosen)


def taken(x: Tensor, places: Tensor, axis: int) -> Tensor:
    """The elements at int64 positions that are known to lie in [0, size)."""
    return apply(TAKE, (x, places), axis=axis)


def scatter_add(values: Tensor, places: Tensor, axis: int, size: Dim) -> Tensor:
    """Zeros with ``size`` along the axis, each value added at its position: the adjoint of ``taken``."""
    return apply(SCATTER_ADD, (values, places), axis=axis, size=size)


def taken_at(x: Tensor, axes: Sequence[int], places: Sequence[Tensor], in_front: bool) -> Tensor:
    """The elements at positions on several axes at once, the positions broadcasting together.

    The axes become one, on which the positions are numbers in mixed radix. The result has their axes
    where the first indexed axis was (the axes must then be neighbours), or in front.
    """
    if in_front:
        rest = [a for a in range(x.ndim) if a not in axes]
        x = transpose(x, (*axes, *rest)) if tuple(axes) != tuple(range(len(axes))) else x
        axes = range(len(axes))
    first, last = axes[0], axes[-1]
    sizes = x.shape[first : last + 1]
    place = places[0]
    for size, step in zip(sizes[1:], places[1:], strict=True):
        place = add(multiply(place, dimension_value(size)), step)
    if len(sizes) > 1:
        merged = simplified(element_count(sizes))
        x = reshape(x, (*x.shape[:first], merged, *x.shape[last + 1 :]))
    return taken(x, place, first)


def take_along_axis(x: object, indices: object, axis: int) -> Tensor:
    """For every place along the other axes, the elements at that place's own indices.

    ``indices`` has as many axes as x, and broadcasts with it on all but ``axis``.

    >>> import graphc as gc
    >>> logits, target = gc.input("logits", ("N", 10)), gc.input("target", ("N",), "int64")
    >>> gc.take_along_axis(logits, target[:, None], axis=1).shape
    (N, 1)
    """
    x, i = as_tensor(x), as_tensor(indices)
    chosen = one_axis(axis, x.ndim, "take_along_axis")
    if i.ndim != x.ndim:
        raise shape_error(
            "take_along_axis",
            f"the indices have {i.ndim} axes, the tensor {x.ndim}",
            "give the indices an axis for every axis of the tensor, e.g. i[:, None]",
        )
    places = []
    for a, size in enumerate(x.shape):
        if a == chosen:
            places.append(positions(i, size, "take_along_axis", a))
        elif same(size, 1) and not same(i.shape[a], 1):
            places.append(constant(np.zeros((1,) * x.ndim, np.int64)))
        else:
            places.append(
                expand_dims(arange(size), [b for b in range(x.ndim) if b != a])
                if x.ndim > 1
                else arange(size)
            )
    return taken_at(x, range(x.ndim), places, in_front=False)


def one_hot(indices: object, size: Dim | str, dtype: object = "float32") -> Tensor:
    """A new last axis of ``size``: 1 at the index and 0 elsewhere; only 0 for an index outside [0, size).

    >>> import graphc as gc
    >>> gc.one_hot(gc.input("digit", ("N",), "int64"), 10)
    <astype: float32(N, 10)>
    """
    i = as_tensor(indices)
    if not is_integer(i.dtype):
        raise DTypeError(
            f"the indices have dtype {i.dtype}, where integers are needed",
            op="one_hot", location=user_location(), remedy='convert first, e.g. i.astype("int64")',
        )  # fmt: skip
    return astype(equal(expand_dims(i, -1), arange(one_size(size, "one_hot"))), dtype)
