"""Subscripts: a tensor and what stands between its brackets enter; slices, reshapes and takes leave.

NumPy's rules: slices clamp, integers drop their axis, None makes one, integer arrays broadcast together
and their axes come where the first of them stood, or in front if something stands between them.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import Any

import numpy as np
import sympy

from graphc.errors import UnsupportedError
from graphc.ir.dimension import (
    Dim,
    ceil_div,
    format_shape,
    is_nonnegative,
    larger,
    same,
    simplified,
    smaller,
)
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import integer, position, shape_error
from graphc.ops.indexing import positions, taken_at
from graphc.ops.shape import reshape, strided_part
from graphc.ops.sources import as_tensor, constant, dimension_value


def getitem(x: object, index: object) -> Tensor:
    """``x[index]``: integers, slices of any step, None, Ellipsis, and integer arrays, lists or tensors.

    A slice bound that is an expression of symbolic sizes, such as ``x.shape[0] - 3``, is a position,
    clamped to the axis like all others; only plain negative integers count from the end. Raises
    ShapeError for a known index out of range, UnsupportedError for a boolean mask.

    >>> import graphc as gc
    >>> x = gc.input("x", ("N", 8, 3))
    >>> x[1:, ::-2, None, 0]
    <reshape: float32(N - 1, 4, 1)>
    """
    x = as_tensor(x)
    items = _completed(index, x)
    fancy = any(_is_array(item) for item in items)

    start: list[Dim] = []
    size: list[Dim] = []
    step: list[int] = []
    shape: list[Dim] = []  # after the slice: integers' axes dropped, new ones made
    axes: list[int] = []  # of that shape, those with integer arrays
    places: list[Tensor] = []
    numbers: list[int] = []  # where in the subscript the arrays stand
    for number, item in enumerate(items):
        if item is None:
            shape.append(1)
            continue
        axis = len(start)
        n = x.shape[axis]
        if isinstance(item, slice):
            first, count, stride = _normalised(item, n)
            shape.append(count)
        elif fancy:  # a plain integer among arrays is an array of one element
            first, count, stride = 0, n, 1
            places.append(_place(item, n, axis))
            axes.append(len(shape))
            numbers.append(number)
            shape.append(n)
        else:
            first, count, stride = _index(item, n, axis), 1, 1
        start.append(first)
        size.append(count)
        step.append(stride)

    whole = all(
        same(f, 0) and same(c, n) and s == 1 for f, c, s, n in zip(start, size, step, x.shape, strict=True)
    )
    part = x if whole else strided_part(x, start, size, step)
    if len(items) != x.ndim or len(shape) != x.ndim or any(item is None for item in items):
        part = reshape(part, tuple(shape))
    if not places:
        return part
    neighbours = numbers[-1] - numbers[0] == len(numbers) - 1
    return taken_at(part, axes, places, in_front=not neighbours)


def _completed(index: object, x: Tensor) -> list[Any]:
    """The items of the subscript with Ellipsis and missing axes written out as full slices."""
    items = list(index) if isinstance(index, tuple) else [index]
    for item in items:
        if isinstance(item, (bool, np.bool_)):
            raise UnsupportedError(
                f"{item} is a boolean mask, not an index", op="getitem", location=user_location(),
                remedy="choose elements with gc.where(mask, x, other)",
            )  # fmt: skip
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    given = sum(item is not None and item is not Ellipsis for item in items)
    if len(dots) > 1:
        raise shape_error("getitem", f"'...' stands {len(dots)} times", "write it once")
    if given > x.ndim:
        raise shape_error(
            "getitem",
            f"{given} indices for the {x.ndim} axes of shape {format_shape(x.shape)}",
            "give at most one index an axis; None makes a new axis",
        )
    place = dots[0] if dots else len(items)
    return [*items[:place], *[slice(None)] * (x.ndim - given), *items[place + 1 :]]


def _is_array(item: object) -> bool:
    return isinstance(item, (Tensor, np.ndarray, list, tuple))


def _place(item: object, n: Dim, axis: int) -> Tensor:
    """One index among arrays, as positions on the axis."""
    if isinstance(item, sympy.Expr):
        return dimension_value(_index(item, n, axis))
    if not _is_array(item):
        item = constant(np.asarray(integer(item, "an index", "getitem")))
    return positions(item, n, "getitem", axis)


def _index(item: object, n: Dim, axis: int) -> Dim:
    """The position that one integer names."""
    place = position(item, "an index", "getitem")
    if isinstance(place, int) and isinstance(n, int) and not -n <= place < n:
        raise shape_error(
            "getitem",
            f"index {place} is out of bounds for axis {axis} of size {n}",
            f"use an index from {-n} to {n - 1}" if n else "an empty axis has no elements",
        )
    return simplified(n + place) if isinstance(place, int) and place < 0 else place


def _normalised(item: slice, n: Dim) -> tuple[Dim, Dim, int]:
    """First element, number of elements and step of a slice of an axis of size n."""
    step = 1 if item.step is None else integer(item.step, "the step of a slice", "getitem")
    if step == 0:
        raise shape_error("getitem", "the step of a slice is 0", "use a step of 1, -1, …")
    start, stop = (
        None if bound is None else position(bound, "a bound of a slice", "getitem")
        for bound in (item.start, item.stop)
    )
    if all(isinstance(v, int) or v is None for v in (n, start, stop)):
        found = range(*slice(start, stop, step).indices(int(n)))
        return (found.start if len(found) else 0), len(found), step
    # Only the bound that counts elements needs clamping: where nothing is left, the start is not read.
    if step > 0:
        first = 0 if start is None else _from_front(start, n, lowest=0)
        end = n if stop is None else smaller(_from_front(stop, n, lowest=0), n)
        return first, larger(ceil_div(_difference(end, first), step), 0), step
    first = simplified(n - 1) if start is None else smaller(_from_front(start, n), simplified(n - 1))
    end = -1 if stop is None else _from_front(stop, n, lowest=-1)
    return first, larger(ceil_div(_difference(first, end), -step), 0), step


def _from_front(bound: Dim, n: Dim, lowest: int | None = None) -> Dim:
    """A bound counted from the front, raised to ``lowest`` if given."""
    if isinstance(bound, int):
        if bound >= 0:
            return bound
        bound = simplified(n + bound)
    elif is_nonnegative(simplified(-bound)):
        bound = simplified(n + bound)
    return bound if lowest is None else larger(bound, lowest)


def _difference(a: Dim, b: Dim) -> Dim:
    """a − b, with min(…) − max(…) written as one minimum, so that sizes come out simple."""
    lows = a.args if isinstance(a, sympy.Min) else (a,)
    highs = b.args if isinstance(b, sympy.Max) else (b,)
    return reduce(smaller, [simplified(low - high) for low, high in product(lows, highs)])
