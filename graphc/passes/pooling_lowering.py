"""Max pooling in simpler ops: maxima of strided parts, and masks of each window's first maximum.

Taken one axis after the other, the last first, k + k parts stand for k · k, each a whole strided part of the
tensor, on whichever axes it has been moved to. A window's first maximum, row by row, is the first of its rows
that attains the maximum, and in that row the first element: so masks too are taken one axis after the other,
and where windows overlap, what they put is added up. Whatever pads them is −∞ and never chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

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
from graphc.passes.window_parts import Windows, windows_along

# Windows of more elements along an axis than this stay one op.
_MOST_PARTS = 16


def is_lowered(attrs: Attrs) -> bool:
    """Whether windows are few enough elements long to be taken apart."""
    return bool(max(attrs["size"]) <= _MOST_PARTS)


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
    for windows in windows_along(x.shape, node.shape[x.ndim - len(node.attrs["size"]) :], node.attrs):
        x = _largest(x, windows)
    return x


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


def _each_axis(x: Tensor, counts: Sequence[Dim], attrs: Attrs) -> list[tuple[Windows, list[Tensor]]]:
    """The windows along each axis and the masks of their first maxima, the last axis first."""
    found = []
    for windows in windows_along(x.shape, counts, attrs):
        x, masks = _first_along(x, windows)
        found.append((windows, masks))
    return found


def put_at_maxima(x: Tensor, y: Tensor, attrs: Attrs) -> Tensor:
    """Zeros like x, with each element of y added where its window of x has its first maximum."""
    zero = filled(0, y.dtype)
    for windows, masks in reversed(_each_axis(x, y.shape[x.ndim - len(attrs["size"]) :], attrs)):
        y = windows.summed([where(mask, y, zero) for mask in masks], x.shape[windows.axis])
    return y


def taken_at_maxima(x: Tensor, t: Tensor, attrs: Attrs) -> Tensor:
    """Of each window the element of t that stands where x has its first maximum."""
    pooled = max_pool(x, attrs["size"], attrs["stride"], attrs["padding"], attrs["dilation"])
    zero = filled(0, t.dtype)
    for windows, masks in _each_axis(x, pooled.shape[x.ndim - len(attrs["size"]) :], attrs):
        first, *others = [
            where(m, p, zero) for m, p in zip(masks, windows.parts(windows.padded(t, 0)), strict=True)
        ]
        for other in others:
            first = add(first, other)
        t = first
    return t
