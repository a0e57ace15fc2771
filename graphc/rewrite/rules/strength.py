"""Rules that replace a costly form by a cheaper one of the same value, to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphc.ops as ops
from graphc.ir.tensor import Tensor
from graphc.rewrite.pattern import Attribute, Bindings, call, numbers, the_number, variables
from graphc.rewrite.rule import fast

x, y = variables("x y")
a, b = numbers("a b")
axis, keepdims = Attribute("axis"), Attribute("keepdims")
power, sqrt, square, reciprocal, negative, exp, expm1, log, tanh, minimum, sum_ = map(
    call,
    ["power", "sqrt", "square", "reciprocal", "negative", "exp", "expm1", "log", "tanh", "minimum", "sum"],
)


def _is_float(bound: Bindings) -> bool:
    return bool(bound["x"].dtype.kind == "f")


def _factor(value: float, x: Tensor) -> Any:
    """x times a number, where the dtype holds that number to full precision."""
    limits = np.finfo(x.dtype)
    return x * value if limits.tiny <= abs(value) <= limits.max else None


def _joined_factor(node: Tensor, bound: Bindings) -> Any:
    """(x·a)·b as x·(ab)."""
    first, second = the_number(bound["a"]), the_number(bound["b"])
    assert first is not None and second is not None
    return _factor(first * second, bound["x"]) if _is_float(bound) else None


def _factor_for_divisor(node: Tensor, bound: Bindings) -> Any:
    """x / a as x · (1/a)."""
    number = the_number(bound["a"])
    return _factor(1 / number, bound["x"]) if number and _is_float(bound) else None


def _half_angle(node: Tensor, bound: Bindings) -> Any:
    """e^min(x,0) − 1 as 2t / (1 − t) for t = tanh(min(x,0)/2): there t ≤ 0, and nothing cancels."""
    t = ops.tanh(ops.minimum(bound["x"], 0) * 0.5)
    return 2 * t / (1 - t)


def _softmax_of_parts(node: Tensor, bound: Bindings) -> Tensor:
    """exp(x) / Σ exp(x), both of which are there."""
    total = node.inputs[0].inputs[1].inputs[0]
    return total.inputs[0] / total


# fmt: off
RULES = (
    fast("power_two",             power(x, 2),       square(x),           4e-7, when=_is_float, domain={"x": (-1e3, 1e3)}),
    fast("power_three",           power(x, 3),       square(x) * x,       8e-7, when=_is_float, domain={"x": (-1e3, 1e3)}),
    fast("power_four",            power(x, 4),       square(square(x)),   8e-7, when=_is_float, domain={"x": (-1e3, 1e3)}),
    fast("power_half",            power(x, 0.5),     sqrt(x),             4e-7, when=_is_float, domain={"x": (0, 1e3)}),
    fast("power_minus_one",       power(x, -1),      reciprocal(x),       4e-7, when=_is_float, domain={"x": (0.1, 1e3)}),
    fast("power_minus_two",       power(x, -2),      reciprocal(square(x)), 8e-7, when=_is_float, domain={"x": (0.1, 1e3)}),
    fast("power_minus_half",      power(x, -0.5),    reciprocal(sqrt(x)), 8e-7, when=_is_float, domain={"x": (0.1, 1e3)}),
    fast("power_one_and_a_half",  power(x, 1.5),     x * sqrt(x),         8e-7, when=_is_float, domain={"x": (0, 1e3)}),
    fast("expm1_below_zero",      expm1(minimum(x, 0)), _half_angle,      8e-7, when=_is_float, domain={"x": (-30, 3)}),
    fast("factor_for_divisor",    x / a,             _factor_for_divisor, 4e-7, domain={"x": (-10, 10)}),
    fast("joined_factor",         (x * a) * b,       _joined_factor,      8e-7, domain={"x": (-10, 10)}),
    fast("negated_difference",    negative(x - y),   y - x,               1e-7, domain={"x": (-10, 10), "y": (-10, 10)}),
    fast("exp_of_log_softmax",    exp(x - log(sum_(exp(x), axis=axis, keepdims=keepdims))),
                                                     _softmax_of_parts, 8e-6, domain={"x": (-9, 9)}),
)
# fmt: on
