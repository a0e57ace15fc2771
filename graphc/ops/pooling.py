"""Pooling ops: the last axes of a tensor enter, the largest element of each window leaves, and where it is.

A window gives its maximum's derivative to the first element that attains it (row by row, as PyTorch does),
so the place of that element is an op of its own, ``window_index``; what pooling's derivatives read and
write are elements at those places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, Shape, element_count, format_shape, same, same_shape, simplified
from graphc.ir.dtype import BOOL, INT64, DType
from graphc.ir.op import Attrs, Op
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import add, multiply
from graphc.ops.indexing import scatter_add, taken
from graphc.ops.shape import reshape
from graphc.ops.sources import arange, dimension_value
from graphc.ops.windows import check_windows, window_count, windows_of

Array = np.ndarray[Any, Any]


# -- rules -----------------------------------------------------------------------------------------
def _pooled_shape(x: Tensor, attrs: Attrs) -> Shape:
    rank = len(attrs["size"])
    if x.ndim < rank:
        raise ShapeError(
            f"x has shape {format_shape(x.shape)}, where {rank} axes to pool over are needed",
            remedy="use the pooling of another rank",
        )
    shape = list(x.shape)
    for number, (size, stride, (before, after), dilation) in enumerate(
        zip(attrs["size"], attrs["stride"], attrs["padding"], attrs["dilation"], strict=True)
    ):
        axis = x.ndim - rank + number
        n = x.shape[axis]
        count = window_count(simplified(n + before + after), size, stride, dilation)
        check_windows(x.shape, axis, count, size, dilation)
        _check_elements(n, axis, count, size, stride, (before, after), dilation)
        shape[axis] = count
    return tuple(shape)


def _check_elements(
    n: Dim, axis: int, count: Dim, size: int, stride: int, padding: tuple[Dim, Dim], dilation: int
) -> None:
    """Refuse windows that may hold padding alone, which has no maximum."""
    if isinstance(n, int) and isinstance(count, int):
        places = np.arange(count)[:, None] * stride + np.arange(size) * dilation - int(padding[0])
        if not ((places >= 0) & (places < n)).any(axis=1).all():
            raise ShapeError(
                f"axis {axis} of {n} elements with padding {padding} has a window of {size} "
                "that holds padding alone: it has no maximum",
                remedy="pad by at most half a window",
            )
    elif dilation > 1 and not all(same(p, 0) for p in padding):
        # The elements of a window are `dilation` apart: fewer than that many may fall between two of them.
        raise ShapeError(
            f"axis {axis} of size {n} may have fewer than {dilation} elements: with dilation {dilation} and "
            f"padding {padding} a window could then hold padding alone, which has no maximum",
            remedy="pad the tensor itself: gc.pad(x, …, constant_values=-np.inf)",
        )


def _infer_max_pool(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    (x,) = inputs
    if x.dtype == BOOL:
        raise DTypeError("x is bool", remedy='convert it with astype("float32")')
    return _pooled_shape(x, attrs), x.dtype


def _infer_window_index(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    x, y = inputs
    shape = _pooled_shape(x, attrs)
    if not same_shape(shape, y.shape):
        raise ShapeError(
            f"the windows of {format_shape(x.shape)} have shape {format_shape(shape)}, "
            f"the values looked for {format_shape(y.shape)}"
        )
    return shape, INT64


# -- meanings --------------------------------------------------------------------------------------
def window_elements(attrs: Attrs, x: Array) -> tuple[Array, Array]:
    """The elements of each window along a last axis, and which of them are no padding."""
    rank = len(attrs["size"])
    axes = tuple(range(x.ndim - rank, x.ndim))
    widths = (*((0, 0) for _ in range(x.ndim - rank)), *attrs["padding"])
    found = []
    for values in (x, np.ones(x.shape, bool)):
        windows = windows_of({**attrs, "axes": axes}, np.pad(values, widths))
        found.append(windows.reshape(*windows.shape[: x.ndim], math.prod(attrs["size"])))
    return found[0], found[1]


def _lowest(dtype: np.dtype[Any]) -> Any:
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _max_pool(attrs: Attrs, x: Array) -> Array:
    elements, real = window_elements(attrs, x)
    order = np.where(real, np.real(elements), _lowest(x.dtype))
    first = _first(order, np.max(order, axis=-1), real)
    found: Array = np.take_along_axis(elements, first[..., None], -1)[..., 0]
    return found


def _first(elements: Array, wanted: Array, real: Array) -> Any:
    """The first element of each window that is the one wanted; NaN is NaN."""
    wanted = wanted[..., None]
    hit = (elements == wanted) | ((elements != elements) & (wanted != wanted))
    return np.argmax(hit & real, axis=-1)


def _window_index(attrs: Attrs, x: Array, y: Array) -> Array:
    elements, real = window_elements(attrs, np.real(x))
    inner = np.unravel_index(_first(elements, np.real(y), real), attrs["size"])
    rank = len(attrs["size"])
    flat = np.zeros(y.shape, np.int64)
    for number, offset in enumerate(inner):
        axis = y.ndim - rank + number
        place = np.arange(y.shape[axis]).reshape([-1 if a == axis else 1 for a in range(y.ndim)])
        before, _ = attrs["padding"][number]
        along = place * attrs["stride"][number] + offset * attrs["dilation"][number] - before
        flat = flat * x.shape[axis] + along
    return flat


# The largest element of each window over the last axes; what is padded is never the largest.
MAX_POOL = Op("max_pool", "reduction", _infer_max_pool, _max_pool)
# Of each window, the place (in C order in its plane) of the first element that equals the one given.
WINDOW_INDEX = Op("window_index", "indexing", _infer_window_index, _window_index)

OPS = (MAX_POOL, WINDOW_INDEX)


# -- functions -------------------------------------------------------------------------------------
def max_pool(
    x: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[tuple[Dim, Dim]],
    dilation: Sequence[int],
) -> Tensor:
    """The largest element of each window over the last axes, as many as ``size`` has numbers."""
    return apply(
        MAX_POOL,
        (x,),
        size=tuple(size),
        stride=tuple(stride),
        padding=tuple(padding),
        dilation=tuple(dilation),
    )


def window_index(x: Tensor, y: Tensor, attrs: Attrs) -> Tensor:
    """Where in its plane each window of x first holds the element of y; ``attrs`` as ``max_pool``'s."""
    return apply(WINDOW_INDEX, (x, y), **attrs)


def _flat_places(index: Tensor, leading: Shape, plane: Dim) -> Tensor:
    """Places in the planes as places in all of them laid end to end."""
    count = simplified(element_count(leading))
    if same(count, 1):
        return reshape(index, (simplified(element_count(index.shape)),))
    rows = reshape(index, (count, simplified(element_count(index.shape[len(leading) :]))))
    first = reshape(multiply(arange(count), dimension_value(plane)), (count, 1))
    return reshape(add(rows, first), (simplified(element_count(index.shape)),))


def taken_from_planes(x: Tensor, index: Tensor, rank: int) -> Tensor:
    """The elements of x at places in its planes, the last ``rank`` axes; of the shape of ``index``."""
    leading, plane = x.shape[: x.ndim - rank], simplified(element_count(x.shape[x.ndim - rank :]))
    flat = reshape(x, (simplified(element_count(x.shape)),))
    return reshape(taken(flat, _flat_places(index, leading, plane), 0), index.shape)


def added_to_planes(values: Tensor, index: Tensor, shape: Shape, rank: int) -> Tensor:
    """Zeros of a shape, each value added at its place in its plane: the adjoint of ``taken_from_planes``."""
    leading, plane = shape[: len(shape) - rank], simplified(element_count(shape[len(shape) - rank :]))
    total = simplified(element_count(shape))
    flat = reshape(values, (simplified(element_count(values.shape)),))
    return reshape(scatter_add(flat, _flat_places(index, leading, plane), 0, total), shape)
