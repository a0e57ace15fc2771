"""Derivatives of loops by the symbolic engine, against steps written out, forward mode and PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.traversal import topological_order
from tests.symbolic.agreement import MODES, assert_equal

Step = Callable[[Any, Any], tuple[Any, Any]]


def written_out(step: Step, carry: Any, xs: Any, length: int, reverse: bool = False) -> tuple[Any, list[Any]]:
    """The same recurrence without a loop."""
    outputs: list[Any] = [None] * length
    for t in reversed(range(length)) if reverse else range(length):
        carry, outputs[t] = step(carry, tuple(x[t] for x in xs) if isinstance(xs, tuple) else xs[t])
    return carry, outputs


def _loop_node(y: gc.Tensor) -> gc.Tensor:
    return next(n for n in topological_order([y]) if n.op.name == "scan")


def _agree(found: Any, expected: Any, values: Any, what: str = "") -> None:
    found, expected = list(found), list(expected)
    with np.errstate(all="ignore"):
        results = gc.interpret([*found, *expected], values)
    for a, b in zip(results[: len(found)], results[len(found) :], strict=True):
        assert_equal(a, b, what)


# -- the steps written out -----------------------------------------------------------------------------
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 3])
def test_jacobians_equal_those_of_the_steps_written_out(length, reverse):
    x, i = gc.input("x", (length, 2), "float64"), gc.input("i", (length,), "int64")
    table, start = gc.input("table", (3, 2), "float64"), gc.input("start", (2,), "float64")

    def step(carry, inputs):
        (h, total), (x_t, i_t) = carry, inputs
        h = gc.sin(h * x_t[::-1]) + gc.take(table, i_t, axis=0)
        return (h, total + gc.sum(h * h)), gc.exp(-h)

    first = (start, gc.zeros((), "float64"))
    (h, total), ys = gc.scan(step, first, (x, i), reverse=reverse)
    (h2, total2), ys2 = written_out(step, first, (x, i), length, reverse)
    rng = np.random.default_rng(length)
    values = {
        x: rng.normal(size=(length, 2)), i: rng.integers(0, 3, length),
        table: rng.normal(size=(3, 2)), start: rng.normal(size=2),
    }  # fmt: skip
    wrt = [x, table, start]
    for y, other in ((h, h2), (total, total2), (ys, gc.stack(ys2))):
        _agree(gc.symbolic.jacobian(y, wrt).result, gc.symbolic.jacobian(other, wrt).result, values)


@pytest.mark.parametrize("nested", [False, True])
def test_hessians_equal_those_of_the_steps_written_out(nested):
    x, w = gc.input("x", (2, 2), "float64"), gc.input("w", (2,), "float64")

    def row(total, x_t):
        def element(h, v):
            return gc.tanh(w * h + v), None

        h, _ = gc.scan(element, total, x_t) if nested else written_out(element, total, x_t, 2)
        return h, h * gc.sum(w)

    last, all_ = gc.scan(row, gc.zeros((2,), "float64"), x)
    flat = written_out(lambda h, v: (gc.tanh(w * h + v), None), gc.zeros((2,), "float64"), x.reshape(4), 4)[0]
    first = written_out(lambda h, v: (gc.tanh(w * h + v), None), gc.zeros((2,), "float64"), x.reshape(4), 2)[
        0
    ]
    y = gc.sum(last) + gc.sum(gc.square(all_))
    other = gc.sum(flat) + gc.sum(gc.square(first * gc.sum(w))) + gc.sum(gc.square(flat * gc.sum(w)))
    rng = np.random.default_rng(8)
    values = {x: rng.normal(size=(2, 2)), w: rng.normal(size=2)}
    for by in (x, w):
        _agree([gc.symbolic.hessian(y, by).result], [gc.symbolic.hessian(other, by).result], values)


# -- forward mode --------------------------------------------------------------------------------------
def test_jacobians_times_a_direction_are_what_forward_mode_finds():
    x, w = gc.input("x", (4, 3), "float64"), gc.input("w", (3, 3), "float64")

    def step(carry, x_t):
        h, s = carry
        h = gc.tanh(h @ w) + x_t
        return (h, s * gc.sum(h)), h * s

    (h, s), ys = gc.scan(step, (gc.ones((3,), "float64"), gc.ones((), "float64")), x)
    rng = np.random.default_rng(9)
    along = {x: rng.normal(size=(4, 3)), w: rng.normal(size=(3, 3))}
    values = {x: rng.normal(size=(4, 3)), w: rng.normal(size=(3, 3)) * 0.5}
    for y in (h, s, ys):
        by_x, by_w = gc.symbolic.jacobian(y, [x, w]).result
        moved = gc.sum(by_x * gc.constant(along[x]), axis=(-2, -1))
        moved = moved + gc.sum(by_w * gc.constant(along[w]), axis=(-2, -1))
        tangent = gc.jvp(y, [x, w], [gc.constant(along[x]), gc.constant(along[w])])
        _agree([moved], [tangent], values)


# -- parts of the result -------------------------------------------------------------------------------
def _forgetful(carry, x_t):
    """The first carry forgets what it was, the second never changes, the third is not read."""
    a, b, c = carry
    return (x_t * b, b, c + a), gc.sin(a) * x_t


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("length", [0, 1, 3])
@pytest.mark.parametrize("used", ["a", "b", "c", "ys", "ac", "bys"])
def test_carries_that_the_step_forgets_or_keeps(used, length, mode):
    x = gc.input("x", (length, 2), "float64")
    starts = [gc.input(name, (2,), "float64") for name in "abc"]
    carries, ys = gc.scan(_forgetful, tuple(starts), x)
    parts = dict(zip("abc", carries, strict=True))
    terms = [gc.sum(gc.square(parts[letter])) for letter in used.replace("ys", "")]
    terms += [gc.sum(gc.exp(ys))] if "ys" in used else []
    y = terms[0] if len(terms) == 1 else terms[0] * gc.cos(terms[1])
    rng = np.random.default_rng(10)
    values = {x: rng.normal(size=(length, 2)), **{s: rng.normal(size=2) for s in starts}}
    _agree(gc.symbolic.grad(y, [x, *starts], mode=mode).result, gc.grad(y, [x, *starts]), values, used)


@pytest.mark.parametrize("mode", MODES)
def test_a_packed_result_may_be_read_across_its_parts(mode):
    x, w = gc.input("x", (3, 2), "float64"), gc.input("w", (2,), "float64")
    last, ys = gc.scan(lambda h, x_t: (gc.tanh(w * h + x_t), h * x_t), gc.ones((2,), "float64"), x)
    packed = _loop_node(last)
    weights = np.arange(1.0, 1.0 + int(packed.shape[0]))
    y = gc.sum(packed * weights) + gc.sum(gc.square(packed[1:5])) + gc.sum(last) * gc.sum(ys)
    rng = np.random.default_rng(11)
    values = {x: rng.normal(size=(3, 2)), w: rng.normal(size=2)}
    _agree(gc.symbolic.grad(y, [x, w], mode=mode).result, gc.grad(y, [x, w]), values)
    _agree([gc.symbolic.grad(y, packed, mode=mode).result], [gc.grad(y, packed)], values)
    _agree(gc.symbolic.jacobian(packed, [x, w], mode=mode).result, gc.jacobian(packed, [x, w]), values)


def test_mixed_precision():
    x, w = gc.input("x", (4, 3)), gc.input("w", (3,), "float64")
    last, _ = gc.scan(lambda h, v: ((h * w + v).astype("float32"), None), gc.zeros((3,)), x)
    y = gc.sum(gc.square(last))
    found, expected = gc.symbolic.grad(y, [x, w]).result, gc.grad(y, [x, w])
    assert [g.dtype for g in found] == [np.float32, np.float64]
    rng = np.random.default_rng(12)
    values = {x: rng.normal(size=(4, 3)).astype(np.float32), w: rng.normal(size=3)}
    for a, b in zip(gc.interpret(found, values), gc.interpret(expected, values), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_a_float32_jacobian_stays_float32():
    x = gc.input("x", ("T", 2))
    _, ys = gc.scan(lambda h, v: (gc.tanh(h + v), h), gc.zeros((2,)), x)
    jacobian = gc.symbolic.jacobian(ys, x).result
    assert jacobian.dtype == np.float32
    f = gc.compile([jacobian, gc.jacobian(ys, x)], [x])
    found, expected = f(np.random.default_rng(13).normal(size=(5, 2)).astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=1e-6)


# -- chosen zeros --------------------------------------------------------------------------------------
LOG = np.array([2.0, 0.0, 3.0, 0.0])
# Steps over x = log u and a mask; log 0 stands at the steps whose branch is not taken.
MASKED: dict[str, Step] = {
    "a product": lambda c, xm: (gc.where(xm[1], gc.sin(c) * xm[0], c), None),
    "a square": lambda c, xm: (gc.where(xm[1], gc.square(c * xm[0]), c), c),
    "a product of what is computed": lambda c, xm: (gc.where(xm[1], (c + xm[0]) * (c - xm[0]), c), c),
    "a bounded function": lambda c, xm: (gc.where(xm[1], gc.tanh(c * xm[0]) * xm[0], c), c),
    "an output": lambda c, xm: (c * 1.1, gc.where(xm[1], c * xm[0] * xm[0], c)),
    "an overflow": lambda c, xm: (gc.sin(gc.where(xm[1], c * gc.exp(-xm[0]), c)), c),
    "a root": lambda c, xm: (gc.where(xm[1], gc.sqrt(c * xm[0]), c), c),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", MASKED)
def test_what_a_masked_step_does_not_read_may_be_infinite(name, mode):
    u, h, m = gc.input("u", (4,), "float64"), gc.input("h", (), "float64"), gc.input("m", (4,), "bool")
    carry, ys = gc.scan(MASKED[name], h, (gc.log(u), m))
    y = carry if ys is None else carry + gc.sum(ys)
    values = {u: LOG, h: np.float64(0.7), m: LOG > 0}
    found, expected = gc.symbolic.grad(y, [u, h], mode=mode).result, gc.grad(y, [u, h])
    with np.errstate(all="ignore"):
        assert all(np.isfinite(g).all() for g in gc.interpret(list(expected), values))
    _agree(found, expected, values, name)


@pytest.mark.parametrize("mode", MODES)
def test_zeros_win_across_steps(mode):
    """The step before has a slope of ∞ where the later step did not take its branch."""
    x, h = gc.input("x", (3, 3), "float64"), gc.input("h", (3,), "float64")
    carry, _ = gc.scan(lambda h, v: (gc.sqrt(gc.where(v > 0, h, 1.0)), None), h, x)
    y = gc.sum(carry**2)
    values = {x: np.array([[1, 1, 1], [1, -1, 1], [1, 1, 1]], float), h: np.array([4.0, 0.0, 9.0])}
    found = gc.symbolic.grad(y, [x, h], mode=mode).result
    assert all(np.isfinite(g).all() for g in gc.interpret(found, values))
    _agree(found, gc.grad(y, [x, h]), values)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", ["outputs", "final"])
def test_zeros_chosen_behind_the_loop_win_in_every_step(part, mode):
    x, w = gc.input("x", (4, 2), "float64"), gc.input("w", (2,), "float64")

    def step(h, x_t):
        h = h + gc.sqrt(x_t) * w
        return h, gc.log(x_t) / w

    last, ys = gc.scan(step, gc.zeros((2,), "float64"), x)
    y = (
        gc.sum(gc.where(gc.isfinite(ys), ys, 0.0))
        if part == "outputs"
        else gc.where(last > 3, last, 0.0).sum()
    )
    at = np.array([[1.0, 0.0], [2.0, 3.0], [4.0, 1.0], [3.0, 2.0]])
    values = {x: at * ([1.0, 1.0] if part == "outputs" else [1.0, 0.0]), w: np.array([2.0, 3.0])}
    found = gc.symbolic.grad(y, [x, w], mode=mode).result
    assert all(np.isfinite(g).all() for g in gc.interpret(found, values))
    _agree(found, gc.grad(y, [x, w]), values)


@pytest.mark.parametrize("mode", MODES)
def test_a_chosen_zero_has_a_finite_second_derivative(mode):
    x, h = gc.input("x", (4,), "float64"), gc.input("h", (), "float64")
    carry, _ = gc.scan(lambda c, v: (gc.where(v > 0, c * gc.sqrt(v), c), None), h, x)
    first = gc.symbolic.grad(gc.sin(carry), x, mode=mode).result
    second = gc.symbolic.grad(gc.sum(first * np.arange(4.0)), [x, h], mode=mode).result
    expected = gc.grad(gc.sum(gc.grad(gc.sin(carry), x) * np.arange(4.0)), [x, h])
    values = {x: np.array([2.0, 0.0, -1.0, 3.0]), h: np.float64(0.7)}
    assert all(np.isfinite(g).all() for g in gc.interpret(second, values))
    _agree(second, expected, values)


# -- PyTorch -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_equal_pytorch(layer):
    torch = pytest.importorskip("torch")
    x = gc.input("x", (2, 5, 3), "float64")
    y = gc.sum(gc.sin(getattr(gc.nn, layer)(3, 4, dtype="float64")(x)))
    parameters = list(gc.parameters(y))
    rng = np.random.default_rng(14)
    values = {p: rng.normal(size=tuple(int(s) for s in p.shape)) * 0.5 for p in parameters}
    values[x] = rng.normal(size=(2, 5, 3))
    theirs = getattr(torch.nn, layer)(3, 4, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for p in parameters:
            getattr(theirs, p.name.rsplit("/", 1)[-1]).copy_(torch.from_numpy(values[p]))
    at = torch.from_numpy(values[x]).requires_grad_()
    torch.sum(torch.sin(theirs(at)[0])).backward()
    wanted = [at.grad, *[getattr(theirs, p.name.rsplit("/", 1)[-1]).grad for p in parameters]]
    found = gc.interpret(gc.symbolic.grad(y, [x, *parameters]).result, values)
    for a, b in zip(found, wanted, strict=True):
        assert_equal(a, b.numpy())
    assert gc.compare_gradients(y, [x, *parameters], at=values).ok
