"""The cost model: counts are exact, symbolic where sizes are, and the estimate ranks what was measured."""

import numpy as np
import pytest
import sympy

import graphc as gc
from graphc.ir.dimension import symbol
from graphc.ir.traversal import topological_order
from graphc.rewrite.cost import SIZE_HINT, cost, node_cost, work

N = symbol("N")


def test_operations_and_bytes_of_a_layer() -> None:
    x, w, b = gc.input("x", ("N", 20)), gc.input("w", (20, 30)), gc.input("b", (30,))
    found = work(topological_order([gc.tanh(x @ w + b)]))
    assert sympy.expand(found.operations - (N * 20 * 30 + 2 * N * 30)) == 0
    product = 4 * (N * 20 + 20 * 30 + N * 30)
    total = product + 4 * (N * 30 + 30 + N * 30) + 4 * (N * 30 + N * 30)
    assert sympy.expand(found.bytes - total) == 0
    assert found.seconds > 0


def test_views_and_sources_cost_nothing() -> None:
    x = gc.input("x", (4, 6))
    assert cost([x.T.reshape((3, 8))[1:]]) == 0
    assert work(topological_order([x.T])).operations == 0


def test_what_is_broadcast_is_read_once() -> None:
    x, b = gc.input("x", (10, 6)), gc.input("b", (6,))
    wide = gc.broadcast_to(b, (10, 6))
    assert work(topological_order([x * wide])).bytes == 4 * (60 + 6 + 60)


def test_a_symbolic_size_counts_as_the_hint() -> None:
    assert node_cost(gc.exp(gc.input("x", ("N", 100)))) == node_cost(gc.exp(gc.input("x", (SIZE_HINT, 100))))


def test_a_reduction_may_be_over_all_axes() -> None:
    x = gc.input("x", (30, 40))
    assert 0 < node_cost(gc.argmax(x)) < node_cost(gc.argmax(x, axis=1))


def test_a_loop_counts_each_step() -> None:
    h = gc.input("h", (1000,))

    def steps(length: int) -> float:
        return cost([gc.scan(lambda h, _: (gc.tanh(h), None), h, length=length)[0]])

    assert steps(20) == pytest.approx(2 * steps(10))


@pytest.mark.parametrize("cheaper, dearer", [
    (lambda x: x * x * x, lambda x: gc.power(x, 3.0)),
    (lambda x: gc.log(x), lambda x: gc.log1p(x)),
    (lambda x: x @ x[:, :8], lambda x: x @ x),
    (lambda x: x + x, lambda x: gc.exp(x)),
])  # fmt: skip
def test_the_estimate_ranks_what_was_measured(cheaper, dearer) -> None:
    x = gc.input("x", (256, 256))
    assert cost([cheaper(x)]) < cost([dearer(x)])


def test_a_compiled_function_says_what_it_costs() -> None:
    x = gc.input("x", ("N", 3))
    f = gc.compile(gc.exp(x).sum(axis=1), [x])
    assert f.stats["operations"] == 6 * N
    assert f.stats["bytes"] == 4 * (6 * N) + 4 * (3 * N + N)
    assert 0 < f.stats["estimated seconds"] < 1e-3
    np.testing.assert_allclose(f(np.zeros((2, 3), np.float32)), 3)
