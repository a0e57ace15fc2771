"""Rules that replace a formula that overflows or cancels by one that does not.

Where the left side is accurate both sides agree to the bound; where it is not, the right side is.
"""

from __future__ import annotations

import graphc.ops as ops
from graphc.ir.tensor import Tensor
from graphc.rewrite.pattern import Attribute, Bindings, call, variables
from graphc.rewrite.rule import fast

(x,) = variables("x")
axis, keepdims = Attribute("axis"), Attribute("keepdims")
exp, expm1, log, log1p, sqrt, square, sum_, reciprocal, negative, absolute = map(
    call, ["exp", "expm1", "log", "log1p", "sqrt", "square", "sum", "reciprocal", "negative", "abs"]
)
sigmoid, softplus, softmax, log_softmax, logsumexp, logaddexp = map(
    call, ["sigmoid", "softplus", "softmax", "log_softmax", "logsumexp", "logaddexp"]
)


def _is_float(bound: Bindings) -> bool:
    return bool(bound["x"].dtype.kind == "f")


def _softmax(node: Tensor, bound: Bindings) -> Tensor | None:
    """exp(x) / Σ exp(x) over one axis."""
    return ops.softmax(bound["x"], axis=bound["axis"][0]) if len(bound["axis"]) == 1 else None


# fmt: off
RULES = (
    fast("log_of_one_plus",        log(1 + x),                          log1p(x),             4e-6, domain={"x": (0.1, 100)}),
    fast("exp_minus_one",          exp(x) - 1,                          expm1(x),             4e-6, domain={"x": (0.5, 20)}),
    fast("log_of_exp",             log(exp(x)),                         x,                    4e-6, domain={"x": (0.5, 50)}),
    fast("softplus_by_logaddexp",  logaddexp(x, 0),                     softplus(x),          4e-6, when=_is_float, domain={"x": (-10, 50)}),
    fast("softplus",               log1p(exp(x)),                       softplus(x),          4e-6, domain={"x": (-10, 50)}),
    fast("sigmoid_by_reciprocal",  reciprocal(1 + exp(negative(x))),    sigmoid(x),           4e-6, domain={"x": (-50, 50)}),
    fast("sigmoid_by_division",    1 / (1 + exp(negative(x))),          sigmoid(x),           4e-6, domain={"x": (-50, 50)}),
    fast("sigmoid_by_exp",         exp(x) / (1 + exp(x)),               sigmoid(x),           4e-6, domain={"x": (-50, 50)}),
    fast("log_of_one_less_sigmoid", log(1 - sigmoid(x)),                -softplus(x),         2e-5, domain={"x": (-1, 5)}),
    fast("log1p_of_less_sigmoid",  log1p(negative(sigmoid(x))),         -softplus(x),         2e-5, domain={"x": (-1, 5)}),
    fast("log_of_sigmoid",         log(sigmoid(x)),                     -softplus(negative(x)), 2e-5, domain={"x": (-50, 1)}),
    fast("log_of_softmax",         log(softmax(x, axis=axis)),          log_softmax(x, axis=axis), 4e-5, domain={"x": (-3, 3)}),
    fast("logsumexp",              log(sum_(exp(x), axis=axis, keepdims=keepdims)),
                                                                        logsumexp(x, axis=axis, keepdims=keepdims), 4e-5, domain={"x": (1, 9)}),
    fast("softmax_by_exp",         exp(x) / sum_(exp(x), axis=axis, keepdims=True),
                                                                        _softmax,             4e-6, domain={"x": (-9, 9)}),
    fast("sqrt_of_square",         sqrt(square(x)),                     absolute(x),          4e-7, domain={"x": (-1e3, 1e3)}),
)
# fmt: on
