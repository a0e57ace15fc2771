"""Kinks and ties: each op whose derivative jumps is named with the user's line, and no engine is blamed."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import graphc as gc
from graphc.autodiff.rule import NoDerivative
from graphc.autodiff.rules import RULES
from graphc.compare import compare_gradients
from graphc.compare.kinks import PIECES

TIE = np.array([1.0, 1.0, 0.25])
# op: graph over a vector x of three, and where it stands at a kink or a tie
AT = {
    "relu": (gc.nn.relu, [0.0, 1.0, -1.0]),
    "abs": (gc.abs, [0.0, 1.0, -1.0]),
    "sign": (lambda x: gc.sign(x) * x, [0.0, 1.0, -1.0]),
    "cbrt": (gc.cbrt, [1e-7, 1.0, -1.0]),  # at 0 itself the slope is infinite
    "floor": (lambda x: gc.floor(x) * x, [2.0, 0.5, -0.5]),
    "ceil": (lambda x: gc.ceil(x) * x, [2.0, 0.5, -0.5]),
    "trunc": (lambda x: gc.trunc(x) * x, [2.0, 0.5, -0.5]),
    "round": (lambda x: gc.round(x) * x, [2.5, 0.3, -0.3]),
    "floor_divide": (lambda x: gc.floor_divide(x, 2.0) * x, [4.0, 0.5, -0.5]),
    "remainder": (lambda x: gc.remainder(x, 2.0), [4.0, 0.5, -0.5]),
    "maximum": (lambda x: gc.maximum(x, 1.0), TIE),
    "minimum": (lambda x: gc.minimum(x, x[::-1]), [1.0, 0.5, 1.0]),
    "clip": (lambda x: gc.clip(x, -1.0, 1.0), TIE),
    "max": (lambda x: gc.max(x) * x, TIE),
    "min": (lambda x: gc.min(-x, axis=0) * x, TIE),
    "argmax": (lambda x: x[gc.argmax(x)] * x, TIE),
    "argmin": (lambda x: x[gc.argmin(-x)] * x, TIE),
    "max_pool": (lambda x: gc.nn.max_pool1d(x.reshape(1, 1, 3), 2, stride=1).sum(), TIE),
    "less": (lambda x: gc.where(x < 1.0, x, 2 * x), TIE),
    "less_equal": (lambda x: gc.where(x <= 1.0, x, 2 * x), TIE),
    "greater": (lambda x: gc.where(x > 1.0, x, 2 * x), TIE),
    "greater_equal": (lambda x: gc.where(x >= 1.0, x, 2 * x), TIE),
    "equal": (lambda x: gc.where(gc.equal(x, 1.0), x, 2 * x), TIE),
    "not_equal": (lambda x: gc.where(gc.not_equal(x, 1.0), x, 2 * x), TIE),
    "logical_not": (lambda x: gc.where(gc.logical_not(x), x, 2 * x), [0.0, 1.0, 2.0]),
    "logical_and": (lambda x: gc.where(gc.logical_and(x, x + 9), x, 2 * x), [0.0, 1.0, 2.0]),
    "logical_or": (lambda x: gc.where(gc.logical_or(x, 0.0), x, 2 * x), [0.0, 1.0, 2.0]),
    "logical_xor": (lambda x: gc.where(gc.logical_xor(x, 1.0), x, 2 * x), [0.0, 1.0, 2.0]),
    "any": (lambda x: gc.where(gc.any(x), x, 2 * x), [0.0, 0.0, 0.0]),
    "all": (lambda x: gc.where(gc.all(x), x, 2 * x), [0.0, 1.0, 2.0]),
    "astype": (lambda x: x.astype("int64").astype("float64") * x, [2.0, 0.5, -0.5]),
    "hypot": (lambda x: gc.hypot(x, 2 * x), [0.0, 1.0, -1.0]),
    "arctan2": (lambda x: gc.arctan2(x, -1.0), [0.0, 1.0, -1.0]),
    "window_index": (lambda x: x * _index(x), TIE),
}


def _index(x: gc.Tensor) -> gc.Tensor:
    from graphc.ops import pooling

    y = pooling.max_pool(x.reshape(1, 3), (3,), (1,), ((0, 0),), (1,))
    return pooling.window_index(x.reshape(1, 3), y, y.attrs).astype("float64")


def test_every_op_with_a_jump_has_its_pieces_and_its_case():
    steps = {op.name for op, r in RULES.items() if isinstance(r, NoDerivative) and r.zero}
    assert steps - {"stop_gradient"} <= set(PIECES)
    assert set(AT) == set(PIECES)


@pytest.mark.parametrize("op", AT)
def test_a_point_at_a_kink_is_named_with_the_users_line(op):
    build, value = AT[op]
    x = gc.input("x", (3,), "float64")
    report = compare_gradients(gc.sum(build(x) * np.array([1.0, -2.0, 3.0])), x, {"x": value}, costs=False)
    assert report.ok, report.table()
    (kink,) = {(k.op, k.distance, k.location) for k in report.kinks if k.op == op}
    assert kink[1] == (1e-7 if op == "cbrt" else 0)
    assert kink[2].filename == __file__
    written = inspect.getsourcelines(build)[1] if inspect.getsourcefile(build) == __file__ else None
    assert kink[2].line in (written, _line_of_the_call(), *range(*_lines_of(_index)))
    assert f"{op} at test_kinks.py:{kink[2].line} is " in report.table()


def _lines_of(function):
    source, first = inspect.getsourcelines(function)
    return first, first + len(source)


def _line_of_the_call():
    source, first = inspect.getsourcelines(test_a_point_at_a_kink_is_named_with_the_users_line)
    return next(first + k for k, line in enumerate(source) if "build(x)" in line)


@pytest.mark.parametrize("op", AT)
def test_far_from_its_kinks_none_is_named(op):
    build, _ = AT[op]
    x = gc.input("x", (3,), "float64")
    report = compare_gradients(gc.sum(build(x)), x, {"x": [0.31, 0.71, 0.57]}, costs=False)
    assert report.ok, report.table()
    assert not [k for k in report.kinks if k.op == op]


@pytest.mark.parametrize("axis", [0, (0, 2), None])
@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_over_several_axes(name, axis):
    x = gc.input("x", (2, 2, 2), "float64")
    value = np.arange(8.0).reshape(2, 2, 2)
    value[0] = value[1] = 4.0 + np.arange(4.0).reshape(2, 2)  # all rows twice
    report = compare_gradients(gc.sum(getattr(gc, name)(x, axis=axis) ** 2), x, {"x": value}, costs=False)
    assert report.ok, report.table()
    assert {(k.op, k.distance) for k in report.kinks} == {(name, 0.0)}


def test_a_kink_inside_a_loop_is_named_by_its_own_op_and_line():
    x = gc.input("x", (3,), "float64")

    def step(carry, x_t):
        return gc.nn.relu(carry + x_t), None

    (final, _) = gc.scan(step, gc.constant(0.0).astype("float64"), x)
    report = compare_gradients(final * 1.5, x, {"x": [1.0, -1.0, 2.0]}, costs=False)
    assert report.ok, report.table()
    (kink,) = {(k.op, k.location.line) for k in report.kinks}
    assert kink == ("relu", inspect.getsourcelines(step)[1] + 1)
