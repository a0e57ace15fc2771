"""Rules of algebra that hold to the last bit, for every input."""

from __future__ import annotations

import math

import graphc.ops as ops
from graphc.ir.build import apply
from graphc.ir.dimension import same_shape
from graphc.ir.tensor import Tensor
from graphc.rewrite.pattern import Bindings, call, numbers, the_number, variables
from graphc.rewrite.rule import rule

x, y, z, c = variables("x y z c")
(a,) = numbers("a")
(negative, square, power, sqrt, reciprocal, absolute, relu, maximum, minimum, where, logical_not) = map(
    call,
    [
        "negative",
        "square",
        "power",
        "sqrt",
        "reciprocal",
        "abs",
        "relu",
        "maximum",
        "minimum",
        "where",
        "logical_not",
    ],
)
exp = call("exp")
floor, ceil, round_, trunc, stop_gradient, clip = map(
    call, ["floor", "ceil", "round", "trunc", "stop_gradient", "clip"]
)


def _is_float(name: str):  # type: ignore[no-untyped-def]
    return lambda bound: bound[name].dtype.kind == "f"


def _is_bool(bound: Bindings) -> bool:
    return bool(bound["x"].dtype.kind == "b")


def _power_of_two(bound: Bindings) -> bool:
    number = the_number(bound["a"])
    return number is not None and math.isfinite(number) and number != 0 and abs(math.frexp(number)[0]) == 0.5


def _alike(bound: Bindings) -> bool:
    return same_shape(bound["x"].shape, bound["y"].shape) and bound["x"].dtype.kind == "f"


def _negated(node: Tensor, bound: Bindings) -> Tensor:
    """−(x·y) for (−x)·y, and of quotients likewise: signs go outwards, where sums take them up."""
    return ops.negative(apply(node.op, (bound["x"], bound["y"])))


def _by_its_inverse(node: Tensor, bound: Bindings) -> Tensor | None:
    """x / a as x · (1/a): the same bits where a is a power of two whose inverse is a normal number."""
    number = the_number(bound["a"])
    assert number is not None
    inverse = 1 / number
    return bound["x"] * inverse if 2.0**-14 <= abs(inverse) <= 2.0**15 else None


# fmt: off
RULES = (
    rule("multiply_by_one",           x * 1,                              x),
    rule("divide_by_one",             x / 1,                              x),
    rule("subtract_zero",             x - 0,                              x),
    rule("add_negative_zero",         x + -0.0,                           x),
    rule("multiply_by_minus_one",     x * -1,                             -x,            when=_is_float("x")),
    rule("divide_by_minus_one",       x / -1,                             -x,            when=_is_float("x")),
    rule("divide_by_power_of_two",    x / a,                              _by_its_inverse, when=_power_of_two),
    rule("one_over",                  1 / x,                              reciprocal(x), when=_is_float("x")),
    rule("add_to_itself",             x + x,                              2 * x,         when=_is_float("x")),
    rule("product_with_negative",     negative(x) * y,                    _negated,      when=_alike),
    rule("quotient_with_negative",    negative(x) / y,                    _negated,      when=_alike),
    rule("exp_of_negated_difference", exp(negative(x - y)),               exp(y - x)),
    rule("double_negative",           negative(negative(x)),              x),
    rule("add_negative",              x + negative(y),                    x - y),
    rule("subtract_negative",         x - negative(y),                    x + y),
    rule("product_of_negatives",      negative(x) * negative(y),          x * y),
    rule("quotient_of_negatives",     negative(x) / negative(y),          x / y),
    rule("multiply_by_itself",        x * x,                              square(x),     when=_is_float("x")),
    rule("square_of_negative",        square(negative(x)),                square(x)),
    rule("square_of_abs",             square(absolute(x)),                square(x)),
    rule("abs_of_negative",           absolute(negative(x)),              absolute(x)),
    rule("abs_of_abs",                absolute(absolute(x)),              absolute(x)),
    rule("abs_of_square",             absolute(square(x)),                square(x),     when=_is_float("x")),
    rule("power_one",                 power(x, 1),                        x,             when=_is_float("x")),
    rule("relu_by_maximum",           maximum(x, 0),                      relu(x),       when=_is_float("x")),
    rule("relu_of_relu",              relu(relu(x)),                      relu(x)),
    rule("maximum_of_itself",         maximum(x, x),                      x),
    rule("minimum_of_itself",         minimum(x, x),                      x),
    rule("floor_of_floor",            floor(floor(x)),                    floor(x)),
    rule("ceil_of_ceil",              ceil(ceil(x)),                      ceil(x)),
    rule("round_of_round",            round_(round_(x)),                  round_(x)),
    rule("trunc_of_trunc",            trunc(trunc(x)),                    trunc(x)),
    rule("where_always",              where(1, x, y),                     x),
    rule("where_never",               where(0, x, y),                     y),
    rule("where_alike",               where(c, x, x),                     x,             example={"c": "bool"}),
    rule("not_of_not",                logical_not(logical_not(x)),        x,             when=_is_bool, example={"x": "bool"}),
    rule("where_not",                 where(logical_not(c), x, y),        where(c, y, x), example={"c": "bool"},
         when=lambda bound: bound["c"].dtype.kind == "b"),
    rule("stop_gradient",             stop_gradient(x),                   x),
)
# fmt: on
