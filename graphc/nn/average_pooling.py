"""Pooling by means: images enter, the mean or power mean of each window leaves."""

from __future__ import annotations

import numpy as np

from graphc import ops
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, same, simplified
from graphc.ir.dtype import is_float
from graphc.ir.tensor import Tensor
from graphc.nn.pooling_windows import Windows, pooled
from graphc.nn.spatial import Ints, Padding, Sides
from graphc.ops.arguments import shape_error
from graphc.ops.shape import constant_pad
from graphc.ops.sources import as_tensor, constant
from graphc.ops.windows import WINDOW, each_axis


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
    windows = Windows(kernel_size, stride, padding, 1, ceil_mode, rank, op)
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

    found: Tensor = pooled(function, images, rank, layout, op)
    return found


def _window_sums(x: Tensor, windows: Windows, sides: Sides) -> Tensor:
    rank = windows.rank
    if any(not (same(b, 0) and same(a, 0)) for b, a in sides):
        x = constant_pad(x, [*[(0, 0)] * (x.ndim - rank), *sides])
    axes = tuple(range(x.ndim - rank, x.ndim))
    found = apply(
        WINDOW, (x,), axes=axes, size=windows.size, stride=windows.stride, dilation=windows.dilation
    )
    return ops.sum(found, axis=tuple(range(x.ndim, x.ndim + rank)))


def _divisor(x: Tensor, windows: Windows, sides: Sides, whole: Sides, with_padding: bool) -> Tensor | float:
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
