"""The derivation of a graph of numbers: SymPy expressions all the way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import sympy

from graphc.ir.origin import Location
from graphc.ir.tensor import Tensor
from graphc.symbolic.composition import Let, Mode, in_names
from graphc.symbolic.derivation import Derivation, restructured
from graphc.symbolic.expression import expressions
from graphc.symbolic.local import LocalForm, local_form
from graphc.symbolic.naming import Names
from graphc.symbolic.notation import Formula, Partial, Row, equation, name, scalar_formula
from graphc.symbolic.scalar import reason_without_form

CLOSED_FORM_BUDGET = 2000
_SIMPLIFIED_UP_TO = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a derivation: by ``rule``, ``before`` = ``after`` (SymPy expressions).

    ``label`` names the node it is about, ``location`` the user's line that built it. ``error`` is the
    largest relative difference of the two sides at random points, where the derivation was checked.
    """

    rule: str
    label: str
    op: str
    location: Location
    before: Any
    after: Any
    names: dict[sympy.Symbol, str] = field(repr=False)
    error: float | None = None

    def text(self) -> str:
        """``before = after`` on one line."""
        return f"{text_of(self.before)} = {text_of(self.after)}"

    def latex(self) -> str:
        """The two sides as LaTeX, aligned at the sign of equality."""
        return f"{latex_of(self.before, self.names)} &= {latex_of(self.after, self.names)}"


def text_of(expression: Any) -> str:
    """A formula as text; a lone derivative loses its parentheses."""
    if expression.is_Symbol and expression.name.startswith("("):
        return str(expression.name[1:-1])
    return str(expression)


def latex_of(expression: Any, names: dict[sympy.Symbol, str]) -> str:
    """A formula as LaTeX with the user's names."""
    return str(sympy.latex(expression, symbol_names=names))


@dataclass(frozen=True, eq=False)
class ScalarDerivation(Derivation):
    """The derivative of a scalar graph with the way that led to it.

    ``full`` went from the parameters towards the output, ``everywhere`` names the derivative of the output
    at every node. ``closed_form()`` gives the whole as a SymPy expression.
    """

    y: Tensor
    wrt: tuple[Tensor, ...]
    result: Any
    mode: Mode
    gradients: tuple[Tensor, ...]
    order: tuple[Tensor, ...] = field(repr=False)
    forms: tuple[LocalForm, ...] = field(repr=False)
    lets: tuple[Let, ...] = field(repr=False)
    names: Names = field(repr=False)
    finals: tuple[Step, ...] = field(repr=False)
    errors: tuple[float | None, ...] = field(default=(), repr=False)
    residue: tuple[str, ...] = ()

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Definitions, local derivatives, rewritings by a node's own output, chain rules, in order."""
        found: list[Step] = []
        active = {form.node: form for form in self.forms}
        chained: dict[Tensor, list[Let]] = {}
        for let in self.lets if self.mode == "full" else ():
            chained.setdefault(let.above, []).append(let)
        for node in self.order:
            if node.inputs:
                found += self._definition(node, active.get(node))
            if node in active:
                found += self._local(active[node])
            found += [self._chain(let, let.above) for let in chained.get(node, ())]
        if self.mode == "everywhere":
            found += [self._chain(let, let.below) for let in self.lets]
        found += self.finals
        if self.errors:
            found = [replace(step, error=error) for step, error in zip(found, self.errors, strict=True)]
        return tuple(found)

    def _step(self, rule: str, node: Tensor, before: Any, after: Any) -> Step:
        label = self.names.symbol[node].name
        return Step(rule, label, node.op.name, node.location, before, after, self.names.latex)

    def _definition(self, node: Tensor, form: LocalForm | None) -> list[Step]:
        if form is None:
            if reason_without_form(node.op) is not None:
                return []  # a condition such as isnan: named, constant as far as calculus goes
            form = local_form(node, set())
        return [
            self._step("definition", node, self.names.symbol[node], in_names(form.body, form, self.names))
        ]

    def _local(self, form: LocalForm) -> list[Step]:
        steps = []
        for slope in form.slopes:
            body, direct, refolded = (
                in_names(e, form, self.names) for e in (form.body, slope.direct, slope.refolded)
            )
            read = self.names.symbol[form.tensors[slope.read]]
            unevaluated = sympy.Derivative(body, read)
            steps.append(self._step(f"derivative of {form.node.op.name}", form.node, unevaluated, direct))
            if slope.refolded != slope.direct:
                steps.append(self._step("written by the output", form.node, direct, refolded))
        return steps

    def _chain(self, let: Let, node: Tensor) -> Step:
        return self._step("chain rule", node, let.symbol, let.formula)

    def _shown(self) -> list[Step]:
        shown = [s for s in self.steps if s.rule in ("definition", "chain rule", "result")]
        return [s for s in shown if s.before != s.after]

    def text(self) -> str:
        """The definitions, then each derivative by the one before it, one equation a line.

        >>> import graphc as gc
        >>> x, w = gc.input("x", ()), gc.parameter("w", ())
        >>> print(gc.symbolic.grad(gc.tanh(w * x).named("y"), w).text())
        h_1 = w*x
        y = tanh(h_1)
        ∂h_1/∂w = x
        ∂y/∂w = x*(1 - y**2)
        """
        shown = self._shown()
        lines = [s for s in shown if s.rule == "definition"] + [s for s in shown if s.rule != "definition"]
        return "\n".join(step.text() for step in lines)

    def latex(self) -> str:
        """The lines of ``text()`` as one aligned display that compiles as it stands (with amsmath)."""
        shown = self._shown()
        lines = [s for s in shown if s.rule == "definition"] + [s for s in shown if s.rule != "definition"]
        body = " \\\\\n".join(step.latex() for step in lines)
        return f"\\[\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n\\]"

    def rows(self) -> list[Row]:
        """The steps as rows of a page."""
        symbols = {
            s: _named(s) for step in self.steps for e in (step.before, step.after) for s in e.free_symbols
        }
        return [
            Row(
                step.rule,
                f"{step.label} · {step.op} · {step.location}",
                by_matrix=equation(_written(step.before, symbols), _written(step.after, symbols)),
                check="" if step.error is None else f"differs by {step.error:.0e}",
                agrees=None if step.error is None else step.error <= 1e-6,
            )
            for step in self.steps
        ]

    def closed_form(self, budget: int = CLOSED_FORM_BUDGET) -> Any:
        """The derivative as one SymPy expression of inputs and parameters, in the structure of ``wrt``.

        Every let is written out and the shortest of a few rewritings is taken. Raises GraphError where
        that would take more than ``budget`` terms: ``text()`` is the readable form then.

        >>> import graphc as gc
        >>> x, w = gc.input("x", ()), gc.parameter("w", ())
        >>> gc.symbolic.grad(gc.tanh(w * x), w).closed_form()
        x*(1 - tanh(w*x)**2)
        """
        found = expressions(self.gradients, Names(self.order), budget)
        forms = [shortest(e) for e in found]
        return restructured(self.result, forms)

    def __repr__(self) -> str:
        wrt = ", ".join(self.names.symbol[w].name for w in self.wrt)
        return (
            f"<derivation of {self.names.symbol[self.y].name} by {wrt}: {self.mode}, {len(self.lets)} lets>"
        )


def _named(symbol: sympy.Symbol) -> Formula:
    """A symbol as a name; that of a derivative, (∂y/∂w), as ∂y/∂w."""
    found = re.fullmatch(r"\(∂(.+)/∂(.+)\)", symbol.name)
    return name(symbol.name) if found is None else Partial(name(found[1]), name(found[2]))


def _written(expression: Any, symbols: dict[sympy.Symbol, Formula]) -> Formula:
    if isinstance(expression, sympy.Derivative):
        return Partial(
            scalar_formula(expression.expr, symbols), scalar_formula(expression.variables[0], symbols)
        )
    return scalar_formula(expression, symbols)


def shortest(expression: Any) -> Any:
    """The expression or one of its rewritings, whichever has the fewest operations."""
    if sympy.count_ops(expression) > _SIMPLIFIED_UP_TO or expression.has(
        sympy.Piecewise, sympy.nan, sympy.oo
    ):
        return expression
    candidates = [expression, sympy.factor_terms(expression)]
    for rewrite in (sympy.together, sympy.cancel, lambda e: sympy.powsimp(e, combine="exp")):
        try:
            candidates += [c := rewrite(expression), sympy.factor_terms(c)]
        except (sympy.PolynomialError, NotImplementedError):  # no rational function of its parts
            continue
    return min(candidates, key=lambda c: int(sympy.count_ops(c)))
