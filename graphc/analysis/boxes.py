"""Boxes: what part of a tensor is wanted, an interval of indices for each axis, and how it moves.

Intervals may reach beyond the tensor: that is where padding is seen. An interval's *slopes* say, for each
axis of the tensor that was asked about, by how much it moves for one step along that axis.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple, TypeAlias

from graphc.ir.dimension import (
    Dim,
    Shape,
    ceil_div,
    element_count,
    floor_div,
    is_nonnegative,
    larger,
    same,
    simplified,
    smaller,
)

# None where the interval does not move uniformly.
Slopes: TypeAlias = "tuple[Fraction | None, ...]"
STILL = Fraction(0)


class Interval(NamedTuple):
    """The indices ``low`` to ``high``, both included."""

    low: Dim
    high: Dim
    slopes: Slopes

    @property
    def moves(self) -> bool:
        return any(s is None or s for s in self.slopes)


Box: TypeAlias = "tuple[Interval, ...]"


def whole(size: Dim, still: Slopes) -> Interval:
    """All of an axis, wherever one asks; ``still`` are slopes of 0."""
    return Interval(0, simplified(size - 1), still)


def everything(shape: Shape, still: Slopes) -> Box:
    """All of a tensor."""
    return tuple([whole(size, still) for size in shape])


# -- arithmetic ------------------------------------------------------------------------------------
def moved(i: Interval, by: Dim) -> Interval:
    """The indices plus a number."""
    return i if same(by, 0) else Interval(simplified(i.low + by), simplified(i.high + by), i.slopes)


def mirrored(i: Interval, size: Dim) -> Interval:
    """The indices counted from the other end of an axis."""
    slopes = tuple([None if s is None else -s for s in i.slopes])
    return Interval(simplified(size - 1 - i.high), simplified(size - 1 - i.low), slopes)


def scaled(i: Interval, factor: Dim) -> Interval:
    """The indices times a number, which may be negative."""
    if same(factor, 1):
        return i
    low, high = simplified(i.low * factor), simplified(i.high * factor)
    if isinstance(factor, int):
        slopes = tuple([None if s is None else s * factor for s in i.slopes])
        return Interval(*((low, high) if factor >= 0 else (high, low)), slopes)
    return Interval(low, high, _irregular(i.slopes))


def divided(i: Interval, by: int) -> Interval:
    """⌊index / by⌋."""
    if by == 1:
        return i
    slopes = tuple([None if s is None else s / by for s in i.slopes])
    return Interval(floor_div(i.low, by), floor_div(i.high, by), slopes)


def added(i: Interval, j: Interval) -> Interval:
    """All sums of two indices."""
    slopes = tuple(
        [None if a is None or b is None else a + b for a, b in zip(i.slopes, j.slopes, strict=True)]
    )
    return Interval(simplified(i.low + j.low), simplified(i.high + j.high), slopes)


def _irregular(slopes: Slopes) -> Slopes:
    return tuple([s if s == 0 else None for s in slopes])


def irregular(i: Interval) -> Interval:
    """The same indices, where what moves does so in no uniform way."""
    return Interval(i.low, i.high, _irregular(i.slopes)) if i.moves else i


# -- windows ---------------------------------------------------------------------------------------
def window_elements(i: Interval, stride: int, dilation: int, size: Dim, before: Dim = 0) -> Interval:
    """What the windows at these places hold: s·p − P to s·p + d·(K − 1) − P."""
    places = scaled(i, stride)
    span = dilation * (size - 1)
    return Interval(simplified(places.low - before), simplified(places.high - before + span), places.slopes)


def elements_inside(
    i: Interval, stride: int, dilation: int, size: int, before: int, n: int
) -> Interval | None:
    """The same without padding: of windows that reach beyond n elements, the first and last that is none."""
    lows, highs = [], []
    for p in range(int(i.low), int(i.high) + 1):
        first = stride * p - before
        r = max(0, -(first // dilation))
        if r < size and first + dilation * r < n:
            lows.append(first + dilation * r)
        if r == 0:
            break  # windows further on begin further on
    for p in range(int(i.high), int(i.low) - 1, -1):
        last = stride * p - before + dilation * (size - 1)
        r = max(0, -((n - 1 - last) // dilation))
        if r < size and last - dilation * r >= 0:
            highs.append(last - dilation * r)
        if r == 0:
            break
    return Interval(min(lows), max(highs), i.slopes) if lows and highs else None


def window_places(i: Interval, stride: int, dilation: int, size: Dim, before: Dim = 0) -> Interval | None:
    """The places whose windows hold one of these elements; None where there is none.

    Element r of the window at p is s·p + d·r − P; where few elements are wanted and the stride is above 1,
    not every r divides evenly, so each is looked at.
    """
    slopes = tuple([None if s is None else s / stride for s in i.slopes])
    low, high = moved(i, before)[:2]
    if stride == 1 or not isinstance(size, int) or not (isinstance(low, int) and isinstance(high, int)):
        first = ceil_div(simplified(low - dilation * (size - 1)), stride)
        return Interval(first, floor_div(high, stride), slopes)
    ends = [(-((dilation * r - low) // stride), (high - dilation * r) // stride) for r in range(size)]
    found = [(a, b) for a, b in ends if a <= b]
    return Interval(min(a for a, _ in found), max(b for _, b in found), slopes) if found else None


# -- unions and parts ------------------------------------------------------------------------------
def union(a: Box, b: Box, shape: Shape) -> Box:
    """The smallest box around both, in a tensor of this shape."""
    return tuple([i if i is j else _joined(i, j, n) for i, j, n in zip(a, b, shape, strict=True)])


def _joined(i: Interval, j: Interval, size: Dim) -> Interval:
    for one in (i, j):  # all of the axis: the other adds nothing but padding
        if _is_all(one, size):
            return one
    slopes = tuple([a if a == b else None for a, b in zip(i.slopes, j.slopes, strict=True)])
    return Interval(smaller(i.low, j.low), larger(i.high, j.high), slopes)


def _is_all(i: Interval, size: Dim) -> bool:
    """Whether the interval is the whole axis for every element asked about."""
    return not i.moves and same(i.low, 0) and same(i.high, size - 1)


def is_empty(box: Box) -> bool:
    """Whether some axis is known to hold nothing."""
    return any(is_nonnegative(simplified(i.low - i.high - 1)) for i in box)


def clipped(box: Box, shape: Shape) -> Box:
    """What of the box is inside the tensor; a symbolic size cuts only where it is known to."""
    inside = []
    for i, size in zip(box, shape, strict=True):
        last = simplified(size - 1)
        low = 0 if is_nonnegative(simplified(-i.low)) else i.low
        high = last if is_nonnegative(simplified(i.high - last)) else i.high
        inside.append(Interval(low, high, i.slopes))
    return tuple(inside)


# -- axes taken apart and together -----------------------------------------------------------------
def reshaped(box: Box, shape: Shape, target: Shape, still: Slopes) -> Box:
    """The box, of a tensor of one shape, in the same elements under another shape (C order)."""
    # Axes of size 1 come and go without meaning.
    kept = [a for a, n in enumerate(shape) if not same(n, 1)]
    inner = tuple([n for n in target if not same(n, 1)])
    found = iter(_regrouped(tuple([box[a] for a in kept]), tuple([shape[a] for a in kept]), inner, still))
    return tuple([Interval(0, 0, still) if same(n, 1) else next(found) for n in target])


def _regrouped(box: Box, shape: Shape, target: Shape, still: Slopes) -> list[Interval]:
    found: list[Interval] = []
    for first, last in _matched(shape, target):
        part, sizes, wanted = box[slice(*first)], shape[slice(*first)], target[slice(*last)]
        if len(sizes) == len(wanted) == 1:
            found += part
        elif all(
            not i.moves and same(i.low, 0) and same(i.high, n - 1) for i, n in zip(part, sizes, strict=True)
        ):
            found += [whole(n, still) for n in wanted]
        else:
            found += _split(_flat(part, sizes, still), wanted, still)
    return found


def _matched(shape: Shape, target: Shape) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Runs of axes of both shapes that hold the same elements, as short as they can be."""
    pairs, i, j = [], 0, 0
    counts = [element_count(target[: b + 1]) for b in range(len(target))]
    for a in range(len(shape)):
        count = element_count(shape[: a + 1])
        b = next((b for b in range(j, len(target)) if same(count, counts[b])), None)
        if b is not None and a + 1 < len(shape):
            pairs.append(((i, a + 1), (j, b + 1)))
            i, j = a + 1, b + 1
    if i < len(shape) or j < len(target):
        pairs.append(((i, len(shape)), (j, len(target))))
    return pairs


def _flat(box: Box, shape: Shape, still: Slopes) -> Interval:
    """The numbers of the elements, counted in C order."""
    flat = Interval(0, 0, still)
    for i, size in zip(box, shape, strict=True):
        flat = added(scaled(flat, size), i)
    return flat


def _split(flat: Interval, shape: Shape, still: Slopes) -> list[Interval]:
    """The smallest box around elements counted in C order."""
    found: list[Interval] = []
    for axis in range(len(shape) - 1, 0, -1):
        size = shape[axis]
        if not (isinstance(size, int) and isinstance(flat.low, int) and isinstance(flat.high, int) and size):
            if not (same(flat.low, 0) and same(flat.high, 0)):
                rest = [irregular(Interval(0, simplified(n - 1), flat.slopes)) for n in shape[: axis + 1]]
                return [*rest, *reversed(found)]
            found.append(irregular(flat))
            continue
        outer = divided(flat, size)
        # The inner index comes back to where it was when the number moves by whole rows.
        slopes = tuple([STILL if s is not None and s.denominator == 1 else None for s in outer.slopes])
        if same(outer.low, outer.high):
            found.append(Interval(flat.low % size, flat.high % size, slopes))
        else:
            found.append(whole(size, still))
        flat = outer
    return [*([flat] if shape else []), *reversed(found)]
