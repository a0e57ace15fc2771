"""Differences and complex step against derivatives known in closed form."""

import numpy as np
import pytest

from graphc.compare import compare_gradients
from graphc.compare.complex_step import NOT_ANALYTIC, complex_derivative
from graphc.compare.finite_differences import central_difference
from graphc.compare.kinks import PIECES, KinkWatch
from graphc.compare.noise import noise_of, resolution_of
from graphc.compare.point import Point, initial
from graphc.ops import REGISTRY, sum
from graphc.ops import elementwise as ew
from graphc.ops.sources import input, parameter

CASES = {
    "exp": (ew.exp, np.exp),
    "sin": (ew.sin, np.cos),
    "tanh": (ew.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "log": (ew.log, lambda x: 1 / x),
    "sharp": (lambda x: ew.tanh(200 * (x - 0.7)), lambda x: 200 * (1 - np.tanh(200 * (x - 0.7)) ** 2)),
}


def at(build, value):
    x = input("x", (), "float64")
    point = Point(build(x), [("x", x)], {"x": value})
    return point, point.parameters[0]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("value", [0.3, 0.7, 1.9])
def test_differences_are_within_their_own_estimate(name, value):
    build, slope = CASES[name]
    point, parameter_ = at(build, value)
    found = central_difference(
        point, KinkWatch(point), parameter_, np.ones(()), noise_of(point, [point.y])[0]
    )
    assert abs(found.value - slope(value)) <= 10 * found.error + 1e-13
    assert found.error <= 1e-6 * max(1, abs(slope(value)))


@pytest.mark.parametrize("name", CASES)
def test_the_complex_step_is_exact(name):
    build, slope = CASES[name]
    point, parameter_ = at(build, 0.6)
    assert complex_derivative(point, parameter_, np.ones(())) == pytest.approx(slope(0.6), rel=1e-12)


def test_tables_name_existing_ops():
    assert set(NOT_ANALYTIC) <= set(REGISTRY)
    assert set(PIECES) <= set(REGISTRY)


@pytest.mark.parametrize(
    ("build", "value", "distance"),
    [
        (ew.relu, 1e-4, 1e-4), (ew.abs, -1e-4, 1e-4), (lambda x: ew.clip(x, -1.0, 1.0), 1.0001, 1e-4),
        (ew.floor, 2.9999, 1e-4), (lambda x: ew.round(x) * x, 2.5001, 1e-4),
        (lambda x: ew.where(x > 2, x, 0.0), 1.9999, 1e-4), (lambda x: ew.maximum(x, 3.0), 3.0001, 1e-4),
        (lambda x: ew.remainder(x, 2.0), 3.9999, 5e-5),
    ],
)  # fmt: skip
def test_kinks_are_seen_from_nearby(build, value, distance):
    point, parameter_ = at(build, value)
    watch = KinkWatch(point)
    moved = point.run(watch.operands, {parameter_.tensor: np.asarray(value)})
    assert watch.crossed(parameter_, 1e-3, moved) == []
    found = central_difference(point, watch, parameter_, np.ones(()), 0.0)
    (kink,) = found.kinks
    assert kink.distance == pytest.approx(distance, rel=1e-6)
    assert not found.crossed  # the smallest step fits beside it


def test_first_values_of_parameters():
    generator = np.random.default_rng(0)
    assert np.array_equal(initial(parameter("a", (2,)), generator), np.zeros(2, np.float32))
    assert np.array_equal(initial(parameter("a", (2,), init=3.0), generator), np.full(2, 3, np.float32))
    assert np.array_equal(initial(parameter("a", value=np.arange(3.0)), generator), np.arange(3.0))
    drawn = initial(parameter("a", (2,), init=lambda s, d, g: g.normal(size=s)), np.random.default_rng(0))
    assert np.array_equal(drawn, np.random.default_rng(0).normal(size=2).astype(np.float32))


def test_the_graph_is_run_in_float64():
    x = input("x", (), "float32")
    y = ew.astype(ew.astype(x * 0.1, "float16") * 3, "float64")
    point = Point(y, [("x", x)], {"x": 1.5})
    assert all(n.dtype == np.float64 for n in point.order)
    assert float(point.base[point.y]) == pytest.approx(float(np.float32(0.1)) * 1.5 * 3, rel=1e-15)


def test_noise_is_measured_where_a_graph_cancels():
    saturated, _ = at(lambda x: 1 - ew.square(ew.tanh(x)), 8.9)
    smooth, _ = at(lambda x: ew.sin(x) + 2, 0.4)
    (cancelled,), (plain,) = noise_of(saturated, [saturated.y]), noise_of(smooth, [smooth.y])
    exact = 1 / np.cosh(8.9) ** 2
    assert abs(float(saturated.base[saturated.y]) - exact) <= 10 * cancelled  # far above its own ε
    assert 1e-17 < cancelled < 1e-15
    assert plain < 1e-15
    kinked, _ = at(lambda x: ew.abs(x - 1e-5), 0.0)
    assert noise_of(kinked, [kinked.y])[0] < 1e-15


def test_the_resolution_of_a_graph_so_flat_that_nothing_moves():
    flat, _ = at(lambda x: 7 * ew.tanh(x + 30) - 7, 0.1)
    assert float(flat.base[flat.y]) == 0
    assert noise_of(flat, [flat.y])[0] == 0
    assert 1e-17 < resolution_of(flat) < 5e-15
    # Discrete choices that rounding turns over are no rounding.
    jumps, _ = at(lambda x: ew.where(ew.equal(ew.exp(x), 1.0), 5.0, x), 0.0)
    assert resolution_of(jumps) < 1e-14
    empty, _ = at(lambda x: x, 0.5)
    assert resolution_of(empty) == 0


def test_differences_that_see_nothing_blame_nobody():
    x = input("x", (4,), "float64")
    h = x
    for _ in range(60):
        h = ew.tanh(h * 1.5)
    report = compare_gradients(sum(h), x, {"x": np.array([-1.0, -0.5, 0.5, 1.0])}, costs=False)
    assert report.ok, report.table()
