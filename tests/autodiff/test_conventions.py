"""The derivatives at kinks, ties and poles are the ones that the table of conventions states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.autodiff.conventions import CONVENTIONS
from graphc.runtime.interpreter import interpret

inf = np.inf


def both(build: Callable[..., gc.Tensor], *points: Any) -> list[Any]:
    """The gradient by each argument, which forward mode has to give too."""
    wrt = [gc.input(f"x{i}", np.shape(p), "float64") for i, p in enumerate(points)]
    values = dict(zip(wrt, points, strict=True))
    y = build(*wrt)
    reverse = interpret(gc.grad(y.sum(), wrt), values)
    for k, (t, g) in enumerate(zip(wrt, reverse, strict=True)):
        if np.ndim(points[k]) == 0:
            (forward,) = interpret([gc.jvp(y, t, 1.0)], values)
            np.testing.assert_array_equal(forward, g)
    return reverse


CASES: dict[str, list[tuple[Callable[..., gc.Tensor], Sequence[Any], Sequence[Any]]]] = {
    "relu": [(gc.relu, [0.0], [0.0]), (gc.relu, [2.0], [1.0]), (gc.relu, [-2.0], [0.0])],
    "abs": [(gc.abs, [0.0], [0.0])],
    "maximum, minimum": [(gc.maximum, [1.0, 1.0], [0.5, 0.5]), (gc.minimum, [1.0, 1.0], [0.5, 0.5]),
                         (gc.maximum, [1.0, 2.0], [0.0, 1.0]), (gc.minimum, [1.0, 2.0], [1.0, 0.0])],
    "max, min": [(gc.max, [[1.0, 3.0, 3.0]], [[0, 0.5, 0.5]]),
                 (gc.min, [[1.0, 1.0, 1.0, 2.0]], [[1 / 3] * 3 + [0]])],
    "max_pool": [(lambda x: gc.nn.max_pool1d(x, 3), [[[1.0, 3.0, 3.0]]], [[[0, 1, 0]]]),
                 (lambda x: gc.nn.max_pool2d(x, 2), [[[[2.0, 5.0], [5.0, 5.0]]]], [[[[0, 1], [0, 0]]]])],
    "lp_pool": [(lambda x: gc.nn.lp_pool1d(x, 2, 2), [[[0.0, 0.0, 3.0, 4.0]]], [[[0, 0, 0.6, 0.8]]])],
    "clip": [(gc.clip, [1.0, 1.0, 2.0], [1.0, 0.0, 0.0]), (gc.clip, [2.0, 1.0, 2.0], [1.0, 0.0, 0.0]),
             (gc.clip, [0.0, 1.0, 2.0], [0.0, 1.0, 0.0]), (gc.clip, [3.0, 1.0, 2.0], [0.0, 0.0, 1.0]),
             (gc.clip, [1.5, 2.0, 1.0], [0.0, 0.0, 1.0])],
    "sign, floor, ceil, round, trunc, floor_divide": [
        *((f, [1.0], [0.0]) for f in (gc.sign, gc.floor, gc.ceil, gc.round, gc.trunc)),
        (gc.floor_divide, [4.0, 2.0], [0.0, 0.0])],
    "remainder": [(gc.remainder, [4.0, 2.0], [1.0, -2.0])],
    "sqrt, cbrt": [(gc.sqrt, [0.0], [inf]), (gc.cbrt, [0.0], [inf])],
    "hypot": [(gc.hypot, [0.0, 0.0], [0.0, 0.0])],
    "power by x": [(gc.power, [0.0, 0.0], [0.0, 0.0]), (lambda x: x**0, [0.0], [0.0]),
                   (lambda x: x**2, [0.0], [0.0]),
                   (lambda x: x**1, [0.0], [1.0])],
    "power by y": [(gc.power, [0.0, 2.0], [0.0, 0.0])],
    "where": [(lambda x: gc.where(x > 0, gc.sqrt(x), 0.0), [0.0], [0.0])],
    "stop_gradient": [(gc.stop_gradient, [1.0], [0.0])],
}  # fmt: skip


def test_every_convention_is_tested() -> None:
    assert set(CASES) == {c.name for c in CONVENTIONS}


@pytest.mark.parametrize("name", CASES)
def test_convention(name: str) -> None:
    for build, points, expected in CASES[name]:
        for found, wanted in zip(both(build, *points), expected, strict=True):
            np.testing.assert_allclose(found, wanted)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("size", ["known", "N"])
def test_product_is_exact_with_zeros_to_any_order(n: int, size: str) -> None:
    x = gc.input("x", (n if size == "known" else "N",), "float64")
    for zeros in range(min(n, 3) + 1):
        point = np.arange(2.0, 2.0 + n)
        point[:zeros] = 0
        y = gc.prod(x)
        g, h = interpret([gc.grad(y, x), gc.hessian(y, x)], {x: point})
        others = [np.prod(np.delete(point, i)) for i in range(n)]
        pairs = [[0 if i == j else np.prod(np.delete(point, [i, j])) for j in range(n)] for i in range(n)]
        np.testing.assert_allclose(g, np.reshape(others, (n,)))
        np.testing.assert_allclose(h, np.reshape(pairs, (n, n)))
