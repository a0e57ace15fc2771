"""Derivatives of elementwise ops: each partial derivative is one line, read by both modes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphc.autodiff.pieces import fitted, total
from graphc.autodiff.rule import (
    Custom,
    Over,
    Partial,
    Pointwise,
    Rule,
    not_differentiable,
    product,
    zero,
)
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as e
from graphc.ops.sources import CONSTANT, filled


# -- powers ----------------------------------------------------------------------------------------
def _power_by_base(x: Tensor, y: Tensor, out: Tensor) -> Partial:
    """y·x^(y−1); 0 where y = 0, also at x = 0, where the formula says 0·∞."""
    if y.op is CONSTANT:
        value = y.attrs["value"]
        if value.size and (value == value.flat[0]).all():
            return _power_by_base_constant(x, out, value.flat[0].item())
        if (value != 0).all():
            return e.multiply(y, e.power(x, e.subtract(y, 1)))
    return e.where(e.equal(y, 0), 0.0, e.multiply(y, e.power(x, e.subtract(y, 1))))


def _power_by_base_constant(x: Tensor, out: Tensor, exponent: float) -> Partial:
    if exponent in (0, 1):
        return exponent or None
    lowered = x if exponent == 2 else e.power(x, filled(exponent - 1, out.dtype))
    return e.multiply(filled(exponent, out.dtype), lowered)


def _power_by_exponent(x: Tensor, y: Tensor, out: Tensor) -> Partial:
    """x^y·log x; 0 where x = 0 and y ≥ 0, where the formula says 0·(−∞)."""
    at_zero = e.logical_and(e.equal(x, 0), e.greater_equal(y, 0))
    return e.where(at_zero, 0.0, e.multiply(out, e.log(x)))


# -- choices ---------------------------------------------------------------------------------------
def _wins(first: Tensor, second: Tensor, out: Tensor) -> Tensor:
    """1 where the first comparison holds; 1/2 at a tie, which both operands share."""
    return e.where(second, filled(0.5, out.dtype), e.astype(first, out.dtype))


def _where_vjp(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
    condition = node.inputs[0]
    return e.where(condition, cotangent, 0.0) if index == 1 else e.where(condition, 0.0, cotangent)


def _where_jvp(node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
    _, x, y = tangents
    return e.where(node.inputs[0], 0.0 if x is None else x, 0.0 if y is None else y)


def _inside(x: Tensor, low: Tensor, high: Tensor, out: Tensor) -> Partial:
    return e.astype(e.logical_and(e.greater_equal(x, low), e.less_equal(x, high)), out.dtype)


def _below(x: Tensor, low: Tensor, high: Tensor, out: Tensor) -> Partial:
    return e.astype(e.logical_and(e.less(x, low), e.less_equal(low, high)), out.dtype)


def _above(x: Tensor, low: Tensor, high: Tensor, out: Tensor) -> Partial:
    # NumPy's clip is minimum(maximum(x, low), high): bounds the wrong way round mean `high`.
    return e.astype(e.logical_or(e.greater(x, high), e.greater(low, high)), out.dtype)


# -- the product in which zeros win ----------------------------------------------------------------
def _unabsorbed(x: Tensor, y: Tensor) -> Tensor:
    """∂(absorbing x·y)/∂x: y, but 0 where a zero x absorbed an infinite or undefined y.

    There the product is the constant 0, and saying so keeps second derivatives as clean as the first.
    """
    return e.where(e.logical_or(e.not_equal(x, 0), e.isfinite(y)), y, 0.0)


def _absorbing_vjp(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
    x, y = node.inputs
    if index == 0:
        return product(cotangent, _unabsorbed(x, y), masked)
    return e.absorbing_multiply(x, cotangent)


def _absorbing_jvp(node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
    x, y = node.inputs
    by_x, by_y = tangents
    parts = []
    if by_x is not None:
        parts.append(fitted(e.multiply(by_x, _unabsorbed(x, y)), node))
    if by_y is not None:
        parts.append(fitted(e.absorbing_multiply(x, by_y), node))
    return total(parts)


def _one(*operands: Tensor) -> Partial:
    return 1.0


def _minus_one(*operands: Tensor) -> Partial:
    return -1.0


def _radius(x: Tensor, out: Tensor) -> Partial:
    return e.where(e.equal(out, 0), 0.0, e.divide(x, out))


def _root(x: Tensor) -> Tensor:
    """√(1 − x²), accurate near ±1."""
    return e.sqrt(_one_minus_square(x))


def _one_minus_square(x: Tensor) -> Tensor:
    return e.multiply(e.subtract(1, x), e.add(1, x))


def _p(*partials: object) -> Pointwise:
    return Pointwise(partials)  # type: ignore[arg-type]


_KINK = "piecewise constant: its derivative is 0 wherever it exists"
_BOOL = "its result is bool"

RULES: dict[Op, Rule] = {
    # x, out -> ∂out/∂x
    e.NEGATIVE: _p(_minus_one),
    e.ABS: _p(lambda x, out: e.sign(x)),
    e.EXP: _p(lambda x, out: out),
    e.EXP2: _p(lambda x, out: e.multiply(math.log(2), out)),
    e.EXPM1: _p(lambda x, out: e.exp(x)),
    e.LOG: _p(lambda x, out: Over(x)),
    e.LOG2: _p(lambda x, out: Over(e.multiply(math.log(2), x))),
    e.LOG10: _p(lambda x, out: Over(e.multiply(math.log(10), x))),
    e.LOG1P: _p(lambda x, out: Over(e.add(1, x))),
    e.SQRT: _p(lambda x, out: Over(e.multiply(2, out))),
    e.CBRT: _p(lambda x, out: Over(e.multiply(3, e.square(out)))),
    e.SQUARE: _p(lambda x, out: e.multiply(2, x)),
    e.RECIPROCAL: _p(lambda x, out: e.negative(e.square(out))),
    e.SIN: _p(lambda x, out: e.cos(x)),
    e.COS: _p(lambda x, out: e.negative(e.sin(x))),
    e.TAN: _p(lambda x, out: e.add(1, e.square(out))),
    e.ARCSIN: _p(lambda x, out: Over(_root(x))),
    e.ARCCOS: _p(lambda x, out: Over(e.negative(_root(x)))),
    e.ARCTAN: _p(lambda x, out: Over(e.add(1, e.square(x)))),
    e.SINH: _p(lambda x, out: e.cosh(x)),
    e.COSH: _p(lambda x, out: e.sinh(x)),
    e.TANH: _p(lambda x, out: e.subtract(1, e.square(out))),
    e.ARCSINH: _p(lambda x, out: Over(e.hypot(x, 1))),
    e.ARCCOSH: _p(lambda x, out: Over(e.sqrt(e.multiply(e.subtract(x, 1), e.add(x, 1))))),
    e.ARCTANH: _p(lambda x, out: Over(_one_minus_square(x))),
    e.ERF: _p(lambda x, out: e.multiply(2 / math.sqrt(math.pi), e.exp(e.negative(e.square(x))))),
    e.SIGMOID: _p(lambda x, out: e.multiply(out, e.subtract(1, out))),
    e.SOFTPLUS: _p(lambda x, out: e.sigmoid(x)),
    e.RELU: _p(lambda x, out: e.astype(e.greater(x, 0), out.dtype)),
    e.CAST: _p(_one),
    # x, y, out -> ∂out/∂x and ∂out/∂y
    e.ADD: _p(_one, _one),
    e.SUBTRACT: _p(_one, _minus_one),
    e.MULTIPLY: _p(lambda x, y, out: y, lambda x, y, out: x),
    e.DIVIDE: _p(lambda x, y, out: Over(y), lambda x, y, out: e.negative(e.divide(out, y))),
    e.REMAINDER: _p(_one, lambda x, y, out: e.negative(e.floor_divide(x, y))),
    e.POWER: _p(_power_by_base, _power_by_exponent),
    e.MAXIMUM: _p(
        lambda x, y, out: _wins(e.greater(x, y), e.equal(x, y), out),
        lambda x, y, out: _wins(e.less(x, y), e.equal(x, y), out),
    ),
    e.MINIMUM: _p(
        lambda x, y, out: _wins(e.less(x, y), e.equal(x, y), out),
        lambda x, y, out: _wins(e.greater(x, y), e.equal(x, y), out),
    ),
    e.ARCTAN2: _p(  # arctan2(y, x)
        lambda y, x, out: e.divide(x, e.add(e.square(x), e.square(y))),
        lambda y, x, out: e.negative(e.divide(y, e.add(e.square(x), e.square(y)))),
    ),
    e.HYPOT: _p(lambda x, y, out: _radius(x, out), lambda x, y, out: _radius(y, out)),
    e.LOGADDEXP: _p(
        lambda x, y, out: e.sigmoid(e.subtract(x, y)), lambda x, y, out: e.sigmoid(e.subtract(y, x))
    ),
    e.CLIP: _p(_inside, _below, _above),
    # written out in both readings
    e.WHERE: Custom(_where_vjp, _where_jvp, masking=(1, 2)),
    e.ABSORBING_MULTIPLY: Custom(_absorbing_vjp, _absorbing_jvp, masking=(1,)),
    # no derivative passes
    e.SIGN: zero(_KINK),
    e.FLOOR: zero(_KINK),
    e.CEIL: zero(_KINK),
    e.ROUND: zero(_KINK),
    e.TRUNC: zero(_KINK),
    e.FLOOR_DIVIDE: zero(_KINK),
    e.STOP_GRADIENT: zero("by definition"),
    e.LOGICAL_NOT: not_differentiable(_BOOL),
    e.ISNAN: not_differentiable(_BOOL),
    e.ISINF: not_differentiable(_BOOL),
    e.ISFINITE: not_differentiable(_BOOL),
    e.EQUAL: not_differentiable(_BOOL),
    e.NOT_EQUAL: not_differentiable(_BOOL),
    e.LESS: not_differentiable(_BOOL),
    e.LESS_EQUAL: not_differentiable(_BOOL),
    e.GREATER: not_differentiable(_BOOL),
    e.GREATER_EQUAL: not_differentiable(_BOOL),
    e.LOGICAL_AND: not_differentiable(_BOOL),
    e.LOGICAL_OR: not_differentiable(_BOOL),
    e.LOGICAL_XOR: not_differentiable(_BOOL),
}
