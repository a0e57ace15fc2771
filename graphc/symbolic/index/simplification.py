"""Simplification: terms enter; fewer or shorter ones of the same sum leave.

In order: common indices for the result; indices that nothing depends on become a count; sums that the
graph knows; products that are nodes of the graph; equal terms; common factors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace

import sympy

from graphc.ir.dimension import Shape, same
from graphc.ir.tensor import Tensor
from graphc.ops.linear_algebra import EINSUM, MATMUL
from graphc.symbolic.index.affine import Affine, Gather, Variable, constant, of
from graphc.symbolic.index.costs import complexity
from graphc.symbolic.index.expansion import multiplied_out, written_out
from graphc.symbolic.index.factoring import factored
from graphc.symbolic.index.known_sums import Assumption, KnownSums
from graphc.symbolic.index.normalisation import Normaliser
from graphc.symbolic.index.terms import Guard, Read, Term, decided, merged, multiplied, reads_of

KNOWN_SUM = "known sum"
EXPANDED = 8  # terms; more are not multiplied out
_WRITTEN = 3  # products of products that are written as sums
_NAMES = "abcdefgh"


@dataclass(frozen=True, eq=False)
class Simplified:
    """The terms that are left, the result's indices, and the rules that applied, in order."""

    terms: list[Term]
    outputs: tuple[Variable, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Way:
    """One way to write terms; ``folded``: products were read from nodes."""

    terms: list[Term]
    rules: tuple[str, ...]
    folded: bool


class Simplifier:
    """What a graph knows about its own nodes, applied to terms."""

    def __init__(self, nodes: Sequence[Tensor], assumptions: Iterable[Assumption] = ()) -> None:
        self._sums = KnownSums(nodes, assumptions)
        self._normaliser = Normaliser(nodes)

    def simplified(self, terms: Sequence[Term], shape: Shape, above: Set[Tensor] = frozenset()) -> Simplified:
        """The sum of the terms, shorter; ``above`` are the nodes that move with what is differentiated by."""
        outputs = tuple([Variable(size, _NAMES[a % len(_NAMES)]) for a, size in enumerate(shape)])
        rules: list[str] = []
        found = [_over(t, outputs) for t in terms]
        found = self._each(found, _counted, "index that nothing reads", rules)
        found = [self._normaliser.normalised(t) for t in found]
        found = self._each(found, _shifted, "window of the other", rules)
        ways = [self._way(found, outputs, above)]
        if ways[0].folded:  # a product by name may hide what terms have in common
            ways.append(self._way(found, outputs, frozenset()))
        best = min(ways, key=lambda w: (len(w.terms), complexity(w.terms)))
        return Simplified(best.terms, outputs, tuple(dict.fromkeys([*rules, *best.rules])))

    def _way(self, terms: Sequence[Term], outputs: tuple[Variable, ...], above: Set[Tensor]) -> _Way:
        """The terms merged and factored, with products by name of the nodes ``above``."""
        rules: list[str] = []
        found = self._shortened(list(terms), above, rules)
        fewer = merged(found)
        if len(fewer) < len(found):
            rules.append("equal terms")
        fewer = self._expanded(fewer, above, rules)
        short = factored(fewer, outputs)
        plain = fewer
        for _ in range(_WRITTEN if len(fewer) > 1 else 0):
            if (other := written_out(plain)) is None:
                break
            other = plain = merged([self._normaliser.normalised(t) for t in other])
            candidate = factored(other, outputs)
            if (len(candidate), _letters(candidate)) < (len(short), _letters(short)):
                rules.append("product written out")
                fewer, short = other, candidate
        if len(fewer) > 1 and (other := _equated(fewer, outputs)) is not None:
            candidate = factored(other, outputs)
            # An elementwise choice costs no more than adding up at places; a sum of choices would.
            chosen = all(set(t.bound) <= set(outputs) for t in fewer)
            if len(candidate) < len(short) or (chosen and len(candidate) == len(short)):
                rules.append("place as an equation")
                fewer, short = other, candidate
        if len(short) < len(fewer):
            rules.append("common factor")
        return _Way(short, tuple(rules), "product by name" in rules)

    def _shortened(self, terms: list[Term], above: Set[Tensor], rules: list[str]) -> list[Term]:
        found = self._each(
            terms, lambda t: _one(self._normaliser.refolded(t, above)), "product by name", rules
        )
        return self._each(found, self._summed, KNOWN_SUM, rules)

    def _expanded(self, terms: list[Term], above: Set[Tensor], rules: list[str]) -> list[Term]:
        """The terms multiplied out, if that is shorter."""
        other = multiplied_out(terms) if 1 < len(terms) <= EXPANDED else None
        if other is None:
            return terms
        mine: list[str] = []
        candidate = merged(self._shortened([self._normaliser.normalised(t) for t in other], above, mine))
        if complexity(candidate) >= complexity(terms):
            return terms
        rules += ["distributive law", *mine]
        return candidate

    def _each(self, terms: list[Term], change, rule: str, rules: list[str]) -> list[Term]:  # type: ignore[no-untyped-def]
        made: list[Term] = []
        for term in terms:
            found = change(term)
            if found is None:
                made.append(term)
            else:
                rules.append(rule)
                made += found
        return made

    # -- sums ----------------------------------------------------------------------------------------
    def _summed(self, term: Term) -> list[Term] | None:
        """A factor whose own indices are summed over, where the sum is known."""
        for position, (atom, exponent) in enumerate(term.factors):
            if exponent != 1 or not isinstance(atom, Read):
                continue
            own = _own_variables(term, position)
            axes = tuple([a for a, e in enumerate(atom.index) if e.variable in own])
            if not own or len(axes) != len(own):
                continue
            if any(not same(atom.index[a].variable.size, atom.tensor.shape[a]) for a in axes):  # type: ignore[union-attr]
                continue
            known = self._sums.of(atom.tensor, axes, atom.index)
            if known is None:
                continue
            bound = tuple([v for v in term.bound if v not in own])
            rest = [f for i, f in enumerate(term.factors) if i != position]
            made = []
            for c, read in known:
                factors = rest if read is None else [*rest[:position], (read, 1), *rest[position:]]
                part = replace(term, constant=term.constant * c, factors=multiplied(factors), bound=bound)
                made += self._summed(part) or [part]
            return made
        return None


def _own_variables(term: Term, position: int) -> set[Variable]:
    """The bound variables that only this factor has, each as a plain index."""
    atom, _ = term.factors[position]
    assert isinstance(atom, Read)
    elsewhere: set[Variable] = set()
    for i, (other, _) in enumerate(term.factors):
        if i != position:
            elsewhere |= other.variables
    for guard in term.guards:
        elsewhere |= guard.value.variables
    for e in term.target:
        elsewhere |= e.variables
    plain = [e.variable for e in atom.index if e.variable is not None]
    inside = [v for e in atom.index if e.variable is None for v in e.variables]
    return {
        v for v in plain if v in term.bound and v not in elsewhere and v not in inside and plain.count(v) == 1
    }


def _letters(terms: Iterable[Term]) -> int:
    """How many elements are read; a product read from one node is written in full all the same, as two."""
    reads = [r for t in terms for r in reads_of(a for a, _ in t.factors)]
    return len(reads) + sum(r.tensor.op in (MATMUL, EINSUM) and r.tensor.name is None for r in reads)


def _one(term: Term | None) -> list[Term] | None:
    return None if term is None else [term]


def _counted(term: Term) -> list[Term] | None:
    """An index that nothing depends on is summed by counting it."""
    present = term.variables
    absent = [v for v in term.bound if v not in present]
    if not absent:
        return None
    count = sympy.S.One
    for v in absent:
        count = count * v.size
    bound = tuple([v for v in term.bound if v in present])
    return [replace(term, constant=term.constant * count, bound=bound)]


def _shifted(term: Term) -> list[Term] | None:
    """A window with its bounds becomes a plain index: Σ_s U[s] X[s − c], 0 ≤ s − c < m, is Σ_p U[p + c] X[p].

    Where that makes guards needless, the window is one of the other factor and stays within it.
    """
    for atom, _ in term.factors:
        if not isinstance(atom, Read):
            continue
        for e, size in zip(atom.index, atom.tensor.shape, strict=True):
            low, high = Guard(e), Guard(constant(size - 1) - e)
            if not e.is_plain or len(e.parts) < 2 or not {low, high} <= term.guards:
                continue
            for v in e.parts:
                if not isinstance(v, Variable) or v not in term.bound or e.parts[v] != 1:
                    continue
                if any(v in t.variables for t in term.target):
                    continue
                place = Variable(size, "p")
                whole = of(place) - (e - of(v))
                made = replace(term, guards=term.guards - {low, high}).substituted({v: whole})
                ranges = {Guard(whole), Guard(constant(v.size - 1) - whole)}
                done = decided(replace(made, guards=made.guards | ranges, bound=(*made.bound, place)))
                if done is not None and len(done.guards) < len(term.guards):
                    return _shifted(done) or [done]
    return None


def _equated(terms: Sequence[Term], outputs: Sequence[Variable]) -> list[Term] | None:
    """Terms added up at places, v[n] at t[n], by the equation k = t[n]; None unless a term is at every k."""
    plain = tuple([of(o) for o in outputs])
    if not any(t.target == plain for t in terms):
        return None
    found, changed = [], False
    for term in terms:
        guards, target = set(term.guards), list(term.target)
        for axis, e in enumerate(term.target):
            if len(e.parts) == 1 and isinstance(next(iter(e.parts)), Gather) and same(e.constant, 0):
                guards.add(Guard(plain[axis] - e, True))
                target[axis] = plain[axis]
        if tuple(target) == plain and tuple(target) != term.target:
            bound = tuple(dict.fromkeys([*term.bound, *outputs]))
            term = replace(term, guards=frozenset(guards), target=plain, bound=bound)
            changed = True
        found.append(term)
    return found if changed else None


def _over(term: Term, outputs: Sequence[Variable]) -> Term:
    """Plain targets take the names that all terms share."""
    new: dict[Variable, Affine] = {}
    for e, output in zip(term.target, outputs, strict=True):
        v, place = e.variable, of(output)
        if v is None:  # the other way round: n − 1 − v
            backwards = constant(output.size - 1) - e
            v, place = backwards.variable, constant(output.size - 1) - place
        if v is None or v in new or v not in term.bound or not same(v.size, output.size):
            continue
        new[v] = place
    made = term.substituted(new)
    named = [o for o in outputs if any(o in e.variables for e in made.target)]
    return replace(made, bound=(*made.bound, *named))
