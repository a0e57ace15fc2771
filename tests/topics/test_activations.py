"""TOPICS row 10: each activation's value and derivative, by both engines, equal the closed form."""

import math

import numpy as np
import pytest
from scipy import special

import graphc as gc

X = np.array([-7.3, -3.1, -2.1, -0.9, -0.3, 0.2, 0.7, 1.4, 2.6, 3.3, 8.9])
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
    "hardsigmoid": (
        gc.nn.hardsigmoid,
        lambda x: np.clip(x / 6 + 0.5, 0, 1),
        lambda x: (np.abs(x) < 3) / 6,
    ),
    "celu": (
        lambda x: gc.nn.celu(x, 2.0),
        lambda x: np.where(x > 0, x, 2 * np.expm1(x / 2)),
        lambda x: np.where(x > 0, 1, np.exp(x / 2)),
    ),
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


def test_every_activation_of_the_notes_is_in_the_table() -> None:
    listed = {"logistic": "sigmoid", "gelu_tanh": "gelu"}
    assert {listed.get(name, name) for name in (*FORMS, "maxout")} <= set(gc.nn.ACTIVATIONS)
    assert all(entry.latex for entry in gc.nn.ACTIVATIONS.values())


@pytest.mark.parametrize("mode", ["reverse", "forward", "symbolic"])
def test_maxout_is_the_largest_of_its_affine_pieces(mode: str) -> None:
    # maxout(x) = max_k (w_k·x + b_k)
    rng = np.random.default_rng(0)
    weight, bias, point = rng.standard_normal((4, 6)), rng.standard_normal(6), rng.standard_normal(4)
    x = gc.input("x", (4,), "float64")
    y = gc.nn.maxout(x @ weight + bias, 3)
    derived = gc.symbolic.jacobian(y, x).result if mode == "symbolic" else gc.jacobian(y, x, mode)
    value, jacobian = gc.interpret([y, derived], {x: point})
    pieces = (point @ weight + bias).reshape(2, 3)
    np.testing.assert_allclose(value, pieces.max(1), rtol=1e-14)
    winners = pieces.argmax(1) + np.array([0, 3])
    np.testing.assert_allclose(jacobian, weight.T[winners], rtol=1e-14)


# Where each one saturates, from its closed form: its limits at −∞ and at +∞, None for no bound.
LIMITS = {
    "sigmoid": (0, 1), "tanh": (-1, 1), "hard_logistic": (0, 1), "hardtanh": (-1, 1), "relu": (0, None),
    "leaky_relu": (None, None), "elu": (-1, None), "selu": (-LAMBDA * ALPHA, None), "softplus": (0, None),
    "softsign": (-1, 1), "silu": (0, None), "swish": (0, None), "gelu": (0, None), "mish": (0, None),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_saturation_is_named(name: str) -> None:
    entry = gc.nn.ACTIVATIONS[name]
    assert entry.limits == pytest.approx(LIMITS[name])
    assert (entry.saturates == "nowhere") == (LIMITS[name] == (None, None))
    x = gc.input("x", (), "float64")
    y = entry.function(x)
    far = 1e8  # softsign comes within 1e-8 of its limits only here
    for end, limit in zip((-far, far), LIMITS[name], strict=True):
        value, slope = gc.interpret([y, gc.grad(y, x)], {x: end})
        if limit is None:
            assert abs(value) > 1e5 and abs(slope) > 1e-3
        else:
            np.testing.assert_allclose([value, slope], [limit, 0], atol=1e-7)
