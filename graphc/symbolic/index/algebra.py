"""Algebra on sums in normal form: sums enter, their sum, product, power, exponential … in normal form leave.

Every law used here keeps the value wherever the old form is defined, and may define it at more points. The
laws with conditions (``a/a = 1``) are noted by name. Truth values are 0 and 1; a choice between two values
is ``c·x + (1 − c)·y``, where a false c leaves nothing of x.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import sympy

from graphc.ir.dimension import is_nonnegative, same, simplified
from graphc.symbolic.index.affine import Affine, Gather, Key, Variable, constant, of, product_of
from graphc.symbolic.index.atoms import (
    Anonymous,
    Applied,
    Numbering,
    Place,
    Sum,
    affines_of,
    atom_code,
    index_code,
    places_of,
    term_code,
)
from graphc.symbolic.index.elimination import eliminated
from graphc.symbolic.index.terms import Guard, Read, Renaming, Term, decided, multiplied

ONE, ZERO = sympy.S.One, sympy.S.Zero
DEEPEST = 40  # functions within functions
_HIGHEST_POWER = 12
_CHOICES = 4  # conditions that a question about signs is split by

ODD = frozenset(["sin", "arcsin", "arctan", "arcsinh", "arctanh", "erf", "cbrt", "trunc", "round"])
EVEN = frozenset(["cos"])
_TOTAL = frozenset(["exp", "sin", "cos", "arctan", "arcsinh", "erf", "cbrt", "trunc", "round", "floor"])
_INTEGER = frozenset(["positive", "zero", "trunc", "round", "floor"])
_CONDITIONS = frozenset(["positive", "zero"])


class Exceeded(Exception):  # noqa: N818  (an answer, not a failure)
    """The normal form grows beyond its budget."""


class Undecided(Exception):  # noqa: N818  (an answer, not a failure)
    """No normal form; the reason is the message."""


Factors = tuple[tuple[Any, Any], ...]


class Algebra:
    """Operations on sums, with one budget of steps for all of them."""

    def __init__(self, budget: int) -> None:
        self._left = budget
        self.numbering = Numbering()
        self.laws: dict[str, None] = {}

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise Exceeded

    def note(self, law: str) -> None:
        self.laws.setdefault(law)

    # -- sums and products ---------------------------------------------------------------------------
    def collected(self, terms: Iterable[Term]) -> Sum:
        """The sum of terms that are normal one by one."""
        found: dict[str, Term] = {}
        for term in terms:
            code = term_code(term, {}, self.numbering)
            seen = found.get(code)
            found[code] = (
                term if seen is None else replace(seen, constant=_number(seen.constant + term.constant))
            )
        result = Sum(tuple([found[c] for c in sorted(found) if found[c].constant != 0]))
        self.spend(result.size)
        return result

    def normal(self, terms: Iterable[Term]) -> Sum:
        """The sum of any terms."""
        done: list[Term] = []
        todo = list(terms)
        while todo:
            self.spend(1)
            term = todo.pop()
            step = self._step(term)
            if step is None:
                done.append(term)
            else:
                todo += step
        return self.collected(done)

    def constant(self, value: Any) -> Sum:
        value = sympy.sympify(value)
        if not value.is_finite and not value.free_symbols:
            raise Undecided("a constant is not finite")
        return self.collected([Term(_number(value))])

    def atom(self, atom: Any, exponent: Any = ONE) -> Sum:
        return self.normal([Term(factors=((atom, exponent),))])

    def add(self, *sums: Sum) -> Sum:
        return self.collected([t for s in sums for t in s.terms])

    def scale(self, total: Sum, factor: Any) -> Sum:
        if factor == 0:
            return Sum(())
        return Sum(tuple([replace(t, constant=_number(t.constant * factor)) for t in total.terms]))

    def subtract(self, x: Sum, y: Sum) -> Sum:
        return self.add(x, self.scale(y, -1))

    def multiply(self, *sums: Sum) -> Sum:
        result = self.constant(1)
        for other in sums:
            self.spend(len(result.terms) * len(other.terms))
            apart = other.renamed_apart()
            result = self.normal(_times(a, b) for a in result.terms for b in apart.terms)
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
        used = [e.variable for v, e in new.items() if v in total.variables]
        made = total.substituted(new)
        if all(v is not None for v in used) and len(set(used)) == len(used):
            return self.collected(made.terms)
        return self.normal(p for t in made.terms for p in self._rebuilt(t))

    def _rebuilt(self, term: Term) -> list[Term]:
        """The term with its functions applied anew, since their arguments may have become simpler."""
        result = Sum((replace(term, factors=()),))
        for atom, exponent in term.factors:
            result = Sum(
                tuple([_times(a, b) for a in result.terms for b in self.again(atom, exponent).terms])
            )
        return list(result.terms)

    def again(self, atom: Any, exponent: Any) -> Sum:
        """An atom to a power, made anew from its arguments."""
        if isinstance(atom, Place):
            return self.power(self.place(atom.index), exponent)
        if not isinstance(atom, Applied):
            return Sum((Term(factors=((atom, exponent),)),))
        arguments = [self._renewed(s) for s in atom.arguments]
        if atom.name == "exp":
            return self.exp(self.scale(arguments[0], exponent))
        if atom.name == "value":
            return self.power(arguments[0], exponent)
        if atom.name == "power" and (r := arguments[1].number) is not None:
            return self.power(self.power(arguments[0], r), exponent)
        if atom.name == "log":
            return self.power(self.log(arguments[0]), exponent)
        if atom.name == "positive":
            return self.power(self.positive(arguments[0]), exponent)
        if atom.name == "zero":
            return self.power(self.zero(arguments[0]), exponent)
        if atom.bound:
            return self.power(self.reduction(atom.name, arguments[0], atom.bound), exponent)
        return self.power(self.function(atom.name, arguments), exponent)

    def _renewed(self, total: Sum) -> Sum:
        return self.normal(p for t in total.terms for p in self._rebuilt(t))

    # -- one step towards normal form ----------------------------------------------------------------
    def _step(self, term: Term) -> list[Term] | None:
        """Terms that are nearer to normal form; None where this one is normal."""
        if term.constant == 0:
            return []
        factors = self._combined(term.factors)
        if factors is None:
            return []
        if factors != term.factors:
            return [replace(term, factors=factors)]
        for law in (self._expanded, self._of_sines, self._indices, self._without_quotient):
            step = law(term)
            if step is not None:  # an empty list says that the term is 0
                return step
        return None

    def _combined(self, factors: Factors) -> Factors | None:
        """Exponents of equal factors added; None where two conditions exclude each other."""
        counts: dict[Any, int] = {}
        for atom, exponent in factors:
            counts[atom] = counts.get(atom, 0) + (1 if exponent.is_negative else 2)
        found = multiplied(factors)
        for atom, seen in counts.items():
            if seen > 2 and seen % 2:
                self.note("a/a = 1 where a ≠ 0" if not self.is_positive_atom(atom) else "a/a = 1")
        capped = tuple([(a, ONE if is_condition(a) else n) for a, n in found])
        named = [a for a, _ in capped if isinstance(a, Applied)]
        positive = {a.code.removeprefix("positive") for a in named if a.name == "positive"}
        if any(a.code.removeprefix("zero") in positive for a in named if a.name == "zero"):
            return None
        return capped

    def _expanded(self, term: Term) -> list[Term] | None:
        """A sum to a power of at least 1 is multiplied out."""
        for atom, n in term.factors:
            if isinstance(atom, Applied) and atom.name == "value" and n.is_Rational and n >= 1:
                left = replace(term, factors=_without(term.factors, atom, ONE))
                return [_times(left, s) for s in atom.arguments[0].renamed_apart().terms]
        return None

    def _of_sines(self, term: Term) -> list[Term] | None:
        for atom, n in term.factors:
            if isinstance(atom, Applied) and atom.name == "sin" and n.is_Integer and n >= 2:
                self.note("sin² + cos² = 1")
                left = replace(term, factors=_without(term.factors, atom, sympy.Integer(2)))
                cos = self.function("cos", atom.arguments)
                return [left, *[_times(left, t).scaled(-1) for t in self.multiply(cos, cos).terms]]
        return None

    def _indices(self, term: Term) -> list[Term] | None:
        """Indices and their conditions: equations solved, reversed and joined indices, those without use."""
        if not term.bound and not term.guards:
            return None
        found = eliminated(term)
        if found.term is None:
            return []
        if found.rules:
            self.note("Σ δ = substitution" if "unit delta" in found.rules else "digits of an index")
            return self._rebuilt(found.term)
        if found.term.guards != term.guards:
            return [found.term]
        for law in (self._pointed, self._turned, self._by_equations):
            step = law(term)
            if step is not None:
                return step
        for v in term.bound:
            if same(v.size, 0):
                return []
            if v not in term.variables:
                size = sympy.sympify(v.size)
                return [
                    replace(
                        term, constant=_number(term.constant * size), bound=tuple([w for w in term.bound if w is not v])
                    )
                ]  # fmt: skip
        new = self._reversed(term) or _joined(term)
        if new is None:
            return None
        made = term.substituted(new)
        return self._rebuilt(
            replace(made, bound=(*made.bound, *[v for e in new.values() for v in e.variables]))
        )

    def _pointed(self, term: Term) -> list[Term] | None:
        """A condition that holds, or fails, at one value of its index alone is an equation."""
        for g in term.guards:
            low, high = g.value.interval or (None, None)
            without = replace(term, guards=term.guards - {g})
            excepted = Guard(g.value.plus(1), equal=True)
            if low is None or not (same(low, -1) or (same(high, 0) and not g.equal)):
                continue
            if same(low, -1) and (not g.equal or same(high, 0)) and not self._is_turned(term, g):
                return [without, replace(without, guards=without.guards | {excepted}).scaled(-1)]
            if same(high, 0) and not g.equal:
                return [replace(without, guards=without.guards | {Guard(g.value, equal=True)})]
        return None

    def _by_equations(self, term: Term) -> list[Term] | None:
        """Where a free index is said to equal another, the other is read for it."""
        for g in sorted([g for g in term.guards if g.equal], key=lambda g: self._guard_text(g)):
            usable = [
                v
                for v, c in g.value.parts.items()
                if isinstance(v, Variable) and (same(c, 1) or same(c, -1)) and v not in term.bound
                and _once(g.value, v, v)
            ]  # fmt: skip
            if not usable:
                continue
            v = max(usable, key=self.numbering.order)
            others = replace(term, guards=term.guards - {g})
            if v not in others.variables:
                continue
            rest = (of(v).times(g.value.parts[v]) - g.value).times(g.value.parts[v])
            made = others.substituted({v: rest})
            return self._rebuilt(replace(made, guards=made.guards | {g}))
        return None

    def _guard_text(self, guard: Guard) -> str:
        return index_code(guard.value, {}, self.numbering)

    def _turned(self, term: Term) -> list[Term] | None:
        """Of a condition on indices and its opposite, one is written by the other; the stronger is kept."""
        inequalities = [g for g in term.guards if not g.equal]
        for g in inequalities:
            if any(_implies(h, g) for h in inequalities if h is not g):
                return [replace(term, guards=term.guards - {g})]
        for g in inequalities:
            if self._is_turned(term, g):
                without = replace(term, guards=term.guards - {g})
                opposite = Guard(g.value.times(-1).plus(-1))
                return [without, replace(without, guards=without.guards | {opposite}).scaled(-1)]
        return None

    def _is_turned(self, term: Term, guard: Guard) -> bool:
        """Whether the leading part of the condition counts down; which leads does not hang on names."""

        def order(key: Key) -> Any:
            if not isinstance(key, Variable):
                place = Place(of(key))
                return 0, atom_code(place, Anonymous(), self.numbering), atom_code(place, {}, self.numbering)
            names = Anonymous({key: "!"})
            read_at = sorted(
                atom_code(a, names, self.numbering) for a, _ in term.factors if key in a.variables
            )
            return 1 + (key in term.bound), " ".join(read_at), self.numbering.variable(key)

        leading = max(guard.value.parts, key=order, default=None)
        return leading is not None and is_nonnegative(-guard.value.parts[leading])

    def _reversed(self, term: Term) -> Renaming | None:
        """A bound index counts up: where it counts both ways, up in what comes first by name."""
        for v in term.bound:
            turned = Variable(v.size, v.letter)
            new = {v: constant(simplified(v.size - 1)) - of(turned)}
            here = list(self._directions(term, v))
            if all(not down for _, down, _ in here):
                continue
            there = list(self._directions(term.substituted(new), turned))
            if sorted(p[:2] for p in there) < sorted(p[:2] for p in here) or (
                sorted(p[:2] for p in there) == sorted(p[:2] for p in here) and sorted(there) < sorted(here)
            ):
                self.note("Σ in the other order")
                return new
        return None

    def _directions(self, term: Term, v: Variable) -> Iterator[tuple[str, bool, str]]:
        """Where the index is read, whether it counts down there, and the text of it: conditions have no say."""
        names = Anonymous({v: "!"})
        for atom, _ in term.factors:
            for tensor, axis, e in places_of(atom):
                if v in e.parts:
                    label = "" if tensor is None else f"{self.numbering.tensor(tensor)}.{axis}"
                    down = is_nonnegative(simplified(-e.parts[v]))
                    yield label, down, index_code(e, names, self.numbering)

    def _without_quotient(self, term: Term) -> list[Term] | None:
        """lead(S)·S^r with r < 0 by S^(r+1) and the other terms of S."""
        for atom, r in term.factors:
            if not (isinstance(atom, Applied) and atom.name == "value" and r.is_negative):
                continue
            (total,) = atom.arguments
            lead = self.lead(total)
            if lead is None:
                continue
            left = _quotient(term, atom, lead, self.numbering)
            if left is None:
                continue
            self.note("S/S = 1" if self.is_positive(total) else "S/S = 1 where S ≠ 0")
            whole = replace(left, factors=multiplied((*left.factors, (atom, r + 1))))
            with_power = replace(left, factors=multiplied((*left.factors, (atom, r))))
            others = Sum(tuple([t for t in total.terms if t is not lead])).renamed_apart()
            inverse = 1 / lead.constant
            return [whole.scaled(inverse), *[_times(with_power, t).scaled(-inverse) for t in others.terms]]
        return None

    # -- order, sign ---------------------------------------------------------------------------------
    def lead(self, total: Sum) -> Term | None:
        """The greatest term by degree, then text; it has a constant that is not 0."""
        if not total.terms:
            return None

        def order(term: Term) -> Any:
            degree = sum((abs(n) for _, n in term.factors if n.is_Rational), ZERO)
            anonymous = term_code(term, Anonymous(), self.numbering)
            return degree, anonymous, term_code(term, {}, self.numbering)

        lead = max(total.terms, key=order)
        return lead if lead.constant.is_nonzero else None

    def is_positive_atom(self, atom: Any) -> bool:
        if not isinstance(atom, Applied):
            return False
        return atom.name == "exp" or (atom.name == "value" and self.is_positive(atom.arguments[0]))

    def is_positive(self, total: Sum) -> bool:
        """Whether it is > 0 wherever it is defined, as far as its terms show."""
        return self.is_nonnegative(total) and any(
            not t.guards
            and t.constant.is_positive
            and all(self.is_positive_atom(a) for a, _ in t.factors)
            and all(is_nonnegative(simplified(v.size - 1)) for v in t.bound)
            for t in total.terms
        )

    def is_nonnegative(self, total: Sum) -> bool:
        return all(t.constant.is_nonnegative and self._is_nonnegative_term(t) for t in total.terms)

    def _is_nonnegative_term(self, term: Term) -> bool:
        known = {a.arguments[0] for a, _ in term.factors if isinstance(a, Applied) and a.name == "positive"}
        positive = {b for s in known if (b := _single(s)) is not None}
        return all(
            is_condition(a)
            or self.is_positive_atom(a)
            or (n.is_Integer and n % 2 == 0)
            or (n.is_Rational and not n.is_Integer)
            or a in positive
            or (isinstance(a, Applied) and a.name == "value" and self.is_nonnegative(a.arguments[0]))
            for a, n in term.factors
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
        if not 0 < len(conditions) <= _CHOICES:
            return [total]
        return [
            self.given(total, dict(zip(conditions, truths, strict=True)))
            for truths in product((0, 1), repeat=len(conditions))
        ]

    def conditions(self, total: Sum) -> list[Any]:
        """The conditions that stand outside of sums and functions."""
        return list(
            dict.fromkeys(
                a
                for t in total.terms
                for a, _ in t.factors
                if is_condition(a) and a.variables.isdisjoint(t.bound)
            )
        )

    def given(self, total: Sum, truths: Mapping[Any, int]) -> Sum:
        """A sum of the same sign where these conditions are known.

        Where a condition tells the sign of an atom b, b is ±[b > 0]·b there: by its absolute value.
        """
        told = {
            b: (a, truth)
            for a, truth in truths.items()
            if isinstance(a, Applied) and a.name == "positive" and (b := _single(a.arguments[0])) is not None
        }
        kept = []
        for term in total.terms:
            if any(truths.get(a) == 0 for a, _ in term.factors):
                continue
            factors = [(a, n) for a, n in term.factors if a not in truths]
            turned = 1
            for b, n in list(factors):
                if b in told and n.is_Integer and n % 2:
                    a, truth = told[b]
                    factors.append((a, ONE))
                    turned *= 1 if truth else -1
            kept.append(replace(term, factors=tuple(factors), constant=term.constant * turned))
        return self.collected(kept)

    # -- powers --------------------------------------------------------------------------------------
    def together(self, total: Sum, usable: Callable[[Any], bool]) -> tuple[dict[Any, Any], Sum]:
        """The factors that all terms can give, and what is left: total = Π factors · rest."""
        given: dict[Any, Any] = {}
        rest = total
        for _ in range(_HIGHEST_POWER):
            found = self._common(rest, usable)
            if not found:
                break
            for atom, n in found.items():
                given[atom] = given.get(atom, ZERO) + n
            inverse = Sum((Term(factors=tuple([(a, -n) for a, n in found.items()])),))
            self.spend(len(rest.terms))
            rest = self.normal(_times(t, inverse.terms[0]) for t in rest.terms)
        return {a: n for a, n in given.items() if n != 0}, rest

    def _common(self, total: Sum, usable: Callable[[Any], bool]) -> dict[Any, Any]:
        least: dict[Any, Any] = {}
        for number, term in enumerate(total.terms):
            here = {
                a: n
                for a, n in term.factors
                if n.is_Rational and not is_condition(a) and a.variables.isdisjoint(term.bound) and usable(a)
            }
            if number == 0:
                least = here
                continue
            least = {
                a: sympy.Min(least.get(a, ZERO), here.get(a, ZERO)) for a in dict.fromkeys([*least, *here])
            }
        return {a: n for a, n in least.items() if n != 0}

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
            if r > _HIGHEST_POWER:
                raise Exceeded
            return self.multiply(*[total] * int(r))
        if r.is_Integer and r > 0:
            (term,) = total.terms
            powers = tuple([(a, n * r) for a, n in term.factors])
            return self.normal([replace(term, constant=_number(term.constant**r), factors=powers)])
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
        outside = tuple([(a, n * r) for a, n in factors.items()])
        result = self.normal([Term(_number(scale**r), outside)])
        if rest.number == 1:
            return result
        if r.is_negative and self._may_be_nothing(rest):
            # No law for what is 0 by its conditions alone: [c]·(1/[c]) = 1 would make every c true.
            return self.multiply(result, self.function("power", [rest, self.constant(r)]))
        return self.multiply(result, self._root_of_rest(rest, r))

    def _may_be_nothing(self, total: Sum) -> bool:
        """Whether some truth of its conditions leaves no term."""
        if any(not g.value.variables <= set(t.bound) for t in total.terms for g in t.guards):
            return True
        conditions = self.conditions(total)
        if len(conditions) > _CHOICES:
            return True
        for truths in product((0, 1), repeat=len(conditions)):
            known = dict(zip(conditions, truths, strict=True))
            left = [
                replace(t, factors=tuple([(a, n) for a, n in t.factors if a not in known]))
                for t in total.terms
                if all(known.get(a) != 0 for a, _ in t.factors)
            ]
            if not self.collected(left).terms:
                return True
        return False

    def _root_of_rest(self, rest: Sum, r: Any) -> Sum:
        (term,) = rest.terms if len(rest.terms) == 1 else (None,)
        if term is not None and not term.bound and not term.guards and len(term.factors) == 1:
            ((a, n),) = term.factors
            if term.constant == 1 and n.is_Rational and not is_condition(a):
                if not (n.is_Integer and n % 2 == 0):
                    return self.atom(a, n * r)
                if (n * r).is_Integer and n * r > 0:
                    self.note("√(a²) = |a|")
                    return self.power(self.absolute(self.atom(a)), n * r)
        return self.atom(Applied(self.numbering, "value", [rest]), r)

    # -- functions -----------------------------------------------------------------------------------
    def exp(self, total: Sum) -> Sum:
        """exp of each term is a factor; exp(c·log S) is S^c."""
        self._check_depth(total)
        result = self.constant(1)
        factors: list[tuple[Any, Any]] = []
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
        return self.multiply(result, self.normal([Term(factors=tuple(factors))]))

    def log(self, total: Sum) -> Sum:
        """log of positive factors is a sum of their logs."""
        self._check_depth(total)
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
        if len(rest.terms) == 1 and len(rest.terms[0].factors) == 1 and not rest.terms[0].bound:
            ((a, n),) = rest.terms[0].factors
            if (
                rest.terms[0].constant == 1
                and not rest.terms[0].guards
                and n.is_Rational
                and not is_condition(a)
            ):
                if not n.is_Integer or n % 2:  # a > 0 wherever the log is defined
                    inner = a.arguments[0] if isinstance(a, Applied) and a.name == "value" else self.atom(a)
                    return self.add(*parts, self.scale(self.atom(Applied(self.numbering, "log", [inner])), n))
        return self.add(*parts, self.atom(Applied(self.numbering, "log", [rest])))

    def _log_of_power(self, atom: Applied, n: Any) -> Sum:
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

    def function(self, name: str, arguments: Sequence[Sum]) -> Sum:
        """A function that is kept by name, with the laws of its parity and of integers."""
        self._check_depth(*arguments)
        if name in ODD or name in EVEN:
            (x,) = arguments
            if name in ODD and not x.terms:
                return Sum(())
            if name in ("trunc", "round") and is_integer(x):
                return x
            lead = self.lead(x)
            if lead is not None and lead.constant.is_negative:
                made = self.atom(Applied(self.numbering, name, [self.scale(x, -1)]))
                return self.scale(made, -1) if name in ODD else made
        if name == "floor":
            (x,) = arguments
            whole = [t for t in x.terms if is_integer(Sum((t,)))]
            rest = [t for t in x.terms if not is_integer(Sum((t,)))]
            if not rest:
                return x
            made = self.atom(Applied(self.numbering, name, [Sum(tuple(rest))]))
            return self.add(Sum(tuple(whole)), made)
        return self.atom(Applied(self.numbering, name, arguments))

    def reduction(self, name: str, body: Sum, bound: Sequence[Variable]) -> Sum:
        """max, min, prod … over indices, as one atom; an index of size 1 is none."""
        self._check_depth(body)
        ones = {v: constant(0) for v in bound if same(v.size, 1)}
        if ones and name != "argmax" and name != "argmin":
            return self.reduction(name, self.substituted(body, ones), [v for v in bound if v not in ones])
        if not bound:
            return body
        if name in ("max", "min"):
            body, outside = self._taken_out(body, bound)
            if not is_nonnegative(simplified(product_of([v.size for v in bound]) - 1)):
                raise Undecided(f"{name} over an axis that may be empty")
            if not body.terms:
                return outside
            return self.add(outside, self.atom(Applied(self.numbering, name, [body], bound)))
        return self.atom(Applied(self.numbering, name, [body], bound))

    def _taken_out(self, body: Sum, bound: Sequence[Variable]) -> tuple[Sum, Sum]:
        """max(a + x_k) = a + max x_k."""
        inside = [t for t in body.terms if not t.free.isdisjoint(bound)]
        outside = [t for t in body.terms if t.free.isdisjoint(bound)]
        return Sum(tuple(inside)), Sum(tuple(outside))

    def _check_depth(self, *sums: Sum) -> None:
        if max((s.depth for s in sums), default=0) > DEEPEST:
            raise Exceeded

    # -- truth values, signs -------------------------------------------------------------------------
    def negated(self, condition: Sum) -> Sum:
        return self.subtract(self.constant(1), condition)

    def either(self, x: Sum, y: Sum) -> Sum:
        return self.subtract(self.add(x, y), self.multiply(x, y))

    def chosen(self, condition: Sum, x: Sum, y: Sum) -> Sum:
        apart = self.subtract(x, y)
        condition = Sum(tuple([t for t in condition.terms if not self._is_where_zero(t, apart)]))
        return self.add(self.multiply(condition, apart), y)

    def _is_where_zero(self, term: Term, total: Sum) -> bool:
        """Whether the term has a factor [e = 0], and the sum is a multiple of e."""
        lead = self.lead(total)
        if lead is None:
            return False
        unit = self.scale(total, 1 / lead.constant)
        codes = {a.code for a, _ in term.factors if isinstance(a, Applied) and a.name == "zero"}
        return bool(codes) and Applied(self.numbering, "zero", [unit]).code in codes

    def positive(self, total: Sum) -> Sum:
        """1 where it is > 0, else 0."""
        return self._question(total, "positive")[0]

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
        place = _as_place(total)
        if place is not None:
            guard = Guard(place.plus(-1)) if name == "positive" else Guard(place, equal=True)
            return self.normal([Term(guards=frozenset([guard]))]), zero
        if name == "positive":
            _, rest = self.together(total, self.is_positive_atom)
            return self._of_sign(rest)
        _, rest = self.together(total, self.is_positive_atom)
        return self._is_zero(rest), zero

    def _of_sign(self, rest: Sum) -> tuple[Sum, Sum]:
        self._check_depth(rest)
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

    def zero(self, total: Sum) -> Sum:
        """1 where it is 0, else 0."""
        return self._question(total, "zero")[0]

    def _is_zero(self, rest: Sum) -> Sum:
        self._check_depth(rest)
        if rest.number is not None and (rest.number.is_zero or rest.number.is_nonzero):
            return self.constant(1 if rest.number.is_zero else 0)
        lead = self.lead(rest)
        if lead is not None:
            rest = self.scale(rest, 1 / lead.constant)
        if len(rest.terms) == 1 and not rest.terms[0].bound and not rest.terms[0].guards:
            result = self.constant(1)
            (term,) = rest.terms
            if lead is not None and (
                len(term.factors) > 1 or term.factors[0][1] != 1 or is_condition(term.factors[0][0])
            ):
                for a, n in term.factors:
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
            not t.bound and not t.guards and all(is_condition(a) for a, _ in t.factors) for t in total.terms
        )
        if not plain or not 0 < len(conditions) <= _CHOICES:
            return None
        result = Sum(())
        for truths in product((0, 1), repeat=len(conditions)):
            known = dict(zip(conditions, truths, strict=True))
            value = sum((t.constant for t in total.terms if all(known[a] for a, _ in t.factors)), ZERO)
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
        if lead is not None and lead.constant.is_negative and _as_place(total) is None:
            # Of x and −x one is written by the other: max(−x, 0) = −x + max(x, 0).
            turned = self.scale(total, -1)
            return self.add(total, self.multiply(self.positive(turned), turned))
        return self.multiply(self.positive(total), total)

    def absolute(self, total: Sum) -> Sum:
        return self.subtract(self.scale(self.positive_part(total), 2), total)

    def place(self, index: Affine) -> Sum:
        """An index as a number."""
        parts = [self.constant(index.constant)]
        for key, c in index.parts.items():
            unit = Sum((Term(factors=((Place(of(key)), ONE),)),))
            parts.append(self.scale(unit, sympy.sympify(c)))
        return self.add(*parts)

    def is_rounding(self, difference: Sum, whole: Sum) -> bool:
        """Whether all constants of a difference are tiny beside those of what it is a difference of."""
        largest = max((abs(t.constant) for t in whole.terms if t.constant.is_Rational), default=ZERO)
        return all(t.constant.is_Rational and abs(t.constant) < largest / 10**6 for t in difference.terms)

    # -- comparison ----------------------------------------------------------------------------------
    def vanishes(self, total: Sum) -> bool:
        """Whether a sum is shown to be 0 wherever it is defined."""
        if not total.terms:
            return True
        total = self._plain_zeros(total)
        if not total.terms or self._vanishes_without_conditions(total):
            return True
        conditions = self.conditions(total)
        if not 0 < len(conditions) <= _CHOICES:
            return False
        self.note("distinction of cases")
        for truths in product((0, 1), repeat=len(conditions)):
            known = dict(zip(conditions, truths, strict=True))
            if self._contradicts(known):
                continue
            if not self._vanishes_under(total, known):
                return False
        return True

    def _contradicts(self, known: Mapping[Any, int]) -> bool:
        true = [a for a, t in known.items() if t and isinstance(a, Applied)]
        term = Term(factors=tuple([(a, ONE) for a in true]))
        return self._combined(term.factors) is None

    def _vanishes_under(self, total: Sum, known: Mapping[Any, int]) -> bool:
        """The sum with every condition, also inside functions, replaced by its truth."""

        def replaced(part: Sum) -> Sum:
            made = []
            for term in part.terms:
                if any(known.get(a) == 0 for a, _ in term.factors):
                    continue
                left = Sum(
                    (
                        replace(
                            term,
                            factors=tuple(
                                [
                                    (a, n)
                                    for a, n in term.factors
                                    if not isinstance(a, Applied) and a not in known
                                ]
                            ),
                        ),
                    )
                )
                for atom, n in term.factors:
                    if isinstance(atom, Applied) and atom not in known:
                        inner = [replaced(s) for s in atom.arguments]
                        again = Applied(self.numbering, atom.name, inner, atom.bound)
                        left = Sum(
                            tuple([_times(x, y) for x in left.terms for y in self.again(again, n).terms])
                        )
                made += list(left.terms)
            return self.normal(made)

        left = self._plain_zeros(replaced(total))
        return not left.terms or self._vanishes_without_conditions(left)

    def _vanishes_without_conditions(self, total: Sum) -> bool:
        """By its denominators; where a branch may be left out, they say nothing of the other branch."""
        return not has_conditions(total) and not self._cleared(total).terms

    def _plain_zeros(self, total: Sum) -> Sum:
        """[a = 0]·a is 0 in a term that is defined everywhere."""
        kept = []
        for term in total.terms:
            none = {
                b
                for a, _ in term.factors
                if isinstance(a, Applied) and a.name == "zero" and (b := _single(a.arguments[0])) is not None
            }
            if any(b in none and n.is_positive for b, n in term.factors) and self.is_total(term):
                continue
            kept.append(term)
        return total if len(kept) == len(total.terms) else Sum(tuple(kept))

    def is_total(self, term: Term) -> bool:
        """Whether the term is defined at every point."""
        return all(self._is_total_atom(a, n) for a, n in term.factors)

    def _is_total_atom(self, atom: Any, n: Any) -> bool:
        if isinstance(atom, Read):
            return not atom.tensor.inputs and bool(n.is_Integer and n > 0)
        if isinstance(atom, Place):
            return bool(n.is_Integer and n > 0)
        inside = all(self.is_total(t) for s in atom.arguments for t in s.terms)
        if self.is_positive_atom(atom):
            return inside
        return inside and bool(n.is_Integer and n > 0) and (atom.name in _TOTAL or atom.name in _CONDITIONS)

    def _cleared(self, total: Sum) -> Sum:
        """The sum times its denominators, which are not 0 where it is defined."""
        for _ in range(_HIGHEST_POWER):
            common = {
                a: n
                for a, n in self._common(
                    total, lambda a: isinstance(a, Applied) and a.name == "value"
                ).items()
                if n.is_Integer and n < 0
            }
            if not common:
                return total
            self.note("multiplied by denominators")
            by = Term(factors=tuple([(a, -n) for a, n in common.items()]))
            total = self.normal(_times(t, by) for t in total.terms)
        return total


# -- parts of terms ------------------------------------------------------------------------------------
def is_condition(atom: Any) -> bool:
    """Whether the atom is 0 or 1."""
    if isinstance(atom, Read):
        return bool(atom.tensor.dtype.kind == "b")
    return isinstance(atom, Applied) and (atom.name in _CONDITIONS or atom.name.startswith("is_"))


def has_conditions(total: Sum) -> bool:
    """Whether a condition occurs anywhere in it, also inside functions."""
    stack = list(total.terms)
    while stack:
        term = stack.pop()
        if term.guards:
            return True
        for atom, _ in term.factors:
            if is_condition(atom):
                return True
            if isinstance(atom, Applied):
                stack += atom.terms
    return False


def is_integer(total: Sum) -> bool:
    """Whether its value is an integer wherever it is defined, as far as its terms show."""

    def whole(atom: Any, n: Any) -> bool:
        if not (n.is_Integer and n > 0):
            return False
        if isinstance(atom, Read):
            return bool(atom.tensor.dtype.kind in "iub")
        return isinstance(atom, Place) or atom.name in _INTEGER or is_condition(atom)

    return all(t.constant.is_integer and all(whole(a, n) for a, n in t.factors) for t in total.terms)


def _single(total: Sum) -> Any:
    """The atom that the sum is; a sum in brackets counts as its atom. None where it is none."""
    if len(total.terms) != 1:
        return None
    (term,) = total.terms
    if term.bound or term.guards or term.constant != 1 or len(term.factors) != 1:
        return None
    ((atom, n),) = term.factors
    return atom if n == 1 else None


def _log_alone(term: Term) -> Applied | None:
    if term.bound or term.guards or len(term.factors) != 1:
        return None
    ((atom, n),) = term.factors
    return atom if isinstance(atom, Applied) and atom.name == "log" and n == 1 else None


def _number(value: Any) -> Any:
    """A constant in one form: rationals as they are, expressions of sizes as a quotient."""
    value = sympy.sympify(value)
    if value.is_Rational:
        return value
    return sympy.cancel(sympy.expand(value)) if value.free_symbols else sympy.expand(value)


def _times(a: Term, b: Term) -> Term:
    made = a.times(b)
    return replace(made, constant=_number(made.constant))


def _without(factors: Factors, atom: Any, n: Any) -> Factors:
    return tuple([(a, m - n if a == atom else m) for a, m in factors if a != atom or m != n])


def _as_place(total: Sum) -> Affine | None:
    """The index whose value the sum is, if it is one that its bounds are known of."""
    index = constant(0)
    for term in total.terms:
        if term.bound or term.guards or not term.constant.is_integer:
            return None
        c = int(term.constant) if term.constant.is_Integer else term.constant
        if not term.factors:
            index = index.plus(c)
            continue
        if len(term.factors) != 1 or term.factors[0][1] != 1 or not isinstance(term.factors[0][0], Place):
            return None
        part = term.factors[0][0].index
        if any(isinstance(k, Gather) for k in part.parts):
            return None
        index += part.times(c)
    return index if index.parts else None


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


def _quotient(term: Term, divisor: Applied, lead: Term, numbering: Numbering) -> Term | None:
    """The term without the factors of ``lead`` and the divisor's power; None where they are not all in it."""
    if any(n.is_negative for _, n in lead.factors) or len(lead.bound) > 3:
        return None
    codes = {atom_code(a, {}, numbering): (a, n) for a, n in term.factors if a != divisor}
    taken = set(divisor.variables)
    usable = [v for v in term.bound if v not in taken]
    for chosen in permutations(usable, len(lead.bound)):
        if not all(same(v.size, w.size) for v, w in zip(lead.bound, chosen, strict=True)):
            continue
        new = {v: of(w) for v, w in zip(lead.bound, chosen, strict=True)}
        there = lead.substituted(new)
        left = dict(codes)
        for a, n in there.factors:
            code = atom_code(a, {}, numbering)
            if code not in left or not (left[code][1] - n).is_nonnegative:
                break
            left[code] = (a, left[code][1] - n)
        else:
            if not there.guards <= term.guards:
                continue
            rest = replace(
                term,
                constant=term.constant,
                factors=tuple([(a, n) for a, n in left.values() if n != 0]),
                guards=term.guards - there.guards,
                bound=tuple([v for v in term.bound if v not in chosen]),
            )
            if rest.variables.isdisjoint(chosen):
                return rest
    return None


__all__ = ["Algebra", "Exceeded", "Undecided", "decided", "is_condition", "is_integer"]
