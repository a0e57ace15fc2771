"""Twenty-five gradients that textbooks state, in every mode, against their closed forms in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ops import convolution
from graphc.ops.convolution import Geometry
from tests.symbolic.agreement import MODES, assert_equal, symbolic_gradients

Array = np.ndarray[Any, Any]
Check = Callable[[gc.Tensor, gc.Tensor, Mapping[gc.Tensor, Any], Array], None]


@pytest.fixture(params=MODES)
def check(request: pytest.FixtureRequest) -> Check:
    """Asserts that the gradient of a scalar by a tensor is what the closed form gives."""

    def run(y: gc.Tensor, wrt: gc.Tensor, values: Mapping[gc.Tensor, Any], expected: Array) -> None:
        (found,) = gc.interpret(symbolic_gradients(y, [wrt], request.param), values)
        assert_equal(found, expected, request.param)

    return run


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(25)


def _input(name: str, *sizes: int | str) -> gc.Tensor:
    return gc.input(name, sizes, "float64")


def _softmax(z: Array) -> Array:
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _along(gradient: gc.Tensor, direction: Array) -> gc.Tensor:
    return gc.sum(gradient * direction)


# -- regression ------------------------------------------------------------------------------------
class _Regression:
    """Softmax regression on a symbolic batch, with one-hot rows Y and with class numbers t."""

    def __init__(self, rng: np.random.Generator) -> None:
        x, w, b, y = _input("X", "N", 4), _input("W", 4, 3), _input("b", 3), _input("Y", "N", 3)
        self.x, self.w, self.b = x, w, b
        self.t = gc.input("t", ("N",), "int64")
        self.a, labels = rng.normal(size=(5, 4)), rng.integers(0, 3, 5)
        self.hot = np.eye(3)[labels]
        self.values = {
            x: self.a,
            w: rng.normal(size=(4, 3)),
            b: rng.normal(size=3),
            y: self.hot,
            self.t: labels,
        }
        self.p = _softmax(self.a @ self.values[w] + self.values[b])
        z = x @ w + b
        self.loss = -gc.mean(gc.sum(y * gc.log_softmax(z, axis=1), axis=1))
        self.hard = gc.nn.cross_entropy(z, self.t)
        self.given = {k: v for k, v in self.values.items() if k is not self.t}
        self.given_hard = {k: v for k, v in self.values.items() if k is not y}


def test_01_softmax_regression_by_the_weights(check: Check, rng: np.random.Generator) -> None:
    r = _Regression(rng)
    check(r.loss, r.w, r.given, r.a.T @ (r.p - r.hot) / 5)


def test_02_softmax_regression_by_the_bias(check: Check, rng: np.random.Generator) -> None:
    r = _Regression(rng)
    check(r.loss, r.b, r.given, (r.p - r.hot).sum(axis=0) / 5)


def test_03_softmax_regression_with_integer_labels(check: Check, rng: np.random.Generator) -> None:
    r = _Regression(rng)
    check(r.hard, r.w, r.given_hard, r.a.T @ (r.p - r.hot) / 5)


class _Logistic:
    def __init__(self, rng: np.random.Generator) -> None:
        x, self.w, y = _input("X", "N", 3), _input("w", 3), _input("y", "N")
        self.a, self.y = rng.normal(size=(6, 3)), rng.integers(0, 2, 6).astype(float)
        self.values = {x: self.a, self.w: rng.normal(size=3), y: self.y}
        z = x @ self.w
        self.loss = gc.mean(gc.softplus(z) - y * z)
        self.p = 1 / (1 + np.exp(-self.a @ self.values[self.w]))
        self.hessian = self.a.T @ np.diag(self.p * (1 - self.p)) @ self.a / 6


def test_04_logistic_regression(check: Check, rng: np.random.Generator) -> None:
    r = _Logistic(rng)
    check(r.loss, r.w, r.values, r.a.T @ (r.p - r.y) / 6)


def test_05_hessian_of_logistic_regression(rng: np.random.Generator) -> None:
    r = _Logistic(rng)
    (found,) = gc.interpret([_hessian(r.loss, r.w)], r.values)
    assert_equal(found, r.hessian)


@pytest.mark.parametrize("mode", MODES)
def test_05_hessian_of_logistic_regression_along_a_direction(
    check: Check, rng: np.random.Generator, mode: str
) -> None:
    """The outer derivative in one mode of the inner one in another."""
    r, v = _Logistic(rng), rng.normal(size=3)
    (gradient,) = symbolic_gradients(r.loss, [r.w], mode)
    check(_along(gradient, v), r.w, r.values, r.hessian @ v)


def _hessian(y: gc.Tensor, w: gc.Tensor) -> gc.Tensor:
    found = gc.symbolic.hessian(y, w)
    result: gc.Tensor = getattr(found, "result", found)  # a derivation, or the graph itself
    assert result.ndim == 2 * w.ndim
    return result


def _softmax_bias_hessian(r: _Regression) -> Array:
    return sum(np.diag(p) - np.outer(p, p) for p in r.p) / len(r.p)  # type: ignore[no-any-return]


def test_06_hessian_of_softmax_regression_by_the_bias(rng: np.random.Generator) -> None:
    r = _Regression(rng)
    (found,) = gc.interpret([_hessian(r.hard, r.b)], r.given_hard)
    assert_equal(found, _softmax_bias_hessian(r))


def test_06_hessian_of_softmax_regression_by_the_weights(rng: np.random.Generator) -> None:
    """Of a matrix: w.shape + w.shape, Σ_n X[n,a] X[n,b] (diag P_n − P_n P_nᵀ) / N."""
    r = _Regression(rng)
    (found,) = gc.interpret([_hessian(r.hard, r.w)], r.given_hard)
    inner = np.stack([np.diag(p) - np.outer(p, p) for p in r.p])
    assert_equal(found, np.einsum("na,nb,nkl->akbl", r.a, r.a, inner) / 5)


@pytest.mark.parametrize("mode", MODES)
def test_06_hessian_of_softmax_regression_along_a_direction(
    check: Check, rng: np.random.Generator, mode: str
) -> None:
    r, v = _Regression(rng), rng.normal(size=3)
    (gradient,) = symbolic_gradients(r.hard, [r.b], mode)
    check(_along(gradient, v), r.b, r.given_hard, _softmax_bias_hessian(r) @ v)


class _Perceptron:
    """Y = tanh(X W) V and the loss ½ Σ Y²."""

    def __init__(self, rng: np.random.Generator) -> None:
        x, self.w, self.v = _input("X", "N", 3), _input("W", 3, 4), _input("V", 4, 2)
        self.a = rng.normal(size=(5, 3))
        self.values = {x: self.a, self.w: rng.normal(size=(3, 4)), self.v: rng.normal(size=(4, 2))}
        self.loss = 0.5 * gc.sum(gc.square(gc.tanh(x @ self.w) @ self.v))
        self.h = np.tanh(self.a @ self.values[self.w])
        self.y = self.h @ self.values[self.v]


def test_07_perceptron_by_the_first_weights(check: Check, rng: np.random.Generator) -> None:
    r = _Perceptron(rng)
    check(r.loss, r.w, r.values, r.a.T @ ((r.y @ r.values[r.v].T) * (1 - r.h**2)))


def test_08_perceptron_by_the_second_weights(check: Check, rng: np.random.Generator) -> None:
    r = _Perceptron(rng)
    check(r.loss, r.v, r.values, r.h.T @ r.y)


# -- convolution -----------------------------------------------------------------------------------
class _Convolution:
    """A convolution or its transpose, weighted by U; ``meet`` lists what meets, from the definition."""

    def __init__(
        self,
        rng: np.random.Generator,
        x: Any,
        w: tuple[int, ...],
        places: tuple[int, ...],
        geometry: Geometry,
    ) -> None:
        self.rng, self.geometry = rng, geometry
        self.sizes = {"x": (2, *x), "w": w, "u": (2, w[0], *places)}
        self.arrays = {k: rng.normal(size=s) for k, s in self.sizes.items()}
        self.x, self.w, self.u = _input("X", "N", *x), _input("W", *w), _input("U", "N", w[0], *places)
        self.values = {self.x: self.arrays["x"], self.w: self.arrays["w"], self.u: self.arrays["u"]}

    def weighted(self) -> gc.Tensor:
        """Σ U · (X convolved by W)."""
        return gc.sum(self.u * convolution.convolution(self.x, self.w, self.geometry))

    def weighted_transposed(self) -> gc.Tensor:
        """Σ X · (U convolved by W, transposed)."""
        size = self.sizes["x"][2:]
        return gc.sum(self.x * convolution.transposed_convolution(self.u, self.w, size, self.geometry))

    def closed_form(self, wanted: str) -> Array:
        """Of the trilinear form Σ X[n, c, s·p + d·r − P] W[o, c, r] U[n, o, p] the derivative by one."""
        g, x, w, u = self.geometry, self.arrays["x"], self.arrays["w"], self.arrays["u"]
        found = np.zeros(self.sizes[wanted])
        part = w.shape[0] // int(g.groups)
        for o, c, r0, r1 in np.ndindex(w.shape):
            for p0, p1 in np.ndindex(u.shape[2:]):
                i = g.stride[0] * p0 + g.dilation[0] * r0 - g.padding[0][0]
                j = g.stride[1] * p1 + g.dilation[1] * r1 - g.padding[1][0]
                if not (0 <= i < x.shape[2] and 0 <= j < x.shape[3]):
                    continue
                k = o // part * w.shape[1] + c
                for n in range(2):
                    if wanted == "w":
                        found[o, c, r0, r1] += u[n, o, p0, p1] * x[n, k, i, j]
                    elif wanted == "x":
                        found[n, k, i, j] += u[n, o, p0, p1] * w[o, c, r0, r1]
                    else:
                        found[n, o, p0, p1] += x[n, k, i, j] * w[o, c, r0, r1]
        return found


def _plain(rng: np.random.Generator) -> _Convolution:
    return _Convolution(rng, (2, 5, 4), (3, 2, 2, 3), (4, 2), Geometry((1, 1), ((0, 0), (0, 0)), (1, 1)))


def _general(rng: np.random.Generator) -> _Convolution:
    geometry = Geometry((2, 3), ((1, 1), (2, 2)), (2, 1), 2)
    return _Convolution(rng, (4, 6, 5), (4, 2, 2, 3), (3, 3), geometry)


def test_09_convolution_by_the_filter(check: Check, rng: np.random.Generator) -> None:
    r = _plain(rng)
    windows = np.lib.stride_tricks.sliding_window_view(r.arrays["x"], (2, 3), axis=(2, 3))
    expected = np.einsum("noij,ncijpq->ocpq", r.arrays["u"], windows)
    assert_equal(r.closed_form("w"), expected)
    check(r.weighted(), r.w, r.values, expected)


def test_10_convolution_by_the_input(check: Check, rng: np.random.Generator) -> None:
    r = _plain(rng)
    around = np.pad(r.arrays["u"], ((0, 0), (0, 0), (1, 1), (2, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(around, (2, 3), axis=(2, 3))
    expected = np.einsum("noijpq,ocpq->ncij", windows, r.arrays["w"][:, :, ::-1, ::-1])  # by rot180(W)
    assert_equal(r.closed_form("x"), expected)
    check(r.weighted(), r.x, r.values, expected)


def test_11_stride_dilation_padding_groups_by_the_filter(check: Check, rng: np.random.Generator) -> None:
    r = _general(rng)
    check(r.weighted(), r.w, r.values, r.closed_form("w"))


def test_12_stride_dilation_padding_groups_by_the_input(check: Check, rng: np.random.Generator) -> None:
    r = _general(rng)
    check(r.weighted(), r.x, r.values, r.closed_form("x"))


def test_13_transposed_convolution_by_the_input(check: Check, rng: np.random.Generator) -> None:
    r = _general(rng)
    check(r.weighted_transposed(), r.u, r.values, r.closed_form("u"))


def test_14_transposed_convolution_by_the_filter(check: Check, rng: np.random.Generator) -> None:
    r = _general(rng)
    check(r.weighted_transposed(), r.w, r.values, r.closed_form("w"))


# -- normalisation and attention -------------------------------------------------------------------
class _LayerNorm:
    def __init__(self, rng: np.random.Generator) -> None:
        self.x, g, self.gamma, self.beta = (
            _input("x", "N", 5),
            _input("g", "N", 5),
            _input("γ", 5),
            _input("β", 5),
        )
        a, self.g, gamma = rng.normal(size=(4, 5)), rng.normal(size=(4, 5)), rng.normal(size=5)
        self.values = {self.x: a, g: self.g, self.gamma: gamma, self.beta: rng.normal(size=5)}
        self.loss = gc.sum(g * gc.nn.layer_norm(self.x, (5,), self.gamma, self.beta))
        self.s = 1 / np.sqrt(a.var(axis=1, keepdims=True) + 1e-5)
        self.hat = (a - a.mean(axis=1, keepdims=True)) * self.s
        self.scaled = gamma * self.g


def test_15_layer_normalisation_by_the_input(check: Check, rng: np.random.Generator) -> None:
    r = _LayerNorm(rng)
    mean = r.scaled.mean(axis=1, keepdims=True)
    slope = (r.scaled * r.hat).mean(axis=1, keepdims=True)
    check(r.loss, r.x, r.values, r.s * (r.scaled - mean - r.hat * slope))


def test_16_layer_normalisation_by_scale_and_shift(check: Check, rng: np.random.Generator) -> None:
    r = _LayerNorm(rng)
    check(r.loss, r.gamma, r.values, (r.g * r.hat).sum(axis=0))
    check(r.loss, r.beta, {k: v for k, v in r.values.items() if k is not r.beta}, r.g.sum(axis=0))


class _Attention:
    def __init__(self, rng: np.random.Generator) -> None:
        self.x, u = _input("X", "T", 4), _input("U", "T", 2)
        weights = [_input(f"W{k}", 4, 3 if k != "v" else 2) for k in "qkv"]
        self.wq = weights[0]
        a = rng.normal(size=(5, 4))
        self.values = {
            self.x: a,
            u: rng.normal(size=(5, 2)),
            **{w: rng.normal(size=w.shape) for w in weights},
        }
        q, k, v = (self.x @ w for w in weights)
        self.loss = gc.sum(u * (gc.softmax(q @ k.T / np.sqrt(3.0), axis=-1) @ v))
        w_q, w_k, w_v = (self.values[w] for w in weights)
        queries, keys = a @ w_q, a @ w_k
        p = _softmax(queries @ keys.T / np.sqrt(3))
        back = self.values[u] @ (a @ w_v).T
        scores = p * (back - (p * back).sum(axis=1, keepdims=True)) / np.sqrt(3)
        self.by_query = a.T @ scores @ keys
        self.by_input = scores @ keys @ w_q.T + scores.T @ queries @ w_k.T + p.T @ self.values[u] @ w_v.T


def test_17_attention_by_the_query_weights(check: Check, rng: np.random.Generator) -> None:
    r = _Attention(rng)
    check(r.loss, r.wq, r.values, r.by_query)


def test_18_attention_by_the_input(check: Check, rng: np.random.Generator) -> None:
    r = _Attention(rng)
    check(r.loss, r.x, r.values, r.by_input)


# -- choices, reductions and views -------------------------------------------------------------------
def test_19_max_pooling_with_ties(check: Check, rng: np.random.Generator) -> None:
    x, u = _input("x", "N", 5, 6), _input("u", "N", 3, 3)
    a, b = rng.integers(0, 3, (2, 5, 6)).astype(float), rng.normal(size=(2, 3, 3))
    expected = np.zeros(a.shape)
    for n, p, q in np.ndindex(b.shape):  # windows 3 × 2 at steps 2 and 2, one row of padding each side
        rows = slice(max(2 * p - 1, 0), min(2 * p + 2, 5))
        window = a[n, rows, 2 * q : 2 * q + 2]
        i, j = np.unravel_index(np.argmax(window), window.shape)
        expected[n, rows.start + i, 2 * q + j] += b[n, p, q]
    y = gc.nn.max_pool2d(x[:, None], (3, 2), stride=2, padding=(1, 0))[:, 0]
    check(gc.sum(u * y), x, {x: a, u: b}, expected)


def test_20_disjoint_average_pooling(check: Check, rng: np.random.Generator) -> None:
    x, u = _input("x", "N", 1, 4, 6), _input("u", "N", 1, 2, 3)
    b = rng.normal(size=(3, 1, 2, 3))
    loss = gc.sum(u * gc.nn.avg_pool2d(x, 2))
    values = {x: rng.normal(size=(3, 1, 4, 6)), u: b}
    expected = np.empty((3, 1, 4, 6))
    for n, c, i, j in np.ndindex(expected.shape):
        expected[n, c, i, j] = b[n, c, i // 2, j // 2] / 4
    check(loss, x, values, expected)


def test_21_logsumexp(check: Check, rng: np.random.Generator) -> None:
    x, u = _input("X", "N", 4), _input("U", "N")
    a, b = rng.normal(size=(3, 4)), rng.normal(size=3)
    total = np.log(np.exp(a).sum(axis=1, keepdims=True))
    check(gc.sum(u * gc.logsumexp(x, axis=1)), x, {x: a, u: b}, b[:, None] * np.exp(a - total))


def test_21_logsumexp_does_not_overflow(check: Check) -> None:
    x = _input("x", 3)
    check(gc.logsumexp(x), x, {x: np.array([1000.0, 1000.0, -1000.0])}, np.array([0.5, 0.5, 0.0]))


def test_22_max_over_an_axis_with_ties(check: Check, rng: np.random.Generator) -> None:
    x, u = _input("x", "N", 5), _input("u", "N")
    a, b = rng.integers(0, 3, (6, 5)).astype(float), rng.normal(size=6)
    best = a == a.max(axis=1, keepdims=True)
    expected = b[:, None] * best / best.sum(axis=1, keepdims=True)
    check(gc.sum(u * gc.max(x, axis=1)), x, {x: a, u: b}, expected)


def test_23_concatenate_slice_flip_gather_cube(check: Check, rng: np.random.Generator) -> None:
    x, y, u = _input("x", 4), _input("y", 3), _input("u", 5)
    i = gc.input("i", (5,), "int64")
    a, b, c, places = rng.normal(size=4), rng.normal(size=3), rng.normal(size=5), np.array([0, 3, -5, 4, 3])
    source = np.arange(7)[1:6][::-1][places]  # where in (x, y) each element was
    g = np.concatenate([a, b])[source]
    expected = np.zeros(7)
    np.add.at(expected, source, 3 * c * g**2)
    cubes = gc.take(gc.flip(gc.concatenate([x, y])[1:6], 0), i) ** 3
    check(gc.sum(u * cubes), x, {x: a, y: b, u: c, i: places}, expected[:4])
    check(gc.sum(u * cubes), y, {x: a, y: b, u: c, i: places}, expected[4:])


def test_24_reshape_transpose_reshape_square(check: Check, rng: np.random.Generator) -> None:
    x, u = _input("x", 6, 4), _input("u", 4, 6)
    a, b = rng.normal(size=(6, 4)), rng.normal(size=(4, 6))
    w = a.reshape(8, 3).T.reshape(4, 6)
    expected = (2 * b * w).reshape(3, 8).T.reshape(6, 4)
    loss = gc.sum(u * gc.square(x.reshape(8, 3).T.reshape(4, 6)))
    check(loss, x, {x: a, u: b}, expected)


def test_25_cumsum_square(check: Check, rng: np.random.Generator) -> None:
    x, u = _input("x", "N"), _input("u", "N")
    a, b = rng.normal(size=7), rng.normal(size=7)
    expected = 2 * np.cumsum((b * np.cumsum(a))[::-1])[::-1]
    check(gc.sum(u * gc.square(gc.cumsum(x))), x, {x: a, u: b}, expected)
