"""Windows: a tensor enters, all its windows along some axes leave; and the adjoint, which adds them up.

The one core under convolution and pooling: ``window`` is a strided, dilated view, ``fold`` its transpose.
They are known as im2col and col2im.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, Shape, floor_div, format_shape, is_nonnegative, same, simplified
from graphc.ir.dtype import DType
from graphc.ir.op import Attrs, Op
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import Axes, integer, position, several_axes, shape_error, whole_shape
from graphc.ops.shape import constant_pad, strided_part
from graphc.ops.sources import as_tensor

Array = np.ndarray[Any, Any]


# -- sizes -----------------------------------------------------------------------------------------
def effective_size(size: Dim, dilation: int) -> Dim:
    """What a window of ``size`` elements ``dilation`` apart spans: K + (K − 1)(D − 1)."""
    return simplified(dilation * (size - 1) + 1)


def window_count(n: Dim, size: Dim, stride: int, dilation: int) -> Dim:
    """How many windows of ``size`` lie within n elements: ⌊(n − span) / stride⌋ + 1."""
    span = effective_size(size, dilation)
    if same(n, span):
        return 1
    return simplified(floor_div(simplified(n - span), stride) + 1)


def check_windows(shape: Shape, axis: int, count: Dim, size: Dim, dilation: int) -> None:
    """Refuse a window that is known not to fit."""
    if isinstance(count, int) and count <= 0:
        span = effective_size(size, dilation)
        dilated = f", {span} with its dilation {dilation}," if dilation > 1 else ""
        raise ShapeError(
            f"axis {axis} of shape {format_shape(shape)} has size {shape[axis]}: "
            f"a window of {size}{dilated} does not fit",
            remedy="pad the axis, or make the window smaller",
        )


# -- ops -------------------------------------------------------------------------------------------
def _infer_window(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    (x,) = inputs
    shape = list(x.shape)
    for axis, size, stride, dilation in zip(
        attrs["axes"], attrs["size"], attrs["stride"], attrs["dilation"], strict=True
    ):
        shape[axis] = window_count(x.shape[axis], size, stride, dilation)
        check_windows(x.shape, axis, shape[axis], size, dilation)
    return (*shape, *attrs["size"]), x.dtype


def _infer_fold(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    (y,) = inputs
    axes, shape = attrs["axes"], attrs["shape"]
    rank = y.ndim - len(axes)
    result = list(y.shape[:rank])
    for number, (axis, n, stride, dilation) in enumerate(
        zip(axes, shape, attrs["stride"], attrs["dilation"], strict=True)
    ):
        size = y.shape[rank + number]
        count = window_count(n, size, stride, dilation)
        if not same(count, y.shape[axis]):
            raise ShapeError(
                f"an axis of {n} elements has {count} windows of {size}, but axis {axis} of "
                f"{format_shape(y.shape)} holds {y.shape[axis]}",
                remedy="give the shape, stride and dilation with which the windows were taken",
            )
        result[axis] = n
    return tuple(result), y.dtype


def windows_of(attrs: Attrs, x: Array) -> Array:
    """All windows as a read-only view: what the op ``window`` means."""
    shape, strides = list(x.shape), list(x.strides)
    for axis, size, stride, dilation in zip(
        attrs["axes"], attrs["size"], attrs["stride"], attrs["dilation"], strict=True
    ):
        shape[axis] = (x.shape[axis] - dilation * (size - 1) - 1) // stride + 1
        strides[axis] = stride * x.strides[axis]
        shape.append(size)
        strides.append(dilation * x.strides[axis])
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)


def _fold(attrs: Attrs, y: Array) -> Array:
    axes = attrs["axes"]
    rank = y.ndim - len(axes)
    shape = list(y.shape[:rank])
    for axis, n in zip(axes, attrs["shape"], strict=True):
        shape[axis] = n
    result = np.zeros(shape, y.dtype)
    for offsets in product(*map(range, y.shape[rank:])):
        place = [slice(None)] * rank
        for axis, offset, stride, dilation in zip(
            axes, offsets, attrs["stride"], attrs["dilation"], strict=True
        ):
            first = offset * dilation
            place[axis] = slice(
                first, first + stride * (y.shape[axis] - 1) + 1 if y.shape[axis] else 0, stride
            )
        part: Array = result[tuple(place)]
        index: tuple[Any, ...] = (..., *offsets)
        part += y[index]
    return result


# x[…, p, …] becomes out[…, p, …, r] = x[…, stride·p + dilation·r, …]; the window's axes come last.
WINDOW = Op("window", "shape", _infer_window, windows_of, is_view=True)
# The adjoint: every element of every window is added where it was read.
FOLD = Op("fold", "shape", _infer_fold, _fold)

OPS = (WINDOW, FOLD)


# -- arguments -------------------------------------------------------------------------------------
def each_axis(value: object, rank: int, what: str, op: str, least: int = 1) -> tuple[int, ...]:
    """One integer an axis, from one for all or a tuple of them; ShapeError below ``least``."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(given) != rank:
        raise shape_error(
            op, f"{what} {given} names {len(given)} axes, where there are {rank}", "give one number an axis"
        )
    numbers = tuple([integer(v, what, op) for v in given])
    if any(n < least for n in numbers):
        raise shape_error(op, f"{what} = {value!r} is too small", f"every number is at least {least}")
    return numbers


def each_side(value: object, rank: int, op: str) -> tuple[tuple[Dim, Dim], ...]:
    """(before, after) for every axis, from one number, one number an axis, or a pair an axis."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(given) != rank:
        raise shape_error(
            op,
            f"padding {given} names {len(given)} axes, where there are {rank}",
            "give one number for all, one an axis, or a pair (before, after) an axis",
        )
    sides = []
    for item in given:
        pair = tuple(item) if isinstance(item, (tuple, list)) else (item, item)
        if len(pair) != 2:
            raise shape_error(op, f"padding {item!r} is no pair", "give (before, after)")
        before, after = position(pair[0], "padding", op), position(pair[1], "padding", op)
        if not (is_nonnegative(before) and is_nonnegative(after)):
            raise shape_error(
                op, f"padding {item!r} is not known to be at least 0", "slice the tensor to make it smaller"
            )
        sides.append((before, after))
    return tuple(sides)


def _axes_of_windows(axis: Axes, rank: int, count: int | None, op: str) -> tuple[int, ...]:
    """The axes windows run along; the last ones where none are named."""
    if axis is None:
        number = 1 if count is None else count
        if number > rank:
            raise shape_error(op, f"{number} axes of windows in {rank} axes", "give fewer sizes")
        return tuple(range(rank - number, rank))
    return several_axes(axis, rank, op)


# -- functions -------------------------------------------------------------------------------------
def window(
    x: object,
    size: int | Sequence[int],
    axis: Axes = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    padding: object = 0,
) -> Tensor:
    """All windows of ``size`` along some axes (the last ones if none are named): im2col.

    An axis of n elements becomes one of ⌊(n + padding − dilation·(size − 1) − 1) / stride⌋ + 1 places,
    and the elements of each window stand along new last axes: ``out[…, p, …, r] =
    x[…, stride·p + dilation·r − padding, …]``, 0 outside. Without padding it is a view: nothing is copied.

    Raises ShapeError where a window does not fit.

    >>> import numpy as np, graphc as gc
    >>> gc.window(gc.input("x", ("N", 3, 8, 8)), (3, 3), stride=2).shape
    (N, 3, 3, 3, 3, 3)
    >>> x = gc.input("x", (5,))
    >>> gc.interpret([gc.window(x, 2, stride=3)], {x: np.arange(5.0)})
    [array([[0., 1.],
           [3., 4.]], dtype=float32)]
    """
    x = as_tensor(x)
    many = len(size) if isinstance(size, (tuple, list)) else None
    axes = _axes_of_windows(axis, x.ndim, many, "window")
    rank = len(axes)
    sides = dict(zip(axes, each_side(padding, rank, "window"), strict=True))
    if any(not (same(b, 0) and same(a, 0)) for b, a in sides.values()):
        x = constant_pad(x, [sides.get(a, (0, 0)) for a in range(x.ndim)])
    return apply(
        WINDOW,
        (x,),
        axes=axes,
        size=each_axis(size, rank, "size", "window"),
        stride=each_axis(stride, rank, "stride", "window"),
        dilation=each_axis(dilation, rank, "dilation", "window"),
    )


def fold(
    windows: object,
    shape: object,
    axis: Axes = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    padding: object = 0,
) -> Tensor:
    """Windows added up where they lie: the adjoint of `window`, also known as col2im.

    ``windows`` has the places along ``axis`` and the windows' elements along its last axes, as `window`
    leaves them; ``shape`` gives the sizes of those axes in the result. For every x and y,
    ⟨window(x), y⟩ = ⟨x, fold(y)⟩.

    Raises ShapeError where the places do not match the shape.

    >>> import graphc as gc
    >>> gc.fold(gc.input("y", ("N", 3, 3, 3, 3, 3)), (8, 8), stride=2).shape
    (N, 3, 8, 8)
    """
    y = as_tensor(windows)
    sizes = whole_shape(shape, "fold")
    number = len(sizes)
    rank = y.ndim - number
    if rank < number:
        raise shape_error(
            "fold",
            f"windows of shape {format_shape(y.shape)} have no {number} axes of places and of elements",
            "give windows as gc.window leaves them: their elements along the last axes",
        )
    axes = _axes_of_windows(axis, rank, number, "fold")
    if len(axes) != number:
        raise shape_error("fold", f"{number} sizes for {len(axes)} axes", "give one size an axis")
    sides = each_side(padding, number, "fold")
    whole = tuple([simplified(n + b + a) for n, (b, a) in zip(sizes, sides, strict=True)])
    result = apply(
        FOLD,
        (y,),
        axes=axes,
        shape=whole,
        stride=each_axis(stride, number, "stride", "fold"),
        dilation=each_axis(dilation, number, "dilation", "fold"),
    )
    if all(same(a, b) for a, b in zip(whole, sizes, strict=True)):
        return result
    start: list[Dim] = [0] * rank
    kept = list(result.shape)
    for a, n, (before, _) in zip(axes, sizes, sides, strict=True):
        start[a], kept[a] = before, n
    return strided_part(result, start, kept, [1] * rank)
