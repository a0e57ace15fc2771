"""Simplification: terms enter; fewer or shorter ones of the same sum leave.

In order: common indices for the result; indices that nothing depends on become a count; sums that the
graph knows; products that are nodes of the graph; equal terms; common factors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import sympy

from graphc.ir.dimension import Shape, same
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.symbolic.index.affine import Affine, Variable, of
from graphc.symbolic.index.factoring import factored
from graphc.symbolic.index.known_sums import Assumption, KnownSums
from graphc.symbolic.index.terms import Atom, Read, Term, merged, multiplied

_NAMES = "abcdefgh"


@dataclass(frozen=True, eq=False)
class Simplified:
    """The terms that are left, the result's indices, and the rules that applied, in order."""

    terms: list[Term]
    outputs: tuple[Variable, ...]
    rules: tuple[str, ...]


class Simplifier:
    """What a graph knows about its own nodes, applied to terms."""

    def __init__(self, nodes: Sequence[Tensor], assumptions: Iterable[Assumption] = ()) -> None:
        self._sums = KnownSums(nodes, assumptions)
        self._products: dict[Tensor, list[Tensor]] = {}
        self._reciprocals: dict[Tensor, Tensor] = {}
        for node in nodes:
            if node.op is ew.RECIPROCAL:
                self._reciprocals.setdefault(node.inputs[0], node)
            elif node.op in (ew.MULTIPLY, ew.DIVIDE) and _is_proper(node):
                self._products.setdefault(node.inputs[0], []).append(node)

    def simplified(self, terms: Sequence[Term], shape: Shape) -> Simplified:
        """The sum of the terms, shorter."""
        outputs = tuple([Variable(size, _NAMES[a % len(_NAMES)]) for a, size in enumerate(shape)])
        rules: list[str] = []
        found = [_over(t, outputs) for t in terms]
        found = self._each(found, _counted, "index that nothing reads", rules)
        found = self._each(found, self._refolded, "product by name", rules)
        found = self._each(found, self._summed, "known sum", rules)
        fewer = merged(found)
        if len(fewer) < len(found):
            rules.append("equal terms")
        short = factored(fewer, outputs)
        if len(short) < len(fewer):
            rules.append("common factor")
        return Simplified(short, outputs, tuple(dict.fromkeys(rules)))

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

    # -- products ------------------------------------------------------------------------------------
    def _refolded(self, term: Term) -> list[Term] | None:
        """Factors that make up a product which is a node are read from that node."""
        factors = dict(term.factors)
        changed = False
        while True:
            step = self._reciprocal(factors) or self._product(factors)
            if step is None:
                break
            factors, changed = step, True
        return [replace(term, factors=tuple(factors.items()))] if changed else None

    def _reciprocal(self, factors: dict[Atom, int]) -> dict[Atom, int] | None:
        for atom, exponent in factors.items():
            if isinstance(atom, Read) and exponent < 0 and atom.tensor in self._reciprocals:
                inverse = Read(self._reciprocals[atom.tensor], atom.index)
                return dict(
                    multiplied([*((a, n) for a, n in factors.items() if a != atom), (inverse, -exponent)])
                )
        return None

    def _product(self, factors: dict[Atom, int]) -> dict[Atom, int] | None:
        for atom, exponent in factors.items():
            if not isinstance(atom, Read) or exponent < 1:
                continue
            for node in self._products.get(atom.tensor, ()):
                found = _within(node, atom, factors)
                if found is not None:
                    return found
        return None


def _is_proper(node: Tensor) -> bool:
    """Whether the node is a product of two tensors, the first of its own shape."""
    first, second = node.inputs
    return (
        first is not second
        and first.op.name != "constant"
        and second.op.name != "constant"
        and second.op.name != "dimension"
        and len(first.shape) == len(node.shape)
        and all(same(a, b) for a, b in zip(first.shape, node.shape, strict=True))
    )


def _within(node: Tensor, first: Read, factors: dict[Atom, int]) -> dict[Atom, int] | None:
    """The factors with one product of the node's operands replaced by the node."""
    second = node.inputs[1]
    sign = -1 if node.op is ew.DIVIDE else 1
    offset = node.ndim - second.ndim
    index = tuple(
        [
            e if not _is_stretched(second, node, a) else Affine({}, 0)
            for a, e in enumerate(first.index[offset:])
        ]
    )
    other = Read(second, index)
    if factors.get(other, 0) * sign < 1:
        return None
    return dict(multiplied([(Read(node, first.index), 1), *factors.items(), (first, -1), (other, -sign)]))


def _is_stretched(operand: Tensor, node: Tensor, axis: int) -> bool:
    offset = node.ndim - operand.ndim
    return same(operand.shape[axis], 1) and not same(node.shape[offset + axis], 1)


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


def _over(term: Term, outputs: Sequence[Variable]) -> Term:
    """Plain targets take the names that all terms share."""
    new: dict[Variable, Affine] = {}
    for e, output in zip(term.target, outputs, strict=True):
        v = e.variable
        if v is None or v in new or v not in term.bound or not same(v.size, output.size):
            continue
        new[v] = of(output)
    made = term.substituted(new)
    named = [o for o in outputs if any(o in e.variables for e in made.target)]
    return replace(made, bound=(*made.bound, *named))
