"""Every op's scalar body means what the op means, and its slopes are the op's slopes."""

import numpy as np
import pytest
import sympy

from graphc.ir.build import apply
from graphc.ir.dtype import BOOL, is_float
from graphc.ops import REGISTRY
from graphc.ops.sources import input
from graphc.symbolic.local import OUT, local_form
from graphc.symbolic.scalar import SCALAR_FORMS, WITHOUT_SCALAR_FORM, reason_without_form

# Points inside every op's domain, away from kinks.
POINTS = {
    "arccosh": [(1.7,), (2.9,)],
    "arcsin": [(0.3,), (-0.6,)],
    "arccos": [(0.3,), (-0.6,)],
    "arctanh": [(0.3,), (-0.6,)],
    "log1p": [(0.3,), (-0.6,), (4.0,)],
}
LOGICAL = {"logical_not", "logical_and", "logical_or", "logical_xor"}
ATTRS = {
    "astype": {"dtype": np.dtype("float64")},
    **{name: {"axis": (), "keepdims": False} for name in ("sum", "mean", "prod", "max", "min")},
    "reshape": {"shape": ()},
    "broadcast_to": {"shape": ()},
    "transpose": {"axes": ()},
    "einsum": {"equation": ",->"},
}
ARITY = {"where": 3, "clip": 3, "einsum": 2}
BINARY = {
    "add", "subtract", "multiply", "absorbing_multiply", "divide", "floor_divide", "remainder", "power",
    "maximum", "minimum", "arctan2", "hypot", "logaddexp", "equal", "not_equal", "less", "less_equal",
    "greater", "greater_equal", "logical_and", "logical_or", "logical_xor",
}  # fmt: skip
OPS = sorted(SCALAR_FORMS, key=lambda op: op.name)


def points_of(name):
    if name in POINTS:
        return POINTS[name]
    if name == "where":
        return [(True, 0.7, 1.9), (False, 0.7, 1.9)]
    if name == "clip":
        return [(0.7, 0.2, 1.9), (0.1, 0.2, 1.9), (2.3, 0.2, 1.9), (2.3, 1.9, 0.2)]
    if name in LOGICAL:
        return [(a, b)[: 2 if name in BINARY else 1] for a in (True, False) for b in (True, False)]
    arity = ARITY.get(name, 2 if name in BINARY else 1)
    return [p[:arity] for p in [(0.7, 1.9), (1.3, 0.4), (2.6, 2.45)]]


def node_of(op):
    arity = len(points_of(op.name)[0])
    kinds = [
        "bool" if op.name in LOGICAL or (op.name == "where" and i == 0) else "float64" for i in range(arity)
    ]
    reads = tuple(input(f"x{i}", (), k) for i, k in enumerate(kinds))
    return apply(op, reads, **ATTRS.get(op.name, {}))


def evaluated(expression, form, reads, point, out):
    values = dict(zip(reads, point, strict=True))
    replaced = {}
    for symbol, tensor in form.tensors.items():
        value = out if symbol is OUT else values[tensor]
        replaced[symbol] = (
            sympy.sympify(bool(value)) if np.asarray(value).dtype == bool else sympy.Float(value, 17)
        )
    found = expression.xreplace(replaced)
    return bool(found) if found in (sympy.true, sympy.false) else float(found)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_body_is_the_ops_meaning(op):
    node = node_of(op)
    form = local_form(node, set(node.inputs))
    for point in points_of(op.name):
        out = op.evaluate(node.attrs, *map(np.asarray, point))
        assert evaluated(form.body, form, node.inputs, point, out) == pytest.approx(out, rel=1e-13)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_slopes_are_the_ops_slopes(op):
    node = node_of(op)
    if node.dtype == BOOL or op.name == "stop_gradient":
        return
    form = local_form(node, set(node.inputs))
    slopes = {form.tensors[s.read]: s for s in form.slopes}
    for point in points_of(op.name):
        out = op.evaluate(node.attrs, *map(np.asarray, point))
        for position, read in enumerate(node.inputs):
            if not is_float(read.dtype):
                assert read not in slopes
                continue
            h = 1e-6
            sides = [
                op.evaluate(
                    node.attrs, *[np.asarray(v + s * h if i == position else v) for i, v in enumerate(point)]
                )
                for s in (1, -1)
            ]
            expected = (sides[0] - sides[1]) / (2 * h)
            slope = slopes.get(read)
            for side in ("direct", "refolded"):
                value = (
                    0.0 if slope is None else evaluated(getattr(slope, side), form, node.inputs, point, out)
                )
                assert value == pytest.approx(expected, rel=1e-6, abs=1e-7), (read.name, side, point)


def test_every_op_has_a_form_or_a_reason():
    for op in REGISTRY.values():
        assert (op in SCALAR_FORMS) != bool(reason_without_form(op)), op.name
        assert op.family != "elementwise" or op in SCALAR_FORMS or op.name in WITHOUT_SCALAR_FORM


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exp", "out"), ("tanh", "1 - out**2"), ("sigmoid", "out*(1 - out)"), ("sqrt", "1/(2*out)"),
        ("reciprocal", "-out**2"), ("tan", "out**2 + 1"), ("cbrt", "1/(3*out**2)"),
        ("softplus", "sigmoid(r0)"),
        ("log", "1/r0"), ("square", "2*r0"), ("exp2", "out*log(2)"),
    ],
)  # fmt: skip
def test_slopes_are_written_by_the_output(name, expected):
    node = node_of(REGISTRY[name])
    (slope,) = local_form(node, set(node.inputs)).slopes
    assert str(slope.refolded) == expected


@pytest.mark.parametrize("x", [-800.0, -40.0, 0.0, 40.0, 800.0])
def test_stable_slopes_do_not_overflow(x):
    """exp(x)/(1 + exp(x)) is inf/inf in floats; what the engine writes in its place is not."""
    from graphc.ops.elementwise import logaddexp, softplus
    from graphc.runtime.interpreter import interpret
    from graphc.symbolic import grad

    t = input("t", (), "float64")
    expected = 1 / (1 + np.exp(-x)) if x > -700 else 0.0
    for y in (softplus(t), logaddexp(t, 0.0)):
        (value,) = interpret([grad(y, t).result], {t: x})
        assert value == pytest.approx(expected, abs=1e-15)
