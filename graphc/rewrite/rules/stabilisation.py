"""Rules that replace a formula that overflows or cancels by one that does not.

Where the left side is accurate both sides agree to the bound; where it is not, the right side is.
"""

from __future__ import annotations

import graphc.ops as ops
from graphc.ir.build import apply
from graphc.ir.dimension import element_count, same, same_shape, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.sources import dimension_value
from graphc.rewrite.pattern import Attribute, Bindings, call, variables
from graphc.rewrite.rule import fast

x, y = variables("x y")
axis, keepdims = Attribute("axis"), Attribute("keepdims")
exp, expm1, log, log1p, sqrt, square, sum_, reciprocal, negative, absolute = map(
    call, ["exp", "expm1", "log", "log1p", "sqrt", "square", "sum", "reciprocal", "negative", "abs"]
)
reshape, broadcast_to, tanh = map(call, ["reshape", "broadcast_to", "tanh"])
sigmoid, softplus, softmax, log_softmax, logsumexp, logaddexp = map(
    call, ["sigmoid", "softplus", "softmax", "log_softmax", "logsumexp", "logaddexp"]
)


def _is_float(bound: Bindings) -> bool:
    return bool(bound["x"].dtype.kind == "f")


def _softmax(node: Tensor, bound: Bindings) -> Tensor | None:
    """exp(x) / Σ exp(x) over one axis."""
    return ops.softmax(bound["x"], axis=bound["axis"][0]) if len(bound["axis"]) == 1 else None


def _reshaped_first(node: Tensor, bound: Bindings) -> Tensor:
    """f(x) in another shape as f(x in that shape): so a quotient meets its dividend."""
    (inner,) = node.inputs
    return apply(inner.op, tuple([ops.reshape(i, node.shape) for i in inner.inputs]))


def _repeated(node: Tensor, bound: Bindings) -> Tensor | None:
    """The sum of what is repeated along the axes, as a product."""
    x, axes, wide = bound["x"], bound["axis"], node.inputs[0].shape
    missing = len(wide) - x.ndim
    inside = [a - missing for a in axes if a >= missing]
    if not axes or x.dtype.kind != "f" or not all(same(x.shape[a], 1) for a in inside):
        return None
    value = x * dimension_value(simplified(element_count([wide[a] for a in axes])), x.dtype)
    kept = [1 if a in axes else s for a, s in enumerate(wide)]
    value = ops.broadcast_to(ops.reshape(value, (*[1] * missing, *x.shape)), tuple(kept))
    return value if bound["keepdims"] else ops.squeeze(value, axes)


def _divided_sum(node: Tensor, bound: Bindings) -> Tensor | None:
    """Σ x / y as (Σ x) / y for a y that does not change along the axes."""
    x, y, axes = bound["x"], bound["y"], bound["axis"]
    if not axes or x.ndim != y.ndim or not same_shape(x.shape, node.inputs[0].shape):
        return None
    if not all(same(y.shape[a], 1) for a in axes) or all(same(x.shape[a], 1) for a in axes):
        return None
    total = ops.sum(x, axis=axes, keepdims=bound["keepdims"])
    return total / (y if bound["keepdims"] else ops.squeeze(y, axes))


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
    fast("logaddexp",              log(exp(x) + exp(y)),                logaddexp(x, y),      4e-6, domain={"x": (1, 9), "y": (1, 9)}),
    fast("tanh_by_exp",            (exp(x) - exp(negative(x))) / (exp(x) + exp(negative(x))),
                                                                        tanh(x),              4e-6, domain={"x": (0.5, 9)}),
    fast("tanh_by_expm1",          expm1(x) / (1 + exp(x)),             tanh(0.5 * x),        4e-6, domain={"x": (0.5, 9)}),
    fast("logsumexp",              log(sum_(exp(x), axis=axis, keepdims=keepdims)),
                                                                        logsumexp(x, axis=axis, keepdims=keepdims), 4e-5, domain={"x": (1, 9)}),
    fast("softmax_by_exp",         exp(x) / sum_(exp(x), axis=axis, keepdims=True),
                                                                        _softmax,             4e-6, domain={"x": (-9, 9)}),
    fast("inverse_in_other_shape", reshape(reciprocal(x)),              _reshaped_first,      1e-7, domain={"x": (0.1, 10)}, example={"x": (3, 2)}),
    fast("negative_in_other_shape", reshape(negative(x)),               _reshaped_first,      1e-7, domain={"x": (0.1, 10)}, example={"x": (3, 2)}),
    fast("quotient_in_other_shape", reshape(x / y),                     _reshaped_first,      1e-7, domain={"x": (0.1, 10), "y": (0.1, 10)},
         when=lambda bound: same_shape(bound["x"].shape, bound["y"].shape), example={"x": (3, 2), "y": (3, 2)}),
    fast("sum_of_negative",        sum_(negative(x), axis=axis, keepdims=keepdims),
                                                                        -sum_(x, axis=axis, keepdims=keepdims), 4e-6, domain={"x": (1, 9)}),
    fast("sum_of_broadcast",       sum_(broadcast_to(x), axis=axis, keepdims=keepdims), _repeated, 4e-6, domain={"x": (1, 9)}, example={"x": (3, 1)}),
    fast("divisor_out_of_sum",     sum_(x / y, axis=axis, keepdims=keepdims), _divided_sum, 4e-6, domain={"x": (1, 9), "y": (0.5, 2)},
         example={"x": (3, 4), "y": (3, 1)}),
    fast("sqrt_of_square",         sqrt(square(x)),                     absolute(x),          4e-7, domain={"x": (-1e3, 1e3)}),
)
# fmt: on
