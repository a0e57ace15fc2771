"""Constants: arrays of a graph enter; numbers, roots, short vectors, I or a name leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from graphc.ir.tensor import Tensor
from graphc.symbolic.notation.contraction import Contraction, new_axes, number, opaque, raised, size_value
from graphc.symbolic.notation.formula import (
    IDENTITY,
    Fence,
    Formula,
    Negative,
    Number,
    Quotient,
    Root,
    integer,
)
from graphc.symbolic.notation.numbers import decimal_number, exact, is_odd

Naming = Callable[[Tensor], Formula]


def constant_value(node: Tensor, naming: Naming) -> Contraction:
    array: np.ndarray[Any, Any] = node.attrs["value"]
    flat = array.reshape(-1)
    if node.name or not flat.size or array.dtype == bool or not (flat == flat[0]).all():
        if (
            array.ndim == 2
            and array.shape[0] == array.shape[1]
            and array.size
            and (array == np.eye(len(array))).all()
        ):
            return opaque(IDENTITY, node.shape)
        if not node.name and array.ndim == 1 and 0 < array.size <= 4 and array.dtype != bool:
            return opaque(
                Fence(
                    "[", tuple(decimal_number(v) if array.dtype.kind == "f" else _whole(v) for v in flat), "]"
                ),
                node.shape,
            )
        return opaque(naming(node), node.shape)
    first = flat[0]
    found = exact(first)
    if found is None or (found[1] and is_odd(found[0])):
        return _odd_number(first, node)
    return number(found[0], found[1], new_axes(node.shape))


def _whole(value: Any) -> Formula:
    return integer(int(value))


def _odd_number(value: Any, node: Tensor) -> Contraction:
    """Infinity, roots, and floats of many figures: scalars by themselves."""
    written = decimal_number(value)
    sign = 1
    if isinstance(written, Negative):
        written, sign = written.part, -1
    if isinstance(written, Number):
        return number(exact(value)[0], True, new_axes(node.shape))  # type: ignore[index]
    if isinstance(written, Root):
        part, half = written.part, Fraction(1, 2)
        if isinstance(part, Quotient) and part.numerator == Number(Fraction(1)):
            part, half = part.denominator, -half
        found = raised(opaque(part, ()), half)
        assert found is not None
        return replace(found, coefficient=Fraction(sign), axes=new_axes(node.shape))
    return replace(opaque(written, ()), coefficient=Fraction(sign), axes=new_axes(node.shape))


def dimension_value(node: Tensor, inputs: list[Contraction]) -> Contraction:
    return size_value(node.attrs["value"])
