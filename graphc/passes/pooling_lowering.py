"""Max pooling in simpler ops: maxima of strided parts, and masks of each window's first maximum.

Taken one axis after the other, the last first, k + k parts stand for k · k, each a whole strided part of the
tensor, on whichever axes it has been moved to. A window's first maximum, row by row, is the first of its rows
that attains the maximum, and in that row the first element: so masks too are taken one axis after the other,
and where windows overlap, what they put is added up. Whatever pads them is −∞ and never chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graphc.ir.dimension import Dim, same
from graphc.ir.dtype import BOOL
from graphc.ir.op import Attrs
from graphc.ir.tensor import Tensor
from graphc.ops import add, greater_equal, isnan, logical_and, logical_not, logical_or, maximum, where
from graphc.ops import max as maximum_over
from graphc.ops.pooling import max_pool
from graphc.ops.shape import broadcast_to, reshape
from graphc.ops.sources import arange, dimension_value, filled
from graphc.passes.transposes import Axes, inverse_order, permuted
from graphc.passes.window_parts import Windows, windows_along

# Windows of more elements along an axis than this stay one op.
_MOST_PARTS = 16


def is_lowered(attrs: Attrs) -> bool:
    """Whether windows are few enough elements long to be taken apart."""
    return bool(max(attrs["size"]) <= _MOST_PARTS)


def _as_it_lies(x: Tensor, counts: Sequence[Dim], attrs: Attrs) -> tuple[Tensor, Axes, list[Windows]]:
    """What x is a transpose of, in which order of axes, and its windows along each axis, the last first.

    Taken in the order in which they lie in memory, long pieces stay long: channels, or the batch.
    """
    windows = list(windows_along(x.shape, counts, attrs))
    if x.op.name != "transpose":
        return x, tuple(range(x.ndim)), windows
    axes = x.attrs["axes"]
    return x.inputs[0], axes, [replace(w, axis=axes[w.axis]) for w in windows]


# -- maxima ----------------------------------------------------------------------------------------
def _padded(x: Tensor, windows: Windows) -> Tensor:
    return windows.padded(x, -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min)


def _largest(x: Tensor, windows: Windows) -> Tensor:
    if same(windows.count, 1) and windows.dilation == 1 and windows.size > 2:
        (whole,) = Windows(windows.axis, windows.size, 1).parts(_padded(x, windows))
        return maximum_over(whole, axis=windows.axis, keepdims=True)
    best, *others = windows.parts(_padded(x, windows))
    for part in others:
        best = maximum(best, part)
    return best


def lowered_max_pool(node: Tensor) -> Tensor:
    """The node as maxima of strided parts; the node itself where its windows are too large."""
    (x,) = node.inputs
    if not is_lowered(node.attrs):
        return node
    x, axes, each = _as_it_lies(x, node.shape[x.ndim - len(node.attrs["size"]) :], node.attrs)
    for windows in each:
        x = _largest(x, windows)
    return permuted(x, axes)


# -- masks -----------------------------------------------------------------------------------------
def _first_along(x: Tensor, windows: Windows) -> tuple[Tensor, list[Tensor]]:
    """The largest element of each window, and for its first element, its second, … whether that is it."""
    best, *others = windows.parts(_padded(x, windows))
    kept = []  # whether the best of all elements so far stays the best
    for number, part in enumerate(others):
        stays = greater_equal(best, part)
        if x.dtype.kind == "f":
            stays = logical_or(stays, isnan(best))
        real = _are_real(windows, number, x.ndim)
        kept.append(stays if real is None else logical_and(stays, real))
        best = maximum(best, part)
    if not others:
        return best, [broadcast_to(filled(True, BOOL), best.shape)]
    masks: list[Tensor] = []
    last: Tensor | None = None  # whether none of the elements behind is better
    for stays in reversed(kept):
        taken = logical_not(stays)
        masks.append(taken if last is None else logical_and(taken, last))
        last = stays if last is None else logical_and(stays, last)
    assert last is not None
    return best, [last, *reversed(masks)]


def _are_real(windows: Windows, number: int, rank: int) -> Tensor | None:
    """Which windows have no padding as their element of this number in front; None where all have none.

    Where an element is −∞, what pads a window is as large: it is never kept.
    """
    first = windows.first(number)
    if isinstance(windows.before, int) and windows.before <= first:
        return None
    places = arange(windows.count) * windows.stride + first
    shape: list[Dim] = [1] * rank
    shape[windows.axis] = windows.count
    return reshape(greater_equal(places, dimension_value(windows.before)), tuple(shape))


def _masks(x: Tensor, each: Sequence[Windows]) -> list[list[Tensor]]:
    """The masks of the windows' first maxima, axis by axis."""
    found = []
    for windows in each:
        x, masks = _first_along(x, windows)
        found.append(masks)
    return found


def put_at_maxima(x: Tensor, y: Tensor, attrs: Attrs) -> Tensor:
    """Zeros like x, with each element of y added where its window of x has its first maximum."""
    x, axes, each = _as_it_lies(x, y.shape[x.ndim - len(attrs["size"]) :], attrs)
    y, zero = permuted(y, inverse_order(axes)), filled(0, y.dtype)
    for windows, masks in reversed(list(zip(each, _masks(x, each), strict=True))):
        y = windows.summed([where(mask, y, zero) for mask in masks], x.shape[windows.axis])
    return permuted(y, axes)


def taken_at_maxima(x: Tensor, t: Tensor, attrs: Attrs) -> Tensor:
    """Of each window the element of t that stands where x has its first maximum."""
    pooled = max_pool(x, attrs["size"], attrs["stride"], attrs["padding"], attrs["dilation"])
    x, axes, each = _as_it_lies(x, pooled.shape[x.ndim - len(attrs["size"]) :], attrs)
    t, zero = permuted(t, inverse_order(axes)), filled(0, t.dtype)
    for windows, masks in zip(each, _masks(x, each), strict=True):
        parts = windows.parts(windows.padded(t, 0))
        t, *others = [where(mask, part, zero) for mask, part in zip(masks, parts, strict=True)]
        for other in others:
            t = add(t, other)
    return permuted(t, axes)
