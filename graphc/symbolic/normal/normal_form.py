"""The normal form of graphs: a node enters; its element at free indices leaves, as a sum over the sources.

Index forms say what an element is; sums are substituted for what they read, multiplied out and merged. What
has no formula (loops, draws, places of a maximum) is a source of its own, one for equal nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from graphc.ir.dtype import BOOL
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops import reductions
from graphc.ops.sources import ARANGE, CONSTANT, DIMENSION
from graphc.symbolic.index.affine import Affine, Variable, of
from graphc.symbolic.index.forms import (
    INDEX_FORMS,
    IndexForm,
    broadcast_index,
    index,
    reduced_axes,
    variables_for,
)
from graphc.symbolic.index.terms import Read
from graphc.symbolic.local import OUT, exact_number, read_symbol
from graphc.symbolic.normal.algebra import Algebra
from graphc.symbolic.normal.arithmetic import Undecided
from graphc.symbolic.normal.atoms import Sum
from graphc.symbolic.normal.meanings import applied, truth
from graphc.symbolic.normal.sources import Sources

_REDUCTIONS = {
    reductions.MAX: "max", reductions.MIN: "min", reductions.PROD: "prod",
    reductions.ANY: "is_any", reductions.ALL: "is_all",
    reductions.ARGMAX: "argmax", reductions.ARGMIN: "argmin",
}  # fmt: skip


class NormalForms:
    """Normal forms of nodes, with one algebra and one set of sources for all of them."""

    def __init__(self, budget: int) -> None:
        self.algebra = Algebra(budget)
        self.sources = Sources()
        self._sums: dict[Tensor, tuple[tuple[Variable, ...], Sum]] = {}

    def at(self, node: Tensor, place: Sequence[Affine]) -> Sum:
        """The node's element at an index."""
        for below in topological_order([node], stop=self._sums):
            if below not in self._sums:
                self._sums[below] = self._made(below)
        variables, total = self._sums[node]
        places = [self.sources.index(e) for e in place]
        return self.algebra.substituted(total, dict(zip(variables, places, strict=True)))

    def _opaque(self, node: Tensor) -> tuple[tuple[Variable, ...], Sum]:
        variables = variables_for(node)
        read = Read(
            self.sources.representative(node), tuple([self.sources.index(e) for e in index(variables)])
        )
        return variables, self.algebra.atom(read)

    def _made(self, node: Tensor) -> tuple[tuple[Variable, ...], Sum]:
        if node.op is CONSTANT:
            return self._constant(node)
        if node.op is DIMENSION:
            return (), self.algebra.constant(sympy.sympify(node.attrs["value"]))
        if node.op is ARANGE:
            (v,) = variables_for(node)
            return (v,), self.algebra.place(self.sources.index(of(v)))
        if node.op in _REDUCTIONS:
            return self._reduction(node)
        if node.op in INDEX_FORMS:
            return self._of_form(INDEX_FORMS[node.op](node))
        if node.op.family == "elementwise":
            return self._elementwise(node)
        return self._opaque(node)

    def _constant(self, node: Tensor) -> tuple[tuple[Variable, ...], Sum]:
        value = node.attrs["value"]
        if value.size and (value == value.reshape(-1)[0]).all():
            return variables_for(node), self.algebra.constant(decimal(value.reshape(-1)[0]))
        return self._opaque(node)

    def _reduction(self, node: Tensor) -> tuple[tuple[Variable, ...], Sum]:
        name = _REDUCTIONS[node.op]
        x = node.inputs[0]
        axes = reduced_axes(node)
        variables = variables_for(node)
        rest = iter([v for a, v in enumerate(variables) if not (node.attrs["keepdims"] and a in axes)])
        bound = {a: Variable(x.shape[a]) for a in sorted(axes)}
        place = [of(bound[a]) if a in bound else of(next(rest)) for a in range(x.ndim)]
        body = self.at(x, place)
        if name.startswith("is_"):
            body = truth(self.algebra, x, body)
        if node.dtype == BOOL and not name.startswith("is_"):
            raise Undecided(f"{node.op.name} of truth values")
        return variables, self.algebra.reduction(name, body, list(bound.values()))

    def _of_form(self, form: IndexForm) -> tuple[tuple[Variable, ...], Sum]:
        if form.node.dtype == BOOL and form.node.op.family not in ("shape", "indexing"):
            raise Undecided(f"{form.node.op.name} of truth values")
        parts = []
        for case in form.cases:
            places = {read_symbol(i, False): self.at(r.tensor, r.index) for i, r in enumerate(case.reads)}
            body = self._value(case.body, places)
            guards = [type(g)(self.sources.index(g.value), g.equal) for g in case.guards]
            parts.append(self.algebra.quantified(body, case.bound, guards))
        total = self.algebra.add(*parts)
        if form.equation is not OUT:
            if form.equation != sympy.exp(OUT):
                raise Undecided(f"the equation of {form.node.op.name}")
            total = self.algebra.log(total)
        return form.variables, total

    def _value(self, body: Any, places: Mapping[Any, Sum]) -> Sum:
        """A body of sums, products, powers and exponentials over reads."""
        if body in places:
            return places[body]
        if not body.free_symbols & places.keys():
            return self.algebra.constant(_decimals(body))
        arguments = [self._value(a, places) for a in body.args]
        if body.is_Add:
            return self.algebra.add(*arguments)
        if body.is_Mul:
            return self.algebra.multiply(*arguments)
        if isinstance(body, sympy.exp):
            return self.algebra.exp(arguments[0])
        raise Undecided(f"the body {body}")

    def _elementwise(self, node: Tensor) -> tuple[tuple[Variable, ...], Sum]:
        variables = variables_for(node)
        operands = [self.at(i, broadcast_index(i, variables)) for i in node.inputs]
        return variables, applied(self.algebra, node, operands)


def decimal(value: Any) -> Any:
    """The number that the shortest decimal form of a constant says.

    Raises Undecided where it is not finite.
    """
    if exact_number(np.asarray(value)) is None:
        raise Undecided(f"the constant {value} is no real number")
    return sympy.Rational(int(value)) if value.dtype.kind in "biu" else sympy.Rational(str(value))


def _decimals(body: Any) -> Any:
    """A body without reads, its floats as what their shortest decimal forms say."""
    return body.xreplace({f: sympy.Rational(str(float(f))) for f in body.atoms(sympy.Float)})
