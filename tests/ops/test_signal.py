"""Convolution of signals, against NumPy's for one axis and SciPy's for two."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, GraphError, ShapeError, UnsupportedError

MODES = ("full", "same", "valid")
LEVELS = ("none", "exact", "default", "fast")


def _data(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def _both(y, inputs, values, level="default"):
    yield gc.interpret([y], dict(zip(inputs, values, strict=True)))[0]
    yield gc.compile(y, inputs, optimize=level)(*values)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_one_axis_is_numpy(name, mode):
    """Odd and even lengths, equal ones, and a second signal longer than the first."""
    for number, (m, k) in enumerate(product((1, 2, 3, 4, 7, 8), (1, 2, 3, 4, 5, 9))):
        a, v = _data(m), _data(k) + 1
        first, second = gc.input("a", (m,), "float64"), gc.input("v", (k,), "float64")
        y = getattr(gc, name)(first, second, mode)
        for found in _both(y, [first, second], [a, v], LEVELS[number % 4]):
            np.testing.assert_allclose(found, getattr(np, name)(a, v, mode), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_integers_are_exact(name, mode):
    a, v = np.array([3, -1, 4, 1, -5]), np.array([2, 7, -1], np.int32)
    first, second = gc.input("a", (5,), "int64"), gc.input("v", (3,), "int32")
    y = getattr(gc, name)(first, second, mode)
    for found in _both(y, [first, second], [a, v]):
        assert found.dtype == "int64"
        np.testing.assert_array_equal(found, getattr(np, name)(a, v, mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shapes", [((5, 6), (3, 2)), ((4, 4), (2, 4)), ((6, 5), (1, 1)), ((3, 2), (4, 5))])
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_two_axes_are_scipy(name, shapes, mode):
    signal = pytest.importorskip("scipy.signal")
    a, v = _data(*shapes[0]), _data(*shapes[1])
    first, second = (gc.input(n, s, "float64") for n, s in zip("av", shapes, strict=True))
    y = getattr(gc, name)(first, second, mode)
    expected = getattr(signal, f"{name}2d")(a, v, mode)
    if name == "correlate" and mode == "same" and any(k % 2 == 0 for k in shapes[1]):
        # Here SciPy's two functions differ by one place: NumPy's and ours begin where `correlate` does.
        expected = signal.correlate(a, v, mode, "direct")
    for found in _both(y, [first, second], [a, v]):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_three_axes_are_scipy(name, mode):
    signal = pytest.importorskip("scipy.signal")
    a, v = _data(4, 5, 3), _data(2, 3, 2)
    first, second = gc.input("a", a.shape, "float64"), gc.input("v", v.shape, "float64")
    y = getattr(gc, name)(first, second, mode)
    (found,) = gc.interpret([y], {first: a, second: v})
    np.testing.assert_allclose(found, getattr(signal, name)(a, v, mode, "direct"), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_numpy_calls_it_by_its_own_name(name):
    a, v = _data(6), _data(3)
    signal = gc.input("a", (6,), "float64")
    for y, expected in [
        (getattr(np, name)(signal, v), getattr(np, name)(a, v)),
        (getattr(np, name)(v, signal, "same"), getattr(np, name)(v, a, "same")),
        (getattr(np, name)(signal, v, mode="full"), getattr(np, name)(a, v, mode="full")),
    ]:
        assert isinstance(y, gc.Tensor)
        np.testing.assert_allclose(gc.interpret([y], {signal: a})[0], expected, rtol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_a_length_known_at_the_call(mode):
    signal = gc.input("a", ("T",), "float64")
    v = np.array([1.0, -2.0, 0.5])
    y = gc.convolve(signal, v, mode)
    run = gc.compile([y, gc.grad((y**2).sum(), signal)], [signal])
    for size in (3, 4, 8):
        a = _data(size)
        found, slope = run(a)
        full = np.convolve(a, v)
        np.testing.assert_allclose(found, np.convolve(a, v, mode), rtol=1e-12)
        # Yᵀ y, with y put back among the zeros of the full result.
        start = {"full": 0, "same": 1, "valid": 2}[mode]
        placed = np.zeros(len(full))
        placed[start : start + len(found)] = found
        np.testing.assert_allclose(slope, 2 * np.correlate(placed, v, "valid"), rtol=1e-12, atol=1e-12)


def test_it_commutes_and_turns_where_correlation_does_not():
    a, v = gc.input("a", (5,), "float64"), gc.input("v", (3,), "float64")
    outputs = [gc.convolve(a, v), gc.convolve(v, a), gc.correlate(a, gc.flip(v), "full")]
    one, two, three = gc.interpret(outputs, {a: _data(5), v: _data(3)})
    np.testing.assert_allclose(one, two, rtol=1e-12)
    np.testing.assert_allclose(one, three, rtol=1e-12)


def _a(*shape):
    return gc.input("a", shape)


MISTAKES = {
    "axes": (lambda: gc.convolve(_a(5, 5), [1.0]), ShapeError, ["(5, 5)", "2 and 1 axes"], "same number"),
    "empty": (lambda: gc.convolve(_a(0), [1.0]), ShapeError, ["empty"], "elements"),
    "mode": (lambda: gc.correlate(_a(5), [1.0], "wide"), UnsupportedError, ["'wide'"], "'full'"),
    "bool": (lambda: gc.convolve(gc.input("a", (5,), "bool"), [1.0]), DTypeError, ["bool"], "astype"),
    "symbolic": (lambda: gc.convolve(_a(5), gc.input("v", ("K",))), ShapeError, ["size K"], "first"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_a_remedy(name):
    call, kind, parts, remedy = MISTAKES[name]
    with pytest.raises(GraphError) as caught:
        call()
    error = caught.value
    assert type(error) is kind and error.op
    for part in parts:
        assert part in error.message
    assert remedy in error.remedy
    assert error.location is not None and error.location.filename == __file__
