"""Padding: a tensor and widths enter; it leaves with elements added around it, constant or its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DTypeError, UnsupportedError
from graphc.ir.dimension import Dim, is_nonnegative, larger, same, simplified
from graphc.ir.dtype import is_float
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import position, shape_error
from graphc.ops.elementwise import abs as absolute
from graphc.ops.elementwise import clip, minimum, remainder, subtract
from graphc.ops.indexing import positions, taken
from graphc.ops.shape import constant_pad
from graphc.ops.sources import arange, as_tensor, dimension_value


def _reflected(i: Tensor, n: Dim) -> Tensor:
    """A triangle wave of period 2(n − 1): 0 1 2 1 0 1 2 …; the edge itself is not repeated."""
    top = dimension_value(simplified(n - 1))
    period = dimension_value(larger(simplified(2 * n - 2), 1))
    return subtract(top, absolute(subtract(top, remainder(i, period))))


def _symmetric(i: Tensor, n: Dim) -> Tensor:
    """A triangle wave of period 2n: 0 1 2 2 1 0 0 1 …; the edge is repeated."""
    place = remainder(i, dimension_value(simplified(2 * n)))
    return minimum(place, subtract(dimension_value(simplified(2 * n - 1)), place))


def _edge(i: Tensor, n: Dim) -> Tensor:
    return clip(i, 0, dimension_value(simplified(n - 1)))


def _wrapped(i: Tensor, n: Dim) -> Tensor:
    return remainder(i, dimension_value(n))


# Which element of the axis stands at place i of the padded one, counted from the first element.
_PADDING = {"reflect": _reflected, "symmetric": _symmetric, "edge": _edge, "wrap": _wrapped}


def pad(x: object, pad_width: object, mode: str = "constant", constant_values: float = 0) -> Tensor:
    """The tensor with elements added before and after it along each axis.

    ``pad_width`` is one number for all, a pair (before, after) for all, or a pair for every axis.
    ``mode`` is ``constant``, ``edge``, ``reflect`` (edge not repeated), ``symmetric`` (edge repeated)
    or ``wrap``. Raises ShapeError for negative widths and for extending an empty axis.

    >>> import graphc as gc
    >>> gc.pad(gc.input("x", ("N", 3)), ((0, 0), (1, 1)))
    <pad: float32(N, 5)>
    """
    x = as_tensor(x)
    widths = _widths(pad_width, x.ndim)
    if mode == "constant":
        return constant_pad(x, widths, _filling(constant_values, x))
    if mode not in _PADDING:
        raise UnsupportedError(
            f"there is no padding mode {mode!r}", op="pad", location=user_location(),
            remedy=f"use one of constant, {', '.join(_PADDING)}",
        )  # fmt: skip
    for axis, (before, after) in enumerate(widths):
        n = x.shape[axis]
        if same(before, 0) and same(after, 0):
            continue
        if same(n, 0):
            raise shape_error("pad", f"axis {axis} is empty: nothing to extend", 'use mode="constant"')
        place = arange(simplified(before + n + after))
        if not same(before, 0):
            place = subtract(place, dimension_value(before))
        x = taken(x, positions(_PADDING[mode](place, n), n, "pad", axis), axis)
    return x


def _filling(value: object, x: Tensor) -> float:
    """The padding value, if it is a number that the dtype holds."""
    if not isinstance(value, (bool, int, float, np.generic)):
        raise UnsupportedError(
            f"constant_values is one number, but {value!r} was given", op="pad", location=user_location(),
            remedy="concatenate tensors of the values instead",
        )  # fmt: skip
    number = value.item() if isinstance(value, np.generic) else value
    if not is_float(x.dtype):
        try:
            fits = np.asarray(number).astype(x.dtype) == number and not isinstance(number, float)
        except OverflowError:
            fits = False
        if not fits:
            raise DTypeError(
                f"the value {number!r} does not fit in {x.dtype}", op="pad", location=user_location(),
                remedy="convert the tensor first, or pad with an integer in range",
            )  # fmt: skip
    return number


def _widths(value: Any, rank: int) -> list[tuple[Dim, Dim]]:
    """(before, after) for each axis, from the forms NumPy takes."""
    pairs: list[Any]
    if not isinstance(value, (tuple, list, np.ndarray)):
        pairs = [(value, value)] * rank
    elif all(not isinstance(v, (tuple, list, np.ndarray)) for v in value) and len(value) in (1, 2):
        pairs = [(value[0], value[-1])] * rank
    else:
        pairs = [(v, v) if not isinstance(v, (tuple, list, np.ndarray)) else (v[0], v[-1]) for v in value]
        pairs = pairs * rank if len(pairs) == 1 else pairs
    if len(pairs) != rank:
        raise shape_error(
            "pad", f"{len(pairs)} widths for {rank} axes", "give one (before, after) for every axis"
        )
    found = [(position(b, "a width", "pad"), position(a, "a width", "pad")) for b, a in pairs]
    for axis, pair in enumerate(found):
        for width in pair:
            if not is_nonnegative(width):
                raise shape_error(
                    "pad",
                    f"a width of axis {axis}, {width}, is not known to be at least 0",
                    "slice to make it smaller",
                )
    return found
