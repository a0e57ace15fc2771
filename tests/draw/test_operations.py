"""The operations view: which nodes, edges and clusters the DOT text holds, as Graphviz reads it."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

import graphc as gc
from graphc.ir.graph import Graph
from tests.draw.dot import parsed
from tests.draw.nets import mlp, sigmoid_by_parts


def test_every_node_is_drawn_once_and_scopes_are_clusters():
    picture = parsed(gc.draw(mlp().loss).source)
    # 2 inputs, 4 parameters, 9 ops (@ + tanh @ + softmax − x² mean), 1 output; the 2 stands in x².
    assert len(picture.nodes) == 2 + 4 + 9 + 1
    assert len(picture.edges) == 2 * 2 * 2 + 2 + 2 + 2 + 1
    assert {k: len(v) for k, v in picture.clusters.items()} == {"hidden": 5, "out": 5, "loss": 3}
    assert picture.the("tanh") in picture.clusters["hidden"]
    assert picture.the("x") not in set().union(*picture.clusters.values())


def test_kinds_are_told_apart_by_shape():
    picture = parsed(gc.draw(mlp().loss).source)
    assert picture.nodes[picture.the("x")]["shape"] == "ellipse"
    assert {picture.nodes[n]["shape"] for n in picture.labelled("W")} == {"cylinder"}
    assert picture.nodes[picture.the("tanh")]["color"] != picture.nodes[picture.the("softmax")]["color"]


def test_shapes_stand_on_the_edges():
    x = gc.input("x", ("N", 784))
    y = x.astype("float64").sum(axis=1)
    picture = parsed(gc.draw({"y": y}).source)
    assert picture.between("x", "→ float64")["label"].strip() == "N×784"
    assert picture.between("→ float64", "Σ axis=1")["label"].strip() == "N×784 float64"
    assert picture.between("Σ axis=1", "y")["label"].strip() == "N float64"
    assert all("label" not in a or not a["label"] for *_, a in parsed(gc.draw(y, shapes=False).source).edges)


def test_scopes_nest():
    with gc.scope("block1"), gc.scope("conv"):
        y = gc.exp(gc.parameter("w", (3,)))
    z = gc.sin(y)
    picture = parsed(gc.draw(z).source)
    assert picture.clusters["conv"] == picture.clusters["block1"] == {picture.the("w"), picture.the("exp")}


def test_scalars_are_written_into_their_op():
    x = gc.input("x", (3,))
    y = gc.maximum(1 - (2 / (x * 0.5 - 3)) ** 2, 0)
    picture = parsed(gc.draw({"y": y}).source)
    for label in ("× 0.5", "− 3", "2 ÷ x", "x²", "1 −", "max(·, 0)"):
        assert picture.labelled(label), label
    assert len(picture.nodes) == 1 + 6 + 1


def test_constants_that_are_shared_named_or_output_are_drawn():
    c = gc.constant(2.0, name="temperature")
    picture = parsed(gc.draw({"y": gc.input("x", (3,)) * gc.exp(c), "c": c}).source)
    assert picture.labelled("temperature")
    only = gc.draw(gc.constant(1.0) + gc.constant(2.0))
    assert parsed(only.source).labelled("1")


def test_same_operand_twice_has_two_edges():
    x = gc.input("x")
    assert gc.draw({"y": x * x}).source.count("n0 -> n1") == 2


def test_outputs_are_labelled_by_key_name_or_number():
    x = gc.input("x")
    labels = {a["label"] for a in parsed(gc.draw({"a": gc.exp(x), "b": [gc.sin(x)]}).source).nodes.values()}
    assert {"a", "b"} <= labels
    labels = {a["label"] for a in parsed(gc.draw([gc.exp(x).named("u"), gc.sin(x)]).source).nodes.values()}
    assert {"u", "output 1"} <= labels


def test_values_on_the_edges_are_the_books():
    nodes, values = sigmoid_by_parts()
    picture = parsed(gc.draw({"f": nodes[-1]}, values=values, direction="LR").source)
    path = ["×", "+", "× −1", "exp", "+ 1", "1/x", "f"]
    seen = [picture.between(a, b)["label"].strip() for a, b in pairwise(path)]
    assert seen == ["0", "0", "0", "1", "2", "0.5"]
    assert picture.between("x", "×")["label"].strip() == "1"


def test_gradients_stand_in_their_own_cluster_against_the_flow():
    net = mlp()
    grads = gc.grad(net.loss, net.parameters)
    picture = parsed(gc.draw({"loss": net.loss, **{f"d {k}": g for k, g in grads.items()}}).source)
    backward = picture.clusters["backward"]
    forward = set(picture.nodes) - backward
    assert {picture.the(f"d {k}") for k in grads} <= backward
    assert {picture.the("tanh"), picture.the("loss")} <= forward
    for tail, head, attributes in picture.edges:
        if {tail, head} <= backward:
            assert attributes["dir"] == "back"
        elif {tail, head} & backward:
            assert head in backward  # a saved value, pale and without a pull
            assert attributes["weight"] == "0"
            assert attributes["minlen"] == "0"
        else:
            assert attributes.get("dir") != "back"
    ops = backward - {picture.the(f"d {k}") for k in grads}
    assert all("dashed" in picture.nodes[n]["style"] for n in ops)


def test_arrows_follow_the_data_in_the_backward_part_too():
    x = gc.input("x")
    picture = parsed(gc.draw({"dx": gc.grad(gc.exp(gc.sin(x)), x)}).source)
    reached, flows = {picture.the("x")}, picture.flows()
    while grown := {h for t, h in flows if t in reached} - reached:
        reached |= grown
    assert picture.the("dx") in reached


def test_a_graph_with_updates():
    x, w = gc.input("x", (2,)), gc.parameter("w", (2,))
    graph = Graph((x,), ((x * w).sum(),), ((w, w - 0.1 * x),))
    assert parsed(gc.draw(graph).source).labelled("w ←")


def test_one_input_alone():
    picture = parsed(gc.draw(gc.input("x", (3,))).source)
    assert len(picture.nodes) == 2
    assert len(picture.edges) == 1


@pytest.mark.parametrize("outputs", [[], {}, 3, ["x"], None])
def test_what_is_no_tensor_is_refused(outputs: object):
    with pytest.raises(gc.GraphError, match=r"tensor|nothing"):
        gc.draw(outputs)


@pytest.mark.parametrize("options", [{"view": "trees"}, {"direction": "UP"}, {"theme": "neon"}])
def test_unknown_options_are_refused_by_name(options: dict[str, str]):
    (value,) = options.values()
    with pytest.raises(gc.GraphError, match=value):
        gc.draw(gc.input("x"), **options)


def test_snapshot(snapshot):
    x = gc.input("x", ("N", 4))
    with gc.scope("dense"):
        y = gc.relu(x @ gc.parameter("W", (4, 3)) + gc.parameter("b", (3,)))
    # Tooltips hold this file's line numbers, which are not the subject.
    source = re.sub(r"test_operations\.py:\d+", "test_operations.py:LINE", gc.draw({"y": y}).source)
    assert source == snapshot
