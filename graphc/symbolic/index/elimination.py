"""Delta elimination: a term with equations between its indices enters; one with fewer bound indices leaves.

Rules, tried in turn until none applies:

* an index of size 1 is 0;
* *unit*: an equation with a bound index of coefficient ±1 is solved for it, and its range becomes a guard;
* *mixed radix*: bound indices with coefficients 1, n₀, n₀n₁, … are the digits of the rest, in range;
* *digit split*: a bound index that is read through digits becomes one index for each digit.

An equation of several bound indices with larger steps is kept: it is what ``fold`` and ``embed`` mean. An
index is never solved for while it also occurs inside a digit or as the place of a gathered element.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from graphc.ir.dimension import Dim, same, simplified
from graphc.ops.shape import quotient
from graphc.symbolic.index.affine import (
    Affine,
    Variable,
    constant,
    digit,
    digits_in,
    of,
    product_of,
    variables_of,
    within,
)
from graphc.symbolic.index.forms import in_range
from graphc.symbolic.index.terms import Guard, Term, decided, indices_of

RULES = ("single index", "unit delta", "mixed radix", "digit split")


@dataclass(frozen=True)
class Elimination:
    """The term that is left and the rules that led to it, in order; no term where a guard never holds."""

    term: Term | None
    rules: tuple[str, ...]


def eliminated(term: Term) -> Elimination:
    """The term with as many equations solved as can be."""
    rules: list[str] = []
    while True:
        left = decided(term)
        if left is None:
            return Elimination(None, tuple(rules))
        term = left
        step = _single(term) or _unit(term) or _radix(term) or _split(term)
        if step is None:
            return Elimination(term, tuple(rules))
        rule, term = step
        rules.append(rule)


Step = tuple[str, Term] | None


def _solved(term: Term, new: Mapping[Variable, Affine], guard: Guard | None) -> Term:
    """The term with variables replaced; ``guard`` is the equation that is used up."""
    left = replace(term, guards=term.guards - {guard}) if guard is not None else term
    made = left.substituted(new)
    ranges = [g for v, e in new.items() for g in in_range(e, v.size) if not within(e, v.size)]
    return replace(made, guards=made.guards | frozenset(ranges))


def _single(term: Term) -> Step:
    ones = {v: constant(0) for v in term.bound if same(v.size, 1)}
    return ("single index", _solved(term, ones, None)) if ones else None


def _equations(term: Term) -> list[Guard]:
    return sorted((g for g in term.guards if g.equal), key=lambda g: (len(g.value.parts), repr(g)))


def _unit(term: Term) -> Step:
    targets = {v for e in term.target for v in e.variables}
    bound = set(term.bound)
    for guard in _equations(term):
        candidates = []
        for key, c in guard.value.parts.items():
            if not isinstance(key, Variable) or key not in bound or not (same(c, 1) or same(c, -1)):
                continue
            if _is_nested(key, guard.value):
                continue
            candidates.append((key in targets, key, c))
        # An index of the result is kept where another can go.
        candidates.sort(key=lambda c: c[0])
        for in_target, key, c in candidates:
            rest = (guard.value - of(key).times(c)).times(-1 if same(c, 1) else 1)
            if in_target and not _stays_simple(rest):
                continue
            return "unit delta", _solved(term, {key: rest}, guard)
    return None


def _stays_simple(rest: Affine) -> bool:
    """Whether an index of the result may become this: one variable, or none."""
    return rest.is_plain and len(rest.parts) <= 1


def _is_nested(variable: Variable, value: Affine) -> bool:
    """Whether the variable also occurs inside another key."""
    return any(variable in variables_of(k) for k in value.parts if k is not variable)


def _radix(term: Term) -> Step:
    """Σ c_k v_k = e with c = 1, n₀, n₀n₁, … and the v_k bound: they are the digits of e."""
    targets = {v for e in term.target for v in e.variables}
    bound = set(term.bound) - targets
    for guard in _equations(term):
        for sign in (1, -1):
            value = guard.value.times(sign)
            chosen = _radix_variables(value, bound)
            if len(chosen) < 2:
                continue
            rest = value
            for v, c in chosen:
                rest = rest - of(v).times(c)
            rest = rest.times(-1)
            if any(v in rest.variables for v, _ in chosen):
                continue
            new = {v: digit(rest, c, v.size) for v, c in chosen}
            made = _solved(term, new, guard)
            total = in_range(rest, product_of([v.size for v, _ in chosen]))
            return "mixed radix", replace(made, guards=made.guards | frozenset(total))
    return None


def _radix_variables(value: Affine, bound: set[Variable]) -> list[tuple[Variable, Dim]]:
    found: list[tuple[Variable, Dim]] = []
    step: Dim = 1
    while True:
        following = [
            k
            for k, c in value.parts.items()
            if isinstance(k, Variable) and k in bound and same(c, step) and k not in [v for v, _ in found]
        ]
        if len(following) != 1:
            return found
        found.append((following[0], step))
        step = simplified(step * following[0].size)


# -- digits ------------------------------------------------------------------------------------------
def _split(term: Term) -> Step:
    """A bound variable whose digits nest becomes Σ radix · part."""
    bound = set(term.bound)
    cuts: dict[Variable, list[Dim]] = {}
    for found in digits_in(indices_of(term)):
        v = found.value.variable
        if v is not None and v in bound:
            cuts.setdefault(v, []).extend([found.divisor, simplified(found.divisor * found.modulus)])
    for v, places in cuts.items():
        radices = _chain(places, v.size)
        if radices is None:
            continue
        parts = []
        total = constant(0)
        for low, high in pairwise(radices):
            size = quotient(high, low)
            assert size is not None  # a chain of divisors
            parts.append(Variable(size, v.letter))
            total += of(parts[-1]).times(low)
        made = term.substituted({v: total})
        return "digit split", replace(made, bound=(*made.bound, *reversed(parts)))
    return None


def _chain(places: Sequence[Dim], size: Dim) -> list[Dim] | None:
    """1, …, size with each dividing the next and every place among them; None where they do not nest."""
    distinct: list[Dim] = []
    for place in (1, *places, size):
        if not any(same(place, d) for d in distinct):
            distinct.append(place)
    below = Counter(
        i for i, p in enumerate(distinct) for q in distinct if q is not p and quotient(p, q) is not None
    )
    order = sorted(range(len(distinct)), key=lambda i: below[i])
    chain = [distinct[i] for i in order]
    for low, high in pairwise(chain):
        if quotient(high, low) is None:
            return None
    return chain if same(chain[-1], size) and len(chain) > 2 else None
