"""The normal form of graphs: a node enters; its element at free indices leaves, as a sum over the sources.

Index forms say what an element is; sums are substituted for what they read, multiplied out and merged. What
has no formula (loops, draws, places of a maximum) is a source of its own, one for equal nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from graphc.errors import GraphError
from graphc.ir.dimension import same
from graphc.ir.dtype import BOOL, is_float
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops import elementwise as ew
from graphc.ops import reductions
from graphc.ops.sources import ARANGE, CONSTANT, DIMENSION
from graphc.symbolic.index.affine import ZERO, Affine, Digit, Gather, Key, Variable, constant, digit, of
from graphc.symbolic.index.algebra import Algebra, Undecided
from graphc.symbolic.index.atoms import Sum
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

# Functions without laws, or with those of `Algebra.function`.
_BY_NAME = (
    ew.SIN, ew.COS, ew.ARCSIN, ew.ARCCOS, ew.ARCTAN, ew.ARCSINH, ew.ARCCOSH, ew.ARCTANH, ew.ERF, ew.CBRT,
    ew.ROUND, ew.TRUNC, ew.FLOOR, ew.ARCTAN2,
)  # fmt: skip
_WITHOUT = (ew.ISNAN, ew.ISINF, ew.ISFINITE)
_REDUCTIONS = {
    reductions.MAX: "max", reductions.MIN: "min", reductions.PROD: "prod",
    reductions.ANY: "is_any", reductions.ALL: "is_all", reductions.ARGMAX: "argmax", reductions.ARGMIN: "argmin",
}  # fmt: skip


class NormalForms:
    """Normal forms of nodes, with one algebra and one set of sources for all of them."""

    def __init__(self, budget: int) -> None:
        self.algebra = Algebra(budget)
        self._sums: dict[Tensor, tuple[tuple[Variable, ...], Sum]] = {}
        self._representatives: dict[Any, Tensor] = {}
        self._representative: dict[Tensor, Tensor] = {}

    def at(self, node: Tensor, place: Sequence[Affine]) -> Sum:
        """The node's element at an index."""
        for below in topological_order([node], stop=self._sums):
            if below not in self._sums:
                self._sums[below] = self._made(below)
        variables, total = self._sums[node]
        places = [self._index(e) for e in place]
        return self.algebra.substituted(total, dict(zip(variables, places, strict=True)))

    # -- sources -------------------------------------------------------------------------------------
    def representative(self, node: Tensor) -> Tensor:
        """One node for all that are equal op by op down to the sources; inputs are equal by name."""
        for below in topological_order([node], stop=self._representative):
            if below not in self._representative:
                key = self._key(below)
                self._representative[below] = self._representatives.setdefault(key, below)
        return self._representative[node]

    def _key(self, node: Tensor) -> Any:
        if node.op.family == "random":
            return id(node)
        if node.op.name in ("input", "parameter"):
            return node.op.name, node.attrs["name"]
        inputs = tuple([id(self._representative[i]) for i in node.inputs])
        attrs = tuple(sorted((k, _attribute_key(v)) for k, v in node.attrs.items() if k != "weak"))
        return node.op.name, inputs, attrs

    def _index(self, e: Affine) -> Affine:
        """The index with gathered elements read from representatives; known ones are indices themselves.

        An index of size 1 is 0.
        """
        found = Affine({}, e.constant)
        for key, c in e.parts.items():
            found += self._key_index(key).times(c)
        return found

    def _key_index(self, key: Key) -> Affine:
        if isinstance(key, Digit):
            return digit(self._index(key.value), key.divisor, key.modulus)
        if isinstance(key, Gather):
            place = tuple([self._index(e) for e in key.index])
            tensor = self.representative(key.tensor)
            known = _counting(tensor, place)
            return of(Gather(tensor, place, key.size)) if known is None else known
        return ZERO if same(key.size, 1) else of(key)

    def _opaque(self, node: Tensor) -> tuple[tuple[Variable, ...], Sum]:
        variables = variables_for(node)
        read = Read(self.representative(node), tuple([self._index(e) for e in index(variables)]))
        return variables, self.algebra.atom(read)

    # -- nodes ---------------------------------------------------------------------------------------
    def _made(self, node: Tensor) -> tuple[tuple[Variable, ...], Sum]:
        if node.op is CONSTANT:
            return self._constant(node)
        if node.op is DIMENSION:
            return (), self.algebra.constant(sympy.sympify(node.attrs["value"]))
        if node.op is ARANGE:
            (v,) = variables_for(node)
            return (v,), self.algebra.place(self._index(of(v)))
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
            body = self._truth(x, body)
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
            guards = [type(g)(self._index(g.value), g.equal) for g in case.guards]
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

    # -- elementwise ---------------------------------------------------------------------------------
    def _elementwise(self, node: Tensor) -> tuple[tuple[Variable, ...], Sum]:
        if node.op in _WITHOUT:
            raise Undecided(f"{node.op.name} asks what no real number is")
        variables = variables_for(node)
        operands = [self.at(i, broadcast_index(i, variables)) for i in node.inputs]
        return variables, self._applied(node, operands)

    def _truth(self, operand: Tensor, value: Sum) -> Sum:
        return value if operand.dtype == BOOL else self.algebra.negated(self.algebra.zero(value))

    def _applied(self, node: Tensor, x: list[Sum]) -> Sum:
        op, a = node.op, self.algebra
        truths = (
            [self._truth(i, value) for i, value in zip(node.inputs, x, strict=True)]
            if node.dtype == BOOL
            else []
        )
        if node.dtype == BOOL and op in _OF_TRUTHS and (op in _LOGIC or node.inputs[0].dtype == BOOL):
            return _OF_TRUTHS[op](a, *truths)
        if node.dtype == BOOL and op in _COMPARISONS:
            return _COMPARISONS[op](a, *x)
        if op is ew.WHERE:
            return a.chosen(self._truth(node.inputs[0], x[0]), x[1], x[2])
        if op is ew.CAST:
            return self._cast(node, x[0])
        if node.dtype == BOOL:
            raise Undecided(f"{op.name} of truth values")
        if op is ew.ABSORBING_MULTIPLY:
            whole = a.multiply(x[0], x[1])
            if all(map(a.is_total, x[1].terms)):
                return whole
            return a.subtract(whole, a.multiply(a.zero(x[0]), whole))
        if op is ew.POWER:
            return self._power(node, *x)
        if op in _BY_NAME:
            return a.function(op.name, x)
        if op in _FORMULAS:
            return _FORMULAS[op](a, *x)
        raise Undecided(f"no law for {op.name}")

    def _power(self, node: Tensor, x: Sum, y: Sum) -> Sum:
        a = self.algebra
        exponent = y.number
        if exponent is not None and exponent.is_Rational:
            if not is_float(node.dtype) and exponent < 0:
                raise Undecided("an integer to a negative power")
            return a.power(x, exponent)
        if a.is_positive(x):
            return a.exp(a.multiply(y, a.log(x)))
        return a.function("power", [x, y])

    def _cast(self, node: Tensor, x: Sum) -> Sum:
        before, after = node.inputs[0].dtype, node.dtype
        if after == BOOL:
            return self._truth(node.inputs[0], x)
        if is_float(after) or before == BOOL or (before.kind in "iu" and np.can_cast(before, after, "safe")):
            return x
        if is_float(before) and after.kind == "i":
            return self.algebra.function("trunc", [x])
        return self.algebra.function(f"as_{after}", [x])  # it wraps around


def _counting(tensor: Tensor, place: tuple[Affine, ...]) -> Affine | None:
    """An element of a list of integers at equal distances, as an index."""
    if tensor.op is ARANGE:
        return place[0]
    if tensor.op is not CONSTANT or tensor.ndim > 1:
        return None
    steps = np.diff(np.atleast_1d(tensor.attrs["value"]).astype(int))
    if not tensor.attrs["value"].size or (steps.size and (steps != steps[0]).any()):
        return None
    first = int(tensor.attrs["value"].reshape(-1)[0])
    return place[0].times(int(steps[0])).plus(first) if steps.size else constant(first)


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


def _attribute_key(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{value.tobytes().hex()}"
    return f"{type(value).__name__} {value!r}" if _is_plain(value) else f"{id(value)}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float, np.dtype, sympy.Expr))


def _logistic(a: Algebra, x: Sum) -> Sum:
    return a.power(a.add(a.constant(1), a.exp(a.scale(x, -1))), -1)


def _tanh(a: Algebra, x: Sum) -> Sum:
    """1 − 2/(e^(2x) + 1)."""
    return a.subtract(
        a.constant(1), a.scale(a.power(a.add(a.exp(a.scale(x, 2)), a.constant(1)), -1), 2)
    )  # fmt: skip


def _log_by(base: int) -> Any:
    return lambda a, x: a.multiply(a.log(x), a.power(a.log(a.constant(base)), -1))


def _quotient(a: Algebra, x: Sum, y: Sum) -> Sum:
    return a.multiply(x, a.power(y, -1))


def _equal(a: Algebra, x: Sum, y: Sum) -> Sum:
    return a.zero(a.subtract(x, y))


def _less(a: Algebra, x: Sum, y: Sum) -> Sum:
    return a.positive(a.subtract(y, x))


def _maximum(a: Algebra, x: Sum, y: Sum) -> Sum:
    return a.add(y, a.positive_part(a.subtract(x, y)))


def _minimum(a: Algebra, x: Sum, y: Sum) -> Sum:
    return a.subtract(x, a.positive_part(a.subtract(x, y)))


_HALF = sympy.Rational(1, 2)
_FORMULAS: dict[Op, Any] = {
    ew.NEGATIVE: lambda a, x: a.scale(x, -1),
    ew.ABS: lambda a, x: a.absolute(x),
    ew.SIGN: lambda a, x: a.subtract(a.positive(x), a.positive(a.scale(x, -1))),
    ew.CEIL: lambda a, x: a.scale(a.function("floor", [a.scale(x, -1)]), -1),
    ew.EXP: lambda a, x: a.exp(x),
    ew.EXP2: lambda a, x: a.exp(a.multiply(x, a.log(a.constant(2)))),
    ew.EXPM1: lambda a, x: a.subtract(a.exp(x), a.constant(1)),
    ew.LOG: lambda a, x: a.log(x),
    ew.LOG2: _log_by(2),
    ew.LOG10: _log_by(10),
    ew.LOG1P: lambda a, x: a.log(a.add(a.constant(1), x)),
    ew.SQRT: lambda a, x: a.power(x, _HALF),
    ew.SQUARE: lambda a, x: a.power(x, 2),
    ew.RECIPROCAL: lambda a, x: a.power(x, -1),
    ew.TAN: lambda a, x: _quotient(a, a.function("sin", [x]), a.function("cos", [x])),
    ew.SINH: lambda a, x: a.scale(a.subtract(a.exp(x), a.exp(a.scale(x, -1))), _HALF),
    ew.COSH: lambda a, x: a.scale(a.add(a.exp(x), a.exp(a.scale(x, -1))), _HALF),
    ew.TANH: _tanh,
    ew.SIGMOID: _logistic,
    ew.SOFTPLUS: lambda a, x: a.log(a.add(a.constant(1), a.exp(x))),
    ew.RELU: lambda a, x: a.positive_part(x),
    ew.STOP_GRADIENT: lambda a, x: x,
    ew.ADD: lambda a, x, y: a.add(x, y),
    ew.SUBTRACT: lambda a, x, y: a.subtract(x, y),
    ew.MULTIPLY: lambda a, x, y: a.multiply(x, y),
    ew.DIVIDE: _quotient,
    ew.FLOOR_DIVIDE: lambda a, x, y: a.function("floor", [_quotient(a, x, y)]),
    ew.REMAINDER: lambda a, x, y: a.subtract(
        x, a.multiply(y, a.function("floor", [_quotient(a, x, y)]))
    ),
    ew.MAXIMUM: _maximum,
    ew.MINIMUM: _minimum,
    ew.HYPOT: lambda a, x, y: a.power(a.add(a.power(x, 2), a.power(y, 2)), _HALF),
    ew.LOGADDEXP: lambda a, x, y: a.log(a.add(a.exp(x), a.exp(y))),
    ew.CLIP: lambda a, x, low, high: _minimum(a, _maximum(a, x, low), high),
}  # fmt: skip
_LOGIC = (ew.LOGICAL_NOT, ew.LOGICAL_AND, ew.LOGICAL_OR, ew.LOGICAL_XOR)


def _exclusive(a: Algebra, x: Sum, y: Sum) -> Sum:
    return a.subtract(a.add(x, y), a.scale(a.multiply(x, y), 2))


_OF_TRUTHS: dict[Op, Any] = {
    ew.LOGICAL_NOT: lambda a, x: a.negated(x),
    ew.LOGICAL_AND: lambda a, x, y: a.multiply(x, y),
    ew.LOGICAL_OR: lambda a, x, y: a.either(x, y),
    ew.LOGICAL_XOR: _exclusive,
    ew.MULTIPLY: lambda a, x, y: a.multiply(x, y),
    ew.MINIMUM: lambda a, x, y: a.multiply(x, y),
    ew.ADD: lambda a, x, y: a.either(x, y),
    ew.MAXIMUM: lambda a, x, y: a.either(x, y),
    ew.STOP_GRADIENT: lambda a, x: x,
}
"""What ops do with truth values (NumPy adds and multiplies them as or and and)."""
_COMPARISONS: dict[Op, Any] = {
    ew.EQUAL: _equal,
    ew.NOT_EQUAL: lambda a, x, y: a.negated(_equal(a, x, y)),
    ew.LESS: _less,
    ew.GREATER: lambda a, x, y: _less(a, y, x),
    ew.LESS_EQUAL: lambda a, x, y: a.negated(_less(a, y, x)),
    ew.GREATER_EQUAL: lambda a, x, y: a.negated(_less(a, x, y)),
}


def check_same_names(order: Sequence[Tensor]) -> None:
    """Raise GraphError where two different inputs or parameters have one name."""
    seen: dict[tuple[str, str], Tensor] = {}
    for node in order:
        if node.op.name not in ("input", "parameter"):
            continue
        first = seen.setdefault((node.op.name, node.attrs["name"]), node)
        if first.shape != node.shape or first.dtype != node.dtype:
            raise GraphError(
                f"{node.op.name} {node.attrs['name']!r} is declared twice: as {first!r} and as {node!r}",
                op="symbolic.equal", location=node.location,
                remedy="build both graphs from the same inputs, or declare them alike",
            )  # fmt: skip
