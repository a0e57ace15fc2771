"""The branch that ``where`` does not take puts no NaN into a derivative, to any order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
from graphc.ir.traversal import topological_order
from graphc.runtime.interpreter import interpret

# f(x), points on both sides of the danger, f'(x) and f''(x) there as closed forms.
DANGERS: dict[str, tuple[Callable[[gc.Tensor], gc.Tensor], list[float], list[float], list[float]]] = {
    "sqrt": (lambda x: gc.where(x > 0, gc.sqrt(x), 0.0), [-1, 0, 4], [0, 0, 0.25], [0, 0, -1 / 32]),
    "log": (lambda x: gc.where(x > 0, gc.log(x), x), [-2, 0, 2], [1, 1, 0.5], [0, 0, -0.25]),
    "reciprocal": (lambda x: gc.where(x != 0, 1 / x, 0.0), [0, 2], [0, -0.25], [0, 0.25]),
    "overflow": (lambda x: gc.where(x < 500, gc.exp(x), 1.0), [1000, 0], [0, 1], [0, 1]),
    "sine of log": (lambda x: gc.where(x > 0, gc.sin(gc.log(x)), 0.0), [-1, 1], [0, 1], [0, -1]),
    "other side": (lambda x: gc.where(x <= 0, 0.0, gc.sqrt(x) * x), [0, -3, 4], [0, 0, 3], [0, 0, 0.375]),
    "double": (
        lambda x: gc.where(x > 0, gc.sqrt(gc.where(x > 0, x, 1.0)), 0.0), [0, 4], [0, 0.25], [0, -1 / 32],
    ),
    "fan-out": (
        lambda x: gc.where(x > 0, gc.sqrt(x), 0.0) + gc.where(x > 0, 0.0, x * x), [-3, 0, 4], [-6, 0, 0.25],
        [2, 2, -1 / 32],
    ),
    "below a reshape": (
        lambda x: gc.where((x > 0).reshape(1, -1), gc.sqrt(x.reshape(1, -1)), 0.0).reshape(-1),
        [0, 4], [0, 0.25], [0, -1 / 32],
    ),
    "power": (lambda x: gc.where(x > 0, x**0.5, 0.0), [-1, 0, 4], [0, 0, 0.25], [0, 0, -1 / 32]),
    "arcsin": (lambda x: gc.where(abs(x) < 1, gc.arcsin(x), 0.0), [3, 1, 0], [0, 0, 1], [0, 0, 0]),
    "long": (
        lambda x: gc.where(x > 0, gc.tanh(gc.sqrt(x) * 0.0 + gc.log(x) * gc.exp(-x)) * 0.0 + x, 0.0),
        [-1, 0, 2], [0, 0, 1], [0, 0, 0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DANGERS)
def test_the_branch_not_taken_is_inert(name: str) -> None:
    build, points, first, second = DANGERS[name]
    x = gc.input("x", (len(points),), "float64")
    y = build(x).sum()
    g = gc.grad(y, x)
    t = np.ones(len(points))
    by_element = gc.jvp(build(x), x, t)
    reverse_twice = gc.grad(g.sum(), x)
    forward_over_reverse = gc.hvp(y, x, t)
    forward_twice = gc.jvp(by_element, x, t)
    reverse_over_forward = gc.grad(by_element.sum(), x)
    third = gc.grad(reverse_twice.sum(), x)
    values = interpret(
        [g, by_element, reverse_twice, forward_over_reverse, forward_twice, reverse_over_forward, third],
        {x: points},
    )
    for value in values[:2]:
        np.testing.assert_allclose(value, first, rtol=1e-12, atol=1e-15)
    for value in values[2:6]:
        np.testing.assert_allclose(value, second, rtol=1e-12, atol=1e-15)
    assert np.isfinite(values[6]).all()


def test_division_by_a_masked_zero() -> None:
    x, y = gc.input("x", (3,), "float64"), gc.input("y", (3,), "float64")
    z = gc.where(y != 0, x / y, 0.0).sum()
    by_x, by_y = interpret(gc.grad(z, [x, y]), {x: [1, 2, 3], y: [0, 4, 0]})
    np.testing.assert_array_equal(by_x, [0, 0.25, 0])
    np.testing.assert_array_equal(by_y, [0, -0.125, 0])


def test_rows_left_out_of_a_matrix_product_are_inert() -> None:
    rng = np.random.default_rng(0)
    x, w = gc.input("x", (4, 3), "float64"), gc.input("w", (3, 2), "float64")
    taken = np.array([True, False, True, False])
    a = np.abs(rng.normal(size=(4, 3)))
    a[~taken] = -1.0  # √ of these is NaN
    b = rng.normal(size=(3, 2))
    keep = gc.constant(taken[:, None])
    for product in (gc.sqrt(x) @ w, gc.einsum("ij,jk->ik", gc.sqrt(x), w)):
        loss = gc.where(keep, product, 0.0).sum()
        by_x, by_w = interpret(gc.grad(loss, [x, w]), {x: a, w: b})
        expected = np.where(taken[:, None], 0.5 / np.sqrt(np.abs(a)) * b.sum(axis=1), 0)
        np.testing.assert_allclose(by_x, expected)
        np.testing.assert_allclose(by_w, np.sqrt(a[taken]).sum(axis=0)[:, None] * np.ones((1, 2)))
        (again,) = interpret([gc.grad(gc.grad(loss, w).sum(), x)], {x: a, w: b})
        np.testing.assert_allclose(again, np.where(taken[:, None], 1 / np.sqrt(np.abs(a)), 0))


@pytest.mark.parametrize("shapes", [((2, 4, 3), (3,)), ((3,), (2, 3, 4)), ((2, 4, 3), (2, 3, 5)),
                                    ((4, 3), (2, 3, 5)),
                                    ((1, 4, 3), (2, 3, 5)), ((3,), (3,)), ((2, 4, 3), (3, 5))])  # fmt: skip
def test_guarded_products_equal_plain_ones(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """Where all numbers are finite, the guard changes nothing."""
    rng = np.random.default_rng(1)
    x, y = (gc.input(n, s, "float64") for n, s in zip("xy", shapes, strict=True))
    product = x @ y
    mask = rng.random(product.shape) < 0.5
    guarded = gc.grad(gc.where(gc.constant(mask), product, 0.0).sum(), [x, y])
    plain = gc.grad((gc.constant(mask.astype("float64")) * product).sum(), [x, y])
    values = {x: rng.normal(size=shapes[0]), y: rng.normal(size=shapes[1])}
    for a, b in zip(interpret(guarded, values), interpret(plain, values), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_a_masked_softmax_row_is_inert() -> None:
    x = gc.input("x", (2, 3), "float64")
    rows = gc.constant(np.array([[True], [False]]))
    w = gc.constant(np.array([1.0, 2.0, 4.0]))
    for function in (gc.softmax, gc.log_softmax, lambda z: z - gc.logsumexp(z, axis=1, keepdims=True)):
        y = gc.where(rows, function(x) * w, 0.0).sum()
        (g,) = interpret([gc.grad(y, x)], {x: [[0.1, 0.2, 0.3], [np.inf, np.nan, 0.0]]})
        assert np.isfinite(g).all() and (g[1] == 0).all() and (g[0] != 0).all()


def test_a_true_nan_is_not_hidden() -> None:
    x = gc.input("x", (2,), "float64")
    (g,) = interpret([gc.grad(gc.where(x < 5, gc.log(x) * x, 0.0).sum(), x)], {x: [-1.0, 9.0]})
    assert np.isnan(g[0]) and g[1] == 0


def test_graphs_without_where_multiply_plainly() -> None:
    x, w = gc.input("x", ("N", 4)), gc.parameter("w", (4, 3))
    loss = (gc.softmax(gc.relu(x @ w) + gc.tanh(x @ w)) * gc.sqrt(gc.exp(x @ w))).max(axis=1).mean()
    g = gc.grad(loss, w)
    h = gc.grad((g * g).sum(), w)
    assert all(n.op.name != "absorbing_multiply" for n in topological_order([g, h]))
