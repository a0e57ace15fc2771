"""Sums over the steps of a loop: the derivative of a step by a constant enters; how it is added up leaves.

By a matrix W that every step multiplies by, h W, the derivative is Σ_t Σ_n h[t, n, a] δ[t, n, b]. Added up
in a carry that is a small product in each step; over the stacked h and δ it is one product of all rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from graphc.ir.dimension import Dim, Shape
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed
from graphc.symbolic.index.affine import Variable, of
from graphc.symbolic.index.forms import index
from graphc.symbolic.index.lets import Let
from graphc.symbolic.index.raising import Raised, TermRaiser
from graphc.symbolic.index.risk import is_risky
from graphc.symbolic.index.terms import Atom, Call, Read, Term


class StepSums:
    """Which sums are formed after the loop, and what the loop stacks for them.

    ``known`` are the sequences that are there already, by what stands for them in a step; ``varying`` are
    the nodes that change from step to step; ``outputs`` is what the loop stacks.
    """

    def __init__(self, known: Iterable[Tensor], varying: set[Tensor], outputs: Iterable[Tensor]) -> None:
        self._known, self._varying = set(known), varying
        self.outputs = [o for o in dict.fromkeys(outputs) if o not in self._known]
        self._apart: dict[Tensor, tuple[Let, list[Term]]] = {}

    def split(self, lets: Mapping[Tensor, Let]) -> dict[Tensor, Let]:
        """The derivatives by constants that are added up in carries; the others are kept for `after`."""
        for constant, let in lets.items():
            terms = [_of_reads(term, let) for term in let.simplified]
            products = [t for t in terms if t is not None and self._is_product(t)]
            if terms and len(products) == len(terms):
                self._keep(constant, let, products)
        for constant, let in lets.items():  # what the products stack serves other sums too
            terms = [_of_reads(term, let) for term in let.simplified]
            stacked = [t for t in terms if t is not None and all(map(self._is_stacked, _tensors(t)))]
            if constant not in self._apart and terms and len(stacked) == len(terms):
                self._keep(constant, let, stacked)
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
        return tensor not in self._varying or tensor in self._known or any(tensor is o for o in self.outputs)

    def _is_product(self, term: Term) -> bool:
        """Whether each of its factors is smaller than their product."""
        wanted = frozenset().union(*[e.variables for e in term.target])
        varying = [a for a, _ in term.factors if isinstance(a, Read) and a.tensor in self._varying]
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
            if atom.tensor in self._varying:
                read = Read(stacked[atom.tensor], (of(step), *atom.index), atom.guarding)
            else:
                made = transformed([atom.tensor], lambda node: node, outside)[atom.tensor]
                read = Read(made, atom.index, atom.guarding)
            factors.append((read, exponent))
        return replace(term, factors=tuple(factors), bound=(step, *term.bound))


def _tensors(term: Term) -> list[Tensor]:
    return [a.tensor for a, _ in term.factors if isinstance(a, Read)]


def _of_reads(term: Term, let: Let) -> Term | None:
    """The term as a product of tensors at plain indices, those of the step; None if it is none."""
    if term.guards or any(e.variable is None for e in term.target) or not term.factors:
        return None
    if let.guarding and any(is_risky(a, n) for a, n in term.factors):
        return None  # where a zero must win the step itself sees to it
    raiser = TermRaiser(let.node.dtype)
    factors: list[tuple[Atom, int]] = []
    for atom, exponent in term.factors:
        if isinstance(atom, Call) and atom.chooses:
            return None
        if not isinstance(atom, Read) or exponent != 1:
            grid = raiser.factor(atom, exponent)
            atom = Read(grid.tensor, index(grid.axes))
        if any(e.variable is None for e in atom.index):
            return None
        factors.append((atom, 1))
    return replace(term, factors=tuple(factors))
