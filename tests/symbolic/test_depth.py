"""Deep and wide graphs: the symbolic engine goes through them without recursion, and growth ends in a report.

The seconds allowed are many times what is needed, for a slow machine; what they catch is a cost that grows
with the square of the depth or faster.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphError
from graphc.ir.traversal import topological_order
from tests.symbolic.agreement import assert_equal, symbolic_gradients

LINEAR = ("dominators", "everywhere")


def _elementwise_chain(depth: int) -> tuple[gc.Tensor, list[gc.Tensor]]:
    x, w = gc.input("x", ("N", 3), "float64"), gc.input("w", (3,), "float64")
    h = x
    for _ in range(depth):
        h = gc.tanh(h * w)
    return gc.sum(h), [x, w]


def _dense_chain(depth: int) -> tuple[gc.Tensor, list[gc.Tensor]]:
    x, w, b = (
        gc.input("x", ("N", 2), "float64"),
        gc.input("w", (2, 2), "float64"),
        gc.input("b", (2,), "float64"),
    )
    h = x
    for _ in range(depth):
        h = gc.tanh(h @ w + b)
    return gc.mean(gc.square(h)), [x, w, b]


def _residual_chain(depth: int) -> tuple[gc.Tensor, list[gc.Tensor]]:
    x, w = gc.input("x", ("N", 2), "float64"), gc.input("w", (2, 2), "float64")
    h = x
    for _ in range(depth):
        h = h + 0.1 * gc.tanh(h @ w)
    return gc.mean(gc.square(h)), [x, w]


def _wide(nodes: int) -> tuple[gc.Tensor, list[gc.Tensor]]:
    """Many nodes over few inputs, each of the sum or product of two drawn from the last ones."""
    rng = np.random.default_rng(17)
    inputs = [gc.input(f"x{k}", (2,), "float64") for k in range(4)]
    found = list(inputs)
    while len(found) < nodes:
        a, b = (found[-1 - int(k)] for k in rng.integers(0, min(len(found), 40), 2))
        found.append(
            gc.tanh(a) if rng.random() < 0.4 else (a + b) * 0.5 if rng.random() < 0.6 else a * gc.sin(b)
        )
    total = found[-1]
    for node in found[-40:-1]:
        total = total + node
    return gc.sum(total), inputs


def _agrees(y: gc.Tensor, wrt: list[gc.Tensor], mode: str | None, seconds: float) -> None:
    limit = sys.getrecursionlimit()
    begin = time.process_time()
    gradients = symbolic_gradients(y, wrt, mode)
    taken = time.process_time() - begin
    assert sys.getrecursionlimit() == limit
    rng = np.random.default_rng(19)
    sizes = [[n if isinstance(n, int) else 2 for n in t.shape] for t in wrt]
    values = {t: rng.uniform(-1.5, 1.5, s) for t, s in zip(wrt, sizes, strict=True)}
    results = gc.interpret([*gradients, *gc.grad(y, wrt)], values)
    for found, expected in zip(results[: len(wrt)], results[len(wrt) :], strict=True):
        assert_equal(found, expected, f"{mode}", tolerance=1e-9)
    assert taken < seconds, f"{taken:.1f} s to derive {len(topological_order([y]))} nodes"


@pytest.mark.parametrize("mode", LINEAR)
@pytest.mark.parametrize(
    ("chain", "depth"), [(_elementwise_chain, 400), (_dense_chain, 400), (_residual_chain, 1000)]
)
def test_many_layers(
    chain: Callable[[int], tuple[gc.Tensor, list[gc.Tensor]]], depth: int, mode: str
) -> None:
    """More layers than the recursion limit has frames for, were each to take a few."""
    _agrees(*chain(depth), mode, seconds=60)


def test_ten_thousand_nodes() -> None:
    y, wrt = _wide(8000)
    assert len(topological_order([y])) >= 10_000
    _agrees(y, wrt, "everywhere", seconds=120)


def test_the_mode_is_chosen_by_growth() -> None:
    """In closed form the terms of a residual chain double with every block: it is no choice here."""
    y, wrt = _residual_chain(40)
    begin = time.process_time()
    derivation = gc.symbolic.grad(y, wrt)
    assert time.process_time() - begin < 60
    assert derivation.mode in LINEAR
    y, wrt = _dense_chain(2)
    assert gc.symbolic.grad(y, wrt).mode in ("full", *LINEAR)


def test_a_closed_form_that_grows_without_bound_ends_in_a_report() -> None:
    y, wrt = _residual_chain(60)
    begin = time.process_time()
    try:
        gc.symbolic.grad(y, wrt, mode="full")
    except GraphError as error:
        assert "budget" in str(error) and error.remedy
    assert time.process_time() - begin < 120
