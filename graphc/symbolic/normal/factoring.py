"""Common factors: a sum enters; what all its terms share leaves, and what is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy

from graphc.symbolic.normal.arithmetic import Arithmetic
from graphc.symbolic.normal.atoms import Atom, Sum, factors_of, product
from graphc.symbolic.normal.parts import ZERO, is_condition, times

HIGHEST_POWER = 12


class Factoring(Arithmetic):
    """Arithmetic that takes common factors out."""

    def together(self, total: Sum, usable: Callable[[Atom], bool]) -> tuple[dict[Atom, Any], Sum]:
        """The factors that all terms can give, and what is left: total = Π factors · rest."""
        given: dict[Atom, Any] = {}
        rest = total
        for _ in range(HIGHEST_POWER):
            found = self.common(rest, usable)
            if not found:
                break
            for atom, n in found.items():
                given[atom] = given.get(atom, ZERO) + n
            inverse = Sum((product([(a, -n) for a, n in found.items()]),))
            self.spend(len(rest.terms))
            rest = self.normal(times(t, inverse.terms[0]) for t in rest.terms)
        return {a: n for a, n in given.items() if n != 0}, rest

    def common(self, total: Sum, usable: Callable[[Atom], bool]) -> dict[Atom, Any]:
        """The factors that every term has, to the least power."""
        least: dict[Atom, Any] = {}
        for number, term in enumerate(total.terms):
            here = {
                a: n
                for a, n in factors_of(term)
                if n.is_Rational and not is_condition(a) and a.variables.isdisjoint(term.bound) and usable(a)
            }
            if number == 0:
                least = here
                continue
            least = {
                a: sympy.Min(least.get(a, ZERO), here.get(a, ZERO)) for a in dict.fromkeys([*least, *here])
            }
        return {a: n for a, n in least.items() if n != 0}
