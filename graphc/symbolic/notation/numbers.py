"""Numbers as people write them: a float enters, a fraction, a root or a decimal leaves."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from graphc.symbolic.notation.building import scaled
from graphc.symbolic.notation.formula import INFINITY, NOT_A_NUMBER, PI, Formula, Negative, Number, Root

TWO = Number(Fraction(2))
_LARGEST_DENOMINATOR = 64


def exact(value: Any) -> tuple[Fraction, bool] | None:
    """A finite number as a fraction, and whether it is better read as a decimal: ½, but 0.1.

    >>> exact(0.5), exact(0.1)
    ((Fraction(1, 2), False), (Fraction(1, 10), True))
    """
    if isinstance(value, (bool, int, np.bool_, np.integer)):
        return Fraction(int(value)), False
    if not math.isfinite(value):
        return None
    near = Fraction(float(value)).limit_denominator(_LARGEST_DENOMINATOR)
    kind = type(value)
    if near.denominator % 5 and kind(float(near)) == value:
        return near, False
    return Fraction(np.format_float_positional(value, unique=True, trim="-")), True


def is_odd(value: Fraction) -> bool:
    """Whether a number has so many decimals that it may stand for a root."""
    return value.denominator > 10**3


def root_of_fraction(value: Any) -> Formula | None:
    """√(p/q) or √(p π/q) with small p and q, if the number is one and no fraction."""
    if not math.isfinite(value) or value == 0:
        return None
    kind = type(value)
    for divisor, sign in ((1.0, ()), (math.pi, (PI,)), (1 / math.pi, None)):
        square = Fraction(float(value) ** 2 / divisor).limit_denominator(_LARGEST_DENOMINATOR)
        if square and abs(
            float(kind(math.sqrt(float(square) * divisor))) - abs(float(value))
        ) <= 2 * math.ulp(abs(float(value))):  # the number may have been rounded more than once
            above, below = (sign, ()) if sign is not None else ((), (PI,))
            root = Root(scaled(square, False, above, below, None))
            return Negative(root) if value < 0 else root
    return None


def decimal_number(value: Any) -> Formula:
    """Any float as a formula.

    >>> from graphc.symbolic.notation import text
    >>> [text(decimal_number(v)) for v in (0.5, -0.1, 1e-5, float("inf"))]
    ['1/2', '−0.1', '10⁻⁵', '∞']
    """
    if math.isnan(value):
        return NOT_A_NUMBER
    if math.isinf(value):
        return INFINITY if value > 0 else Negative(INFINITY)
    found = exact(value)
    assert found is not None
    fraction, decimal = found
    if decimal and is_odd(fraction) and (root := root_of_fraction(value)) is not None:
        return root
    formula: Formula = Number(abs(fraction), True) if decimal else scaled(abs(fraction), False, (), (), None)
    return Negative(formula) if fraction < 0 else formula
