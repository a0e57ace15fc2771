"""The chain rule factor by factor: a scalar chain enters, the product of its local derivatives leaves.

The derivation of Qiu, *Neural Networks and Deep Learning*, section 4.5 (automatic differentiation):
f(x; w, b) = σ(wx + b) taken apart into h₁ … h₆, and ∂f/∂w as the product of seven factors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import sympy

from graphc.errors import GraphError, UnsupportedError
from graphc.ir.dtype import is_float
from graphc.ir.origin import Location, user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, topological_order
from graphc.symbolic.composition import in_names
from graphc.symbolic.expression import require_scalars
from graphc.symbolic.local import is_number, local_form
from graphc.symbolic.naming import Names
from graphc.symbolic.scalar_derivation import latex_of, text_of

Point = Mapping[Any, float]


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor ∂above/∂below of the product, with its formula and the line that built ``above``."""

    above: str
    below: str
    symbol: sympy.Symbol
    formula: Any
    location: Location


@dataclass(frozen=True, slots=True)
class ChainValues:
    """A chain at a point: each node's value by name, each factor's value, and their product."""

    nodes: dict[str, float]
    factors: tuple[float, ...]
    gradient: float


@dataclass(frozen=True, eq=False)
class ScalarChain:
    """The one path from ``wrt`` to ``y``: definitions of its nodes, and factors from y down to wrt."""

    y: Tensor
    wrt: Tensor
    factors: tuple[Factor, ...]
    symbol: sympy.Symbol
    definitions: tuple[tuple[sympy.Symbol, Any], ...]
    sources: tuple[Tensor, ...] = field(repr=False)
    names: Names = field(repr=False)

    def values(self, at: Point) -> ChainValues:
        """Every node and factor at a point; ``at`` gives each source, by tensor or by name."""
        known = self._point(at)
        nodes: dict[str, float] = {}
        for symbol, body in self.definitions:
            value = sympy.N(body.xreplace(known))
            known[symbol] = value
            if isinstance(value, sympy.Expr):
                nodes[symbol.name] = float(value)
        factors = tuple(float(sympy.N(f.formula.xreplace(known))) for f in self.factors)
        return ChainValues(nodes, factors, float(reduce(lambda a, b: a * b, factors, 1.0)))

    def _point(self, at: Point) -> dict[Any, Any]:
        known: dict[Any, Any] = {}
        for source in self.sources:
            symbol = self.names.symbol[source]
            keys: tuple[Any, ...] = (source, source.name, symbol.name)
            for key in keys:
                if key in at:
                    known[symbol] = sympy.Float(float(at[key]))
                    break
            else:
                raise GraphError(
                    f"no value is given for {source.name!r}", op="chain", location=user_location(),
                    remedy="give every input and parameter of the chain, by tensor or by name",
                )  # fmt: skip
        return known

    def text(self, at: Point | None = None) -> str:
        """Definitions, the product in symbols, in formulas, and at a point in numbers.

        >>> import graphc as gc
        >>> x, w = gc.input("x", ()), gc.parameter("w", ())
        >>> print(gc.symbolic.chain(gc.exp(-(w * x)).named("f"), w).text({x: 2.0, w: 0.0}))
        h_1 = w*x                     = 0
        h_2 = -h_1                    = 0
        h_3 = exp(h_2)                = 1
        f = h_3                       = 1
        ∂f/∂w = ∂f/∂h_3 × ∂h_3/∂h_2 × ∂h_2/∂h_1 × ∂h_1/∂w
              = 1 × exp(h_2) × (-1) × x
              = 1 × 1 × (-1) × 2
              = -2
        """
        values = None if at is None else self.values(at)
        lines = []
        for symbol, body in self.definitions:
            line = f"{symbol} = {body}"
            if values is not None and symbol.name in values.nodes:
                line = f"{line:<29} = {_short(values.nodes[symbol.name])}"
            lines.append(line)
        left = text_of(self.symbol)
        margin = " " * len(left)
        lines.append(f"{left} = " + " × ".join(text_of(f.symbol) for f in self.factors))
        lines.append(f"{margin} = " + " × ".join(_grouped(str(f.formula)) for f in self.factors))
        if values is not None:
            lines.append(f"{margin} = " + " × ".join(_grouped(_short(v)) for v in values.factors))
            lines.append(f"{margin} = {_short(values.gradient)}")
        return "\n".join(lines)

    def latex(self, at: Point | None = None) -> str:
        """The same as one aligned display that compiles as it stands (with amsmath)."""
        latex = self.names.latex
        values = None if at is None else self.values(at)
        lines = []
        for symbol, body in self.definitions:
            line = f"{latex[symbol]} &= {latex_of(body, latex)}"
            if values is not None and symbol.name in values.nodes:
                line += f" = {_short_latex(values.nodes[symbol.name])}"
            lines.append(line)
        lines.append(f"{latex[self.symbol]} &= " + r" \cdot ".join(latex[f.symbol] for f in self.factors))
        formulas = [_grouped_latex(f.formula, latex_of(f.formula, latex)) for f in self.factors]
        lines.append("&= " + r" \cdot ".join(formulas))
        if values is not None:
            numbers = [_short_latex(v) if v >= 0 else f"({_short_latex(v)})" for v in values.factors]
            lines.append("&= " + r" \cdot ".join(numbers))
            lines.append(f"&= {_short_latex(values.gradient)}")
        return "\\[\n\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}\n\\]"

    def __repr__(self) -> str:
        return f"<chain {text_of(self.symbol)} of {len(self.factors)} factors>"


def _short(value: float) -> str:
    return f"{value + 0.0:.6g}"


def _short_latex(value: float) -> str:
    mantissa, _, exponent = _short(value).partition("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else mantissa


def _grouped(text: str) -> str:
    return f"({text})" if text.startswith("-") or " + " in text or " - " in text else text


def _grouped_latex(formula: Any, text: str) -> str:
    return rf"\left({text}\right)" if formula.is_Add or formula.could_extract_minus_sign() else text


def scalar_chain(y: Tensor, wrt: Tensor) -> ScalarChain:
    """The derivative of ``y`` by ``wrt`` as a product of local derivatives along the one path.

    The nodes on the path are called h_1, h_2, … from ``wrt`` on, nodes beside it a_1, …; the first
    factor says that y is the last of them. Raises UnsupportedError where a node is not scalar or more
    than one path leads from ``wrt`` to ``y``.
    """
    order = topological_order([y])
    require_scalars(order, "symbolic.chain")
    active = {n for n in depends_on(order, [wrt]) if is_float(n.dtype)}
    if y is wrt or y not in active or wrt not in set(order):
        raise GraphError(
            f"no chain leads from {wrt!r} to {y!r}", op="symbolic.chain", location=user_location(),
            remedy="differentiate by a node that y is computed from",
        )  # fmt: skip
    path = [n for n in order if n in active and n is not wrt]
    forms = [local_form(n, active) for n in path]
    for node, form in zip(path, forms, strict=True):
        reads = [i for i in dict.fromkeys(node.inputs) if i in active]
        if len(reads) != 1:
            raise UnsupportedError(
                f"several paths lead from {wrt!r} to {y!r}: they meet here", op=node.op.name,
                location=node.location, remedy="use symbolic.grad, which sums over paths",
            )  # fmt: skip
        if not form.slopes:
            raise UnsupportedError(
                "the derivative is 0 by convention here, so there is no chain of factors",
                op=node.op.name, location=node.location, remedy="use symbolic.grad",
            )  # fmt: skip
    return _assembled(y, wrt, order, path, {f.node: f for f in forms})


def _assembled(y: Tensor, wrt: Tensor, order: list[Tensor], path: list[Tensor], forms: Any) -> ScalarChain:
    on_path = set(path)
    sources = [n for n in order if (not n.inputs and not is_number(n)) or n is wrt]
    beside = [n for n in order if n.inputs and n not in on_path and n is not wrt]
    if any(wrt is i for i in beside):
        beside.remove(wrt)
    names = Names(sources, prefix="x")
    output = names.fresh(y.name or "f")
    for prefix, nodes in (("h", path), ("a", beside)):
        for number, node in enumerate(nodes, 1):
            names.symbol[node] = names.fresh(f"{prefix}_{number}")
    needed = [n for n in beside if n not in set(topological_order([wrt]))]
    definitions = []
    for node in (n for n in order if n in on_path or n in set(needed)):
        form = forms.get(node) or local_form(node, set())
        definitions.append((names.symbol[node], in_names(form.body, form, names)))
    definitions.append((output, names.symbol[y]))
    last = names.symbol[y]
    factors = [Factor(output.name, last.name, names.derivative(output, last), sympy.S.One, y.location)]
    for above, below in zip(reversed(path), [*reversed(path[:-1]), wrt], strict=True):
        formula = in_names(forms[above].slopes[0].direct, forms[above], names)
        upper, lower = names.symbol[above], names.symbol[below]
        factors.append(
            Factor(upper.name, lower.name, names.derivative(upper, lower), formula, above.location)
        )
    gradient = names.derivative(output, names.symbol[wrt])
    return ScalarChain(
        y, wrt, tuple(factors), gradient, tuple(definitions), tuple(sources), names
    )  # fmt: skip
