"""Sums along an axis that are broadcast back along it: a product enters, the same with Σ_j and mean_j leaves.

Such a sum weighs rows by a number each: x̂ ⊙ mean_j(G ⊙ x̂), as normalisation has it, where matrix notation
would take diag((G ⊙ x̂) 1) x̂ / n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from graphc.ir.dimension import same
from graphc.symbolic.notation.building import by_elements
from graphc.symbolic.notation.contraction import Atom, Axis, Contraction, Factor, size_value
from graphc.symbolic.notation.formula import Big, Call, Formula

Index = Callable[[Axis], Formula]


def with_row_sums(value: Contraction, index: Index) -> Contraction:
    """The value with sums along an axis, broadcast back along it, as factors of their own."""
    if len(value.kept) != 2 or not value.summed:
        return value
    for over in value.summed:
        group = [f for f in value.factors if over in f.axes]
        near = {a for f in group for a in f.axes} - {over}
        if len(near) != 1:
            continue
        (row,) = near
        if row not in value.kept:
            continue
        other = value.kept[0] if row is value.kept[1] else value.kept[1]
        if not same(other.size, over.size):
            continue
        found = _summed(value, group, row, over, other, index)
        if found is not None:
            return with_row_sums(found, index)
    return value


def _summed(
    value: Contraction, group: Sequence[Factor], row: Axis, over: Axis, other: Axis, index: Index
) -> Contraction | None:
    order = (row, over) if row is value.kept[0] else (over, row)
    matrices = [f for f in group if len(f.axes) == 2]
    if not matrices or any(f.axes != order for f in matrices):
        return None
    rest = [f for f in value.factors if f not in group]
    if any(a not in value.kept for f in rest for a in f.axes):
        return None
    divided = _divided(value.coefficient, rest, over)
    if divided is None and len(matrices) < len(group):
        return None  # a matrix times a vector is written as one
    if divided is None and not any(len(f.axes) == 2 and f.axes == value.kept for f in rest):
        return None
    body = by_elements([(f.atom.formula, f.exponent) for f in group])
    place = index(Axis(over.size, 0 if order[0] is over else 1))
    coefficient, left = divided or (value.coefficient, rest)
    sum_ = Big("Σ", (place,), body) if divided is None else Call("mean", (body,), (place,))
    made = Factor(Atom(sum_, 2), (row,))
    return replace(value, coefficient=coefficient, factors=(*left, made), by_elements=True)


def _divided(
    coefficient: Fraction, rest: Sequence[Factor], over: Axis
) -> tuple[Fraction, list[Factor]] | None:
    """What is left of the coefficient and the other factors without a division by the size of the axis."""
    size = size_value(over.size)
    if not size.factors:
        whole = coefficient * size.coefficient
        divides = coefficient.denominator % size.coefficient.numerator == 0 and size.coefficient != 1
        return (whole, list(rest)) if divides else None
    left = list(rest)
    for part in size.factors:
        held = [f for f in left if f.atom.formula == part.atom.formula and f.exponent == -part.exponent]
        if not held:
            return None
        left.remove(held[0])
    return coefficient * size.coefficient, left
