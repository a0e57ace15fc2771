"""Signs: a sum enters; whether it is positive, not negative, defined everywhere leaves, if that is seen."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product as choices
from typing import Any

from graphc.ir.dimension import is_nonnegative, simplified
from graphc.symbolic.index.terms import Read, Term
from graphc.symbolic.normal.atoms import Applied, Atom, Place, Sum, factors_of, with_factors
from graphc.symbolic.normal.factoring import Factoring
from graphc.symbolic.normal.parts import CONDITIONS, ONE, is_condition, single

MOST_CONDITIONS = 4  # that a question about signs is split by
_TOTAL = frozenset(["exp", "sin", "cos", "arctan", "arcsinh", "erf", "cbrt", "trunc", "round", "floor"])


class Signs(Factoring):
    """Questions about signs; a "no" may mean that the terms do not show it."""

    def is_positive_atom(self, atom: Atom) -> bool:
        """Whether it is > 0 wherever it is defined."""
        if not isinstance(atom, Applied):
            return False
        return atom.name == "exp" or (atom.name == "value" and self.is_positive(atom.arguments[0]))

    def is_positive(self, total: Sum) -> bool:
        """Whether it is > 0 wherever it is defined, as far as its terms show."""
        return self.is_nonnegative(total) and any(
            not t.guards
            and t.constant.is_positive
            and all(self.is_positive_atom(a) for a, _ in factors_of(t))
            and all(is_nonnegative(simplified(v.size - 1)) for v in t.bound)
            for t in total.terms
        )

    def is_nonnegative(self, total: Sum) -> bool:
        """Whether it is ≥ 0 wherever it is defined, as far as its terms show."""
        return all(t.constant.is_nonnegative and self._is_nonnegative_term(t) for t in total.terms)

    def _is_nonnegative_term(self, term: Term) -> bool:
        known = {
            a.arguments[0] for a, _ in factors_of(term) if isinstance(a, Applied) and a.name == "positive"
        }
        positive = {b for s in known if (b := single(s)) is not None}
        return all(
            is_condition(a)
            or self.is_positive_atom(a)
            or (n.is_Integer and n % 2 == 0)
            or (n.is_Rational and not n.is_Integer)
            or a in positive
            or (isinstance(a, Applied) and a.name == "value" and self.is_nonnegative(a.arguments[0]))
            for a, n in factors_of(term)
        )

    def sign(self, total: Sum) -> str:
        """``">"``, ``"≥"``, ``"<"``, ``"≤"`` or ``""``: what holds wherever it is defined."""
        found = {self._sign(case) for case in self.cases(total)}
        for answer, parts in ((">", {">"}), ("<", {"<"}), ("≥", {">", "≥", "0"}), ("≤", {"<", "≤", "0"})):
            if found <= parts:
                return answer
        return ""

    def _sign(self, total: Sum) -> str:
        if not total.terms:
            return "0"
        turned = self.scale(total, -1)
        for answer, holds in (
            (">", self.is_positive(total)), ("<", self.is_positive(turned)),
            ("≥", self.is_nonnegative(total)), ("≤", self.is_nonnegative(turned)),
        ):  # fmt: skip
            if holds:
                return answer
        return ""

    def cases(self, total: Sum) -> list[Sum]:
        """The sum under every truth of its conditions; only itself where they are many."""
        conditions = self.conditions(total)
        if not 0 < len(conditions) <= MOST_CONDITIONS:
            return [total]
        return [
            self.given(total, dict(zip(conditions, truths, strict=True)))
            for truths in choices((0, 1), repeat=len(conditions))
        ]

    def conditions(self, total: Sum) -> list[Atom]:
        """The conditions that stand outside of sums and functions."""
        return list(
            dict.fromkeys(
                a
                for t in total.terms
                for a, _ in factors_of(t)
                if is_condition(a) and a.variables.isdisjoint(t.bound)
            )
        )

    def given(self, total: Sum, truths: Mapping[Atom, int]) -> Sum:
        """A sum of the same sign where these conditions are known.

        Where a condition tells the sign of an atom b, b is ±[b > 0]·b there: by its absolute value.
        """
        told = {
            b: (a, truth)
            for a, truth in truths.items()
            if isinstance(a, Applied) and a.name == "positive" and (b := single(a.arguments[0])) is not None
        }
        kept = []
        for term in total.terms:
            if any(truths.get(a) == 0 for a, _ in factors_of(term)):
                continue
            factors = [(a, n) for a, n in factors_of(term) if a not in truths]
            turned = 1
            for b, n in list(factors):
                if b in told and n.is_Integer and n % 2:
                    a, truth = told[b]
                    factors.append((a, ONE))
                    turned *= 1 if truth else -1
            kept.append(with_factors(term, factors).scaled(turned))
        return self.collected(kept)

    def is_total(self, term: Term) -> bool:
        """Whether the term is defined at every point."""
        return all(self._is_total_atom(a, n) for a, n in factors_of(term))

    def _is_total_atom(self, atom: Atom, n: Any) -> bool:
        if isinstance(atom, Read):
            return not atom.tensor.inputs and bool(n.is_Integer and n > 0)
        if isinstance(atom, Place):
            return bool(n.is_Integer and n > 0)
        inside = all(self.is_total(t) for s in atom.arguments for t in s.terms)
        if self.is_positive_atom(atom):
            return inside
        return inside and bool(n.is_Integer and n > 0) and (atom.name in _TOTAL or atom.name in CONDITIONS)
