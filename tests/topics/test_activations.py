"""TOPICS row 10: each activation's value and derivative, by both engines, equal the closed form."""

import math

import numpy as np
import pytest
from scipy import special

import graphc as gc

X = np.array([-7.3, -3.0, -2.1, -0.9, -0.3, 0.2, 0.7, 1.4, 2.6, 3.3, 8.9])
S = special.expit
PHI = lambda x: np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)  # noqa: E731
TANH_ARGUMENT = lambda x: math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)  # noqa: E731
LAMBDA, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def _gelu_tanh_slope(x):
    t = np.tanh(TANH_ARGUMENT(x))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)


def _mish_slope(x):
    t = np.tanh(np.logaddexp(x, 0))
    return t + x * (1 - t**2) * S(x)


# name: graph, value, derivative
FORMS = {
    "logistic": (gc.nn.sigmoid, S, lambda x: S(x) * S(-x)),
    "tanh": (gc.nn.tanh, np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "hard_logistic": (
        gc.nn.hard_logistic,
        lambda x: np.clip(0.25 * x + 0.5, 0, 1),
        lambda x: 0.25 * (np.abs(x) < 2),
    ),
    "hardtanh": (gc.nn.hardtanh, lambda x: np.clip(x, -1, 1), lambda x: 1.0 * (np.abs(x) < 1)),
    "relu": (gc.nn.relu, lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0)),
    "leaky_relu": (
        lambda x: gc.nn.leaky_relu(x, 0.1),
        lambda x: np.where(x > 0, x, 0.1 * x),
        lambda x: np.where(x > 0, 1, 0.1),
    ),
    "prelu": (
        lambda x: gc.nn.prelu(x, gc.constant(np.float64(0.25))),
        lambda x: np.where(x > 0, x, 0.25 * x),
        lambda x: np.where(x > 0, 1, 0.25),
    ),
    "elu": (
        lambda x: gc.nn.elu(x, 1.5),
        lambda x: np.where(x > 0, x, 1.5 * np.expm1(x)),
        lambda x: np.where(x > 0, 1, 1.5 * np.exp(x)),
    ),
    "selu": (
        gc.nn.selu,
        lambda x: LAMBDA * np.where(x > 0, x, ALPHA * np.expm1(x)),
        lambda x: LAMBDA * np.where(x > 0, 1, ALPHA * np.exp(x)),
    ),
    "softplus": (gc.nn.softplus, lambda x: np.logaddexp(x, 0), S),
    "softsign": (gc.nn.softsign, lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    "silu": (gc.nn.silu, lambda x: x * S(x), lambda x: S(x) * (1 + x * S(-x))),
    "swish": (
        lambda x: gc.nn.swish(x, 2.0),
        lambda x: x * S(2 * x),
        lambda x: S(2 * x) + 2 * x * S(2 * x) * S(-2 * x),
    ),
    "gelu": (gc.nn.gelu, lambda x: x * special.ndtr(x), lambda x: special.ndtr(x) + x * PHI(x)),
    "gelu_tanh": (
        lambda x: gc.nn.gelu(x, approximate="tanh"),
        lambda x: 0.5 * x * (1 + np.tanh(TANH_ARGUMENT(x))),
        _gelu_tanh_slope,
    ),
    "mish": (gc.nn.mish, lambda x: x * np.tanh(np.logaddexp(x, 0)), _mish_slope),
}


@pytest.mark.parametrize("name", FORMS)
def test_values_and_derivatives_by_both_engines(name: str) -> None:
    graph, value, slope = FORMS[name]
    x = gc.input("x", (), "float64")
    y = graph(x)
    outputs = [y, gc.grad(y, x), gc.symbolic.grad(y, x).result, gc.jvp(y, x, 1.0)]
    computed = np.array([gc.interpret(outputs, {x: v}) for v in X])
    np.testing.assert_allclose(computed[:, 0], value(X), rtol=1e-12, atol=1e-14)
    for column in (1, 2, 3):
        np.testing.assert_allclose(computed[:, column], slope(X), rtol=1e-9, atol=1e-13)


def test_maxout_is_the_largest_of_its_pieces() -> None:
    x = gc.input("x", (2, 6), "float64")
    y = gc.nn.maxout(x, 3, axis=1)
    a = np.random.default_rng(0).standard_normal((2, 6))
    value, gradient = gc.interpret([y, gc.grad((y * y).sum(), x)], {x: a})
    pieces = {3: a.reshape(2, 2, 3).max(2), 2: a.reshape(2, 3, 2).max(2)}
    assert any(value.shape == p.shape and np.allclose(value, p) for p in pieces.values())
    assert (gradient != 0).sum() == value.size
    np.testing.assert_allclose(np.sort(gradient[gradient != 0]), np.sort(2 * value.ravel()))


def test_saturation_is_named() -> None:
    table = gc.nn.ACTIVATIONS
    for name in ("sigmoid", "tanh", "relu", "softsign", "gelu", "mish", "selu"):
        assert name in table
    assert all(str(entry) for entry in table.values())
