from __future__ import annotations

import threading

import numpy as np
import pytest

from graphc import init, nn, ops
from graphc.errors import GraphError, ShapeError
from graphc.ir.origin import scope
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.runtime.interpreter import interpret

GENERATOR = np.random.default_rng(6)


def _names(parameters):
    return [p.name for p in parameters]


def test_dense_is_its_formula():
    layer = nn.Dense(4, 3, activation="tanh", dtype="float64")
    x = ops.input("x", ("N", "T", 4), "float64")
    w, b, at = (
        GENERATOR.standard_normal((4, 3)),
        GENERATOR.standard_normal(3),
        GENERATOR.standard_normal((2, 5, 4)),
    )
    (value,) = interpret([layer(x)], {x: at, layer.weight: w, layer.bias: b})
    np.testing.assert_allclose(value, np.tanh(at @ w + b))
    assert _names(layer.parameters()) == ["dense/weight", "dense/bias"]


def test_dense_without_bias_and_with_a_function():
    layer = nn.Dense(4, 3, bias=False, activation=lambda y: y * 2, name="out")
    assert layer.bias is None and _names(layer.parameters()) == ["out/weight"]
    assert layer(ops.input("x", (4,))).shape == (3,)


def test_a_layer_called_twice_shares_its_parameters():
    layer = nn.Dense(2, 2)
    x = ops.input("x", ("N", 2))
    y = layer(layer(x))
    assert [id(p) for p in nn.parameters(y)] == [id(layer.weight), id(layer.bias)]


def test_names_follow_the_path():
    with scope("net"):
        inner = nn.Sequential(nn.Dense(2, 2), nn.relu, nn.Dense(2, 2, name="out"))
        model = nn.Sequential(nn.Dense(2, 2), inner, nn.Sequential(nn.Dense(2, 2), name="head"), name="model")
    expected = ["0/weight", "0/bias", "1/0/weight", "1/0/bias", "1/out/weight", "1/out/bias"]
    expected = [f"net/model/{n}" for n in [*expected, "head/0/weight", "head/0/bias"]]
    with scope("elsewhere"):  # the scope of the first use is not the layer's
        assert _names(model.parameters()) == expected
    y = model(ops.input("x", ("N", 2)))
    assert _names(nn.parameters(y)) == expected
    assert inner[0].weight.scope == ("net", "model", "1", "0")
    assert inner[0].weight.location.filename == __file__


def test_nodes_bear_the_scope_of_the_call():
    model = nn.Sequential(nn.Dense(2, 2), nn.ReLU())
    with scope("left"):
        y = model(ops.input("x", ("N", 2)))
    assert y.scope == ("left", "1")


def test_parts_of_a_layer_of_ones_own():
    class Block(nn.Layer):
        def __init__(self, width, name=None):
            super().__init__(name)
            self.first = nn.Dense(width, width)
            self.norm = nn.LayerNorm(width, name="n")
            self.rest = [nn.Dense(width, width), nn.Dense(width, width)]
            self.declare("scale", (), init=2.0)
            self.declare("count", (), init=0.0, trainable=False)

        def forward(self, x, training):
            y = self.norm(self.first(x))
            for part in self.rest:
                y = part(y)
            return x + y * self.scale

    model = nn.Sequential(Block(3), Block(3))
    x = ops.input("x", ("N", 3))
    assert model(x).shape == x.shape
    one = ["scale", "first/weight", "first/bias", "n/weight", "n/bias",
           "rest0/weight", "rest0/bias", "rest1/weight", "rest1/bias"]  # fmt: skip
    assert _names(model.parameters()) == [f"{i}/{n}" for i in "01" for n in one]
    assert _names(model.parameters(trainable=False)) == ["0/count", "1/count"]
    assert len(model.parameters(trainable=None)) == 20
    assert {id(p) for p in nn.parameters(model(x))} == {id(p) for p in model.parameters()}
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'missing'"):
        _ = model[0].missing


def test_two_parameters_of_one_name_are_refused():
    x = ops.input("x", ("N", 2))
    y = nn.Dense(2, 2)(nn.Dense(2, 2)(x))
    with pytest.raises(GraphError, match="two parameters are called 'dense/weight'") as caught:
        nn.parameters(y)
    assert "test_layers.py" in str(caught.value) and "name=" in caught.value.remedy
    with pytest.raises(GraphError, match="two parts of Sequential are called 'a'"):
        nn.Sequential(nn.Dense(2, 2, name="a"), nn.Dense(2, 2, name="a"))


def test_a_layer_may_stand_twice_in_a_sequential():
    dense = nn.Dense(2, 2)
    model = nn.Sequential(dense, nn.Tanh(), dense)
    assert _names(model.parameters()) == ["0/weight", "0/bias"]
    assert len(nn.parameters(model(ops.input("x", ("N", 2))))) == 2


def test_slices_of_a_sequential_share_parameters():
    model = nn.Sequential(nn.Dense(2, 3), nn.ReLU(), nn.Dense(3, 4))
    head = model[:2]
    assert len(model) == 3 and len(head) == 2 and model[2] is list(model)[2]
    assert _names(head.parameters()) == ["0/weight", "0/bias"]
    assert head.parameters()[0] is model.parameters()[0]


def test_a_thousand_layers():
    model = nn.Sequential(*[nn.Dense(2, 2) for _ in range(1000)])
    y = model(ops.input("x", ("N", 2)))
    assert len(nn.parameters(y)) == len(model.parameters()) == 2000


def test_parameters_are_made_once_by_any_thread():
    for _ in range(20):
        layer, found = nn.Dense(2, 2), []
        gate = threading.Barrier(4)

        def look(layer=layer, found=found, gate=gate):
            gate.wait()
            found.append(layer.weight)

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(w) for w in found}) == 1


def test_initialisers_reach_the_parameters():
    layer = nn.Dense(3, 2, init=init.constant(2.0), bias_init=1.0)
    drawn = layer.weight.attrs["init"]((3, 2), np.dtype("float32"), np.random.default_rng(0))
    assert drawn.tolist() == [[2, 2]] * 3 and layer.bias.attrs["init"] == 1.0


def test_bilinear_is_torchs():
    torch = pytest.importorskip("torch")
    layer = nn.Bilinear(3, 4, 5, dtype="float64")
    a, b = ops.input("a", ("N", 3), "float64"), ops.input("b", ("N", 4), "float64")
    at = [GENERATOR.standard_normal(s) for s in ((6, 3), (6, 4), (5, 3, 4), (5,))]
    (value,) = interpret([layer(a, b)], {a: at[0], b: at[1], layer.weight: at[2], layer.bias: at[3]})
    np.testing.assert_allclose(
        value, torch.nn.functional.bilinear(*map(torch.tensor, at)).numpy(), rtol=1e-12
    )


def test_embedding_takes_rows_and_refuses_negatives():
    layer = nn.Embedding(4, 2)
    i = ops.input("i", ("N", 3), "int64")
    table = np.arange(8.0).reshape(4, 2)
    (value,) = interpret([layer(i)], {i: [[0, 3, 1]], layer.weight: table})
    assert value.tolist() == [[[0, 1], [6, 7], [2, 3]]]
    with pytest.raises(IndexError):
        interpret([layer(i)], {i: [[0, -1, 1]], layer.weight: table})


def test_flatten_axes():
    x = ops.input("x", ("N", 3, 4, 5))
    n = x.shape[0]
    assert nn.Flatten()(x).shape == (n, 60)
    assert nn.Flatten(2)(x).shape == (n, 3, 20)
    assert nn.Flatten(1, 2)(x).shape == (n, 12, 5)
    with pytest.raises(ShapeError, match="start_axis 3 comes after end_axis 1"):
        nn.Flatten(3, 1)(x)


@pytest.mark.parametrize(
    "layer, function",
    [
        (nn.ReLU(), nn.relu), (nn.Sigmoid(), nn.sigmoid), (nn.Tanh(), nn.tanh),
        (nn.LeakyReLU(0.3), lambda x: nn.leaky_relu(x, 0.3)), (nn.ELU(alpha=0.5), lambda x: nn.elu(x, 0.5)),
        (nn.GELU(approximate="tanh"), lambda x: nn.gelu(x, "tanh")),
        (nn.Softmax(axis=0), lambda x: nn.softmax(x, 0)),
        (nn.Maxout(2), lambda x: nn.maxout(x, 2)), (nn.Identity(), lambda x: x * 1.0),
    ],
)  # fmt: skip
def test_activation_layers_are_their_functions(layer, function):
    x = ops.input("x", (3, 4), "float64")
    ours, theirs = interpret([layer(x), function(x)], {x: GENERATOR.standard_normal((3, 4))})
    assert (ours == theirs).all()
    assert layer.parameters() == []


def test_prelu_layer():
    layer = nn.PReLU(3)
    x = ops.input("x", ("N", 3))
    (value,) = interpret([layer(x)], {x: [[-4, 4, -8]], layer.weight: [0.25, 9, 0.5]})
    assert value.tolist() == [[-1, 4, -4]] and _names(layer.parameters()) == ["prelu/weight"]


def test_training_reaches_every_part():
    x = ops.input("x", ("N", 4))
    model = nn.Sequential(nn.Sequential(nn.Dropout(0.5)), nn.Dropout(0.5))

    def draws(y: Tensor) -> int:
        return sum(n.op.family == "random" for n in topological_order([y]))

    assert draws(model(x, training=True)) == 2 and draws(model(x)) == 0


def test_errors():
    x = ops.input("x", ("N", 5))
    with pytest.raises(ShapeError, match=r"x has shape \(N, 5\), where axis -1 of size 4") as caught:
        nn.Dense(4, 3, name="first")(x)
    assert "first" in str(caught.value)
    with pytest.raises(GraphError, match="no activation of one argument is called 'rulu'"):
        nn.Dense(4, 3, activation="rulu")
    with pytest.raises(GraphError, match="no activation of one argument is called 'maxout'"):
        nn.Dense(4, 3, activation="maxout")
    with pytest.raises(GraphError, match=r"step 0 is .*neither a layer nor a function"):
        nn.Sequential([nn.Dense(4, 3)])
    with pytest.raises(GraphError, match="a tensor is needed, but list"):
        nn.parameters([x])
    with pytest.raises(NotImplementedError, match="Layer states no forward"):
        nn.Layer()(x)
    outer = nn.Sequential()
    inner = nn.Sequential(outer)
    with pytest.raises(GraphError, match="part of itself"):
        outer.add("loop", inner)
