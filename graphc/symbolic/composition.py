"""Composition: local slopes enter, the derivative by each parameter leaves, as formulas and as nodes.

``full``: from the parameter towards the loss. The differential of a node is the sum over its reads
of slope times the read's own differential: pure substitution, one let per node and parameter.
``everywhere``: every node is a cut at which the derivative of the loss by it becomes a let. The number of
lets does not grow with the number of parameters, so it is the choice for many.
Either way a formula only names nodes and lets, so no expression ever swells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sympy

from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.symbolic.functions import absorbing_product
from graphc.symbolic.local import LocalForm, Slope
from graphc.symbolic.naming import Names
from graphc.symbolic.raising import Raiser

Mode = Literal["full", "dominators", "everywhere"]
FULL_UP_TO = 8  # parameters; beyond, full composition writes more lets than there are nodes to cut at


@dataclass(frozen=True, slots=True)
class Let:
    """One derivative: ``symbol`` = ∂above/∂below = ``formula``, over nodes and earlier lets."""

    symbol: sympy.Symbol
    above: Tensor
    below: Tensor
    formula: Any
    tensor: Tensor


class Composer:
    """Makes lets, each raised to a node at once."""

    def __init__(self, y: Tensor, order: Sequence[Tensor], names: Names) -> None:
        self.y = y
        self.names = names
        self.lets: list[Let] = []
        self._raiser = Raiser({names.symbol[n]: n for n in order}, y.dtype)

    def slope(self, form: LocalForm, slope: Slope) -> Any:
        """A canonical slope in the symbols of the node's own reads and output."""
        return in_names(slope.refolded, form, self.names)

    def let(self, above: Tensor, below: Tensor, formula: Any, source: Tensor) -> Any:
        """The formula as a let; its symbol, or the formula itself where that is a number or a name."""
        symbol = self.names.derivative(above, below)
        with inheriting(source.origins, "backward"):
            tensor = self._raiser.raised(formula)
        self.lets.append(Let(symbol, above, below, formula, tensor))
        if formula.is_Number or formula.is_Symbol:
            return formula
        self._raiser.define(symbol, tensor)
        return symbol

    def tensor(self, formula: Any) -> Tensor:
        return self._raiser.raised(formula)


def in_names(expression: Any, form: LocalForm, names: Names) -> Any:
    """A canonical expression of a node's form in the graph's own symbols."""
    return expression.xreplace({s: names.symbol[t] for s, t in form.tensors.items()})


def compose_full(composer: Composer, forms: Iterable[LocalForm], wrt: Sequence[Tensor]) -> dict[Tensor, Any]:
    """The formula of ∂y/∂w for each w, composed from the parameters towards y."""
    seeds = dict.fromkeys(wrt)
    differential: dict[Tensor, dict[Tensor, Any]] = {w: {w: sympy.S.One} for w in seeds}
    for form in forms:
        node = form.node
        terms: dict[Tensor, list[Any]] = {}
        for slope in form.slopes:
            factor = composer.slope(form, slope)
            for w, below in differential.get(form.tensors[slope.read], {}).items():
                terms.setdefault(w, []).append(_term(factor, below, form.absorbing, slope.read))
        composed = {w: composer.let(node, w, total(t), node) for w, t in terms.items()}
        if node in seeds:
            composed[node] = sympy.S.One
        if composed:
            differential[node] = composed
    return {w: differential.get(composer.y, {}).get(w, sympy.S.Zero) for w in seeds}


def compose_everywhere(
    composer: Composer, forms: Sequence[LocalForm], wrt: Sequence[Tensor]
) -> dict[Tensor, Any]:
    """The formula of ∂y/∂w for each w, with ∂y/∂node as a let at every node."""
    y = composer.y
    terms: dict[Tensor, list[Any]] = {y: [sympy.S.One]}
    guarded: set[Tensor] = set()
    found: dict[Tensor, Any] = {}

    def cotangent(node: Tensor) -> Any:
        if node not in found:
            formula = total(terms.get(node, []))
            found[node] = formula if node is y else composer.let(y, node, formula, node)
        return found[node]

    for form in reversed(forms):
        node = form.node
        if node not in terms:
            continue
        above = cotangent(node)
        for slope in form.slopes:
            read = form.tensors[slope.read]
            factor = composer.slope(form, slope)
            absorbing = form.absorbing or node in guarded
            terms.setdefault(read, []).append(_term(factor, above, absorbing))
            if absorbing or isinstance(factor, sympy.Piecewise):
                guarded.add(read)
    return {w: cotangent(w) for w in wrt}


def _term(factor: Any, below: Any, absorbing: bool, read: sympy.Symbol | None = None) -> Any:
    """slope · differential; cases stay a choice: 0 · NaN of the branch not taken must not arise."""
    if isinstance(factor, sympy.Piecewise):
        return sympy.Piecewise(*[(_term(e, below, absorbing, read), c) for e, c in factor.args])
    if absorbing:
        # In x·y the guard is x: its own differential vanishes with it, y's may be undefined.
        pair = (factor, below) if read is not None and read.name == "r1" else (below, factor)
        return absorbing_product(*pair)
    return factor * below


def total(terms: Sequence[Any]) -> Any:
    """The sum; terms that choose by the same conditions become one choice."""
    plain: list[Any] = []
    choices: dict[tuple[Any, ...], list[Any]] = {}
    for term in terms:
        if isinstance(term, sympy.Piecewise):
            conditions = tuple(c for _, c in term.args)
            held = choices.setdefault(conditions, [sympy.S.Zero] * len(conditions))
            choices[conditions] = [a + e for a, (e, _) in zip(held, term.args, strict=True)]
        else:
            plain.append(term)
    merged = [sympy.Piecewise(*zip(e, c, strict=True)) for c, e in choices.items()]
    return sympy.Add(*plain, *merged)
