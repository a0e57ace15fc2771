"""Factoring: a sum of terms enters; a sum of fewer, with brackets, leaves.

What two or more terms have in common is taken out: Σ_n X[n,a] P[n,b] − Σ_n X[n,a] Y[n,b] is
Σ_n X[n,a] (P[n,b] − Y[n,b]). A factor that was chosen by a condition is only taken out, and only from what is
finite: parted from the condition, another factor might be infinite where it was not chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from graphc.symbolic.index.affine import Variable, of
from graphc.symbolic.index.costs import extent, measured, term_cost
from graphc.symbolic.index.risk import is_risky
from graphc.symbolic.index.terms import Atom, Bracket, Call, Guard, Read, Term, canonical, multiplied

_MOST_TERMS = 24
_MOST_FACTORS = 7

Factors = tuple[tuple[Atom, int], ...]


@dataclass(frozen=True, eq=False)
class _Split:
    """A term as a common part and the rest; ``order`` names the common part's bound variables."""

    term: Term
    common: Factors
    rest: Factors
    guards: frozenset[Guard]
    order: tuple[Variable, ...]


def factored(terms: Sequence[Term], outputs: Sequence[Variable]) -> list[Term]:
    """The terms with common factors taken out, the widest first; ``outputs`` are the result's indices."""
    current = sorted(terms, key=lambda t: bool(_is_negative(t)))  # what is positive comes first
    while 1 < len(current) <= _MOST_TERMS:
        best = _best(current, outputs)
        if best is None:
            break
        splits, made = best
        members = {id(s.term) for s in splits}
        at = next(i for i, t in enumerate(current) if id(t) in members)
        current = [t for i, t in enumerate(current) if id(t) not in members or i == at]
        current[at] = made
    return _alike(current, outputs)


def _alike(terms: Sequence[Term], outputs: Sequence[Variable]) -> list[Term]:
    """Sums of single elements at the same indices are one sum: Σ P − Σ Y = Σ (P − Y)."""
    fixed = set(outputs)
    groups: dict[Any, list[Term]] = {}
    for term in terms:
        key: Any = id(term)
        summed = [v for v in term.bound if v not in fixed]
        if summed and len(term.factors) == 1 and not term.guards and not _has_target(term, summed):
            ((atom, exponent),) = term.factors
            if isinstance(atom, Read) and exponent == 1 and not atom.guarding:
                order = [e.variable for e in atom.index]
                if set(summed) <= set(order):
                    key = tuple([(str(v.size) if v in summed else id(v)) if v else None for v in order])
        groups.setdefault(key, []).append(term)
    return [g[0] if len(g) == 1 else _one_sum(g, fixed) for g in groups.values()]


def _has_target(term: Term, variables: Sequence[Variable]) -> bool:
    return any(v in e.variables for e in term.target for v in variables)


def _one_sum(terms: Sequence[Term], fixed: set[Variable]) -> Term:
    first = terms[0]
    ((model, _),) = first.factors
    assert isinstance(model, Read)
    inner = []
    for term in terms:
        ((atom, _),) = term.factors
        assert isinstance(atom, Read)
        read = Read(atom.tensor, model.index)
        inner.append(Term(term.constant / first.constant, ((read, 1),)))
    return replace(first, factors=((Bracket(tuple(inner)), 1),))


def _is_negative(term: Term) -> bool:
    return bool(term.constant.could_extract_minus_sign())


def _best(terms: Sequence[Term], outputs: Sequence[Variable]) -> tuple[list[_Split], Term] | None:
    """The splits to join and the term that they make: of most terms, then the cheapest to compute."""
    groups: dict[Any, list[_Split]] = {}
    for term in terms:
        if not _may_split(term):
            continue
        for key, split in _splits(term, outputs):
            held = groups.setdefault(key, [])
            if all(s.term is not term for s in held):
                held.append(split)
    sizes = {id(t): measured(t, outputs)[1] for t in terms}
    for count in sorted({len(g) for g in groups.values() if len(g) > 1}, reverse=True):
        found = []
        for group in [g for g in groups.values() if len(g) == count]:
            made = _joined(group, outputs)
            # A bracket must not hold together what was summed apart.
            allowed = max(sizes[id(s.term)] for s in group)
            if all(extent(a.variables) <= allowed for a, _ in made.factors if isinstance(a, Bracket)):
                found.append((term_cost(made, outputs), -len(group[0].common), group, made))
        if found:
            _, _, group, made = min(found, key=lambda f: f[:2])
            return group, made
    return None


def _may_split(term: Term) -> bool:
    return len(term.factors) <= _MOST_FACTORS


def _guards(factors: Factors) -> int:
    """How many factors were chosen by a condition."""
    return sum(isinstance(a, (Read, Call)) and a.guarding for a, _ in factors)


def _splits(term: Term, outputs: Sequence[Variable]) -> Iterator[tuple[Any, _Split]]:
    """Each part that might be common, with its canonical key."""
    single = [(a, 1 if n > 0 else -1) for a, n in term.factors for _ in range(abs(n))]
    if len(single) > _MOST_FACTORS:
        single = list(term.factors)
    fixed = set(outputs)
    guarding = _guards(term.factors)
    seen: set[frozenset[tuple[Atom, int]]] = set()
    for count in range(len(single), 0, -1):
        for chosen in combinations(range(len(single)), count):
            common = multiplied(single[i] for i in chosen)
            name = frozenset(common)
            if name in seen:
                continue
            seen.add(name)
            rest = multiplied(s for i, s in enumerate(single) if i not in chosen)
            if guarding and (_guards(common) < guarding or any(is_risky(a, n) for a, n in rest)):
                continue
            variables = frozenset().union(*[a.variables for a, _ in common])
            held = frozenset(g for g in term.guards if g.value.variables <= variables | fixed)
            if any(e.variables - fixed - variables for e in term.target):
                continue
            bound = [v for v in term.bound if v in variables and v not in fixed]
            key, order = canonical(common, held, term.target, bound)
            yield (key, guarding), _Split(term, common, rest, held, tuple(order))
            if any(g.equal for g in held):  # an equation may also stay with the rest: X (P − [k = t])
                key, order = canonical(common, (), term.target, bound)
                yield (key, guarding), _Split(term, common, rest, frozenset(), tuple(order))


def _joined(splits: Sequence[_Split], outputs: Sequence[Variable]) -> Term:
    """The common part times the sum of the rests, in the first one's names."""
    first = splits[0]
    constant = first.term.constant
    inner = []
    fixed = set(outputs)
    for split in splits:
        new = {v: of(w) for v, w in zip(split.order, first.order, strict=True) if v is not w}
        common = set(split.order) | fixed
        bound = tuple([v for v in split.term.bound if v not in common])
        rest = Term(
            split.term.constant / constant,
            split.rest,
            split.term.guards - split.guards,
            (*bound, *[v for v in split.order if v in new]),
        )
        inner.append(rest.substituted(new) if new else rest)
    inner = factored(_merged_ones(inner), [*outputs, *first.order])
    bound = tuple([v for v in first.term.bound if v in set(first.order) | fixed])
    factors = multiplied([*first.common, (Bracket(tuple(inner)), 1)])
    if len(inner) == 1 and not inner[0].guards:  # no bracket is needed: a sum in a sum is one
        factors = multiplied([*first.common, *inner[0].factors])
        constant = constant * inner[0].constant
        bound = (*bound, *inner[0].bound)
    return replace(first.term, constant=constant, factors=factors, guards=first.guards, bound=bound)


def _merged_ones(terms: Sequence[Term]) -> list[Term]:
    """Terms that are numbers added up."""
    numbers = [t for t in terms if not t.factors and not t.guards and not t.bound]
    others = [t for t in terms if t.factors or t.guards or t.bound]
    if len(numbers) < 2:
        return list(terms)
    total = sum((t.constant for t in numbers), numbers[0].constant * 0)
    return [*others, Term(total)] if total != 0 else others
