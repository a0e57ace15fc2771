"""The layers and neurons views, from the same declarations as the operations view."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.draw.dense import network_of
from graphc.draw.outputs import subject_of
from tests.draw.dot import parsed
from tests.draw.nets import mlp


def units(outputs):
    return network_of(subject_of(outputs).order)


def test_layers_view_has_one_box_a_scope():
    picture = parsed(gc.draw(mlp().loss, view="layers").source)
    assert len(picture.nodes) == 2 + 3 + 1  # inputs, scopes, the output
    hidden, out = picture.the("hidden"), picture.the("out")
    assert (hidden, out) in picture.flows()
    assert picture.between("hidden", "out")["label"].strip() == "N×3"
    assert f"{4 * 3 + 3} parameters" in picture.nodes[hidden]["label"]


def test_layers_view_keeps_residual_sums_apart():
    x = gc.input("x", ("N", 4))
    h = x
    for i in range(3):
        with gc.scope(f"block{i}"):
            inner = gc.tanh(h @ gc.parameter("W", (4, 4)))
        h = h + inner
    picture = parsed(gc.draw({"y": h}, view="layers").source)
    assert len(picture.labelled("+")) == 3
    order = {n: i for i, n in enumerate(picture.nodes)}
    assert all(t != h for t, h in picture.flows())
    assert len(order) == 1 + 3 + 3 + 1


def test_layers_view_of_gradients():
    net = mlp()
    grads = gc.grad(net.loss, list(net.parameters.values()))
    picture = parsed(gc.draw([net.loss, *grads], view="layers").source)
    assert len(picture.labelled("hidden")) == 2
    assert len(picture.clusters["backward"]) >= 3 + 4


def test_dense_layers_are_found():
    x, hidden, out = units(mlp().prediction)
    assert (x.kind, x.width) == ("input", 4)
    assert (hidden.kind, hidden.width, hidden.activation_name, hidden.name) == ("dense", 3, "tanh", "hidden")
    assert (out.kind, out.width, out.activation_name) == ("dense", 2, "softmax")
    assert hidden.bias is mlp().parameters["hidden/b"] or hidden.bias.name == "hidden/b"


@pytest.mark.parametrize("transposed", [False, True])
def test_transposed_weights_are_dense_too(transposed: bool):
    x = gc.input("x", ("N", 5))
    w = gc.parameter("w", (3, 5) if transposed else (5, 3))
    layer = units(x @ (w.T if transposed else w))[1]
    assert (layer.kind, layer.width, layer.transposed) == ("dense", 3, transposed)


def test_a_weight_on_the_left():
    layer = units(gc.parameter("w", (3, 5)) @ gc.input("x", (5,)))[1]
    assert (layer.width, layer.transposed) == (3, True)


def test_losses_and_products_of_activations_are_blocks():
    kinds = [u.kind for u in units(mlp().loss)]
    assert kinds.count("block") == 1
    x = gc.input("x", ("N", 4))
    assert [u.kind for u in units(x @ x.T)] == ["input", "block", "block"]


def test_nn_layers_are_drawn_as_neurons():
    network = gc.nn.Sequential(gc.nn.Dense(6, 5), gc.nn.relu, gc.nn.Dense(5, 2))
    widths = [u.width for u in units(network(gc.input("x", ("N", 6))))]
    assert widths == [6, 5, 2]


def test_neurons_are_circles_fully_connected():
    picture = parsed(gc.draw(mlp().prediction, view="neurons").source)
    circles = [n for n, a in picture.nodes.items() if a["shape"] == "circle"]
    assert len(circles) == 4 + 3 + 2
    assert sum(t in circles and h in circles for t, h in picture.flows()) == 4 * 3 + 3 * 2


def test_wide_layers_are_cut_with_an_ellipsis_and_their_count():
    x = gc.input("x", ("N", 784))
    source = gc.draw(gc.relu(x @ gc.parameter("W", (784, 300))), view="neurons").source
    picture = parsed(source)
    assert sum(a["shape"] == "circle" for a in picture.nodes.values()) == 7 + 7
    assert len(picture.labelled("⋮")) == 2
    assert "300 neurons" in source
    assert "784 inputs" in source


@pytest.mark.parametrize("shape", [(), (2,)])
def test_a_single_neuron_shows_its_formula(shape: tuple[int, ...]):
    x, w, b = gc.input("x", shape), gc.parameter("w", shape), gc.parameter("b", ())
    y = gc.sigmoid((x @ w if shape else w * x) + b)
    source = gc.draw(y, view="neurons").source
    assert "w·x + b → σ" in source
    assert sum(a["shape"] == "circle" for a in parsed(source).nodes.values()) == (shape or (1,))[0] + 1


def test_weights_colour_and_widen_their_arrows():
    x, w = gc.input("x", (2,)), gc.parameter("w", (2,))
    picture = parsed(gc.draw(x @ w, view="neurons", values={w: np.array([3.0, -1.0])}).source)
    positive, negative = picture.between("x₁", "Σ"), picture.between("x₂", "Σ")
    assert positive["color"] != negative["color"]
    assert float(positive["penwidth"]) == pytest.approx(0.3 + 2.2)
    assert float(negative["penwidth"]) == pytest.approx(0.3 + 2.2 / 3, abs=0.01)


def test_both_zooms_and_both_directions_render():
    net = mlp()
    for view in ("operations", "layers", "neurons"):
        for direction in ("TB", "LR"):
            assert gc.draw(net.loss, view=view, direction=direction).render("svg").startswith(b"<?xml")
