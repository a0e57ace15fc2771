"""Single passes on small graphs, before and after."""

from collections import Counter

import numpy as np

import graphc as gc
from graphc.ir.graph import Graph
from graphc.passes.common_subexpressions import CommonSubexpressions
from graphc.passes.constant_folding import ConstantFolding
from graphc.passes.dead_nodes import DeadNodes


def _ops(graph: Graph) -> list[str]:
    return [n.op.name for n in graph.nodes]


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


def test_nodes_of_constants_are_computed_with_nan_and_infinity() -> None:
    with np.errstate(all="ignore"):
        source = np.array([np.inf, -np.inf, np.nan, -0.0, 0.0])
        expected = np.log(source) / source
    c = gc.constant(source)
    after = ConstantFolding()(Graph((), (gc.log(c) / c,)))
    assert _ops(after) == ["constant"]
    found = after.outputs[0].attrs["value"]
    np.testing.assert_array_equal(found, expected)
    assert not found.flags.writeable


def test_large_results_broadcasts_and_draws_are_not_folded() -> None:
    big = gc.broadcast_to(gc.constant(np.float32(1)), (1000, 1000))
    outer = gc.constant(np.ones((300, 1))) * gc.constant(np.ones(300))
    draw = gc.random_uniform((2,)) * 2.0
    after = ConstantFolding()(Graph((), (big, outer, draw)))
    assert [o.op.name for o in after.outputs] == ["broadcast_to", "multiply", "multiply"]


def test_a_constant_index_out_of_range_is_reported_by_the_run() -> None:
    x = gc.input("x", (3,))
    index = gc.constant(np.array([7])) + gc.constant(np.array([1]))
    after = ConstantFolding()(Graph((x,), (gc.take(x, index, 0),)))
    assert "index_check" in _ops(after)


def test_identities_and_updates_to_itself_leave() -> None:
    p, q = gc.parameter("p", (2,)), gc.parameter("q", (2,))
    fired: Counter[str] = Counter()
    after = DeadNodes()(Graph((), (gc.stop_gradient(p) * 2.0,), ((p, p), (q, q + 1.0))), fired)
    assert "stop_gradient" not in _ops(after)
    assert [parameter.name for parameter, _ in after.updates] == ["q"]
    assert fired == {"stop_gradient": 1, "update to itself": 1}
