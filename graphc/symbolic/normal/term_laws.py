"""Laws of one term: a term enters; terms nearer to normal form leave, or None where it is normal."""

from __future__ import annotations

import sympy

from graphc.symbolic.index.terms import Term, multiplied
from graphc.symbolic.normal.atoms import Applied, Atom, Factors, factors_of, with_factors
from graphc.symbolic.normal.functions import Functions
from graphc.symbolic.normal.parts import ONE, is_condition, times, without


def combined(algebra: Functions, factors: Factors) -> Factors | None:
    """Exponents of equal factors added; None where two conditions exclude each other."""
    counts: dict[Atom, int] = {}
    for atom, exponent in factors:
        counts[atom] = counts.get(atom, 0) + (1 if exponent.is_negative else 2)
    found = multiplied(factors)
    for atom, seen in counts.items():
        if seen > 2 and seen % 2:
            algebra.note("a/a = 1 where a ≠ 0" if not algebra.is_positive_atom(atom) else "a/a = 1")
    capped = tuple([(a, ONE if is_condition(a) else n) for a, n in found])
    named = [a for a, _ in capped if isinstance(a, Applied)]
    positive = {a.code.removeprefix("positive") for a in named if a.name == "positive"}
    if any(a.code.removeprefix("zero") in positive for a in named if a.name == "zero"):
        return None
    return capped


def expanded(algebra: Functions, term: Term) -> list[Term] | None:
    """A sum to a power of at least 1 is multiplied out."""
    for atom, n in factors_of(term):
        if isinstance(atom, Applied) and atom.name == "value" and n.is_Rational and n >= 1:
            left = with_factors(term, without(factors_of(term), atom, ONE))
            return [times(left, s) for s in atom.arguments[0].renamed_apart().terms]
    return None


def of_sines(algebra: Functions, term: Term) -> list[Term] | None:
    """sin² is written by cos²."""
    for atom, n in factors_of(term):
        if isinstance(atom, Applied) and atom.name == "sin" and n.is_Integer and n >= 2:
            algebra.note("sin² + cos² = 1")
            left = with_factors(term, without(factors_of(term), atom, sympy.Integer(2)))
            cos = algebra.function("cos", atom.arguments)
            return [left, *[times(left, t).scaled(-1) for t in algebra.multiply(cos, cos).terms]]
    return None
