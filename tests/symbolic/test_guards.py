# ruff: noqa: E501  (the tables read better with one graph a line)
"""What a `where`, a padding or a slice keeps out stays out of the gradient, infinite or undefined as it is.

In index notation a guard is a condition on an index. Multiplied in as 0 or 1 it would turn an infinite slope
that it excludes into NaN; it has to be a choice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.traversal import topological_order
from graphc.ops import shape as shape_ops
from tests.symbolic.agreement import MODES, assert_equal, symbolic_gradients

INFINITY = np.inf
CAUSAL = np.tril(np.ones((4, 4), bool))
SIGNED = np.array([-2.0, -0.0, 0.0, 0.25, 4.0, -1.0])
SQUARE = np.array(
    [[0.0, 2.0, -1.0, 0.5], [1.0, -0.0, 3.0, -2.0], [0.5, 1.5, 0.0, 1.0], [2.0, 0.0, 1.0, 0.25]]
)
POSITIVE = np.array([0.5, 2.0, 1.0, 0.25, 4.0, 3.0])
LATE = np.array([0.0, 2.0, 1.0, 0.25, 4.0, 3.0])


def _attention(x: gc.Tensor) -> gc.Tensor:
    return gc.nn.scaled_dot_product_attention(x, gc.sin(x), x * x, is_causal=True)


def _standardised(x: gc.Tensor) -> gc.Tensor:
    """Divided by its length, which may be 0."""
    length = gc.sum(x * x, axis=1, keepdims=True)
    return gc.where(length > 0, x / gc.sqrt(length), 0.0)


# Name: the graph, and the point. The gradient is finite at each of them.
FINITE: dict[str, tuple[Callable[[gc.Tensor], gc.Tensor], Any]] = {
    "root of positives": (lambda x: gc.where(x > 0, gc.sqrt(x), 0.0), SIGNED),
    "logarithm of positives": (lambda x: gc.where(x > 0, gc.log(x), x), SIGNED),
    "sine over its argument": (lambda x: gc.where(gc.equal(x, 0.0), 1.0, gc.sin(x) / x), SIGNED),
    "power of positives": (lambda x: gc.where(x > 0, x**0.5, -x), SIGNED),
    "a quotient in the branch not taken": (lambda x: gc.where(x > 0, x, 1 / gc.relu(x)), np.abs(SIGNED) + 0.5),
    "an overflow in the branch not taken": (lambda x: gc.where(x > 0, 1.0, gc.exp(-1000 * x)), POSITIVE),
    "a square of what has a pole": (lambda x: gc.where(x > 0, gc.square(x * gc.log(x)), x), SIGNED),
    "a bounded function beside a pole": (lambda x: gc.where(x > 0, gc.tanh(x * gc.log(x)) * gc.log(x), x), SIGNED),
    "nested choices": (
        lambda x: gc.where(x > 0, gc.where(x > 1, gc.log(x - 1), gc.sqrt(x)), gc.square(x)), SIGNED + 0.5,
    ),
    "a root of a sum": (lambda x: gc.where(x > 0, gc.sqrt(x), 0.0).sum() * gc.sin(x), SIGNED),
    "a root, then a product of matrices": (lambda x: gc.where(x > 0, gc.sqrt(x), 0.0) @ x, SQUARE),
    "a root, then a reduction": (lambda x: gc.logsumexp(gc.where(x > 0, gc.sqrt(x), 0.0), axis=1), SQUARE),
    "a root, then a cumulative sum": (lambda x: gc.cumsum(gc.where(x > 0, gc.sqrt(x), 0.0), axis=0), SQUARE),
    "a root, then a maximum of windows": (
        lambda x: gc.nn.max_pool2d(gc.where(x > 0, gc.sqrt(x), 0.0)[None, None], 2, padding=1), SQUARE,
    ),
    "a root, then a convolution": (
        lambda x: gc.convolve(gc.where(x > 0, gc.sqrt(x), 0.0), np.array([1.0, -2.0, 0.5])), SIGNED,
    ),
    "the triangle of an exponential": (lambda x: gc.tril(gc.exp(x * gc.triu(x + 800, 1))), np.abs(SQUARE) + 1),
    "rows of length 0": (_standardised, SQUARE * np.array([[1.0], [0.0], [2.0], [0.0]])),
    "softmax under a mask": (lambda x: gc.softmax(gc.where(CAUSAL, x, -INFINITY), axis=1), SQUARE),
    "softmax with −∞ added": (lambda x: gc.softmax(x + np.where(CAUSAL, 0.0, -INFINITY), axis=1), SQUARE),
    "logsumexp under a mask": (lambda x: gc.logsumexp(gc.where(CAUSAL, x, -INFINITY), axis=0), SQUARE),
    "log-softmax under a mask": (
        lambda x: gc.where(CAUSAL, gc.log_softmax(gc.where(CAUSAL, x, -INFINITY), axis=1), 0.0), SQUARE,
    ),
    "maximum under a mask": (lambda x: gc.max(gc.where(CAUSAL, x, -INFINITY), axis=1), SQUARE),
    "causal attention": (_attention, SQUARE),
    "root of a padded vector": (lambda x: gc.sqrt(gc.pad(x, 2)), POSITIVE),
    "root of a padded vector, squared": (lambda x: gc.square(gc.sqrt(gc.pad(x, ((1, 2),))) * 3), POSITIVE),
    "logarithm of a padded vector, cut": (lambda x: gc.log(gc.pad(x, 2))[2:-2], POSITIVE),
    "root of an embedded vector": (lambda x: gc.sqrt(shape_ops.embed(x, (12,), (11,), (-2,))), POSITIVE),
    "root of a vector behind zeros": (lambda x: gc.sqrt(gc.concatenate([np.zeros(2), x, np.zeros(1)])), POSITIVE),
    "root of padded windows": (lambda x: gc.sqrt(gc.window(x, 3, stride=2, padding=2)), POSITIVE),
    "root of folded windows": (lambda x: gc.sqrt(gc.fold(x.reshape(3, 2), 8, stride=3)), POSITIVE),
    "root of scattered rows": (
        lambda x: gc.sqrt(gc.ops.indexing.scatter_add(x, gc.constant(np.array([0, 4, 4, 2, 0, 7])), 0, 9)), POSITIVE,
    ),
    "root of what a slice leaves": (lambda x: gc.sqrt(x[1:]), LATE),
    "root of what a gather leaves": (lambda x: gc.sqrt(gc.take(x, [1, 3, 3, -1])), LATE),
    "root of every second element": (lambda x: gc.sqrt(x[1::2]), LATE),
    "root of a triangle's elements": (lambda x: gc.where(CAUSAL, gc.sqrt(gc.abs(x) + 1), INFINITY)[1:, 0], SQUARE),
    "maximum of windows beside −∞": (
        lambda x: gc.nn.max_pool1d(gc.pad(x, 1, constant_values=-INFINITY)[None, None], 2), SIGNED,
    ),
    "convolution of a root under padding": (
        lambda x: gc.nn.conv1d(gc.sqrt(gc.pad(x, 1))[None, None][:, :, 1:-1], np.ones((1, 1, 3)), padding=1), POSITIVE,
    ),
    "a product with zeros": (lambda x: gc.prod(x, axis=1), SQUARE),
    "a quotient of masked sums": (
        lambda x: gc.where(gc.sum(gc.relu(x), axis=0) > 0, gc.sum(x, axis=0) / gc.sum(gc.relu(x), axis=0), 0.0),
        -np.abs(SQUARE) * np.array([1.0, 1.0, -1.0, 1.0]),
    ),
}  # fmt: skip

# Here some elements of the gradient are infinite, and the others must not hear of it.
INFINITE: dict[str, tuple[Callable[[gc.Tensor], gc.Tensor], Any]] = {
    "root of cumulative sums": (lambda x: gc.sqrt(gc.cumsum(x)), LATE),
    "root of reversed cumulative sums": (lambda x: gc.sqrt(gc.cumsum(x[::-1])), LATE[::-1]),
    "root of a flipped vector": (lambda x: gc.sqrt(gc.flip(x)), LATE),
    "root of windows": (lambda x: gc.sqrt(gc.window(x, 2)), LATE),
    "root of a sum of rows": (lambda x: gc.sqrt(gc.sum(x, axis=1)), np.array([[0.0, 0.0], [1.0, 2.0]])),
    "root of a gather": (lambda x: gc.sqrt(gc.take(x, [0, 2, 2])), LATE),
    "root of a broadcast": (lambda x: gc.sqrt(gc.broadcast_to(x, (3, 6))), LATE),
    "root of a concatenation": (lambda x: gc.sqrt(gc.concatenate([x, x[::-1]])), LATE),
    "root of a diagonal": (lambda x: gc.sqrt(gc.diagonal(x)), np.abs(SQUARE)),
    "root of a reshape": (lambda x: gc.sqrt(x.reshape(3, 2).T.reshape(2, 3)), LATE),
}


def _gradients(
    build: Callable[[gc.Tensor], gc.Tensor], point: Any
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    x = gc.input("x", point.shape, "float64")
    y = build(x)
    (value,) = gc.interpret([y], {x: point})
    weights = np.random.default_rng(3).uniform(0.5, 2.0, value.shape)
    # An output of ±∞ times a weight is no sum, but its gradient is as good as any.
    loss = gc.sum(y * weights)
    graphs = [symbolic_gradients(loss, [x], mode)[0] for mode in MODES]
    *found, expected = gc.interpret([*graphs, gc.grad(loss, x)], {x: point})
    return dict(zip(MODES, found, strict=True)), expected


@pytest.mark.parametrize("name", FINITE)
def test_what_is_kept_out_leaves_the_gradient_finite(name: str) -> None:
    symbolic, expected = _gradients(*FINITE[name])
    assert np.isfinite(expected).all()
    for mode, found in symbolic.items():
        assert np.isfinite(found).all(), f"{mode}: {found}"
        assert_equal(found, expected, mode)


@pytest.mark.parametrize("name", INFINITE)
def test_an_infinite_slope_stays_where_it_is(name: str) -> None:
    symbolic, expected = _gradients(*INFINITE[name])
    assert np.isinf(expected).any() and np.isfinite(expected).any() and not np.isnan(expected).any()
    for mode, found in symbolic.items():
        assert_equal(found, expected, mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_guarded_root_has_a_finite_second_derivative(mode: str) -> None:
    x = gc.input("x", SIGNED.shape, "float64")
    loss = gc.sum(gc.where(x > 0, gc.sqrt(x), 0.0) * np.arange(1.0, 7.0))
    (first,) = symbolic_gradients(loss, [x], mode)
    (second,) = symbolic_gradients(gc.sum(first), [x], mode)
    (found,) = gc.interpret([second], {x: SIGNED})
    at = np.where(SIGNED > 0, SIGNED, 1.0)
    assert_equal(found, np.where(SIGNED > 0, -0.25 * np.arange(1.0, 7.0) * at**-1.5, 0.0))


# -- dtypes ----------------------------------------------------------------------------------------
def _network(x: gc.Tensor, w: gc.Tensor, k: gc.Tensor, t: gc.Tensor) -> gc.Tensor:
    h = gc.nn.max_pool2d(gc.relu(gc.nn.conv2d(x, k, padding=1)), 2)
    h = gc.nn.layer_norm(h.reshape(h.shape[0], -1), (8,))
    return gc.nn.cross_entropy(gc.tanh(h / 3) @ w + 0.5, t) + 0.01 * gc.sum(gc.square(w))


@pytest.mark.parametrize("mode", MODES)
def test_a_graph_of_float32_stays_one(mode: str) -> None:
    """No node of the derivative is of a wider dtype, a number of the rules for instance."""
    x, w = gc.input("x", ("N", 1, 4, 4), "float32"), gc.input("w", (8, 3), "float32")
    k, t = gc.input("k", (2, 1, 3, 3), "float32"), gc.input("t", ("N",), "int64")
    loss = _network(x, w, k, t)
    gradients = symbolic_gradients(loss, [x, w, k], mode)
    wide = [n for n in topological_order(gradients) if n.dtype == np.float64]
    known = set(topological_order([loss]))
    assert [n for n in wide if n not in known and n.inputs] == []
    rng = np.random.default_rng(8)
    values = {
        i: rng.normal(size=s).astype("float32")
        for i, s in ((x, (3, 1, 4, 4)), (w, (8, 3)), (k, (2, 1, 3, 3)))
    }
    values[t] = rng.integers(0, 3, 3)
    expected = gc.interpret(gc.grad(loss, [x, w, k]), values)
    for found, reverse in zip(gc.interpret(gradients, values), expected, strict=True):
        assert found.dtype == np.float32
        assert_equal(found, reverse, mode, tolerance=2e-5)


@pytest.mark.parametrize("mode", MODES)
def test_a_tensor_that_does_not_count_has_zeros(mode: str) -> None:
    x, z = gc.input("x", ("N", 2), "float64"), gc.input("z", ("N", 3), "float32")
    loss = gc.sum(gc.exp(x))
    gradients = symbolic_gradients(loss, [x, z], mode)
    values = {x: np.ones((4, 2)), z: np.ones((4, 3), "float32")}
    _, found = gc.interpret(gradients, values)
    assert found.dtype == np.float32 and found.shape == (4, 3) and not found.any()


def test_the_result_has_the_structure_of_wrt_and_compiles() -> None:
    x, w = gc.input("x", ("N", 2), "float64"), gc.input("w", (2, 3), "float64")
    loss = gc.mean(gc.square(gc.tanh(x @ w)))
    one = gc.symbolic.grad(loss, w).result
    many = gc.symbolic.grad(loss, {"a": w, "b": x}).result
    listed = gc.symbolic.grad(loss, [x, w]).result
    assert isinstance(one, gc.Tensor) and set(many) == {"a", "b"} and len(listed) == 2
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(5, 2)), rng.normal(size=(2, 3))
    h = np.tanh(a @ b)
    expected = a.T @ (2 * h * (1 - h**2)) / h.size
    for optimize in ("none", "default"):
        function = gc.compile([one, many["a"], listed[1]], [x, w], optimize=optimize)
        for found in function(a, b):
            assert_equal(found, expected, optimize)
