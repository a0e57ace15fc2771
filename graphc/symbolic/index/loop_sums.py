"""Sums over the steps of a loop: the derivative of a step by a constant enters; how it is added up leaves.

By a matrix W that every step multiplies by, h W, the derivative is Σ_t Σ_n h[t, n, a] δ[t, n, b]. Added up
in a carry that is a small product in each step; over the stacked h and δ it is one product of all rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from graphc.ir.dimension import Dim, Shape
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order, transformed
from graphc.symbolic.index.affine import Variable, of
from graphc.symbolic.index.forms import index
from graphc.symbolic.index.lets import Let
from graphc.symbolic.index.raising import Raised, TermRaiser
from graphc.symbolic.index.terms import Atom, Call, Read, Term


class StepSums:
    """Which sums are formed after the loop, and what the loop stacks for them.

    ``changing`` is what stands in a step for what changes from step to step, of which the values at all steps
    are there in any case; ``outputs`` is what the loop stacks beside.
    """

    def __init__(self, changing: Iterable[Tensor], outputs: Iterable[Tensor]) -> None:
        self._changing = set(changing)
        self.outputs = [o for o in dict.fromkeys(outputs) if o not in self._changing]
        self._apart: dict[Tensor, tuple[Let, list[Term]]] = {}

    def split(self, lets: Mapping[Tensor, Let]) -> dict[Tensor, Let]:
        """The derivatives by constants that are added up in carries; the others are kept for `after`."""
        plain = {c: found for c, let in lets.items() if (found := _of_reads(let))}
        for constant, terms in plain.items():
            if all(map(self._is_product, terms)):
                self._keep(constant, lets[constant], terms)
        for constant, terms in plain.items():  # what the products stack serves other sums too
            tensors = [t for term in terms for t in _tensors(term)]
            if constant not in self._apart and all(map(self._is_stacked, tensors)):
                self._keep(constant, lets[constant], terms)
        return {c: let for c, let in lets.items() if c not in self._apart}

    @property
    def read(self) -> set[Tensor]:
        """What the sums after the loop read of each step."""
        return {t for _, terms in self._apart.values() for term in terms for t in _tensors(term)}

    def _keep(self, constant: Tensor, let: Let, terms: list[Term]) -> None:
        self._apart[constant] = (let, terms)
        for tensor in (t for term in terms for t in _tensors(term)):
            if not self._is_stacked(tensor):
                self.outputs.append(tensor)

    def _is_stacked(self, tensor: Tensor) -> bool:
        return tensor in {*self._changing, *self.outputs} or not self._varies(tensor)

    def _varies(self, tensor: Tensor) -> bool:
        return not self._changing.isdisjoint(topological_order([tensor]))

    def _is_product(self, term: Term) -> bool:
        """Whether each of its factors is smaller than their product."""
        wanted = frozenset().union(*[e.variables for e in term.target])
        varying = [a for a, _ in term.factors if isinstance(a, Read) and self._varies(a.tensor)]
        return len(varying) > 1 and not any(wanted <= a.variables for a in varying)

    def after(
        self, stacked: Mapping[Tensor, Tensor], outside: Mapping[Tensor, Tensor], length: Dim, prefix: Shape
    ) -> dict[Tensor, Raised]:
        """The sums, formed of the ``stacked`` values; ``outside`` is what constants stand for."""
        found = {}
        for constant, (let, terms) in self._apart.items():
            step = Variable(length, "t")
            summed = [self._over_steps(term, step, stacked, outside) for term in terms]
            raised = TermRaiser(constant.dtype).tensor(summed, (*prefix, *constant.shape))
            found[constant] = Raised(raised.tensor, let.guarding)
        return found

    def _over_steps(
        self, term: Term, step: Variable, stacked: Mapping[Tensor, Tensor], outside: Mapping[Tensor, Tensor]
    ) -> Term:
        factors: list[tuple[Atom, int]] = []
        for atom, exponent in term.factors:
            assert isinstance(atom, Read)
            if self._varies(atom.tensor):
                read = Read(stacked[atom.tensor], (of(step), *atom.index), atom.guarding)
            else:
                made = transformed([atom.tensor], lambda node: node, outside)[atom.tensor]
                read = Read(made, atom.index, atom.guarding)
            factors.append((read, exponent))
        return replace(term, factors=tuple(factors), bound=(step, *term.bound))


def _tensors(term: Term) -> list[Tensor]:
    return [a.tensor for a, _ in term.factors if isinstance(a, Read)]


def _of_reads(let: Let) -> list[Term]:
    """The terms as products of tensors at plain indices, those of the step; empty if one is none."""
    raiser = TermRaiser(let.node.dtype)
    found = [_product(term, raiser) for term in let.simplified]
    return [] if any(term is None for term in found) else [term for term in found if term is not None]


def _product(term: Term, raiser: TermRaiser) -> Term | None:
    if term.guards or any(e.variable is None for e in term.target) or not term.factors:
        return None
    reads: list[Read] = []
    for atom, exponent in term.factors:
        if isinstance(atom, Call) and atom.chooses:
            return None
        if not isinstance(atom, Read) or exponent != 1:
            grid = raiser.factor(atom, exponent)
            atom = Read(grid.tensor, index(grid.axes), isinstance(atom, Call) and atom.guarding)
        if any(e.variable is None for e in atom.index):
            return None
        reads.append(atom)
    guards = [r for r in reads if r.guarding]
    covered = frozenset().union(*[r.variables for r in guards])
    if guards and any(r.variables <= covered for r in reads if not r.guarding):
        return None  # there a zero must win, which the step sees to
    return replace(term, factors=tuple([(r, 1) for r in reads]))
