"""Max pooling in simpler ops: maxima of strided parts, and masks of each window's first maximum.

Taken one axis after the other, the last first, k + k parts stand for k · k, each a whole strided part of the
tensor, on whichever axes it has been moved to. A window's first maximum, row by row, is the first of its rows
that attains the maximum, and in that row the first element.
"""

from __future__ import annotations

import math

import numpy as np

from graphc.ir.dimension import Dim, same, simplified
from graphc.ir.dtype import BOOL
from graphc.ir.op import Attrs
from graphc.ir.tensor import Tensor
from graphc.ops import concatenate, isnan, logical_and, logical_not, logical_or, maximum, where
from graphc.ops import max as maximum_over
from graphc.ops import sum as sum_over
from graphc.ops.pooling import max_pool
from graphc.ops.shape import broadcast_to, constant_pad, reshape, strided_part
from graphc.ops.sources import filled

# Windows of more elements along an axis than this stay one op.
_MOST_PARTS = 16


# -- parts -----------------------------------------------------------------------------------------
def _parts(x: Tensor, axis: int, count: Dim, size: int, stride: int, dilation: int) -> list[Tensor]:
    """Of each window along an axis its first elements, its second elements, …"""
    start: list[Dim] = [0] * x.ndim
    shape, steps = list(x.shape), [1] * x.ndim
    shape[axis], steps[axis] = count, stride
    found = []
    for r in range(size):
        start[axis] = r * dilation
        found.append(strided_part(x, start, shape, steps))
    return found


def _largest(x: Tensor, axis: int, count: Dim, size: int, stride: int, dilation: int) -> Tensor:
    if same(count, 1) and dilation == 1 and size > 2:
        (whole,) = _parts(x, axis, size, 1, 1, 1)
        return maximum_over(whole, axis=axis, keepdims=True)
    first, *others = _parts(x, axis, count, size, stride, dilation)
    for part in others:
        first = maximum(first, part)
    return first


def lowered_max_pool(node: Tensor) -> Tensor:
    """The node as maxima of strided parts; the node itself where its windows are too large."""
    (x,) = node.inputs
    attrs = node.attrs
    if max(attrs["size"]) > _MOST_PARTS:
        return node
    rank = len(attrs["size"])
    if any(not (same(b, 0) and same(a, 0)) for b, a in attrs["padding"]):
        lowest = -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        x = constant_pad(x, (*((0, 0),) * (x.ndim - rank), *attrs["padding"]), lowest)
    for number in reversed(range(rank)):
        axis = x.ndim - rank + number
        x = _largest(
            x,
            axis,
            node.shape[axis],
            attrs["size"][number],
            attrs["stride"][number],
            attrs["dilation"][number],
        )
    return x


# -- masks -----------------------------------------------------------------------------------------
def has_masks(x: Tensor, attrs: Attrs) -> bool:
    """Whether each element lies in one window at most, and the sizes tell where."""
    windows = zip(attrs["size"], attrs["stride"], attrs["padding"], attrs["dilation"], strict=True)
    spatial = x.shape[x.ndim - len(attrs["size"]) :]
    return all(
        k <= s <= _MOST_PARTS and d == 1 and same(b, 0) and same(a, 0) and (k == s or isinstance(n, int))
        for (k, s, (b, a), d), n in zip(windows, spatial, strict=True)
    )


def _with_length(x: Tensor, axis: int, length: Dim) -> Tensor:
    """x cut off along an axis, or filled up with zeros."""
    have = x.shape[axis]
    if same(have, length):
        return x
    missing = simplified(length - have)
    if isinstance(missing, int) and missing < 0:
        shape = list(x.shape)
        shape[axis] = length
        return strided_part(x, (0,) * x.ndim, shape, (1,) * x.ndim)
    return constant_pad(x, [(0, missing) if a == axis else (0, 0) for a in range(x.ndim)], 0)


def _in_blocks(x: Tensor, axis: int, count: Dim, stride: int) -> Tensor:
    """An axis as ``count`` blocks of ``stride`` elements, which are two axes."""
    whole = simplified(count * stride)
    length = x.shape[axis]
    if not same(length, whole):
        # A block count is ⌊(n − k) / s⌋ + 1: with k = s the blocks never reach beyond the end.
        if isinstance(length, int) and isinstance(whole, int) and length < whole:
            x = _with_length(x, axis, whole)
        else:
            shape = [whole if a == axis else n for a, n in enumerate(x.shape)]
            x = strided_part(x, (0,) * x.ndim, shape, (1,) * x.ndim)
    return reshape(x, (*x.shape[:axis], count, stride, *x.shape[axis + 1 :]))


def _first_along(x: Tensor, axis: int, count: Dim, size: int, stride: int) -> tuple[Tensor, Tensor]:
    """The largest element of each window along an axis, and in blocks which element is the first such one.

    The mask has a new axis of ``stride`` elements behind the axis of windows.
    """
    first, *others = _parts(x, axis, count, size, stride, 1)
    chosen: list[Tensor] = [broadcast_to(filled(True, BOOL), first.shape)] if not others else []
    best = first
    for part in others:
        kept = best >= part
        if x.dtype.kind == "f":
            kept = logical_or(kept, isnan(best))
        chosen = [logical_and(c, kept) for c in chosen] if chosen else [kept]
        chosen.append(logical_not(kept))
        best = maximum(best, part)
    expanded = [reshape(c, (*c.shape[: axis + 1], 1, *c.shape[axis + 1 :])) for c in chosen]
    mask = concatenate(expanded, axis=axis + 1)
    return best, _with_length(mask, axis + 1, stride)


def _first_maxima(x: Tensor, attrs: Attrs, places: tuple[Dim, ...]) -> Tensor:
    """Which element of each window is its first maximum: bool (…, p₁, s₁, p₂, s₂, …)."""
    rank = len(attrs["size"])
    mask: Tensor | None = None
    for number in reversed(range(rank)):
        axis = x.ndim - rank + number
        size, stride, count = attrs["size"][number], attrs["stride"][number], places[number]
        x, along = _first_along(x, axis, count, size, stride)
        if mask is None:
            mask = along
            continue
        inner = rank - 1 - number  # axes of places behind this one, of which the mask has blocks
        shape = list(along.shape[: axis + 2])
        for size_behind in along.shape[axis + 2 :]:
            shape += [size_behind, 1]
        assert len(shape) == axis + 2 + 2 * inner
        mask = logical_and(_in_blocks(mask, axis, count, stride), reshape(along, shape))
    assert mask is not None
    return mask


def _beside_ones(y: Tensor, rank: int) -> Tensor:
    """(…, p₁, p₂, …) as (…, p₁, 1, p₂, 1, …)."""
    lead = y.ndim - rank
    shape = list(y.shape[:lead])
    for size in y.shape[lead:]:
        shape += [size, 1]
    return reshape(y, shape)


def put_at_maxima(x: Tensor, y: Tensor, attrs: Attrs) -> Tensor:
    """Zeros like x with each element of y where its window of x has its first maximum."""
    rank = len(attrs["size"])
    lead = x.ndim - rank
    mask = _first_maxima(x, attrs, y.shape[lead:])
    found = where(mask, _beside_ones(y, rank), filled(0, y.dtype))
    blocks = [simplified(p * s) for p, s in zip(y.shape[lead:], attrs["stride"], strict=True)]
    found = reshape(found, (*y.shape[:lead], *blocks))
    for axis in range(lead, x.ndim):
        found = _with_length(found, axis, x.shape[axis])
    return found


def taken_at_maxima(x: Tensor, t: Tensor, attrs: Attrs) -> Tensor:
    """Of each window the element of t that stands where x has its first maximum."""
    rank = len(attrs["size"])
    lead = x.ndim - rank
    places = max_pool(x, attrs["size"], attrs["stride"], attrs["padding"], attrs["dilation"]).shape[lead:]
    mask = _first_maxima(x, attrs, places)
    for number in range(rank):
        t = _in_blocks(t, lead + 2 * number, places[number], attrs["stride"][number])
    chosen = where(mask, t, filled(0, t.dtype))
    return sum_over(chosen, axis=tuple(lead + 1 + 2 * number for number in range(rank)))
