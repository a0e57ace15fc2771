"""Unfolding: a sum whose indices all have known sizes enters; the same without bound indices leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product as choices
from math import prod

from graphc.symbolic.index.affine import Variable, constant
from graphc.symbolic.index.terms import Renaming, Term
from graphc.symbolic.normal.atoms import Applied, Sum, factors_of, with_factors
from graphc.symbolic.normal.functions import Functions
from graphc.symbolic.normal.parts import times

_LARGEST = 4000  # terms, those inside functions included


def elements(variables: Sequence[Variable], *sums: Sum) -> Iterator[Renaming] | None:
    """Every place to unfold the sums at; None where a size is not known or that would be too much."""
    count = _size(variables)
    if count is None:
        return None
    terms = [_terms_of(s) for s in sums]
    if any(t is None or t * count > _LARGEST for t in terms):
        return None
    return _places(variables)


def unfolded(algebra: Functions, total: Sum) -> Sum:
    """The sum with every Σ written out, also inside functions; what max goes over stays."""
    made: list[Term] = []
    for term in total.terms:
        for new in _places(term.bound):
            there = term.substituted(new)
            parts = Sum((with_factors(there, ()),))
            for atom, n in factors_of(there):
                if isinstance(atom, Applied):
                    arguments = [unfolded(algebra, s) for s in atom.arguments]
                    atom = Applied(algebra.numbering, atom.name, arguments, atom.bound)
                again = algebra.again(atom, n)
                algebra.spend(len(parts.terms) * len(again.terms))
                parts = Sum(tuple([times(a, b) for a in parts.terms for b in again.terms]))
            made += parts.terms
    return algebra.normal(made)


def _places(variables: Sequence[Variable]) -> Iterator[Renaming]:
    for place in choices(*[range(int(v.size)) for v in variables]):
        yield {v: constant(k) for v, k in zip(variables, place, strict=True)}


def _size(variables: Sequence[Variable]) -> int | None:
    sizes = [v.size for v in variables]
    return prod([int(s) for s in sizes]) if all(isinstance(s, int) for s in sizes) else None


def _terms_of(total: Sum) -> int | None:
    """How many terms it has when it is written out."""
    found = 0
    for term in total.terms:
        count, inside = _size(term.bound), 1
        for atom, _ in factors_of(term):
            parts = [_terms_of(s) for s in atom.arguments] if isinstance(atom, Applied) else []
            if count is None or None in parts:
                return None
            inside += sum(p for p in parts if p is not None)
        if count is None:
            return None
        found += count * inside
    return found
