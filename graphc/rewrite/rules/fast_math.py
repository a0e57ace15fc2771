"""Rules of real numbers that floating point does not keep: for ``optimize="fast"``.

They take NaN, infinities and −0.0 for numbers that do not occur, and re-associate.
"""

from __future__ import annotations

from typing import Any

from graphc.ir.tensor import Tensor
from graphc.rewrite.pattern import Bindings, call, numbers, the_number, variables
from graphc.rewrite.rule import fast

x, y = variables("x y")
a, b = numbers("a b")
exp, log, sqrt, negative = map(call, ["exp", "log", "sqrt", "negative"])


def _numbers(bound: Bindings) -> tuple[float, float]:
    first, second = the_number(bound["a"]), the_number(bound["b"])
    assert first is not None and second is not None
    return first, second


def _joined_term(node: Tensor, bound: Bindings) -> Any:
    """(x + a) + b as x + (a + b)."""
    first, second = _numbers(bound)
    return bound["x"] + (first + second)


# fmt: off
RULES = (
    fast("add_zero",              x + 0,                  x,          1e-7, domain={"x": (-10, 10)}),
    fast("subtract_from_zero",    0 - x,                  negative(x), 1e-7, domain={"x": (-10, 10)}),
    fast("multiply_by_zero",      x * 0,                  call("zeros_like")(x), 1e-7, domain={"x": (-10, 10)}),
    fast("subtract_itself",       x - x,                  call("zeros_like")(x), 1e-7, domain={"x": (-10, 10)}),
    fast("divide_by_itself",      x / x,                  call("ones_like")(x), 1e-7, domain={"x": (0.1, 10)}),
    fast("root_times_itself",     call("square")(sqrt(x)), x,         4e-7, domain={"x": (0.1, 10)}),
    fast("exp_of_log",            exp(log(x)),            x,          4e-6, domain={"x": (0.5, 20)}),
    fast("product_of_exps",       exp(x) * exp(y),        exp(x + y), 4e-6, domain={"x": (-5, 5), "y": (-5, 5)}),
    fast("joined_term",           (x + a) + b,            _joined_term,   4e-6, domain={"x": (1, 10)}),
)
# fmt: on
