"""Passes on loops: bodies are optimised, what nothing reads goes, what is needed twice is kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphError
from graphc.ir.body import Body
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.verifier import Verifier
from graphc.ops.loop import SCAN, Loop
from graphc.passes.common_subexpressions import CommonSubexpressions
from graphc.passes.loop_bodies import LoopBodies
from graphc.passes.loop_results import LoopResults
from graphc.passes.loop_values import LoopValues
from graphc.passes.pipelines import CLEANING


def loops(graph: Graph) -> list[Tensor]:
    return [n for n in graph.nodes if n.op is SCAN]


def ops_of(loop: Tensor) -> list[str]:
    return [n.op.name for n in loop.attrs["body"].order]


def the_same(before: Graph, after: Graph, values: dict[Tensor, np.ndarray]) -> None:
    Verifier().verify(after, "after")
    for a, b in zip(gc.interpret(before.outputs, values), gc.interpret(after.outputs, values), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def two(x: Tensor) -> tuple[Tensor, Tensor]:
    """Two states of which the second reads the first, and an output."""
    carry, y = gc.scan(
        lambda c, x_t: ((c[0] + x_t, gc.sin(c[0]) + c[1]), gc.cos(c[1])),
        (gc.zeros_like(x[0]), gc.ones_like(x[0])),
        x,
    )
    return carry[0], y


def test_equal_loops_become_one() -> None:
    x = gc.input("x", ("T", 2), "float64")
    first, second = two(x), two(x)
    graph = Graph((x,), (first[0] + second[0], first[1] * second[1]))
    after = CommonSubexpressions()(graph)
    assert len(loops(graph)) == 2 and len(loops(after)) == 1
    the_same(graph, after, {x: np.random.default_rng(0).normal(size=(4, 2))})


@pytest.mark.parametrize("change", ["number", "direction", "operand", "op"])
def test_loops_that_differ_stay(change: str) -> None:
    x, z = gc.input("x", ("T", 2), "float64"), gc.input("z", ("T", 2), "float64")

    def loop(number: float, reverse: bool, xs: Tensor, sine: bool) -> Tensor:
        function = gc.sin if sine else gc.cos
        start = gc.zeros((2,), "float64")
        return gc.scan(lambda c, x_t: (function(c) * number + x_t, None), start, xs, reverse=reverse)[0]

    other = {
        "number": (0.25, False, x, True), "direction": (0.5, True, x, True),
        "operand": (0.5, False, z, True), "op": (0.5, False, x, False),
    }  # fmt: skip
    graph = Graph((x, z), (loop(0.5, False, x, True) + loop(*other[change]), z.sum()))
    assert len(loops(CommonSubexpressions()(graph))) == 2


def test_bodies_are_optimised_and_invariants_come_out() -> None:
    x, w = gc.input("x", ("T", 2), "float64"), gc.input("w", (2, 2), "float64")

    def step(c: Tensor, x_t: Tensor) -> tuple[Tensor, None]:
        twice = gc.sin(c + x_t) + gc.sin(c + x_t)
        return gc.einsum("i,ij->j", twice, w) * 1.0, None

    carry, _ = gc.scan(step, gc.zeros((2,), "float64"), x)
    graph = Graph((x, w), (carry,))
    fired: Counter[str] = Counter()
    after = LoopBodies(CLEANING)(graph, fired)
    (loop,) = loops(after)
    assert ops_of(loop).count("sin") == 1 and fired["merged sin"] == 1
    rng = np.random.default_rng(0)
    the_same(graph, after, {x: rng.normal(size=(4, 2)), w: rng.normal(size=(2, 2))})
    assert "np.einsum" not in gc.compile(carry, [x, w]).source


def test_results_that_nothing_reads_are_not_kept() -> None:
    x = gc.input("x", ("T", 2), "float64")
    first, y = two(x)
    values = {x: np.random.default_rng(0).normal(size=(4, 2))}
    for outputs, carries, stacks in (((first,), 1, 0), ((y,), 2, 1), ((first, y), 2, 1)):
        graph = Graph((x,), outputs)
        after = LoopResults()(graph)
        (loop,) = loops(after)
        body: Body = loop.attrs["body"]
        assert (len(body.carries), len(body.outputs)) == (carries, stacks)
        assert not any(loop.attrs["record"])
        the_same(graph, after, values)


@pytest.mark.parametrize("reverse", [False, True])
def test_what_is_read_stays_recorded(reverse: bool) -> None:
    x = gc.input("x", ("T", 2), "float64")
    carry, (before, _) = gc.scan(
        lambda c, x_t: (c * 0.5 + x_t, (c, c * 0.5 + x_t)), gc.zeros_like(x[0]), x, reverse=reverse
    )
    graph = Graph((x,), (carry, before))
    after = LoopResults()(graph)
    (loop,) = loops(after)
    assert loop.attrs["record"] == (True,) and not loop.attrs["body"].outputs
    the_same(graph, after, {x: np.random.default_rng(0).normal(size=(4, 2))})


def test_a_packed_result_that_is_read_whole_stays() -> None:
    x = gc.input("x", ("T", 2), "float64")
    first, _ = two(x)
    (loop,) = loops(Graph((x,), (first,)))
    graph = Graph((x,), (first, loop * 2.0))
    assert loops(LoopResults()(graph))[0] is loop


def test_what_the_way_back_needs_is_kept_where_it_costs_something() -> None:
    x, w = gc.input("x", ("T", 2), "float64"), gc.input("w", (2, 2), "float64")

    def step(c: Tensor, x_t: Tensor) -> tuple[Tensor, None]:
        return gc.sin(gc.exp(c @ w) + x_t) * 0.5, None

    carry, _ = gc.scan(step, gc.ones_like(x[0]), x)
    graph = Graph((x, w), tuple(gc.grad(carry.sum(), [x, w])))
    after = LoopValues()(graph)
    forward, backward = loops(after)
    assert [n.op.name for n in forward.attrs["body"].outputs] == ["exp"]
    assert "exp" not in ops_of(backward) and ops_of(backward).count("matmul") == 1
    rng = np.random.default_rng(0)
    the_same(graph, after, {x: rng.normal(size=(4, 2)), w: rng.normal(size=(2, 2))})


def test_a_kept_value_that_is_the_carry_needs_no_output() -> None:
    x = gc.input("x", ("T", 2), "float64")
    carry, _ = gc.scan(lambda c, x_t: (gc.tanh(c + x_t), None), gc.zeros_like(x[0]), x)
    graph = Graph((x,), (gc.grad(carry.sum(), x),))
    after = LoopValues()(graph)
    forward, backward = loops(after)
    assert not forward.attrs["body"].outputs and "tanh" not in ops_of(backward)
    the_same(graph, after, {x: np.random.default_rng(0).normal(size=(4, 2))})


def test_loops_without_a_common_step_share_nothing() -> None:
    x = gc.input("x", ("T", 2), "float64")
    carry, ys = gc.scan(lambda c, x_t: (gc.tanh(c + x_t),) * 2, gc.zeros_like(x[0]), x)
    second, _ = gc.scan(lambda c, x_t: (gc.exp(gc.tanh(c) * x_t), None), carry, ys)
    graph = Graph((x,), (second,))
    assert LoopValues()(graph) is graph


def test_values_are_kept_of_each_of_several_loops() -> None:
    """Two layers, and a derivative of a derivative: four loops and more, in all directions."""
    x, w = gc.input("x", ("T", 2), "float64"), gc.input("w", (2, 2), "float64")
    _, ys = gc.scan(lambda c, x_t: (gc.tanh(c @ w + x_t),) * 2, gc.zeros_like(x[0]), x)
    last, _ = gc.scan(
        lambda c, y_t: (gc.sigmoid(c * gc.exp(y_t)), None), gc.zeros_like(x[0]), ys, reverse=True
    )
    gradients = gc.grad(last.sum(), [x, w])
    second = gc.grad(gc.sin(gradients[0]).sum(), [x, w])
    graph = Graph((x, w), (*gradients, *second))
    after = LoopValues()(graph)
    assert sum(len(ops_of(n)) for n in loops(after)) < sum(len(ops_of(n)) for n in loops(graph))
    rng = np.random.default_rng(0)
    the_same(graph, after, {x: rng.normal(size=(4, 2)), w: rng.normal(size=(2, 2))})


def test_the_verifier_looks_into_bodies() -> None:
    x = gc.input("x", ("T", 2), "float64")
    carry, _ = gc.scan(lambda c, x_t: (gc.tanh(c + x_t), None), gc.zeros_like(x[0]), x)
    (loop,) = loops(Graph((x,), (carry,)))
    body = Loop(loop).body
    (new,) = body.next

    def holding(result: Tensor) -> Graph:
        attrs = {**loop.attrs, "body": body.with_results([result])}
        return Graph((x,), (Tensor(SCAN, loop.inputs, attrs, loop.shape, loop.dtype, None, loop.origins),))

    def claimed(node: Tensor, operands: tuple[Tensor, ...], dtype: str) -> Tensor:
        return Tensor(
            node.op, operands, {"dtype": np.dtype(dtype)}, node.shape, np.dtype(dtype), None, node.origins
        )

    lie = claimed(new, new.inputs, "float32")
    with pytest.raises(GraphError, match="body of a loop"):
        Verifier().verify(holding(claimed(lie.astype("float64"), (lie,), "float64")))
    with pytest.raises(GraphError, match="not among the graph's inputs"):
        Verifier().verify(holding(gc.tanh(x[0])))
