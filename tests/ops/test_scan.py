# ruff: noqa: N803, N806  (N rows, T steps, F features, and arrays in capitals, as in the literature)
"""gc.scan: what it computes, what it captures, what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.body import with_bodies
from graphc.ir.traversal import topological_order
from graphc.ops.loop import SCAN


def loops(*outputs: gc.Tensor) -> list[gc.Tensor]:
    return [n for n in topological_order(outputs) if n.op is SCAN]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("T", [0, 1, 2, 7])
def test_a_linear_recurrence_equals_a_numpy_loop(T: int, reverse: bool) -> None:
    x, h0 = gc.input("x", ("T", 2), "float64"), gc.input("h0", (2,), "float64")
    carry, ys = gc.scan(lambda h, x_t: (0.5 * h + x_t, h - x_t), h0, x, reverse=reverse)
    rng = np.random.default_rng(T)
    X, h = rng.normal(size=(T, 2)), rng.normal(size=2)
    results = gc.compile((carry, ys), [x, h0])(X, h)
    wanted = np.zeros((T, 2))
    for t in reversed(range(T)) if reverse else range(T):
        wanted[t] = h - X[t]
        h = 0.5 * h + X[t]
    np.testing.assert_array_equal(results[0], h)
    np.testing.assert_array_equal(results[1], wanted)


def test_structures_pass_through() -> None:
    x = gc.input("x", ("T", 2), "float64")

    def step(carry: Any, xs: Any) -> Any:
        (a, b), rest = carry["pair"], carry["rest"]
        return {"pair": (a + xs["u"], b * 0.5), "rest": [rest[0] - xs["v"][0]]}, [a, {"sum": a + b}]

    init = {"pair": (gc.zeros_like(x[0]), gc.ones_like(x[0])), "rest": [gc.zeros_like(x[0])]}
    carry, ys = gc.scan(step, init, {"u": x, "v": (2 * x,)})
    assert list(carry) == ["pair", "rest"] and isinstance(carry["pair"], tuple)
    assert isinstance(carry["rest"], list) and isinstance(ys, list) and list(ys[1]) == ["sum"]
    X = np.arange(6.0).reshape(3, 2)
    total, halves, left, early, sums = gc.interpret(
        [*carry["pair"], *carry["rest"], ys[0], ys[1]["sum"]], {x: X}
    )
    np.testing.assert_allclose(total, X.sum(0))
    np.testing.assert_allclose(halves, [0.125, 0.125])
    np.testing.assert_allclose(left, -2 * X.sum(0))
    np.testing.assert_allclose(early, np.cumsum(X, 0) - X)
    np.testing.assert_allclose(sums, early + np.array([[1.0], [0.5], [0.25]]))


def test_a_symbolic_number_of_steps_without_sequences() -> None:
    x = gc.input("x", ("T", 3), "float64")
    power, _ = gc.scan(lambda c, _: (c * 2.0, None), 1.0, length="T")
    f = gc.compile(power + 0 * x.sum(), [x])
    assert f(np.zeros((10, 3))) == 1024
    assert f(np.zeros((0, 3))) == 1


def test_only_what_is_not_recorded_anyway_is_stacked() -> None:
    x = gc.input("x", ("T", 2), "float64")

    def step(c: gc.Tensor, x_t: gc.Tensor) -> Any:
        new = c + x_t
        return new, (c, new, new, c * 2)

    _, (before, after, again, double) = gc.scan(step, gc.zeros_like(x[0]), x)
    (loop,) = loops(before, after, again, double)
    assert len(loop.attrs["body"].outputs) == 1
    X = np.arange(4.0).reshape(2, 2)
    first, second, third, fourth = gc.interpret([before, after, again, double], {x: X})
    np.testing.assert_allclose(first, np.cumsum(X, 0) - X)
    np.testing.assert_allclose(second, np.cumsum(X, 0))
    np.testing.assert_allclose(third, second)
    np.testing.assert_allclose(fourth, 2 * first)


def test_what_does_not_change_is_computed_once() -> None:
    x, w = gc.input("x", ("T", 3), "float64"), gc.input("w", (3, 3), "float64")
    carry, _ = gc.scan(lambda c, x_t: (c @ gc.exp(w).T + x_t * 2.0, None), gc.zeros_like(x[0]), x)
    (loop,) = loops(carry)
    inside = {n.op.name for n in loop.attrs["body"].order}
    assert "exp" not in inside and "transpose" not in inside
    assert "constant" in inside  # the plain number stays where it is used


def test_a_draw_is_the_same_at_every_step_and_new_at_every_call() -> None:
    x = gc.input("x", ("T", 3), "float64")
    _, ys = gc.scan(lambda c, x_t: (c, x_t + gc.random_uniform((3,), "float64")), gc.zeros_like(x[0]), x)
    f = gc.compile(ys, [x])
    first, second = f(np.zeros((4, 3))), f(np.zeros((4, 3)))
    assert (first == first[0]).all() and (first != second).any() and len(np.unique(first)) == 3


def test_numbers_take_the_dtype_of_their_partners() -> None:
    x = gc.input("x", ("T",))
    carry, ys = gc.scan(lambda c, x_t: (c + x_t, 2.0 * c), 0, x)
    assert carry.dtype == ys.dtype == np.float32
    constant, _ = gc.scan(lambda c, _: (1, None), 0.0, length=3)
    assert constant.dtype == np.float32 and gc.interpret([constant], {})[0] == 1


def test_integers_and_truths_may_be_read() -> None:
    i, m = gc.input("i", ("T",), "int64"), gc.input("m", ("T", 2), "bool")
    table = gc.input("table", (5, 2), "float64")
    carry, _ = gc.scan(
        lambda c, im: (gc.where(im[1], c + table[im[0]], c), None), gc.zeros((2,), "float64"), (i, m)
    )
    T, I, M = np.arange(10.0).reshape(5, 2), np.array([4, 0, -1]), np.array([[1, 0], [1, 1], [0, 1]], bool)
    np.testing.assert_allclose(gc.compile(carry, [i, m, table])(I, M, T), (T[I] * M).sum(0))
    with pytest.raises(IndexError):
        gc.compile(carry, [i, m, table])(np.array([4, 0, 5]), M, T)


def test_one_node_whatever_the_length() -> None:
    def count(T: int) -> int:
        x = gc.input("x", (T, 2))
        carry, _ = gc.scan(lambda c, x_t: (gc.tanh(c + x_t), None), gc.zeros_like(x[0]), x)
        return len(list(with_bodies(topological_order([carry]))))

    assert count(1) == count(1000)


def test_the_text_shows_the_body() -> None:
    x = gc.input("x", ("T",))
    text = gc.text_form(gc.scan(lambda c, x_t: (c * x_t, None), 1.0, x)[0])
    assert "for each of T steps, from carries carry; xs x_t:" in text
    assert "    %2 : float32[] = multiply(carry, x_t)" in text


def test_the_drawing_shows_one_node() -> None:
    x = gc.input("x", ("T",))
    source = gc.draw(gc.scan(lambda c, x_t: (c * x_t, None), 1.0, x, reverse=True)[0]).source
    assert source.count("scan ×T reversed") == 1 and "body" not in source


def _loop(step: Any, init: Any = None, xs: Any = None, **options: Any) -> Any:
    x = gc.input("x", ("T", 2))
    return lambda: gc.scan(step, gc.zeros((2,)) if init is None else init, x if xs is None else xs, **options)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (_loop(lambda c, x: c), "where a pair is needed"),
        (_loop(lambda c, x: ((c, c), None)), "does not have the structure of init"),
        (_loop(lambda c, x: ({"h": c["h"], "k": c["h"]}, None), {"h": gc.zeros((2,))}), "structure of init"),
        (_loop(lambda c, x: (c[0], None)), "the carry init has shape (2,), its next value ()"),
        (_loop(lambda c, x: ([c[0][:1]], None), [gc.zeros((2,))]), "the carry init[0] has shape (2,)"),
        (_loop(lambda c, x: ([c[0].astype("float64")], None), [gc.zeros((2,))]), "init[0] has dtype float32"),
        (_loop(lambda c, x: (c + 1, None), gc.zeros((2,), "int64")), "init has dtype int64"),
        (_loop(lambda c, x: (c, {"n": x > 0})), "y['n'] has dtype bool"),
        (_loop(lambda c, x: (c, None), xs=[gc.zeros(("T", 2)), gc.zeros((3, 2))]), "xs[1] has shape (3, 2)"),
        (_loop(lambda c, x: (c, None), length=4), "gives T steps, but length gives 4"),
        (_loop(lambda c, x: (c, None), xs=gc.zeros(())), "xs is 0-dimensional"),
        (lambda: gc.scan(lambda c, x: (c, None), 0.0), "number of steps"),
        (lambda: gc.scan(lambda c, x: (c, None), (), length=3), "neither a carry nor an output"),
        (lambda: gc.scan(lambda c, x: (c, None), 0.0, length=-1), "negative"),
    ],
)  # fmt: skip
def test_errors_name_what_is_wrong(call: Any, part: str) -> None:
    with pytest.raises(gc.GraphError) as error:
        call()
    message = str(error.value)
    assert (
        part in message and message.startswith("scan") and "remedy" in message and "test_scan.py" in message
    )


def test_a_size_that_only_a_loop_uses_must_be_told() -> None:
    y, _ = gc.scan(lambda c, _: (c * 2.0, None), gc.input("x", (2,)), length="K")
    with pytest.raises(gc.GraphError, match="nothing tells the size 'K'"):
        gc.compile(y, [n for n in topological_order([y]) if n.op.name == "input"])
