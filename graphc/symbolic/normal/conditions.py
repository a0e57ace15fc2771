"""Conditions: sums enter; the truth of "= 0" and "> 0" leaves as a sum, and what is chosen by it."""

from __future__ import annotations

from itertools import product as choices

from graphc.symbolic.index.terms import Guard, Term
from graphc.symbolic.normal.atoms import Applied, Sum, factors_of
from graphc.symbolic.normal.parts import ZERO, as_place, is_condition
from graphc.symbolic.normal.signs import MOST_CONDITIONS, Signs


class Conditions(Signs):
    """Truth values, 0 and 1; a choice is ``c·x + (1 − c)·y``, where a false c leaves nothing of x."""

    def negated(self, condition: Sum) -> Sum:
        """Not."""
        return self.subtract(self.constant(1), condition)

    def either(self, x: Sum, y: Sum) -> Sum:
        """Or."""
        return self.subtract(self.add(x, y), self.multiply(x, y))

    def chosen(self, condition: Sum, x: Sum, y: Sum) -> Sum:
        """x where the condition holds, else y."""
        apart = self.subtract(x, y)
        condition = Sum(tuple([t for t in condition.terms if not self._is_where_zero(t, apart)]))
        return self.add(self.multiply(condition, apart), y)

    def _is_where_zero(self, term: Term, total: Sum) -> bool:
        """Whether the term has a factor [e = 0], and the sum is a multiple of e."""
        lead = self.lead(total)
        if lead is None:
            return False
        unit = self.scale(total, 1 / lead.constant)
        codes = {a.code for a, _ in factors_of(term) if isinstance(a, Applied) and a.name == "zero"}
        return bool(codes) and Applied(self.numbering, "zero", [unit]).code in codes

    def positive(self, total: Sum) -> Sum:
        """1 where it is > 0, else 0."""
        return self._question(total, "positive")[0]

    def zero(self, total: Sum) -> Sum:
        """1 where it is 0, else 0."""
        return self._question(total, "zero")[0]

    def _question(self, total: Sum, name: str) -> tuple[Sum, Sum]:
        """The truth of ``total > 0`` (or ``= 0``) and whether total had to be turned (0 or 1)."""
        zero, one = Sum(()), self.constant(1)
        sign = self.sign(total)
        if sign == ">":
            return (one if name == "positive" else zero), zero
        if sign in ("<", "≤") and name == "positive":
            return zero, zero
        if sign == "<":
            return zero, zero
        if not total.terms:
            return (zero if name == "positive" else one), zero
        if name == "positive" and sign == "≥":
            return self.negated(self.zero(total)), zero
        decided_by = self._by_table(total, name)
        if decided_by is not None:
            return decided_by, zero
        place = as_place(total)
        if place is not None:
            guard = Guard(place.plus(-1)) if name == "positive" else Guard(place, equal=True)
            return self.normal([Term(guards=frozenset([guard]))]), zero
        if name == "positive":
            _, rest = self.together(total, self.is_positive_atom)
            return self._of_sign(rest)
        _, rest = self.together(total, self.is_positive_atom)
        return self._is_zero(rest), zero

    def _of_sign(self, rest: Sum) -> tuple[Sum, Sum]:
        self.check_depth(rest)
        zero, one = Sum(()), self.constant(1)
        lead = self.lead(rest)
        if lead is None or not (lead.constant.is_positive or lead.constant.is_negative):
            return self.atom(Applied(self.numbering, "positive", [rest])), zero
        if lead.constant.is_positive:
            rest = self.scale(rest, 1 / lead.constant)
            return self.atom(Applied(self.numbering, "positive", [rest])), zero
        rest = self.scale(rest, 1 / lead.constant)
        made = self.atom(Applied(self.numbering, "positive", [rest]))
        return self.subtract(self.negated(made), self._is_zero(rest)), one

    def _is_zero(self, rest: Sum) -> Sum:
        self.check_depth(rest)
        if rest.number is not None and (rest.number.is_zero or rest.number.is_nonzero):
            return self.constant(1 if rest.number.is_zero else 0)
        lead = self.lead(rest)
        if lead is not None:
            rest = self.scale(rest, 1 / lead.constant)
        if len(rest.terms) == 1 and not rest.terms[0].bound and not rest.terms[0].guards:
            result = self.constant(1)
            (term,) = rest.terms
            if lead is not None and (
                len(factors_of(term)) > 1
                or factors_of(term)[0][1] != 1
                or is_condition(factors_of(term)[0][0])
            ):
                for a, n in factors_of(term):
                    if is_condition(a):
                        result = self.multiply(result, self.atom(a))
                    elif n.is_positive and not self.is_positive_atom(a):
                        inner = (
                            a.arguments[0] if isinstance(a, Applied) and a.name == "value" else self.atom(a)
                        )
                        result = self.multiply(result, self.negated(self.zero(inner)))
                return self.negated(result)
        return self.atom(Applied(self.numbering, "zero", [rest]))

    def _by_table(self, total: Sum, name: str) -> Sum | None:
        """A question about a sum of conditions alone is one of its truth table."""
        conditions = self.conditions(total)
        plain = all(
            not t.bound and not t.guards and all(is_condition(a) for a, _ in factors_of(t))
            for t in total.terms
        )
        if not plain or not 0 < len(conditions) <= MOST_CONDITIONS:
            return None
        result = Sum(())
        for truths in choices((0, 1), repeat=len(conditions)):
            known = dict(zip(conditions, truths, strict=True))
            value = sum((t.constant for t in total.terms if all(known[a] for a, _ in factors_of(t))), ZERO)
            holds = value.is_positive if name == "positive" else value.is_zero
            if holds is None:
                return None
            if holds:
                here = [self.atom(a) if known[a] else self.negated(self.atom(a)) for a in conditions]
                result = self.add(result, self.multiply(*here))
        return result

    def positive_part(self, total: Sum) -> Sum:
        """max(total, 0)."""
        sign = self.sign(total)
        if sign in (">", "≥"):
            return total
        if sign in ("<", "≤"):
            return Sum(())
        lead = self.lead(total)
        if lead is not None and lead.constant.is_negative and as_place(total) is None:
            # Of x and −x one is written by the other: max(−x, 0) = −x + max(x, 0).
            turned = self.scale(total, -1)
            return self.add(total, self.multiply(self.positive(turned), turned))
        return self.multiply(self.positive(total), total)

    def absolute(self, total: Sum) -> Sum:
        """|total|."""
        return self.subtract(self.scale(self.positive_part(total), 2), total)
