"""Meanings: an elementwise op and the sums of its operands enter; its own sum leaves.

Each op is written by the operations of `Algebra`; what has no law stays a function of that name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import sympy

from graphc.ir.dtype import BOOL, is_float
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.symbolic.normal.algebra import Algebra
from graphc.symbolic.normal.arithmetic import Undecided
from graphc.symbolic.normal.atoms import Sum

Meaning: TypeAlias = Callable[..., Sum]
# Functions without laws, or with those of `Algebra.function`.
_BY_NAME = (
    ew.SIN, ew.COS, ew.ARCSIN, ew.ARCCOS, ew.ARCTAN, ew.ARCSINH, ew.ARCCOSH, ew.ARCTANH, ew.ERF, ew.CBRT,
    ew.ROUND, ew.TRUNC, ew.FLOOR, ew.ARCTAN2,
)  # fmt: skip
_WITHOUT = (ew.ISNAN, ew.ISINF, ew.ISFINITE)


def applied(a: Algebra, node: Tensor, x: list[Sum]) -> Sum:
    """The element of an elementwise op, given those of its operands; raises Undecided without a law."""
    op = node.op
    if op in _WITHOUT:
        raise Undecided(f"{op.name} asks what no real number is")
    if node.dtype == BOOL and op in _OF_TRUTHS and (op in _LOGIC or node.inputs[0].dtype == BOOL):
        return _OF_TRUTHS[op](a, *[truth(a, i, value) for i, value in zip(node.inputs, x, strict=True)])
    if node.dtype == BOOL and op in _COMPARISONS:
        return _COMPARISONS[op](a, *x)
    if op is ew.WHERE:
        return a.chosen(truth(a, node.inputs[0], x[0]), x[1], x[2])
    if op is ew.CAST:
        return _cast(a, node, x[0])
    if node.dtype == BOOL:
        raise Undecided(f"{op.name} of truth values")
    if op is ew.ABSORBING_MULTIPLY:
        whole = a.multiply(x[0], x[1])
        if all(map(a.is_total, x[1].terms)):
            return whole
        return a.subtract(whole, a.multiply(a.zero(x[0]), whole))
    if op is ew.POWER:
        return _power(a, node, *x)
    if op in _BY_NAME:
        return a.function(op.name, x)
    if op in _FORMULAS:
        return _FORMULAS[op](a, *x)
    raise Undecided(f"no law for {op.name}")


def truth(a: Algebra, operand: Tensor, value: Sum) -> Sum:
    """A value as a truth: a number is true where it is not 0."""
    return value if operand.dtype == BOOL else a.negated(a.zero(value))


def _power(a: Algebra, node: Tensor, x: Sum, y: Sum) -> Sum:
    a = a
    exponent = y.number
    if exponent is not None and exponent.is_Rational:
        if not is_float(node.dtype) and exponent < 0:
            raise Undecided("an integer to a negative power")
        return a.power(x, exponent)
    if a.is_positive(x):
        return a.exp(a.multiply(y, a.log(x)))
    return a.function("power", [x, y])


def _cast(a: Algebra, node: Tensor, x: Sum) -> Sum:
    before, after = node.inputs[0].dtype, node.dtype
    if after == BOOL:
        return truth(a, node.inputs[0], x)
    if is_float(after) or before == BOOL or (before.kind in "iu" and np.can_cast(before, after, "safe")):
        return x
    if is_float(before) and after.kind == "i":
        return a.function("trunc", [x])
    return a.function(f"as_{after}", [x])  # it wraps around


def _logistic(a: Algebra, x: Sum) -> Sum:
    return a.power(a.add(a.constant(1), a.exp(a.scale(x, -1))), -1)


def _tanh(a: Algebra, x: Sum) -> Sum:
    """1 − 2/(e^(2x) + 1)."""
    return a.subtract(
        a.constant(1), a.scale(a.power(a.add(a.exp(a.scale(x, 2)), a.constant(1)), -1), 2)
    )  # fmt: skip


def _log_by(base: int) -> Meaning:
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
_FORMULAS: dict[Op, Meaning] = {
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


_OF_TRUTHS: dict[Op, Meaning] = {
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
_COMPARISONS: dict[Op, Meaning] = {
    ew.EQUAL: _equal,
    ew.NOT_EQUAL: lambda a, x, y: a.negated(_equal(a, x, y)),
    ew.LESS: _less,
    ew.GREATER: lambda a, x, y: _less(a, y, x),
    ew.LESS_EQUAL: lambda a, x, y: a.negated(_less(a, y, x)),
    ew.GREATER_EQUAL: lambda a, x, y: a.negated(_less(a, x, y)),
}
