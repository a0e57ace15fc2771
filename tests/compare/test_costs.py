"""What the report says derivatives cost, against counts by hand and the compiler asked directly."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.compare import compare_gradients
from graphc.compare.costs import LARGEST_TREE, tree_size
from graphc.ir.tensor import Tensor


def written_out(node: Tensor) -> int:
    """The oracle: the tree walked node by node."""
    return 1 + sum(written_out(i) for i in node.inputs)


def network(n=5):
    x, w = gc.input("x", (n, 3), "float64"), gc.input("w", (3, 4), "float64")
    values = {"x": np.linspace(-1, 1, 3 * n).reshape(n, 3), "w": np.linspace(0.1, 1, 12).reshape(3, 4)}
    return gc.sum(gc.square(x @ w)), x, w, values


@pytest.mark.parametrize("seed", range(5))
def test_trees_are_counted_as_if_written_out(seed):
    generator = np.random.default_rng(seed)
    nodes = [gc.input("x", ()), gc.input("y", ())]
    for _ in range(12):
        a, b = generator.integers(0, len(nodes), 2)
        nodes.append(nodes[a] * nodes[b] if generator.random() < 0.7 else gc.sin(nodes[a]))
    assert tree_size(nodes[-3:]) == sum(map(written_out, nodes[-3:]))


def test_endless_trees_stop_at_the_largest_count():
    x = gc.input("x", ())
    for _ in range(5000):
        x = x * x
    assert tree_size([x]) == LARGEST_TREE


def test_operations_and_elements_are_those_of_the_formula():
    y, _, w, values = network()
    cost = compare_gradients(y, w, values).costs["complex step"]  # evaluates y itself
    assert cost.multiply_adds == 5 * 3 * 4
    assert cost.operations == 5 * 3 * 4 + 5 * 4 + 5 * 4  # product, squares, terms of the sum
    assert cost.elements == 5 * 4 + 5 * 4 + 1
    assert (cost.tree, cost.nodes, cost.runs) == (5, 5, 12)


def test_compiled_figures_are_the_compilers_own():
    y, x, w, values = network()
    report = compare_gradients(y, w, values)
    f = gc.compile([gc.grad(y, w)], [x, w])
    cost = report.costs["reverse"]
    assert cost.optimised == f.stats["nodes_after_passes"]
    assert cost.peak_bytes == f.workspace_bytes() + 3 * 4 * 8
    assert cost.runs == 1
    assert report.costs["forward"].runs == 12
    assert all(c.compile_seconds > 0 and c.run_seconds > 0 for c in report.costs.values())
    for heading in ("tree", "optimised", "multiply-adds", "peak memory", "derive", "compile", "one run"):
        assert heading in report.table()


def test_costs_can_be_left_out():
    y, _, w, values = network()
    for cost in compare_gradients(y, w, values, costs=False).costs.values():
        assert (cost.optimised, cost.peak_bytes, cost.compile_seconds, cost.run_seconds) == (None,) * 4
        assert cost.operations > 0


def test_names_that_are_alike_are_no_obstacle():
    a, b = gc.input("w", (2,), "float64"), gc.parameter("w", (2,), init=0.5)
    report = compare_gradients(gc.sum(gc.exp(a) * b), [a, b], {a: [0.1, 0.2]})
    assert report.ok
    assert all(c.optimised is not None for c in report.costs.values())


def test_a_size_that_only_an_unread_input_tells_is_known():
    x, w = gc.input("x", ("N", 3), "float64"), gc.input("w", (), "float64")
    y = w * w * gc.ops.sources.dimension_value(x.shape[0], x.dtype) + 0 * gc.sum(gc.arange("N", "float64"))
    report = compare_gradients(gc.sum(x) * 0 + y, w, {"x": np.ones((4, 3)), "w": 2.0})
    assert report.ok
    assert all(c.optimised is not None for c in report.costs.values())


def test_large_graphs_are_probed_along_fewer_directions():
    x = gc.input("x", (40,), "float64")
    h = x
    for _ in range(200):
        h = gc.tanh(h * 1.1)
    value = {"x": np.linspace(-1, 1, 40)}
    bounded = compare_gradients(gc.sum(h), x, value, budget=2000, costs=False)
    assert {c.probed for c in bounded.comparisons} <= {f"{k} random directions" for k in (2, 3, 4)}
    least = compare_gradients(gc.sum(h), x, value, budget=1, costs=False)
    assert {c.probed for c in least.comparisons} == {"1 random direction"}
    assert bounded.ok and least.ok
    whole = compare_gradients(gc.sum(h), x, value, budget=None, costs=False, engines=["forward"])
    assert {c.probed for c in whole.comparisons} == {"every element"}
