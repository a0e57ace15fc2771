"""Vanishing: a sum enters; whether it is 0 wherever it is defined leaves, by cases and denominators."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product as choices

from graphc.symbolic.normal.atoms import Applied, Atom, Sum, factors_of, product, with_factors
from graphc.symbolic.normal.factoring import HIGHEST_POWER
from graphc.symbolic.normal.functions import Functions
from graphc.symbolic.normal.parts import ONE, ZERO, has_conditions, single, times
from graphc.symbolic.normal.signs import MOST_CONDITIONS
from graphc.symbolic.normal.term_laws import combined


def vanishes(algebra: Functions, total: Sum) -> bool:
    """Whether a sum is shown to be 0 wherever it is defined."""
    if not total.terms:
        return True
    total = _plain_zeros(algebra, total)
    if not total.terms or _vanishes_without_conditions(algebra, total):
        return True
    conditions = algebra.conditions(total)
    if not 0 < len(conditions) <= MOST_CONDITIONS:
        return False
    algebra.note("distinction of cases")
    for truths in choices((0, 1), repeat=len(conditions)):
        known = dict(zip(conditions, truths, strict=True))
        if _contradicts(algebra, known):
            continue
        if not _vanishes_under(algebra, total, known):
            return False
    return True


def _contradicts(algebra: Functions, known: Mapping[Atom, int]) -> bool:
    true = [a for a, t in known.items() if t and isinstance(a, Applied)]
    return combined(algebra, tuple([(a, ONE) for a in true])) is None


def _vanishes_under(algebra: Functions, total: Sum, known: Mapping[Atom, int]) -> bool:
    """The sum with every condition, also inside functions, replaced by its truth."""

    def replaced(part: Sum) -> Sum:
        made = []
        for term in part.terms:
            if any(known.get(a) == 0 for a, _ in factors_of(term)):
                continue
            plain = [(a, n) for a, n in factors_of(term) if not isinstance(a, Applied) and a not in known]
            left = Sum((with_factors(term, plain),))
            for atom, n in factors_of(term):
                if isinstance(atom, Applied) and atom not in known:
                    inner = [replaced(s) for s in atom.arguments]
                    again = Applied(algebra.numbering, atom.name, inner, atom.bound)
                    left = Sum(
                        tuple([times(x, y) for x in left.terms for y in algebra.again(again, n).terms])
                    )
            made += list(left.terms)
        return algebra.normal(made)

    left = _plain_zeros(algebra, replaced(total))
    return not left.terms or _vanishes_without_conditions(algebra, left)


def _vanishes_without_conditions(algebra: Functions, total: Sum) -> bool:
    """By its denominators; where a branch may be left out, they say nothing of the other branch."""
    return not has_conditions(total) and not _cleared(algebra, total).terms


def _plain_zeros(algebra: Functions, total: Sum) -> Sum:
    """[a = 0]·a is 0 in a term that is defined everywhere."""
    kept = []
    for term in total.terms:
        none = {
            b
            for a, _ in factors_of(term)
            if isinstance(a, Applied) and a.name == "zero" and (b := single(a.arguments[0])) is not None
        }
        if any(b in none and n.is_positive for b, n in factors_of(term)) and algebra.is_total(term):
            continue
        kept.append(term)
    return total if len(kept) == len(total.terms) else Sum(tuple(kept))


def _cleared(algebra: Functions, total: Sum) -> Sum:
    """The sum times its denominators, which are not 0 where it is defined."""
    for _ in range(HIGHEST_POWER):
        common = {
            a: n
            for a, n in algebra.common(total, lambda a: isinstance(a, Applied) and a.name == "value").items()
            if n.is_Integer and n < 0
        }
        if not common:
            return total
        algebra.note("multiplied by denominators")
        by = product([(a, -n) for a, n in common.items()])
        total = algebra.normal(times(t, by) for t in total.terms)
    return total


def is_rounding(algebra: Functions, difference: Sum, whole: Sum) -> bool:
    """Whether all constants of a difference are tiny beside those of what it is a difference of."""
    largest = max((abs(t.constant) for t in whole.terms if t.constant.is_number), default=ZERO)
    return all(t.constant.is_number and bool(abs(t.constant) < largest / 10**6) for t in difference.terms)
