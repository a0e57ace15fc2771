"""Definitions: a node enters; what one of its elements is, and how that moves, leave as formulas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphc.ir.tensor import Tensor
from graphc.symbolic.index.affine import Variable
from graphc.symbolic.index.differentials import Differential, product_term
from graphc.symbolic.index.forms import INDEX_FORMS, broadcast_index, index, variables_for
from graphc.symbolic.index.formulas import IndexFormulas, Letters
from graphc.symbolic.index.terms import Read, Term
from graphc.symbolic.local import OUT, local_form, read_symbol
from graphc.symbolic.notation import Big, Formula, Partial, scalar_formula
from graphc.symbolic.scalar import SCALAR_FORMS


@dataclass(frozen=True, eq=False)
class Definition:
    """``equation(node[variables]) = reduction of the terms``."""

    node: Tensor
    variables: tuple[Variable, ...]
    terms: tuple[Term, ...]
    reduction: str
    equation: Any

    def formulas(self, name: Formula, writer: IndexFormulas) -> Iterator[tuple[Formula, Formula]]:
        """The definition as one equation."""
        letters = Letters()
        element = writer.element(name, index(self.variables), letters)
        before = element if self.equation is OUT else scalar_formula(self.equation, {OUT: element})
        if self.reduction == "sum":
            yield before, writer.sum(self.terms, (), letters)
            return
        (term,) = self.terms
        inner = writer.sum([Term(term.constant, term.factors, term.guards)], (), letters)
        sign = {"prod": "∏"}.get(self.reduction, self.reduction)
        yield before, Big(sign, tuple([letters.of(v) for v in term.bound]), inner)

    def slopes(
        self, moving: Differential, name: Formula, writer: IndexFormulas
    ) -> Iterator[tuple[Formula, Formula]]:
        """∂(an element)/∂(an element that it reads), for each read."""
        for slot in moving.slots:
            letters = Letters()
            term = slot.term
            left = writer.element(name, index(moving.variables), letters)
            below = writer.element(writer.base(slot.tensor), term.target, letters)
            for v in term.bound:
                letters.of(v)
            bare = Term(term.constant, term.factors, term.guards)
            yield Partial(left, below), writer.sum([bare], (), letters)


def definition(node: Tensor) -> Definition | None:
    """The definition of a node; None where it has none (a source, a question)."""
    if node.op in INDEX_FORMS:
        form = INDEX_FORMS[node.op](node)
        terms = []
        for case in form.cases:
            places = {read_symbol(i, False): r for i, r in enumerate(case.reads)}
            term = product_term(case.body, places)
            terms.append(Term(term.constant, term.factors, frozenset(case.guards), case.bound))
        return Definition(node, form.variables, tuple(terms), form.reduction, form.equation)
    if node.op not in SCALAR_FORMS:
        return None
    local = local_form(node, set())
    variables = variables_for(node)
    reads = {s: Read(t, broadcast_index(t, variables)) for s, t in local.tensors.items() if t is not node}
    if local.body.is_Add:
        terms = [product_term(part, reads) for part in local.body.args]
    else:
        terms = [product_term(local.body, reads)]
    return Definition(node, variables, tuple(terms), "sum", OUT)
