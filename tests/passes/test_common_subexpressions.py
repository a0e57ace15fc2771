"""Equal nodes become one; what only looks equal stays."""

from collections import Counter

import numpy as np

import graphc as gc
from graphc.ir.graph import Graph
from graphc.passes.common_subexpressions import CommonSubexpressions
from tests.passes.before_after import check_text


def _ops(graph: Graph) -> list[str]:
    return [n.op.name for n in graph.nodes]


def test_two_equal_subgraphs_become_one() -> None:
    x, y = gc.input("x", ("N", 3)), gc.input("y", ("N", 3))
    fired = check_text(
        CommonSubexpressions(),
        [x, y],
        [gc.tanh(x + y).sum(axis=1) * gc.tanh(x + y).sum(axis=1)],
        """
        x : float32[N, 3] = input
        y : float32[N, 3] = input
        %2 : float32[N, 3] = add(x, y)
        %3 : float32[N, 3] = tanh(%2)
        %4 : float32[N] = sum(%3, axis=(1,), keepdims=False)
        %5 : float32[N, 3] = add(x, y)
        %6 : float32[N, 3] = tanh(%5)
        %7 : float32[N] = sum(%6, axis=(1,), keepdims=False)
        %8 : float32[N] = multiply(%4, %7)
        return %8
        """,
        """
        x : float32[N, 3] = input
        y : float32[N, 3] = input
        %2 : float32[N, 3] = add(x, y)
        %3 : float32[N, 3] = tanh(%2)
        %4 : float32[N] = sum(%3, axis=(1,), keepdims=False)
        %5 : float32[N] = multiply(%4, %4)
        return %5
        """,
    )
    assert fired == {"merged add": 1, "merged tanh": 1, "merged sum": 1}


def test_what_does_not_commute_stays_apart() -> None:
    x, y = gc.input("x", (3,)), gc.input("y", (3,))
    after = CommonSubexpressions()(Graph((x, y), (x - y, y - x)))
    assert after.outputs[0] is not after.outputs[1]


def test_equal_nodes_become_one_and_come_from_both_lines() -> None:
    x = gc.input("x", (3,))
    first = gc.exp(x)
    second = gc.exp(x)
    fired: Counter[str] = Counter()
    after = CommonSubexpressions()(Graph((x,), (first + second,)), fired)
    assert _ops(after) == ["input", "exp", "add"]
    assert fired == {"merged exp": 1}
    lines = {o.location.line for o in after.nodes[1].origins}
    assert lines == {first.location.line, second.location.line} and len(lines) == 2


def test_random_draws_are_never_merged() -> None:
    a, b = gc.random_normal((3,)), gc.random_normal((3,))
    after = CommonSubexpressions()(Graph((), (a - b,)))
    assert _ops(after).count("random_normal") == 2
    (value,) = gc.interpret(after.outputs, {})
    assert np.all(value != 0)


def test_inputs_and_parameters_are_never_merged() -> None:
    x, y = gc.input("x", (3,)), gc.input("y", (3,))
    p, q = gc.parameter("p", (3,)), gc.parameter("q", (3,))
    assert len(CommonSubexpressions()(Graph((x, y), (x + y + p + q,))).nodes) == 7


def test_constants_are_told_apart_by_sign_of_zero_and_dtype() -> None:
    values = (
        np.float32(0.0),
        np.float32(-0.0),
        np.float64(0.0),
        np.int64(0),
        np.float32(np.nan),
        np.float32(np.nan),
    )
    outputs = tuple(gc.constant(np.asarray(v)) for v in values)
    after = CommonSubexpressions()(Graph((), outputs))
    assert len({id(o) for o in after.outputs}) == 5  # the two NaN are one


def test_attributes_tell_nodes_apart() -> None:
    x = gc.input("x", (3, 3))
    after = CommonSubexpressions()(Graph((x,), (x.sum(axis=0), x.sum(axis=1), x.sum(axis=1))))
    assert _ops(after).count("sum") == 2
    assert after.outputs[1] is after.outputs[2]


def test_elements_are_brought_into_order_once() -> None:
    x = gc.input("x", (2, 3, 4))
    turned = gc.transpose(x, (2, 0, 1))
    graph = Graph((x,), (gc.reshape(turned, (8, 3)), gc.exp(gc.reshape(turned, (4, 6)))))
    after = CommonSubexpressions()(graph)
    rows, exp = after.outputs
    assert exp.inputs[0].op.name == "reshape" and exp.inputs[0].inputs[0] is rows
    value = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    results = gc.interpret(after.outputs, {x: value}), gc.interpret(graph.outputs, {x: value})
    for got, wanted in zip(*results, strict=True):
        np.testing.assert_array_equal(got, wanted)
