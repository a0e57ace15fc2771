"""Costs of sums in index notation: how many products of elements the variable-by-variable order takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.symbolic.index.affine import Variable
from graphc.symbolic.index.terms import Bracket, Term

SIZE_HINT = 64  # what a symbolic size counts as


def extent(variables: Iterable[Variable]) -> float:
    """The number of combinations of the variables."""
    total = 1.0
    for v in variables:
        total *= v.size if isinstance(v.size, int) else SIZE_HINT
    return total


def measured(term: Term, kept: Iterable[Variable]) -> tuple[float, float]:
    """The products that contracting the term takes, and the elements of the largest array on the way."""
    total = 0.0
    operands = []
    for atom, _ in term.factors:
        operands.append(set(atom.variables))
        if isinstance(atom, Bracket):
            total += sum_cost(atom.terms, atom.variables)
    largest = max(map(extent, operands), default=1.0)
    operands += [set(g.value.variables) for g in term.guards]
    staying = set(kept)
    left = [v for v in term.bound if v not in staying]
    while True:
        groups = {v: [o for o in operands if v in o] for v in left}
        joined = {v: set().union(*g) for v, g in groups.items() if g}
        if not joined:
            break
        v = min(joined, key=lambda v: extent(joined[v]))
        total += extent(joined[v])
        operands = [o for o in operands if v not in o]
        gone = {u for u in joined[v] if u in left and not any(u in o for o in operands)}
        operands.append(joined[v] - gone)
        largest = max(largest, extent(operands[-1]))
        left = [u for u in left if u not in gone]
    return (total + extent(set().union(*operands)) if operands else total + 1), largest


def term_cost(term: Term, kept: Iterable[Variable]) -> float:
    """The products that contracting the term takes, brackets included."""
    return measured(term, kept)[0]


def sum_cost(terms: Sequence[Term], kept: Iterable[Variable]) -> float:
    """The products of all terms."""
    staying = list(kept)
    return sum(term_cost(t, staying) for t in terms)


def complexity(terms: Iterable[Term]) -> int:
    """How much there is to read: factors and terms, those in brackets too."""
    total = 0
    for term in terms:
        total += 1
        for atom, exponent in term.factors:
            total += min(abs(exponent), 2)
            if isinstance(atom, Bracket):
                total += complexity(atom.terms)
    return total
