"""Powers, exponentials, logarithms: a sum enters; its power, exp or log in normal form leaves."""

from __future__ import annotations

from dataclasses import replace
from itertools import product as choices
from typing import Any

import sympy

from graphc.symbolic.index.terms import Term
from graphc.symbolic.normal.arithmetic import Exceeded, Undecided
from graphc.symbolic.normal.atoms import Applied, Atom, Sum, factors_of, product, with_factors
from graphc.symbolic.normal.conditions import Conditions
from graphc.symbolic.normal.factoring import HIGHEST_POWER
from graphc.symbolic.normal.parts import ONE, is_condition, number
from graphc.symbolic.normal.signs import MOST_CONDITIONS


def _log_alone(term: Term) -> Applied | None:
    """The logarithm that the term is a constant times."""
    if term.bound or term.guards or len(factors_of(term)) != 1:
        return None
    ((atom, n),) = factors_of(term)
    return atom if isinstance(atom, Applied) and atom.name == "log" and n == 1 else None


def _power_alone(total: Sum) -> tuple[Atom, Any] | None:
    """The atom and its exponent, if the sum is no more than that; a condition has no powers."""
    if len(total.terms) != 1:
        return None
    (term,) = total.terms
    if term.bound or term.guards or term.constant != 1 or len(factors_of(term)) != 1:
        return None
    ((atom, n),) = factors_of(term)
    return (atom, n) if n.is_Rational and not is_condition(atom) else None


class Powers(Conditions):
    """Powers with constant exponents, exponentials and logarithms."""

    def power(self, total: Sum, r: Any) -> Sum:
        """total^r for a constant r."""
        r = sympy.sympify(r)
        if r == 1:
            return total
        if r == 0:
            return self.constant(1)
        c = total.number
        if c is not None:
            return self._constant_power(c, r)
        if not r.is_Rational:
            raise Undecided(f"the exponent {r}")
        if r.is_Integer and r > 0 and (len(total.terms) > 1 or total.terms[0].bound):
            if r > HIGHEST_POWER:
                raise Exceeded
            return self.multiply(*[total] * int(r))
        if r.is_Integer and r > 0:
            (term,) = total.terms
            powers = with_factors(term, [(a, n * r) for a, n in factors_of(term)])
            return self.normal([replace(powers, constant=number(term.constant**r))])
        return self._root(total, r)

    def _constant_power(self, c: Any, r: Any) -> Sum:
        if c == 0 and r.is_positive:
            return Sum(())
        if c == 0 or (not r.is_Integer and not c.is_positive):
            raise Undecided(f"({c})^({r}) is undefined, or may be")
        return self.constant(c**r)

    def _root(self, total: Sum, r: Any) -> Sum:
        """A power that is no natural number: factors outside, the rest as one atom."""
        if r.is_Integer:
            factors, rest = self.together(total, lambda a: True)
        else:
            factors, rest = self.together(total, self.is_positive_atom)
        lead = self.lead(rest)
        scale = ONE
        if lead is not None and (r.is_Integer or lead.constant.is_positive):
            scale = lead.constant
        elif lead is not None and lead.constant.is_negative:
            scale = -lead.constant
        rest = self.scale(rest, 1 / scale)
        result = self.normal([product([(a, n * r) for a, n in factors.items()], number(scale**r))])
        if rest.number == 1:
            return result
        if r.is_negative and self._may_be_nothing(rest):
            # No law for what is 0 by its conditions alone: [c]·(1/[c]) = 1 would make every c true.
            return self.multiply(
                result, self.atom(Applied(self.numbering, "power", [rest, self.constant(r)]))
            )
        return self.multiply(result, self._root_of_rest(rest, r))

    def _may_be_nothing(self, total: Sum) -> bool:
        """Whether some truth of its conditions leaves no term."""
        if any(not g.value.variables <= set(t.bound) for t in total.terms for g in t.guards):
            return True
        conditions = self.conditions(total)
        if len(conditions) > MOST_CONDITIONS:
            return True
        for truths in choices((0, 1), repeat=len(conditions)):
            known = dict(zip(conditions, truths, strict=True))
            left = [
                with_factors(t, tuple([(a, n) for a, n in factors_of(t) if a not in known]))
                for t in total.terms
                if all(known.get(a) != 0 for a, _ in factors_of(t))
            ]
            if not self.collected(left).terms:
                return True
        return False

    def _root_of_rest(self, rest: Sum, r: Any) -> Sum:
        a, n = _power_alone(rest) or (None, ONE)
        if a is not None and not (n.is_Integer and n % 2 == 0):
            return self.atom(a, n * r)
        if a is not None and (n * r).is_Integer and n * r > 0:
            self.note("√(a²) = |a|")
            return self.power(self.absolute(self.atom(a)), n * r)
        return self.atom(Applied(self.numbering, "value", [rest]), r)

    def exp(self, total: Sum) -> Sum:
        """exp of each term is a factor; exp(c·log S) is S^c."""
        self.check_depth(total)
        result = self.constant(1)
        factors: list[tuple[Atom, Any]] = []
        for term in total.terms:
            c = term.constant
            log = _log_alone(term)
            if log is not None and c.is_Rational:
                self.note("exp(log a) = a where a > 0")
                result = self.multiply(result, self.power(log.arguments[0], c))
            elif c.is_Rational:
                unit = Sum((replace(term, constant=ONE),))
                factors.append((Applied(self.numbering, "exp", [unit]), c))
            else:
                factors.append((Applied(self.numbering, "exp", [Sum((term,))]), ONE))
        return self.multiply(result, self.normal([product(factors)]))

    def log(self, total: Sum) -> Sum:
        """log of positive factors is a sum of their logs."""
        self.check_depth(total)
        c = total.number
        if c is not None:
            return self._log_of_constant(c)
        factors, rest = self.together(total, self.is_positive_atom)
        parts = [self._log_of_power(a, n) for a, n in factors.items()]
        lead = self.lead(rest)
        if lead is not None and lead.constant.is_number and not lead.constant.is_zero:
            scale = abs(lead.constant)
            parts.append(self._log_of_constant(scale))
            rest = self.scale(rest, 1 / scale)
        if rest.number == 1:
            return self.add(*parts)
        a, n = _power_alone(rest) or (None, ONE)
        if a is not None and (not n.is_Integer or n % 2):  # a > 0 wherever the log is defined
            rest = a.arguments[0] if isinstance(a, Applied) and a.name == "value" else self.atom(a)
            parts.append(self.scale(self.atom(Applied(self.numbering, "log", [rest])), n))
        else:
            parts.append(self.atom(Applied(self.numbering, "log", [rest])))
        return self.add(*parts)

    def _log_of_power(self, atom: Atom, n: Any) -> Sum:
        assert isinstance(atom, Applied)  # it is positive: an exp or a sum in brackets
        if atom.name == "exp":
            self.note("log(exp a) = a")
            return self.scale(atom.arguments[0].renamed_apart(), n)
        return self.scale(self.log(atom.arguments[0]), n)

    def _log_of_constant(self, c: Any) -> Sum:
        if not c.is_positive:
            raise Undecided(f"log({c}) is undefined, or may be")
        if c == 1:
            return Sum(())
        if not c.is_Rational or max(c.p, c.q) > 10**12:
            return self.atom(Applied(self.numbering, "log", [self.constant(c)]))
        return self.add(
            *[
                self.scale(self.atom(Applied(self.numbering, "log", [self.constant(p)])), n)
                for p, n in sympy.factorrat(c).items()
            ]
        )
