"""Pooling: images enter, one number for each window leaves; unpooling puts numbers back where they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, element_count, format_shape, same, same_shape, simplified
from graphc.ir.dtype import is_float
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.spatial import Ints, Padding, Sides, channels_last, spatial_padding
from graphc.ops.arguments import shape_error, whole_shape
from graphc.ops.indexing import positions
from graphc.ops.pooling import added_to_planes, max_pool, window_index
from graphc.ops.shape import constant_pad, moveaxis
from graphc.ops.sources import as_tensor, constant
from graphc.ops.windows import WINDOW, each_axis


# -- windows of a pooling ------------------------------------------------------------------------------
class _Windows:
    """The windows of one call: how large, how far apart, with how much padding."""

    def __init__(
        self, kernel_size: object, stride: object, padding: object, dilation: object, ceil_mode: bool,
        rank: int, op: str,
    ) -> None:  # fmt: skip
        self.rank, self.op, self.ceil_mode, self.padding = rank, op, ceil_mode, padding
        self.size = each_axis(kernel_size, rank, "kernel_size", op)
        self.stride = self.size if stride is None else each_axis(stride, rank, "stride", op)
        self.dilation = each_axis(dilation, rank, "dilation", op)

    def sides(self, x: Tensor) -> Sides:
        """The padding asked for; at most half a window, so that every window holds an element."""
        sides = spatial_padding(
            self.padding, x.shape[x.ndim - self.rank :], self.size, self.stride, self.dilation, self.op
        )
        for (before, after), k, d in zip(sides, self.size, self.dilation, strict=True):
            if any(isinstance(p, int) and p > (d * (k - 1) + 1) // 2 for p in (before, after)):
                raise shape_error(
                    self.op,
                    f"padding {(before, after)} is more than half of the window of {k} elements",
                    "pad the tensor itself first: windows of padding alone have no value",
                )
        return sides

    def completed(self, x: Tensor, sides: Sides) -> Sides:
        """The padding with what a last, partial window lacks (``ceil_mode``).

        As in PyTorch, a window that would begin behind the tensor and its padding is left out.
        """
        if not self.ceil_mode:
            return sides
        whole = []
        for n, (before, after), k, s, d in zip(
            x.shape[x.ndim - self.rank :], sides, self.size, self.stride, self.dilation, strict=True
        ):
            if s == 1:
                whole.append((before, after))
                continue
            if not (isinstance(n, int) and isinstance(before, int) and isinstance(after, int)):
                raise UnsupportedError(
                    f"with ceil_mode the padding depends on the size {n}, which is known only at the call",
                    op=self.op, location=user_location(), remedy="pad the tensor with gc.pad instead",
                )  # fmt: skip
            span = d * (k - 1) + 1
            count = -(-(n + before + after - span) // s) + 1
            count = min(count, -(-(n + before) // s))
            whole.append((before, max(after, (count - 1) * s + span - n - before)))
        return tuple(whole)


def _pooled(function: Callable[[Tensor], Any], x: Tensor, rank: int, layout: str | None, op: str) -> Any:
    """The function of x with its spatial axes last, its results in the layout of x."""
    if x.ndim < rank + 1:
        raise shape_error(
            op,
            f"x has shape {format_shape(x.shape)}, where channels and {rank} spatial axes are needed",
            "add an axis of channels",
        )
    if not channels_last(layout, rank, op):
        return function(x)
    result = function(moveaxis(x, -1, -1 - rank))
    parts = result if isinstance(result, tuple) else (result,)
    moved = tuple([moveaxis(part, -1 - rank, -1) for part in parts])
    return moved if isinstance(result, tuple) else moved[0]


# -- maximum ---------------------------------------------------------------------------------------
def max_pool1d(
    x: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str | None = None,
) -> Any:
    """The largest element of each window along the last axis: (N, C, L) to (N, C, L'). See `max_pool2d`.

    >>> import graphc as gc
    >>> gc.nn.max_pool1d(gc.input("x", ("N", 4, 10)), 3, stride=2).shape
    (N, 4, 4)
    """
    return _max_pooled(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, 1)


def max_pool2d(
    x: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str | None = None,
) -> Any:
    """The largest element of each window: (N, C, H, W) or (C, H, W) to ⌊(H + 2p − d·(K − 1) − 1)/s⌋ + 1 rows.

    ``stride`` is the window's size if left out. ``padding`` is never the largest; ``ceil_mode`` keeps a
    last window that is not whole. With ``return_indices`` also where each maximum is in its plane (int64,
    row by row), which `max_unpool2d` takes. The gradient goes to the first maximum of a window.

    Raises ShapeError where a window does not fit or the padding is more than half of it.
    Source: torch.nn.functional.max_pool2d.

    >>> import graphc as gc
    >>> gc.nn.max_pool2d(gc.input("x", ("N", 16, 28, 28)), 2)
    <max_pool: float32(N, 16, 14, 14)>
    """
    return _max_pooled(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, 2)


def max_pool3d(
    x: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str | None = None,
) -> Any:
    """The largest element of each window of volumes, (N, C, D, H, W). See `max_pool2d`.

    >>> import graphc as gc
    >>> gc.nn.max_pool3d(gc.input("x", ("N", 2, 4, 4, 4)), 2).shape
    (N, 2, 2, 2, 2)
    """
    return _max_pooled(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, 3)


def _max_pooled(
    x: object, kernel_size: object, stride: object, padding: object, dilation: object, ceil_mode: bool,
    return_indices: bool, layout: str | None, rank: int,
) -> Any:  # fmt: skip
    op = f"max_pool{rank}d"
    windows = _Windows(kernel_size, stride, padding, dilation, ceil_mode, rank, op)

    def function(images: Tensor) -> Any:
        sides = windows.completed(images, windows.sides(images))
        y = max_pool(images, windows.size, windows.stride, sides, windows.dilation)
        return (y, window_index(images, y, y.attrs)) if return_indices else y

    return _pooled(function, as_tensor(x), rank, layout, op)


# -- mean ------------------------------------------------------------------------------------------
def avg_pool1d(
    x: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
    *,
    layout: str | None = None,
) -> Tensor:
    """The mean of each window along the last axis: (N, C, L) to (N, C, L'). See `avg_pool2d`.

    >>> import graphc as gc
    >>> gc.nn.avg_pool1d(gc.input("x", ("N", 4, 10)), 2).shape
    (N, 4, 5)
    """
    return _averaged(
        x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, layout, 1
    )


def avg_pool2d(
    x: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
    *,
    layout: str | None = None,
) -> Tensor:
    """The mean of each window: (N, C, H, W) or (C, H, W) to ⌊(H + 2p − K)/s⌋ + 1 rows.

    The sum is divided by the number of elements, with padding among them or, with
    ``count_include_pad=False``, without, or by ``divisor_override``. What ``ceil_mode`` adds never counts.
    Source: torch.nn.functional.avg_pool2d.

    >>> import graphc as gc
    >>> gc.nn.avg_pool2d(gc.input("x", ("N", 16, 28, 28)), 3, stride=2, padding=1).shape
    (N, 16, 14, 14)
    """
    return _averaged(
        x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, layout, 2
    )


def avg_pool3d(
    x: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
    *,
    layout: str | None = None,
) -> Tensor:
    """The mean of each window of volumes, (N, C, D, H, W). See `avg_pool2d`.

    >>> import graphc as gc
    >>> gc.nn.avg_pool3d(gc.input("x", ("N", 2, 4, 4, 4)), 2).shape
    (N, 2, 2, 2, 2)
    """
    return _averaged(
        x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, layout, 3
    )


def _averaged(
    x: object, kernel_size: object, stride: object, padding: object, ceil_mode: bool, count_include_pad: bool,
    divisor_override: float | None, layout: str | None, rank: int,
) -> Tensor:  # fmt: skip
    op = f"avg_pool{rank}d"
    windows = _Windows(kernel_size, stride, padding, 1, ceil_mode, rank, op)
    images = as_tensor(x)
    if not is_float(images.dtype):
        images = ops.astype(images, "float64")
    if divisor_override is not None and not divisor_override:
        raise shape_error(op, "divisor_override is 0", "give a number to divide by, or leave it out")

    def function(images: Tensor) -> Tensor:
        sides = windows.sides(images)
        whole = windows.completed(images, sides)
        total = _window_sums(images, windows, whole)
        if divisor_override is not None:
            return total / divisor_override
        return total / _divisor(images, windows, sides, whole, count_include_pad)

    found: Tensor = _pooled(function, images, rank, layout, op)
    return found


def _window_sums(x: Tensor, windows: _Windows, sides: Sides) -> Tensor:
    rank = windows.rank
    if any(not (same(b, 0) and same(a, 0)) for b, a in sides):
        x = constant_pad(x, [*[(0, 0)] * (x.ndim - rank), *sides])
    axes = tuple(range(x.ndim - rank, x.ndim))
    found = apply(
        WINDOW, (x,), axes=axes, size=windows.size, stride=windows.stride, dilation=windows.dilation
    )
    return ops.sum(found, axis=tuple(range(x.ndim, x.ndim + rank)))


def _divisor(x: Tensor, windows: _Windows, sides: Sides, whole: Sides, with_padding: bool) -> Tensor | float:
    """How many elements each window has: one number, or one for every place."""
    sizes = x.shape[x.ndim - windows.rank :]
    factor, vectors = 1, []
    for axis, (n, k, s, asked, full) in enumerate(
        zip(sizes, windows.size, windows.stride, sides, whole, strict=True)
    ):
        counted = asked if with_padding else (0, 0)
        if same(full[0], counted[0]) and same(full[1], counted[1]):
            factor *= k
            continue
        ones = _counts(n, k, s, counted, full, x)
        vectors.append(ops.reshape(ones, (ones.shape[0], *[1] * (windows.rank - 1 - axis))))
    divisor: Tensor | float = float(factor)
    for vector in vectors:
        divisor = vector * divisor
    return divisor


def _counts(n: Dim, k: int, s: int, counted: tuple[Dim, Dim], full: tuple[Dim, Dim], x: Tensor) -> Tensor:
    """For each window along one axis, how many of its elements are inside."""
    inside = simplified(n + counted[0] + counted[1])
    widths = (simplified(full[0] - counted[0]), simplified(full[1] - counted[1]))
    if isinstance(inside, int) and all(isinstance(v, int) for v in widths):
        padded = np.pad(np.ones(inside), [int(v) for v in widths])
        places = np.arange((len(padded) - k) // s + 1)[:, None] * s + np.arange(k)
        return constant(padded[places].sum(axis=1), x.dtype)
    ones = constant_pad(ops.ones((inside,), x.dtype), [widths])
    return ops.sum(apply(WINDOW, (ones,), axes=(0,), size=(k,), stride=(s,), dilation=(1,)), axis=1)


# -- power mean --------------------------------------------------------------------------------------
def lp_pool1d(
    x: object,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    layout: str | None = None,
) -> Tensor:
    """(Σ x^p)^(1/p) over each window along the last axis, p = ``norm_type``. See `lp_pool2d`.

    >>> import graphc as gc
    >>> gc.nn.lp_pool1d(gc.input("x", ("N", 4, 10)), 2, 5).shape
    (N, 4, 2)
    """
    return _power_pooled(x, norm_type, kernel_size, stride, ceil_mode, layout, 1)


def lp_pool2d(
    x: object,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    layout: str | None = None,
) -> Tensor:
    """(Σ x^p)^(1/p) over each window, p = ``norm_type``: at p = 1 the sum, at p → ∞ the maximum.

    The derivative is 0 at a window whose sum is 0. Source: torch.nn.functional.lp_pool2d.

    >>> import graphc as gc
    >>> gc.nn.lp_pool2d(gc.input("x", ("N", 4, 10, 10)), 2, 3, stride=2).shape
    (N, 4, 4, 4)
    """
    return _power_pooled(x, norm_type, kernel_size, stride, ceil_mode, layout, 2)


def lp_pool3d(
    x: object,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
    *,
    layout: str | None = None,
) -> Tensor:
    """(Σ x^p)^(1/p) over each window of volumes. See `lp_pool2d`.

    >>> import graphc as gc
    >>> gc.nn.lp_pool3d(gc.input("x", ("N", 4, 4, 4, 4)), 2, 2).shape
    (N, 4, 2, 2, 2)
    """
    return _power_pooled(x, norm_type, kernel_size, stride, ceil_mode, layout, 3)


def _power_pooled(
    x: object, norm_type: float, kernel_size: object, stride: object, ceil_mode: bool, layout: str | None,
    rank: int,
) -> Tensor:  # fmt: skip
    op = f"lp_pool{rank}d"
    size = each_axis(kernel_size, rank, "kernel_size", op)
    powers = as_tensor(x) ** norm_type
    mean = _averaged(powers, size, stride, 0, ceil_mode, True, None, layout, rank)
    total = mean * float(np.prod(size))
    nothing = ops.equal(total, 0)
    return ops.where(nothing, 0.0, ops.where(nothing, 1.0, total) ** (1.0 / norm_type))


# -- unpooling -------------------------------------------------------------------------------------
def max_unpool1d(
    x: object,
    indices: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: object = None,
) -> Tensor:
    """Values back at the places that `max_pool1d` took them from, zeros elsewhere. See `max_unpool2d`.

    >>> import graphc as gc
    >>> y, where = gc.nn.max_pool1d(gc.input("x", ("N", 4, 10)), 2, return_indices=True)
    >>> gc.nn.max_unpool1d(y, where, 2).shape
    (N, 4, 10)
    """
    return _unpooled(x, indices, kernel_size, stride, padding, output_size, 1)


def max_unpool2d(
    x: object,
    indices: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: object = None,
) -> Tensor:
    """Values back at the places that `max_pool2d` took them from, zeros elsewhere.

    (N, C, H, W) to (N, C, H', W'), with H' = (H − 1)·s − 2p + K unless ``output_size`` says otherwise.
    ``indices`` are those of ``return_indices``, ``output_size`` the spatial sizes or the whole shape. A
    place that several windows name gets the mean of their values, which is the value itself where they come
    from one pooling.

    Raises ShapeError where values and indices differ in shape.
    Source: torch.nn.functional.max_unpool2d.

    >>> import graphc as gc
    >>> y, where = gc.nn.max_pool2d(gc.input("x", ("N", 4, 10, 10)), 2, return_indices=True)
    >>> gc.nn.max_unpool2d(y, where, 2).shape
    (N, 4, 10, 10)
    """
    return _unpooled(x, indices, kernel_size, stride, padding, output_size, 2)


def max_unpool3d(
    x: object,
    indices: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: object = None,
) -> Tensor:
    """Values back at the places that `max_pool3d` took them from, zeros elsewhere. See `max_unpool2d`.

    >>> import graphc as gc
    >>> y, where = gc.nn.max_pool3d(gc.input("x", ("N", 4, 4, 4, 4)), 2, return_indices=True)
    >>> gc.nn.max_unpool3d(y, where, 2).shape
    (N, 4, 4, 4, 4)
    """
    return _unpooled(x, indices, kernel_size, stride, padding, output_size, 3)


def _unpooled(
    x: object,
    indices: object,
    kernel_size: object,
    stride: object,
    padding: object,
    output_size: Any,
    rank: int,
) -> Tensor:
    op = f"max_unpool{rank}d"
    values, index = as_tensor(x), as_tensor(indices)
    if not same_shape(values.shape, index.shape) or values.ndim < rank:
        raise shape_error(
            op,
            f"the values have shape {format_shape(values.shape)}, the indices {format_shape(index.shape)}",
            "give the indices that max_pool returned beside values of their shape",
        )
    size = each_axis(kernel_size, rank, "kernel_size", op)
    steps = size if stride is None else each_axis(stride, rank, "stride", op)
    around = each_axis(padding, rank, "padding", op, least=0)
    spatial = values.shape[values.ndim - rank :]
    if output_size is None:
        wanted = tuple(
            [
                simplified((n - 1) * s - 2 * p + k)
                for n, s, p, k in zip(spatial, steps, around, size, strict=True)
            ]
        )
    else:
        wanted = whole_shape(tuple(output_size), op)[-rank:]
    shape = (*values.shape[: values.ndim - rank], *wanted)
    places = positions(index, simplified(element_count(wanted)), op, index.ndim - 1)
    result = added_to_planes(values, places, shape, rank)
    if all(s >= k for s, k in zip(steps, size, strict=True)):
        return result
    shares = added_to_planes(ops.ones_like(values), places, shape, rank)
    return result / ops.maximum(shares, 1)
