"""The generated source as people read it: snapshots, each also executed against the interpreter."""

import linecache
import re
import traceback

import numpy as np
import pytest

import graphc as gc
from graphc.bench.peers.own import declared
from graphc.bench.workloads import WORKLOADS

F32 = np.float32


def _normalised(source: str) -> str:
    return re.sub(r"test_source\.py:\d+", "test_source.py:LINE", source)


def test_a_training_step(snapshot) -> None:
    x, t = gc.input("x", ("N", 4)), gc.input("t", ("N",), "int64")
    h = gc.nn.relu(gc.nn.Dense(4, 8, name="hidden")(x))
    loss = gc.nn.cross_entropy(gc.nn.Dense(8, 3, name="output")(h), t, ignore_index=None)
    updates = gc.optim.SGD(0.1).updates(loss, gc.parameters(loss))
    step = gc.compile(loss, [x, t], updates=updates)
    assert _normalised(step.source) == snapshot
    a, labels = np.random.default_rng(0).standard_normal((5, 4)).astype(F32), np.array([0, 1, 2, 1, 0])
    old = step.params.copy()
    nodes = {p: old[p.name] for p in updates}
    expected = gc.interpret([loss, *updates.values()], {x: a, t: labels} | nodes)
    np.testing.assert_allclose(step(a, labels), expected[0], rtol=1e-6)
    for parameter, value in zip(updates, expected[1:], strict=True):
        np.testing.assert_allclose(step.params[parameter.name], value, rtol=1e-5, atol=1e-7)


def test_the_step_of_a_lenet_is_short(snapshot) -> None:
    """Value, gradients and new parameters, as the benchmark has them: lines of the file, blank ones too."""
    work = WORKLOADS["lenet"]
    f = gc.compile(*declared(work, work.data(False), work.rate))
    assert re.sub(r"[\w/]+\.py:\d+", "FILE:LINE", f.source) == snapshot
    assert len(f.source.splitlines()) < 400


def test_the_step_of_a_lenet_tells_its_layers() -> None:
    x, label = gc.input("x", (64, 1, 28, 28)), gc.input("label", (64, 10))
    names = ("conv1", "pool1", "conv2", "pool2", "hidden", "output")
    h = gc.nn.MaxPool2d(2, name="pool1")(gc.nn.relu(gc.nn.Conv2d(1, 32, 5, name="conv1")(x)))
    h = gc.nn.MaxPool2d(2, name="pool2")(gc.nn.relu(gc.nn.Conv2d(32, 64, 5, name="conv2")(h)))
    h = gc.nn.relu(gc.nn.Dense(1024, 128, name="hidden")(h.reshape((64, 1024))))
    loss = -(label * gc.log_softmax(gc.nn.Dense(128, 10, name="output")(h), axis=1)).sum() / 64
    step = gc.compile(loss, [x, label], updates=gc.optim.SGD(0.1).updates(loss, gc.parameters(loss)))
    lines = step.source.splitlines()
    headings = [line.strip(" #").split(" | ") for line in lines if line.strip().startswith("# ")]
    forward = [parts[0] for parts in headings if parts[0] in names and "backward" not in parts]
    # The layers stand in their order, but for what is made of filters before the tiles.
    assert tuple(dict.fromkeys(forward[forward.index("conv1") :])) == names
    assert {parts[0] for parts in headings if "backward" in parts} >= {"conv1", "conv2", "hidden", "output"}


def test_a_neuron(snapshot) -> None:
    x, w, b = (gc.input(name, (), "float64") for name in "xwb")
    y = gc.sigmoid(w * x + b).named("y")
    f = gc.compile([y, *gc.grad(y, [w, b])], [x, w, b])
    assert f.source == snapshot
    s = 1 / (1 + np.exp(-0.2))
    np.testing.assert_allclose(f(0.5, 0.6, -0.1), [s, s * (1 - s) * 0.5, s * (1 - s)], rtol=1e-14)


def test_an_attention_head(snapshot) -> None:
    q, k, v = (gc.input(name, (n, 8)) for name, n in zip("qkv", ("N", "M", "M"), strict=True))
    y = gc.softmax(q @ k.T / 8**0.5, axis=1) @ v
    f = gc.compile(y, [q, k, v])
    assert _normalised(f.source) == snapshot
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal((n, 8)).astype(F32) for n in (3, 5, 5))
    weights = np.exp(a @ b.T / np.sqrt(8))
    np.testing.assert_allclose(f(a, b, c), weights / weights.sum(1, keepdims=True) @ c, rtol=1e-5)


def test_a_traceback_shows_the_generated_line() -> None:
    x, i = gc.input("x", (5, 2)), gc.input("i", ("N",), "int64")
    f = gc.compile(gc.take(x, i, axis=0), [x, i])
    with pytest.raises(IndexError, match=r"outside \[-5, 5\)") as caught:
        f(np.zeros((5, 2), F32), np.array([1, 7]))
    text = "".join(traceback.format_exception(caught.value))
    assert "<graphc compute" in text and "check_index(" in text and "test_source.py" in text
    assert any(name.startswith("<graphc compute") for name in linecache.cache)


def test_a_hundred_thousand_nodes_compile_and_run() -> None:
    x = gc.input("x", ("N",), "float64")
    y = x
    for k in range(50_000):
        y = (gc.sin(y) if k % 2 else gc.tanh(y)) * 0.999
    f = gc.compile(y.sum(), [x])
    value = np.array([0.3, -0.7])
    expected = value
    for k in range(50_000):
        expected = (np.sin(expected) if k % 2 else np.tanh(expected)) * 0.999
    np.testing.assert_allclose(f(value), expected.sum(), rtol=1e-9)


def test_a_network_of_hundreds_of_layers_builds_differentiates_compiles_and_draws() -> None:
    x = gc.input("x", ("N", 4))
    layers = [gc.nn.Dense(4, 4, activation="relu", init=gc.init.orthogonal()) for _ in range(300)]
    loss = (gc.nn.Sequential(*layers)(x) ** 2).mean()
    parameters = gc.parameters(loss)
    assert len(parameters) == 600
    updates = gc.optim.SGD(1e-3).updates(loss, parameters)
    step = gc.compile(loss, [x], updates=updates)
    assert np.isfinite(step(np.ones((3, 4), F32)))
    source = gc.draw([loss, *gc.grad(loss, parameters)]).source
    assert source.count("subgraph") >= 300
