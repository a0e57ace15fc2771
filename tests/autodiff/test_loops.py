# ruff: noqa: N803, N806  (N rows, T steps, F features, and arrays in capitals, as in the literature)
"""Derivatives of loops: they equal those of the steps written out, to any order, at any length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.body import with_bodies
from graphc.ir.traversal import topological_order
from graphc.ops.loop import SCAN, looped

Step = Callable[[gc.Tensor, gc.Tensor], tuple[gc.Tensor, gc.Tensor]]


def written_out(step: Step, init: gc.Tensor, xs: gc.Tensor, T: int, reverse: bool = False) -> Any:
    """What gc.scan computes, with a copy of the step for each."""
    ys: list[Any] = [None] * T
    for t in reversed(range(T)) if reverse else range(T):
        init, ys[t] = step(init, xs[t])
    return init, gc.stack(ys)


def agree(
    step: Step, T: int, draw: Callable[..., np.ndarray], loss: Callable[..., gc.Tensor], *more: gc.Tensor,
    reverse: bool = False,
) -> None:  # fmt: skip
    """Gradients, and gradients of gradients in both ways, of the loop and of the steps written out."""
    x, h = gc.input("x", (T, 3), "float64"), gc.input("h", (3,), "float64")
    wrt = [x, h, *more]
    vectors = [gc.input(f"v{k}", t.shape, "float64") for k, t in enumerate(wrt)]
    found = []
    for carry, ys in (gc.scan(step, h, x, reverse=reverse), written_out(step, h, x, T, reverse)):
        y = loss(carry, ys)
        gradients = gc.grad(y, wrt)
        inner = gc.constant(0.0, "float64")
        for g, v in zip(gradients, vectors, strict=True):
            inner = inner + (g * v).sum()
        found.append([y, *gradients, *gc.hvp(y, wrt, vectors), *gc.grad(inner, wrt)])
    values = {t: draw(tuple(map(int, t.shape))) for t in wrt}
    rng = np.random.default_rng(1)
    values |= {v: rng.normal(size=tuple(map(int, v.shape))) for v in vectors}
    for mine, other in zip(*[gc.interpret(f, values) for f in found], strict=True):
        assert np.isfinite(other).all()
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12)


def normal(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


def mixed(carry: gc.Tensor, ys: gc.Tensor) -> gc.Tensor:
    return (carry * carry).sum() + gc.sin(ys).sum()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("T", [1, 2, 5])
def test_the_loop_equals_the_steps_written_out(T: int, reverse: bool) -> None:
    w = gc.input("w", (3, 3), "float64")

    def step(h: gc.Tensor, x: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        new = gc.tanh(h @ w + x)
        return new, new * x + (w * w).sum()

    agree(step, T, normal, mixed, w, reverse=reverse)


@pytest.mark.parametrize("part", ["carry", "ys", "one", "first", "twice"])
def test_any_part_of_the_results_may_be_used(part: str) -> None:
    def step(h: gc.Tensor, x: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        new = gc.sin(h) + x * h
        return new, new

    losses: dict[str, Callable[..., gc.Tensor]] = {
        "carry": lambda c, ys: (c**2).sum(), "ys": lambda c, ys: (ys**2).sum(),
        "one": lambda c, ys: (ys[2] ** 2).sum(), "first": lambda c, ys: (ys[0] * c).sum(),
        "twice": lambda c, ys: (ys[1] * c).sum() + (ys[::-1] * ys).sum(),
    }  # fmt: skip
    agree(step, 4, normal, losses[part])


def test_weights_may_be_used_in_any_way() -> None:
    """Their gradients are summed as products after the loop, or in it: both, and twice over."""
    w, b = gc.input("w", (3, 3), "float64"), gc.input("b", (3,), "float64")

    def step(h: gc.Tensor, x: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        rows = gc.stack([h, x])
        z = gc.tanh(rows @ w + b)
        new = 0.5 * (z[0] + z[1] @ w.T) * b
        return new, new * w.sum() + (rows @ w @ w)[0]

    agree(step, 3, lambda shape: 0.5 * normal(shape), mixed, w, b)


def test_a_branch_not_taken_in_a_step_puts_no_nan_into_gradients() -> None:
    """√ of what is negative where the mask is off, and ∞ · 0 one step later."""

    def step(h: gc.Tensor, x: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        new = gc.where(x > 0, gc.sqrt(h + x), h * 0.5)
        return new, new

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        return (
            np.full(shape, 2.0) if len(shape) == 1 else np.array([[3, -5, 1], [-9, 2, 4], [1, 1, -7]], float)
        )

    agree(step, 3, draw, mixed)


def test_zeros_win_across_steps() -> None:
    """The step before has a slope of ∞ where the later step did not take its branch."""

    def step(h: gc.Tensor, x: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        return gc.sqrt(gc.where(x > 0, h, 1.0)), h[:0]

    x, h = gc.input("x", (3, 3), "float64"), gc.input("h", (3,), "float64")
    values = {x: np.array([[1, 1, 1], [1, -1, 1], [1, 1, 1]], float), h: np.array([4.0, 0.0, 9.0])}
    carry, _ = gc.scan(step, h, x)
    other, _ = written_out(step, h, x, 3)
    mine, wanted = (gc.interpret(gc.grad((c**2).sum(), [x, h]), values) for c in (carry, other))
    for a, b in zip(mine, wanted, strict=True):
        assert np.isfinite(b).all()
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_branch_not_taken_after_the_loop_puts_no_nan_into_gradients() -> None:
    x, h = gc.input("x", (4, 2), "float64"), gc.input("h", (2,), "float64")
    _, ys = gc.scan(lambda c, x_t: (gc.sqrt(c) + x_t, gc.sqrt(c)), h, x)
    loss = gc.where(gc.isfinite(ys), ys, 0.0).sum()
    gradients = gc.grad(loss, [x, h])
    values = {x: np.array([[1, -9], [2, 1], [1, 1], [3, 2]], float), h: np.array([4.0, 1.0])}
    for optimize in ("none", "default"):
        for g in gc.compile(gradients, [x, h], optimize=optimize)(*values.values()):
            assert np.isfinite(g).all()
    assert gc.interpret(gradients, values)[1][1] == 0.5  # its one finite output is √h


@pytest.mark.parametrize("nested", [False, True])
def test_what_a_masked_step_does_not_read_may_be_infinite(nested: bool) -> None:
    """Padding: log(0) in front of the loop, at steps whose branch is not taken."""
    u, h, m = gc.input("u", (4,), "float64"), gc.input("h", (), "float64"), gc.input("m", (4,), "bool")

    def step(c: gc.Tensor, xm: Any) -> tuple[gc.Tensor, None]:
        return gc.where(xm[1], gc.sin(c) * xm[0], c), None

    x = gc.log(u)
    if nested:
        rows = (x.reshape(2, 2), m.reshape(2, 2))
        carry, _ = gc.scan(lambda c, row: gc.scan(step, c, row), h, rows)
    else:
        carry, _ = gc.scan(step, h, (x, m))
    written = h
    for t in range(4):
        written, _ = step(written, (x[t], m[t]))
    values = {u: np.array([2.0, 0.0, 3.0, 0.0]), h: np.float64(0.7), m: np.array([True, False, True, False])}
    mine, wanted = (gc.interpret(gc.grad(y, [u, h]), values) for y in (carry, written))
    for a, b in zip(mine, wanted, strict=True):
        assert np.isfinite(b).all()
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_loop_that_did_not_record_is_run_again() -> None:
    c, x, h, xs = (gc.input(n, s, "float64") for n, s in (("c", ()), ("x_t", ()), ("h", ()), ("xs", (3,))))
    loop = looped(
        [(c, h)], [(x, xs)], [gc.sin(c * x)], [], length=3, reverse=False, record=[False]
    )  # fmt: skip
    written = h
    for t in range(3):
        written = gc.sin(written * xs[t])
    values = {h: np.float64(0.7), xs: np.array([1.0, 2.0, 3.0])}
    mine, wanted = (gc.interpret(gc.grad(y, [h, xs]), values) for y in (loop.final(0), written))
    for a, b in zip(mine, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_third_derivatives() -> None:
    a = gc.input("a", (), "float64")
    carry, _ = gc.scan(lambda c, _: (gc.sin(c) * a, None), gc.constant(0.7, "float64"), length=3)
    values = {a: np.float64(0.9)}

    def nth(y: gc.Tensor, order: int) -> gc.Tensor:
        for _ in range(order):
            y = gc.grad(y, a)
        return y

    written: gc.Tensor = gc.constant(0.7, "float64")
    for _ in range(3):
        written = gc.sin(written) * a
    for order in (1, 2, 3, 4):
        (mine,), (other,) = (gc.interpret([nth(y, order)], values) for y in (carry, written))
        np.testing.assert_allclose(mine, other, rtol=1e-11)


def test_jacobians_and_hessians_of_symbolic_lengths() -> None:
    x = gc.input("x", ("T",), "float64")
    carry, ys = gc.scan(lambda c, x_t: (c * x_t, c * x_t), 1.0, x)
    X = np.array([2.0, 3.0, 5.0])
    jacobian, other, hessian = gc.interpret(
        [gc.jacobian(ys, x, "reverse"), gc.jacobian(ys, x, "forward"), gc.hessian(carry, x)], {x: X}
    )
    wanted = np.array([[1, 0, 0], [3, 2, 0], [15, 10, 6]], float)
    np.testing.assert_allclose(jacobian, wanted)
    np.testing.assert_allclose(other, wanted)
    np.testing.assert_allclose(hessian, [[0, 5, 3], [5, 0, 2], [3, 2, 0]])


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_jacobians_can_be_differentiated(mode: Any) -> None:
    x, h = gc.input("x", (3, 2), "float64"), gc.input("h", (2,), "float64")

    def step(c: gc.Tensor, x_t: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        new = gc.sin(c[::-1] * x_t) + c
        return new, new

    found = []
    for _, ys in (gc.scan(step, h, x), written_out(step, h, x, 3)):
        y = gc.sin(gc.jacobian(ys, h, mode)).sum()
        found.append([y, *gc.grad(y, [x, h])])
    values = {x: normal((3, 2)), h: normal((2,))}
    for mine, other in zip(*[gc.interpret(f, values) for f in found], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-11)


def test_only_what_is_asked_for_is_pulled_back() -> None:
    x, h, w = (gc.input(n, s, "float64") for n, s in (("x", (4, 3)), ("h", (3,)), ("w", (3,))))
    carry, _ = gc.scan(lambda c, x_t: (c * w + gc.exp(x_t), None), h, x)
    gradient = gc.grad(carry.sum(), h)
    backward = [n for n in topological_order([gradient]) if n.op is SCAN and n.role == "backward"]
    assert len(backward) == 1
    body = backward[0].attrs["body"]
    assert len(body.carries) == 1 and not body.outputs and not body.xs  # neither x nor w is owed anything


def test_one_backward_loop_for_all_operands() -> None:
    x, h, w = (gc.input(n, s, "float64") for n, s in (("x", (4, 3)), ("h", (3,)), ("w", (3,))))
    carry, ys = gc.scan(lambda c, x_t: (gc.tanh(c * w + x_t),) * 2, h, x)
    gradients = gc.grad((carry * ys).sum(), [x, h, w])
    assert sum(n.op is SCAN for n in topological_order(gradients)) == 2


def test_gradients_of_weights_are_not_kept_step_by_step() -> None:
    x, w = gc.input("x", ("T", 3), "float64"), gc.input("w", (3,), "float64")
    carry, _ = gc.scan(lambda c, x_t: (gc.tanh(c * w + x_t), None), gc.zeros_like(x[0]), x)
    (backward,) = [
        n for n in topological_order([gc.grad(carry.sum(), w)]) if n.op is SCAN and n.role == "backward"
    ]
    assert backward.attrs["record"] == (True, False)


def test_derivatives_do_not_grow_with_the_length() -> None:
    def count(T: int) -> int:
        x, w = gc.input("x", (T, 3)), gc.input("w", (3,))
        carry, _ = gc.scan(lambda c, x_t: (gc.tanh(c * w + x_t), None), gc.zeros_like(x[0]), x)
        return len(list(with_bodies(topological_order(gc.grad(gc.grad(carry.sum(), w).sum(), [x, w])))))

    assert count(2) == count(1000)


def test_carries_that_a_derivative_does_not_reach_stand_still() -> None:
    """A clock beside the state: it has no cotangent and no tangent."""
    x = gc.input("x", ("T", 2), "float64")

    def step(carry: dict[str, gc.Tensor], x_t: gc.Tensor) -> tuple[dict[str, gc.Tensor], None]:
        return {"clock": carry["clock"] + 1.0, "h": gc.sin(carry["h"]) * carry["clock"] + x_t}, None

    last, _ = gc.scan(step, {"clock": gc.constant(0.0, "float64"), "h": gc.zeros_like(x[0])}, x)
    X = np.random.default_rng(0).normal(size=(3, 2))
    y = last["h"].sum()
    gradient, tangent = gc.interpret([gc.grad(y, x), gc.jvp(y, x, gc.ones_like(x))], {x: X})
    h1 = X[0]
    h2 = np.sin(h1) + X[1]
    wanted = np.stack([np.cos(h1) * 2 * np.cos(h2), 2 * np.cos(h2), np.ones(2)])
    np.testing.assert_allclose(gradient, wanted)
    np.testing.assert_allclose(tangent, wanted.sum())


def test_mixed_precision() -> None:
    """float32 carries, a float64 weight: each gradient has its tensor's dtype."""
    x, w = gc.input("x", ("T", 2)), gc.input("w", (2,), "float64")
    carry, _ = gc.scan(lambda c, x_t: ((c * w).astype("float32") + x_t, None), gc.zeros_like(x[0]), x)
    gradients = gc.grad(carry.sum(), [x, w])
    assert [g.dtype.name for g in gradients] == ["float32", "float64"]
    X, W = np.array([[1, 2], [3, 4]], np.float32), np.array([0.5, 0.25])
    by_x, by_w = gc.compile(gradients, [x, w])(X, W)
    np.testing.assert_allclose(by_x, [W, [1, 1]], rtol=1e-6)
    np.testing.assert_allclose(by_w, X[0], rtol=1e-12)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_first_value_that_the_step_forgets_is_one_of_the_results(mode: str) -> None:
    start, x = gc.input("start", (2,), "float64"), gc.input("x", ("T", 2), "float64")
    last, before = gc.scan(lambda h, x_t: (x_t * x_t, h), start, x)
    y = gc.sum(gc.sin(before)) + gc.sum(last)
    values = {start: np.array([0.3, -0.7]), x: np.ones((3, 2))}
    slope, curvature = gc.interpret([gc.jacobian(y, start, mode), gc.hessian(y, start)], values)
    np.testing.assert_allclose(slope, np.cos(values[start]))
    np.testing.assert_allclose(curvature, np.diag(-np.sin(values[start])))
    (kept,) = gc.interpret([gc.jacobian(last, start, mode)], {**values, x: np.ones((0, 2))})
    np.testing.assert_array_equal(kept, np.eye(2))
