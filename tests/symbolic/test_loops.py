"""Loops by the symbolic engine: the recurrence turned round equals reverse mode, twice over."""

import numpy as np
import pytest

import graphc as gc
from tests.symbolic.agreement import MODES, assert_equal


def _average(x, decay):
    def step(mean, x_t):
        mean = gc.tanh(decay * mean + (1 - decay) * x_t)
        return mean, gc.square(mean)

    return gc.scan(step, gc.zeros((2,), "float64"), x)


def _compared(y, wrt, values, mode):
    found = gc.symbolic.grad(y, wrt, mode=mode).gradients
    results = gc.interpret([*found, *gc.grad(y, wrt)], values)
    for tensor, a, b in zip(wrt, results[: len(wrt)], results[len(wrt) :], strict=True):
        assert_equal(a, b, f"{mode}, by {tensor.name}")
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("length", [0, 1, 5])
def test_final_value_and_outputs(mode, length):
    x, decay = gc.input("x", ("T", 2), "float64"), gc.input("decay", (2,), "float64")
    last, squares = _average(x, decay)
    y = gc.sum(last * np.array([1.0, -2.0])) + gc.sum(squares)
    rng = np.random.default_rng(length)
    _compared(y, [x, decay], {x: rng.normal(size=(length, 2)), decay: np.array([0.3, 0.8])}, mode)


def test_second_derivatives_by_applying_it_twice():
    x, decay = gc.input("x", (4, 2), "float64"), gc.input("decay", (2,), "float64")
    last, squares = _average(x, decay)
    y = gc.sum(last) + gc.sum(squares)
    rng = np.random.default_rng(1)
    values = {x: rng.normal(size=(4, 2)), decay: np.array([0.3, 0.8])}
    first, expected = gc.symbolic.grad(y, decay).result, gc.grad(y, decay)
    weights = np.array([0.7, -1.3])
    _, again = (gc.symbolic.grad(gc.sum(first * weights), [x, decay]).gradients for _ in range(2))
    wanted = gc.grad(gc.sum(expected * weights), [x, decay])
    for found, by_sweeps in zip(gc.interpret([*again], values), gc.interpret(wanted, values), strict=True):
        assert_equal(found, by_sweeps, "twice")


@pytest.mark.parametrize("mode", MODES)
def test_several_carries_integers_and_reverse(mode):
    x, i = gc.input("x", (5, 3), "float64"), gc.input("i", (5,), "int64")
    table, start = gc.input("table", (4, 3), "float64"), gc.input("start", (3,), "float64")

    def step(carry, inputs):
        h, total = carry
        x_t, i_t = inputs
        h = gc.sin(h * x_t) + gc.take(table, i_t, axis=0)
        return (h, total + h * h), gc.exp(-h)

    (h, total), ys = gc.scan(step, (start, gc.zeros((3,), "float64")), (x, i), reverse=True)
    y = gc.sum(h) + gc.sum(total * np.arange(3.0)) + gc.sum(ys[1:3])
    rng = np.random.default_rng(2)
    values = {
        x: rng.normal(size=(5, 3)), i: np.array([0, 3, 3, 1, 2]),
        table: rng.normal(size=(4, 3)), start: rng.normal(size=3),
    }  # fmt: skip
    _compared(y, [x, table, start], values, mode)


@pytest.mark.parametrize("layer", [gc.nn.RNN, gc.nn.GRU, gc.nn.LSTM])
def test_recurrent_layers(layer):
    x = gc.input("x", ("N", "T", 3), "float64")
    y = gc.sum(gc.square(layer(3, 4, dtype="float64")(x)))
    parameters = list(gc.parameters(y))
    rng = np.random.default_rng(3)
    values = {p: rng.normal(size=tuple(int(s) for s in p.shape)) * 0.5 for p in parameters}
    _compared(y, [x, *parameters], {x: rng.normal(size=(2, 4, 3)), **values}, None)


def test_a_loop_in_a_loop():
    x, w = gc.input("x", (3, 4), "float64"), gc.input("w", (), "float64")

    def row(total, x_t):
        def element(h, v):
            h = gc.tanh(w * h + v)
            return h, None

        h, _ = gc.scan(element, total, x_t)
        return h, h

    last, all_ = gc.scan(row, gc.zeros((), "float64"), x)
    y = last + gc.sum(gc.square(all_))
    _compared(y, [x, w], {x: np.random.default_rng(4).normal(size=(3, 4)), w: 0.7}, None)


@pytest.mark.parametrize("optimize", ["none", "default"])
def test_compiled_float32_stays_float32(optimize):
    x, decay = gc.input("x", ("T", 2)), gc.parameter("decay", (2,), init=0.4)

    def step(mean, x_t):
        mean = decay * mean + (1 - decay) * x_t
        return mean, mean

    _, means = gc.scan(step, gc.zeros((2,)), x)
    y = gc.sum(gc.square(means))
    gradient = gc.symbolic.grad(y, decay).result
    assert gradient.dtype == np.float32
    f = gc.compile([gradient, gc.grad(y, decay)], [x], optimize=optimize)
    found, expected = f(np.random.default_rng(5).normal(size=(6, 2)).astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("length", [0, 1, 3])
def test_jacobians(mode, length):
    x, w = gc.input("x", ("T", 2), "float64"), gc.input("w", (2, 2), "float64")
    start = gc.input("start", (2,), "float64")

    def step(h, x_t):
        h = gc.tanh(h @ w + x_t)
        return h, gc.square(h)

    last, squares = gc.scan(step, start, x)
    rng = np.random.default_rng(6)
    values = {x: rng.normal(size=(length, 2)), w: rng.normal(size=(2, 2)), start: rng.normal(size=2)}
    for y in (last, squares, gc.exp(last) * gc.sum(squares)):
        found = gc.symbolic.jacobian(y, [x, w, start], mode=mode).result
        results = gc.interpret([*found, *gc.jacobian(y, [x, w, start])], values)
        for a, b in zip(results[:3], results[3:], strict=True):
            assert_equal(a, b)


@pytest.mark.parametrize("length", [0, 1, 3])
def test_hessians(length):
    x, w = gc.input("x", (length, 2), "float64"), gc.input("w", (2, 2), "float64")
    start = gc.input("start", (2,), "float64")
    last, lasts = gc.scan(lambda h, x_t: (gc.tanh(h @ w + x_t), h), start, x)
    y = gc.sum(gc.square(last) * np.array([1.0, -2.0])) + gc.sum(gc.sin(lasts))
    rng = np.random.default_rng(7)
    values = {x: rng.normal(size=(length, 2)), w: rng.normal(size=(2, 2)), start: rng.normal(size=2)}
    for by in (x, w, start):
        found, expected = gc.interpret([gc.symbolic.hessian(y, by).result, gc.hessian(y, by)], values)
        assert_equal(found, expected, by.name)
