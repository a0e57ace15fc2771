"""Sums and products: sums in normal form enter, their sum, difference, product in normal form leave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import sympy

from graphc.ir.dimension import same
from graphc.symbolic.index.affine import Affine, Variable, of
from graphc.symbolic.index.terms import Guard, Renaming, Term
from graphc.symbolic.normal.atoms import (
    Anonymous,
    Atom,
    Numbering,
    Place,
    Sum,
    factors_of,
    product,
    term_code,
    with_factors,
)
from graphc.symbolic.normal.parts import ONE, ZERO, number, times

DEEPEST = 40  # functions within functions
_TEXT, _STEP = 20, 50  # what the text of an index and a law's step cost, by the time of a factor


class Exceeded(Exception):  # noqa: N818  (an answer, not a failure)
    """The normal form grows beyond its budget."""


class Undecided(Exception):  # noqa: N818  (an answer, not a failure)
    """No normal form; the reason is the message."""


class Arithmetic(ABC):
    """Sums and products of sums, with one budget of steps for all of them.

    What is normal is said by the laws, in `step`; `again` applies functions anew.
    """

    def __init__(self, budget: int) -> None:
        self._left = budget
        self.numbering = Numbering()
        self.laws: dict[str, None] = {}

    @abstractmethod
    def step(self, term: Term) -> list[Term] | None:
        """Terms that are nearer to normal form; None where this one is normal."""

    @abstractmethod
    def again(self, atom: Atom, exponent: Any) -> Sum:
        """An atom to a power, made anew from its arguments."""

    def spend(self, steps: int) -> None:
        """Take from the budget; raises Exceeded where it is used up."""
        self._left -= steps
        if self._left < _TEXT * self.numbering.written:
            raise Exceeded

    def note(self, law: str) -> None:
        """Remember a law for the proof."""
        self.laws.setdefault(law)

    def collected(self, terms: Iterable[Term]) -> Sum:
        """The sum of terms that are normal one by one."""
        found: dict[str, Term] = {}
        for term in terms:
            code = term_code(term, {}, self.numbering)
            seen = found.get(code)
            found[code] = (
                term if seen is None else replace(seen, constant=number(seen.constant + term.constant))
            )
        result = Sum(tuple([found[c] for c in sorted(found) if found[c].constant != 0]))
        self.spend(result.size)
        return result

    def normal(self, terms: Iterable[Term]) -> Sum:
        """The sum of any terms."""
        done: list[Term] = []
        todo = list(terms)
        while todo:
            self.spend(_STEP)
            term = todo.pop()
            step = self.step(term)
            if step is None:
                done.append(term)
            else:
                todo += step
        return self.collected(done)

    def constant(self, value: Any) -> Sum:
        value = sympy.sympify(value)
        if not value.is_finite and not value.free_symbols:
            raise Undecided("a constant is not finite")
        return self.collected([Term(number(value))])

    def atom(self, atom: Atom, exponent: Any = ONE) -> Sum:
        return self.normal([product([(atom, exponent)])])

    def add(self, *sums: Sum) -> Sum:
        return self.collected([t for s in sums for t in s.terms])

    def scale(self, total: Sum, factor: Any) -> Sum:
        if factor == 0:
            return Sum(())
        return Sum(tuple([replace(t, constant=number(t.constant * factor)) for t in total.terms]))

    def subtract(self, x: Sum, y: Sum) -> Sum:
        return self.add(x, self.scale(y, -1))

    def multiply(self, *sums: Sum) -> Sum:
        result = self.constant(1)
        for other in sums:
            self.spend(len(result.terms) * len(other.terms))
            apart = other.renamed_apart()
            result = self.normal(times(a, b) for a in result.terms for b in apart.terms)
        return result

    def quantified(self, body: Sum, bound: Sequence[Variable], guards: Iterable[Guard]) -> Sum:
        """Σ_bound [guards] · body."""
        return self.normal(
            replace(t, bound=(*t.bound, *bound), guards=t.guards | frozenset(guards)) for t in body.terms
        )

    def substituted(self, total: Sum, new: Renaming) -> Sum:
        """The sum at other indices."""
        if total.variables.isdisjoint(new):
            return total
        self.spend(total.size)
        used = {v: e.variable for v, e in new.items() if v in total.variables}
        made = total.substituted(new)
        if len(set(used.values())) == len(used) and all(
            w is not None and same(v.size, w.size) for v, w in used.items()
        ):  # only other names
            return self.collected(made.terms)
        return self.normal(p for t in made.terms for p in self.rebuilt(t))

    def rebuilt(self, term: Term) -> list[Term]:
        """The term with its functions applied anew, since their arguments may have become simpler."""
        result = Sum((with_factors(term, ()),))
        for atom, exponent in factors_of(term):
            result = Sum(tuple([times(a, b) for a in result.terms for b in self.again(atom, exponent).terms]))
        return list(result.terms)

    def renewed(self, total: Sum) -> Sum:
        """The sum with its functions applied anew."""
        return self.normal(p for t in total.terms for p in self.rebuilt(t))

    def place(self, index: Affine) -> Sum:
        """An index as a number."""
        parts = [self.constant(index.constant)]
        for key, c in index.parts.items():
            unit = Sum((product([(Place(of(key)), ONE)]),))
            parts.append(self.scale(unit, sympy.sympify(c)))
        return self.add(*parts)

    def lead(self, total: Sum) -> Term | None:
        """The greatest term by degree, then text; it has a constant that is not 0."""
        if not total.terms:
            return None

        def order(term: Term) -> Any:
            degree = sum((abs(n) for _, n in factors_of(term) if n.is_Rational), ZERO)
            anonymous = term_code(term, Anonymous(), self.numbering)
            return degree, anonymous, term_code(term, {}, self.numbering)

        lead = max(total.terms, key=order)
        return lead if lead.constant.is_nonzero else None

    def check_depth(self, *sums: Sum) -> None:
        """Raise Exceeded where functions are nested too deep."""
        if max((s.depth for s in sums), default=0) > DEEPEST:
            raise Exceeded
