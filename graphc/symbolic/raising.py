"""Raising: a SymPy expression and the tensor each symbol stands for enter, graph nodes leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import sympy

from graphc.errors import GraphError, UnsupportedError
from graphc.ir.dtype import BOOL, FLOAT32, DType, is_float, result_dtype
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.ops.sources import constant, dimension_value, filled
from graphc.symbolic.functions import absorbing_product, rint, sigmoid
from graphc.symbolic.local import two_sides

_UNARY: dict[Any, Callable[[object], Tensor]] = {
    sympy.exp: ew.exp, sympy.log: ew.log, sympy.sin: ew.sin, sympy.cos: ew.cos, sympy.tan: ew.tan,
    sympy.asin: ew.arcsin, sympy.acos: ew.arccos, sympy.atan: ew.arctan, sympy.sinh: ew.sinh,
    sympy.cosh: ew.cosh, sympy.tanh: ew.tanh, sympy.asinh: ew.arcsinh, sympy.acosh: ew.arccosh,
    sympy.atanh: ew.arctanh, sympy.erf: ew.erf, sympy.Abs: ew.abs, sympy.sign: ew.sign,
    sympy.floor: ew.floor, sympy.ceiling: ew.ceil, rint: ew.round, sigmoid: ew.sigmoid,
    sympy.Not: ew.logical_not,
}  # fmt: skip
_RECIPROCAL_OF: dict[Any, Callable[[object], Tensor]] = {
    sympy.sec: ew.cos, sympy.csc: ew.sin, sympy.cot: ew.tan,
    sympy.sech: ew.cosh, sympy.csch: ew.sinh, sympy.coth: ew.tanh,
}  # fmt: skip
_FOLDS: dict[Any, Callable[[object, object], Tensor]] = {
    sympy.Max: ew.maximum, sympy.Min: ew.minimum, sympy.And: ew.logical_and, sympy.Or: ew.logical_or,
    sympy.Xor: ew.logical_xor,
}  # fmt: skip
_RELATIONS: dict[Any, Callable[[object, object], Tensor]] = {
    sympy.Eq: ew.equal, sympy.Ne: ew.not_equal, sympy.StrictLessThan: ew.less, sympy.LessThan: ew.less_equal,
    sympy.StrictGreaterThan: ew.greater, sympy.GreaterThan: ew.greater_equal,
}  # fmt: skip


def from_sympy(expr: object, symbols: Mapping[str, Tensor]) -> Tensor:
    """A SymPy expression as a graph; ``symbols`` gives the tensor of each symbol by its name.

    Every function that ``to_sympy`` emits is understood, and SymPy's usual ones: powers, exp, log,
    (inverse) circular and hyperbolic functions, Piecewise, Max, Min, Abs, sign, floor, ceiling, Mod,
    erf, Heaviside (½ at 0), comparisons and logic. Tensors of any shape broadcast. Numbers take the
    dtype of the tensors. ``1/(1 + exp(−x))``, ``log(1 + exp(x))``, ``log(1 + x)`` and ``exp(x) − 1``
    become the ops that compute them stably. The SymPy object itself is read: no text is evaluated.

    Raises UnsupportedError for a function without an op, GraphError for an unknown symbol.

    >>> import graphc as gc, sympy
    >>> x = gc.input("x", ())
    >>> print(gc.text_form(gc.symbolic.from_sympy(sympy.sympify("1/(1 + exp(-x))"), {"x": x})))
    x : float32[] = input
    %1 : float32[] = sigmoid(x)
    return %1
    """
    if not isinstance(expr, (sympy.Basic, int, float)):
        raise GraphError(
            f"a SymPy expression is needed, but {type(expr).__name__} was given",
            op="from_sympy", location=user_location(), remedy="build it with SymPy; text is not evaluated",
        )  # fmt: skip
    expression = sympy.sympify(expr)
    known: dict[sympy.Symbol, Tensor] = {}
    for symbol in expression.free_symbols:
        if symbol.is_integer and symbol.is_positive and symbol.name not in symbols:
            continue  # a symbolic size
        if symbol.name not in symbols:
            raise GraphError(
                f"the symbol {symbol.name!r} has no tensor", op="from_sympy", location=user_location(),
                remedy=f"pass it: from_sympy(expr, {{{symbol.name!r}: tensor, …}})",
            )  # fmt: skip
        known[symbol] = symbols[symbol.name]
    floats = [t.dtype for t in known.values() if is_float(t.dtype)]
    return Raiser(known, result_dtype(*floats) if floats else None).raised(expression)


class Raiser:
    """Builds nodes for expressions over known symbols; equal subexpressions become one node."""

    def __init__(self, known: Mapping[sympy.Symbol, Tensor], dtype: DType | None) -> None:
        self._made: dict[Any, Tensor] = dict(known)
        self._dtype = dtype

    def define(self, symbol: sympy.Symbol, tensor: Tensor) -> None:
        """Let a symbol stand for a node from here on."""
        self._made[symbol] = tensor

    def raised(self, expression: Any) -> Tensor:
        """The node of an expression, built without recursion."""
        stack = [(expression, False)]
        while stack:
            current, ready = stack.pop()
            if current in self._made:
                continue
            plan = None if not current.args else _operands(current)
            if plan and not ready:
                stack.append((current, True))
                stack.extend((operand, False) for operand in plan)
            else:
                self._made[current] = self._built(current)
        return self._made[expression]

    def _number(self, value: Any) -> Tensor:
        if value is sympy.true or value is sympy.false:
            return constant(np.asarray(bool(value)))
        number = float(value) if not value.is_Integer else int(value)
        if self._dtype is None:
            return constant(number)
        return filled(float(number), self._dtype)

    def _built(self, e: Any) -> Tensor:
        made = self._made
        kind = e.func
        if e.is_Boolean and not e.args and not e.is_Symbol:
            return self._number(e)
        if isinstance(e, sympy.Expr) and not e.free_symbols and e.is_number:
            return self._number(e)
        if e.is_Symbol and e.is_integer and e.is_positive:
            return dimension_value(e, self._dtype or FLOAT32)  # a symbolic size
        stable = _stable(e)
        if stable is not None:
            return stable[0](made[stable[1]])
        operands = [made[o] for o in _operands(e)]
        if kind in _UNARY:
            return _UNARY[kind](operands[0])
        if kind in _RECIPROCAL_OF:
            return ew.reciprocal(_RECIPROCAL_OF[kind](operands[0]))
        if kind in _FOLDS:
            return reduce(_FOLDS[kind], operands)
        if kind in _RELATIONS:
            return self._relation(kind, *operands)
        if kind is sympy.Add:
            return self._sum(e)
        if kind is sympy.Mul:
            return self._product(e)
        if kind is sympy.Pow:
            return self._power(e)
        if kind is absorbing_product:
            return ew.absorbing_multiply(*operands)
        if kind is sympy.Mod:
            return ew.remainder(*operands)
        if kind is sympy.atan2:
            return ew.arctan2(*operands)
        if kind is sympy.acot:
            return ew.arctan(ew.reciprocal(operands[0]))
        if kind is sympy.Heaviside:
            return self._heaviside(e)
        if kind is sympy.Piecewise:
            return self._piecewise(e)
        raise UnsupportedError(
            f"{kind.__name__} has no op", op="from_sympy", location=user_location(),
            remedy="rewrite it by elementary functions first, e.g. expr.rewrite(sympy.exp)",
        )  # fmt: skip

    def _as_number(self, node: Tensor) -> Tensor:
        return ew.astype(node, self._dtype or FLOAT32) if node.dtype == BOOL else node

    def _relation(self, kind: Any, left: Tensor, right: Tensor) -> Tensor:
        return _RELATIONS[kind](self._as_number(left), self._as_number(right))

    def _sum(self, e: Any) -> Tensor:
        left, right = two_sides(e)
        plus = [self._as_number(self._made[t]) for t in _terms(left)]
        minus = [self._as_number(self._made[t]) for t in _terms(right)]
        if not plus:
            return ew.negative(reduce(ew.add, minus))
        return reduce(ew.subtract, minus, reduce(ew.add, plus))

    def _product(self, e: Any) -> Tensor:
        sign, above, below = _factors(e)
        numerator = [self._as_number(self._made[f]) for f in above]
        denominator = [self._as_number(self._made[f]) for f in below]
        if not numerator:
            value = ew.reciprocal(reduce(ew.multiply, denominator))
        else:
            value = reduce(ew.multiply, numerator)
            if denominator:
                value = ew.divide(value, reduce(ew.multiply, denominator))
        return ew.negative(value) if sign < 0 else value

    def _power(self, e: Any) -> Tensor:
        base, exponent = e.args
        node = self._made.get(base)
        if exponent.is_Rational and node is not None:
            if exponent < 0:
                positive = base**-exponent
                inner = node if positive == base else self._rational_power(node, -exponent)
                return ew.reciprocal(inner)
            return self._rational_power(node, exponent)
        if base == 2:
            return ew.exp2(self._made[exponent])
        return ew.power(self._made[base], self._made[exponent])

    def _rational_power(self, node: Tensor, exponent: Any) -> Tensor:
        if exponent == 2:
            return ew.square(node)
        if exponent == sympy.Rational(1, 2):
            return ew.sqrt(node)
        return ew.power(node, self._number(exponent))

    def _heaviside(self, e: Any) -> Tensor:
        left, right = (self._made[s] for s in two_sides(e.args[0]))
        dtype = self._dtype or FLOAT32
        at_zero = 0.5 if len(e.args) == 1 else float(e.args[1])
        tie = ew.where(ew.equal(left, right), filled(at_zero, dtype), filled(0.0, dtype))
        return ew.where(ew.greater(left, right), filled(1.0, dtype), tie)

    def _piecewise(self, e: Any) -> Tensor:
        *cases, (last, condition) = [(p.expr, p.cond) for p in e.args]
        value = self._as_number(self._made[last])
        if condition is not sympy.true:
            cases.append((last, condition))
            value = filled(float("nan"), self._dtype or FLOAT32)  # no case holds: no value, as in SymPy
        for expression, condition in reversed(cases):
            value = ew.where(self._made[condition], self._as_number(self._made[expression]), value)
        return value


def _terms(sum_: Any) -> list[Any]:
    return [] if sum_ == 0 else list(sympy.Add.make_args(sum_))


def _factors(e: Any) -> tuple[int, list[Any], list[Any]]:
    """Sign, factors above and factors below the line of a product."""
    above: list[Any] = []
    below: list[Any] = []
    sign = 1
    for factor in sympy.Mul.make_args(e):
        if factor.is_Rational:
            if factor < 0:
                sign, factor = -sign, -factor
            if factor.p != 1:
                above.append(sympy.Integer(factor.p))
            if factor.q != 1:
                below.append(sympy.Integer(factor.q))
        elif factor.is_Pow and factor.exp.is_Rational and factor.exp < 0:
            below.append(factor.base**-factor.exp)
        else:
            above.append(factor)
    return sign, above, below


def _stable(e: Any) -> tuple[Callable[[object], Tensor], Any] | None:
    """The stable op of ``1/(1 + exp(−x))``, ``log(1 + exp(x))``, ``log(1 + x)``, ``exp(x) − 1``, with x."""
    if e.is_Pow and e.exp == -1:
        rest = e.base - 1
        if e.base.is_Add and isinstance(rest, sympy.exp):
            return ew.sigmoid, -rest.args[0]
    if isinstance(e, sympy.log) and e.args[0].is_Add:
        rest = e.args[0] - 1
        if isinstance(rest, sympy.exp):
            return ew.softplus, rest.args[0]
        if sympy.Integer(1) in e.args[0].args:
            return ew.log1p, rest
    if e.is_Add and len(e.args) == 2 and isinstance(e + 1, sympy.exp):
        return ew.expm1, (e + 1).args[0]
    return None


def _operands(e: Any) -> list[Any]:
    """The subexpressions whose nodes are needed to build this one."""
    if isinstance(e, sympy.Expr) and not e.free_symbols and e.is_number:
        return []
    stable = _stable(e)
    if stable is not None:
        return [stable[1]]
    if e.is_Add:
        left, right = two_sides(e)
        return _terms(left) + _terms(right)
    if e.is_Mul:
        _, above, below = _factors(e)
        return above + below
    if e.is_Pow and e.exp.is_Rational:
        return [e.base]
    if isinstance(e, sympy.Heaviside):
        return list(two_sides(e.args[0]))
    if isinstance(e, sympy.Piecewise):
        return [part for p in e.args for part in (p.expr, p.cond) if part is not sympy.true]
    return list(e.args)
