"""Nodes, traversal, printing and verification."""

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphError
from graphc.ir.build import apply, carried_over, rebuilt
from graphc.ir.graph import Graph
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ir.verifier import Verifier


def test_nodes_are_immutable_and_themselves() -> None:
    x = gc.input("x", (3,))
    a, b = x + 1, x + 1
    assert a is not b and len({a, b}) == 2
    assert isinstance(a == b, Tensor)
    with pytest.raises(AttributeError):
        a.shape = (4,)
    with pytest.raises(AttributeError):
        del a.name
    with pytest.raises(TypeError, match="pickle a compiled Function"):
        pickle.dumps(a)


def test_building_simplifies_nothing() -> None:
    x = gc.input("x", (3,))
    y = (x * 1 + 0) - x
    assert [n.op.name for n in topological_order([y])] == [
        "input", "constant", "multiply", "constant", "add", "subtract",
    ]  # fmt: skip


def test_nodes_remember_scope_and_line() -> None:
    with gc.scope("block"), gc.scope("inner"):
        w = gc.parameter("w", (3,))
        y = w * 2  # this line
    assert w.name == "block/inner/w" and y.scope == ("block", "inner")
    assert y.location.filename == __file__ and y.location.function == "test_nodes_remember_scope_and_line"
    assert "# this line" in Path(__file__).read_text().splitlines()[y.location.line - 1]


def test_scopes_of_threads_are_apart() -> None:
    seen: list[tuple[str, ...]] = []

    def build() -> None:
        seen.append((gc.input("x", ()) + 1).scope)

    with gc.scope("main"):
        thread = threading.Thread(target=build)
        thread.start()
        thread.join()
    assert seen == [()]


def test_order_has_inputs_first_at_any_depth() -> None:
    x = gc.input("x", ())
    y = x
    for _ in range(100_000):
        y = gc.sin(y)
    order = topological_order([y])
    assert len(order) == 100_001 and order[0] is x and order[-1] is y


def test_a_wide_and_shared_graph_is_visited_once() -> None:
    x = gc.input("x", ())
    y = x
    for _ in range(60):  # as a tree this has 2**60 leaves
        y = y + y
    assert len(topological_order([y])) == 61


def test_the_verifier_finds_a_node_that_lies() -> None:
    x = gc.input("x", (3,))
    y = x + 1
    lie = Tensor(y.op, y.inputs, y.attrs, (4,), y.dtype, None, y.origins)
    with pytest.raises(GraphError, match=r"some_pass left a node that says float32\(4,\)"):
        Verifier().verify(Graph((x,), (lie,)), "some_pass")
    with pytest.raises(GraphError, match="not among the graph's inputs"):
        Verifier().verify(Graph((), (y,)))
    Verifier().verify(Graph((x,), (y,)))


def test_text_form() -> None:
    x, w = gc.input("x", ("N", 3)), gc.parameter("w", (3,))
    y = gc.tanh(x * w).named("y")
    assert gc.text_form(y) == (
        "x : float32[N, 3] = input\n"
        "w : float32[3] = parameter\n"
        "%2 : float32[N, 3] = multiply(x, w)\n"
        "y : float32[N, 3] = tanh(%2)\n"
        "return y"
    )
    assert "test_graph.py:" in gc.text_form(Graph((x,), (y,)), locations=True)


def test_substitution_rebuilds_what_depends() -> None:
    x, z = gc.input("x", (3,)), gc.input("z", (5,))
    y = gc.exp(x).sum() + 1
    (new,) = gc.substitute([y], {x: z})
    assert new.shape == () and [n.name for n in topological_order([new]) if n.op.name == "input"] == ["z"]


def test_to_networkx() -> None:
    x = gc.input("x", (3,))
    graph = gc.to_networkx(x * x + 1)
    assert graph.number_of_nodes() == 4 and graph.number_of_edges() == 4
    assert graph.nodes[x]["op"] == "input"


def test_arrays_in_constants_are_copies() -> None:
    a = np.ones(3, np.float32)
    c = gc.constant(a)
    a[:] = 5
    np.testing.assert_array_equal(gc.interpret([c], {})[0], 1)
    with pytest.raises(ValueError, match="read-only"):
        gc.interpret([c], {})[0][...] = 2


def _counting_op() -> tuple[Op, list[int]]:
    """An op that keeps the shape of its operand, and how often it was asked for it."""
    asked: list[int] = []

    def infer(inputs, attrs):
        asked.append(1)
        return inputs[0].shape, inputs[0].dtype

    return Op("counting", "elementwise", infer, lambda attrs, x: x), asked


def test_a_node_that_is_carried_over_to_operands_of_the_same_types_is_not_inferred_again() -> None:
    op, asked = _counting_op()
    x, verifier = gc.input("x", ("N", 3)), Verifier()
    node = apply(op, (x,), factor=2)
    verifier.verify(Graph((x,), (node,)))
    assert len(asked) == 2  # when it was built, and when it was checked
    moved = carried_over(node, {x: gc.exp(x)})
    verifier.verify(Graph((x,), (moved,)))
    assert moved is not node and len(asked) == 2
    wider = rebuilt(node, (gc.concatenate([x, x], axis=1),))
    assert len(asked) == 3 and wider.shape[1] == 6
    verifier.verify(Graph((x,), (wider,)))
    assert len(asked) == 4


def test_a_lie_about_a_sound_node_is_found() -> None:
    op, _ = _counting_op()
    x, verifier = gc.input("x", ("N", 3)), Verifier()
    node = apply(op, (x,), factor=2)
    verifier.verify(Graph((x,), (node,)))
    other = gc.input("y", ("N", 4))
    lies = [
        Tensor(op, (x,), node.attrs, (3, 3), node.dtype, None, node.origins),
        Tensor(op, (x,), node.attrs, node.shape, np.dtype("float64"), None, node.origins),
        Tensor(op, (other,), node.attrs, node.shape, node.dtype, None, node.origins),
        Tensor(op, (x.astype("float64"),), node.attrs, node.shape, node.dtype, None, node.origins),
    ]
    for lie in lies:
        with pytest.raises(GraphError, match="some_pass left a node that says"):
            verifier.verify(Graph((x, other), (lie,)), "some_pass")


def test_a_node_over_what_its_operands_became() -> None:
    x, y = gc.input("x", (3,)), gc.input("y", (3,))
    node = x + y
    assert carried_over(node, {x: x, y: y}) is node and carried_over(x, {}) is x
    after = carried_over(node, {x: y, y: x})
    assert after.inputs[0] is y and after.inputs[1] is x
    with pytest.raises((AssertionError, ValueError)):
        rebuilt(node, (x,))


def test_the_names_of_a_graphs_ops() -> None:
    x = gc.input("x", (3,))
    assert Graph((x,), (gc.exp(x) * gc.exp(x),)).op_names == {"input", "exp", "multiply"}
