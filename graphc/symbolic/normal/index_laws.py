"""Laws of indices: a term with bound indices and conditions enters; simpler terms leave, or None."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any

import sympy

from graphc.ir.dimension import is_nonnegative, same, simplified
from graphc.symbolic.index.affine import Affine, Key, Variable, constant, of
from graphc.symbolic.index.elimination import eliminated
from graphc.symbolic.index.terms import Guard, Renaming, Term
from graphc.symbolic.normal.atoms import (
    Anonymous,
    Place,
    atom_code,
    factors_of,
    index_code,
)
from graphc.symbolic.normal.functions import Functions
from graphc.symbolic.normal.parts import number
from graphc.symbolic.normal.places import affines_of, places_of


def indices(algebra: Functions, term: Term) -> list[Term] | None:
    """Indices and their conditions: equations solved, reversed and joined indices, those without use."""
    if not term.bound and not term.guards:
        return None
    found = eliminated(term)
    if found.term is None:
        return []
    if found.rules:
        algebra.note("Σ δ = substitution" if "unit delta" in found.rules else "digits of an index")
        return algebra.rebuilt(found.term)
    if found.term.guards != term.guards:
        return [found.term]
    for law in (_ranged, _pointed, _turned, _by_equations):
        step = law(algebra, term)
        if step is not None:
            return step
    for v in term.bound:
        if same(v.size, 0):
            return []
        if v not in term.variables:
            left = replace(term, bound=tuple([w for w in term.bound if w is not v]))
            return [replace(left, constant=number(term.constant * sympy.sympify(v.size)))]
    new = _reversed(algebra, term) or _joined(term)
    if new is None:
        return None
    made = term.substituted(new)
    return algebra.rebuilt(
        replace(made, bound=(*made.bound, *[v for e in new.values() for v in e.variables]))
    )


def _ranged(algebra: Functions, term: Term) -> list[Term] | None:
    """A condition on one bound index alone says where it begins or ends."""
    for g in sorted([g for g in term.guards if not g.equal], key=lambda g: _guard_text(algebra, g)):
        if len(g.value.parts) != 1:
            continue
        ((v, c),) = g.value.parts.items()
        if not isinstance(v, Variable) or v not in term.bound:
            continue
        if same(c, 1):
            begin, size = simplified(-g.value.constant), simplified(v.size + g.value.constant)
        elif same(c, -1):
            begin, size = 0, simplified(g.value.constant + 1)
        else:
            continue
        if not all(is_nonnegative(s) for s in (begin, size, simplified(v.size - begin - size))):
            continue
        algebra.note("Σ over where a condition holds")
        new = Variable(size, v.letter)
        made = replace(term, guards=term.guards - {g}).substituted({v: of(new).plus(begin)})
        return algebra.rebuilt(replace(made, bound=(*made.bound, new)))
    return None


def _pointed(algebra: Functions, term: Term) -> list[Term] | None:
    """A condition that holds, or fails, at one value of its index alone is an equation."""
    for g in term.guards:
        low, high = g.value.interval or (None, None)
        without = replace(term, guards=term.guards - {g})
        excepted = Guard(g.value.plus(1), equal=True)
        if low is None or not (same(low, -1) or (same(high, 0) and not g.equal)):
            continue
        if same(low, -1) and (not g.equal or same(high, 0)) and not _is_turned(algebra, term, g):
            return [without, replace(without, guards=without.guards | {excepted}).scaled(-1)]
        if same(high, 0) and not g.equal:
            return [replace(without, guards=without.guards | {Guard(g.value, equal=True)})]
    return None


def _by_equations(algebra: Functions, term: Term) -> list[Term] | None:
    """Where a free index is said to equal another, the other is read for it."""
    for g in sorted([g for g in term.guards if g.equal], key=lambda g: _guard_text(algebra, g)):
        usable = [
            v
            for v, c in g.value.parts.items()
            if isinstance(v, Variable) and (same(c, 1) or same(c, -1)) and v not in term.bound
            and _once(g.value, v, v)
        ]  # fmt: skip
        if not usable:
            continue
        v = max(usable, key=algebra.numbering.order)
        others = replace(term, guards=term.guards - {g})
        if v not in others.variables:
            continue
        rest = (of(v).times(g.value.parts[v]) - g.value).times(g.value.parts[v])
        made = others.substituted({v: rest})
        return algebra.rebuilt(replace(made, guards=made.guards | {g}))
    return None


def _guard_text(algebra: Functions, guard: Guard) -> str:
    return index_code(guard.value, {}, algebra.numbering)


def _turned(algebra: Functions, term: Term) -> list[Term] | None:
    """Of a condition on indices and its opposite, one is written by the other; the stronger is kept."""
    inequalities = [g for g in term.guards if not g.equal]
    for g in inequalities:
        if any(_implies(h, g) for h in inequalities if h is not g):
            return [replace(term, guards=term.guards - {g})]
    for g in inequalities:
        if _is_turned(algebra, term, g):
            without = replace(term, guards=term.guards - {g})
            opposite = Guard(g.value.times(-1).plus(-1))
            return [without, replace(without, guards=without.guards | {opposite}).scaled(-1)]
    return None


def _is_turned(algebra: Functions, term: Term, guard: Guard) -> bool:
    """Whether the leading part of the condition counts down; which leads does not hang on names."""

    def order(key: Key) -> Any:
        if not isinstance(key, Variable):
            place = Place(of(key))
            return (
                0,
                atom_code(place, Anonymous(), algebra.numbering),
                atom_code(place, {}, algebra.numbering),
            )
        names = Anonymous({key: "!"})
        read_at = sorted(
            atom_code(a, names, algebra.numbering) for a, _ in factors_of(term) if key in a.variables
        )
        return 1 + (key in term.bound), " ".join(read_at), algebra.numbering.variable(key)

    leading = max(guard.value.parts, key=order, default=None)
    return leading is not None and is_nonnegative(-guard.value.parts[leading])


def _reversed(algebra: Functions, term: Term) -> Renaming | None:
    """A bound index counts up: where it counts both ways, up in what comes first by name."""
    for v in term.bound:
        turned = Variable(v.size, v.letter)
        new = {v: constant(simplified(v.size - 1)) - of(turned)}
        here = list(_directions(algebra, term, v))
        if all(not down for _, down, _ in here):
            continue
        there = list(_directions(algebra, term.substituted(new), turned))
        if sorted(p[:2] for p in there) < sorted(p[:2] for p in here) or (
            sorted(p[:2] for p in there) == sorted(p[:2] for p in here) and sorted(there) < sorted(here)
        ):
            algebra.note("Σ in the other order")
            return new
    return None


def _directions(algebra: Functions, term: Term, v: Variable) -> Iterator[tuple[str, bool, str]]:
    """Where the index is read, whether it counts down there, and the text of it: conditions have no say."""
    names = Anonymous({v: "!"})
    for atom, _ in factors_of(term):
        for tensor, axis, e in places_of(atom):
            if v in e.parts:
                label = "" if tensor is None else f"{algebra.numbering.tensor(tensor)}.{axis}"
                down = is_nonnegative(simplified(-e.parts[v]))
                yield label, down, index_code(e, names, algebra.numbering)


def _joined(term: Term) -> Renaming | None:
    """Two bound indices that occur only as n·i + j are one."""
    bound = set(term.bound)
    if len(bound) < 2:
        return None
    seen = list(affines_of([term]))
    for i, j in permutations(term.bound, 2):
        both = [e for e in seen if i in e.variables or j in e.variables]
        if both and all(
            i in e.parts
            and j in e.parts
            and same(e.parts[i], simplified(e.parts[j] * j.size))
            and _once(e, i, j)
            for e in both
        ):
            return {i: constant(0), j: of(Variable(simplified(i.size * j.size), j.letter))}
    return None


def _implies(strong: Guard, weak: Guard) -> bool:
    """Whether e − a ≥ 0 says that e − b ≥ 0."""
    apart = weak.value - strong.value
    return apart.is_constant and is_nonnegative(apart.constant)


def _once(e: Affine, i: Variable, j: Variable) -> bool:
    """Whether they occur directly, not inside digits or gathered elements too."""
    rest = Affine({k: c for k, c in e.parts.items() if k is not i and k is not j}, e.constant)
    return i not in rest.variables and j not in rest.variables
