"""Rematerialisation: what is kept is enough, what is computed again is the same, draws are never repeated."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import graphc as gc
from graphc.codegen.schedule import schedule
from graphc.codegen.views import owner
from graphc.ir.dimension import element_count, evaluate_dim
from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import PIPELINES, run
from graphc.passes.rematerialisation import Order, Rematerialisation
from tests.passes.random_graphs import Drawn, graphs


def ordered(outputs: list[gc.Tensor], inputs: list[gc.Tensor], size: int = 5) -> Order:
    graph, _ = run(Graph(tuple(inputs), tuple(outputs)), PIPELINES["default"], Verifier())
    made = schedule(graph)
    sizes = {n: evaluate_dim(element_count(n.shape), {"N": size}) * n.dtype.itemsize for n in made.order}
    return Order(made.graph, made.order, {n: owner(n) for n in made.order}, sizes)


def check(values: Rematerialisation, kept: frozenset[gc.Tensor]) -> tuple[Graph, tuple[gc.Tensor, ...]]:
    """The order is one, and the first part is read later only where it is kept or cannot be repeated."""
    graph, order = values.applied(kept)
    Verifier().verify(graph, "rematerialisation")
    place = {n: k for k, n in enumerate(order)}
    assert set(place) == set(graph.nodes)
    assert all(place[i] < k for k, n in enumerate(order) for i in n.inputs)
    assert [n for n in order if n.op.family == "random"] == [
        n for n in values.order.nodes if n.op.family == "random"
    ]
    first = set(values.order.nodes[: values.split])
    again = set(values.repeated(kept)) - {owner(r) for r in values.order.graph.roots}
    for node in order:
        if node not in first:
            assert not any(owner(i) in again for i in node.inputs)
    return graph, order


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=graphs(most=30))
def test_results_of_random_graphs_stay_the_same_to_the_bit(drawn: Drawn) -> None:
    outputs = [drawn.output, *gc.grad(drawn.output, drawn.inputs)]
    order = ordered(outputs, drawn.inputs, drawn.size)
    values = Rematerialisation(order)
    given = dict(zip(drawn.inputs, drawn.arrays(), strict=True))
    expected = gc.interpret(list(order.graph.outputs), given)
    for kept in {*values.candidates(), frozenset(), frozenset(values.values[::2])}:
        graph, _ = check(values, kept)
        for value, wanted in zip(gc.interpret(list(graph.outputs), given), expected, strict=True):
            np.testing.assert_array_equal(value, wanted)


def chain(depth: int) -> tuple[list[gc.Tensor], list[gc.Tensor]]:
    x = gc.input("x", (16, 8))
    h, weights = x, []
    for k in range(depth):
        weights.append(gc.parameter(f"w{k}", (8, 8)))
        h = gc.tanh(h @ weights[-1])
    return [(h * h).mean(), *gc.grad((h * h).mean(), weights)], [x]


def test_a_chain_is_cut_into_pieces() -> None:
    """Of 16 layers in 4 pieces, one value a boundary is kept, and the last piece."""
    outputs, inputs = chain(16)
    values = Rematerialisation(ordered(outputs, inputs))
    tanh = [n for n in values.values if n.op.name == "tanh"]
    kept = values._kept_by_segments(4)
    crossing = [k for k, n in enumerate(tanh) if n in kept]
    assert len(crossing) <= 3 + 6
    again = values.repeated(kept)
    assert len([n for n in again if n.op.name == "matmul"]) >= 16 - len(crossing)
    _, order = check(values, kept)
    # A piece is computed again behind the steps of the pieces after it, not before.
    made = [k for k, n in enumerate(order) if n not in set(values.order.nodes) and n.op.name == "tanh"]
    backward = [k for k, n in enumerate(order) if n.role == "backward"]
    assert any(any(a < b < c for b in backward) for a, c in itertools.pairwise(made))


def test_a_minimum_cut_keeps_the_fewest_bytes_that_cheap_ops_need() -> None:
    """Against brute force: no smaller set of values gives all that is read later by cheap ops alone."""
    x = gc.input("x", (6, 8), "float64")
    w, v = gc.parameter("w", (8, 4), dtype="float64"), gc.parameter("v", (4, 2), dtype="float64")
    h = gc.sin(x @ w)
    y = gc.exp(gc.tanh(h) @ v) + gc.cos(h).sum(axis=1, keepdims=True)
    order = ordered([y.sum(), *gc.grad(y.sum(), [w, v])], [x])
    values = Rematerialisation(order)
    found = values._kept_by_cut()

    def is_enough(kept: frozenset[gc.Tensor]) -> bool:
        return all(n.op.name != "matmul" for n in values.repeated(kept))

    def size(kept: frozenset[gc.Tensor]) -> int:
        return sum(order.bytes[n] for n in kept)

    sets = itertools.chain.from_iterable(
        itertools.combinations(values.values, k) for k in range(len(values.values) + 1)
    )
    best = min((frozenset(s) for s in sets if is_enough(frozenset(s))), key=size)
    assert is_enough(found) and size(found) == size(best)


@pytest.mark.parametrize("count", [1, 2])
def test_draws_are_kept(count: int) -> None:
    x = gc.input("x", (4, 8), "float64")
    h = x
    for _ in range(count):
        h = gc.tanh(gc.nn.dropout(h, 0.5)) * 2.0
    values = Rematerialisation(ordered([h.sum(), *gc.grad(h.sum(), [x])], [x]))
    again = values.repeated(frozenset())
    assert again and not any(n.op.family == "random" for n in again)
    check(values, frozenset())
