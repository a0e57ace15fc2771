"""Rules that replace a costly op by a cheaper one of the same value, to rounding."""

from __future__ import annotations

from graphc.rewrite.pattern import Bindings, call, variables
from graphc.rewrite.rule import fast

(x,) = variables("x")
power, sqrt, square, reciprocal = map(call, ["power", "sqrt", "square", "reciprocal"])


def _is_float(bound: Bindings) -> bool:
    return bool(bound["x"].dtype.kind == "f")


# fmt: off
RULES = (
    fast("power_two",             power(x, 2),       square(x),           4e-7, when=_is_float, domain={"x": (-1e3, 1e3)}),
    fast("power_three",           power(x, 3),       square(x) * x,       8e-7, when=_is_float, domain={"x": (-1e3, 1e3)}),
    fast("power_half",            power(x, 0.5),     sqrt(x),             4e-7, when=_is_float, domain={"x": (0, 1e3)}),
    fast("power_minus_one",       power(x, -1),      reciprocal(x),       4e-7, when=_is_float, domain={"x": (0.1, 1e3)}),
    fast("power_minus_two",       power(x, -2),      reciprocal(square(x)), 8e-7, when=_is_float, domain={"x": (0.1, 1e3)}),
    fast("power_minus_half",      power(x, -0.5),    reciprocal(sqrt(x)), 8e-7, when=_is_float, domain={"x": (0.1, 1e3)}),
)
# fmt: on
