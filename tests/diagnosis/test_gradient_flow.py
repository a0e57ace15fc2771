"""The diagnosis against norms and slopes computed with NumPy alone, and what it does with odd networks."""

import json
import sys

import numpy as np
import pytest

import graphc as gc

F64 = "float64"
X = np.random.default_rng(0).standard_normal((8, 4))


def _two_layers() -> tuple[gc.Tensor, gc.Tensor, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((4, 3)), rng.standard_normal((3, 2))
    x = gc.input("x", ("N", 4), F64)
    with gc.scope("first"):
        h = gc.sigmoid(x @ gc.parameter("w", value=a) + gc.parameter("b", value=np.zeros(3)))
    with gc.scope("second"):
        y = h @ gc.parameter("w", value=b)
    return (y**2).sum(), x, a, b


def test_norms_and_slopes_are_those_of_numpy() -> None:
    loss, x, a, b = _two_layers()
    h = 1 / (1 + np.exp(-(X @ a)))
    above = 2 * h @ b
    below = above @ b.T
    delta = below * h * (1 - h)
    first, second = gc.diagnosis.gradient_flow(loss, {x: X}, probes=400).layers
    expected = {"first/w": X.T @ delta, "first/b": delta.sum(0), "second/w": h.T @ above}
    for name, norm in {**first.parameters, **second.parameters}.items():
        np.testing.assert_allclose(norm, np.linalg.norm(expected[name]), rtol=1e-12)
    np.testing.assert_allclose([first.output, second.output], [*map(np.linalg.norm, (below, above))])
    np.testing.assert_allclose(first.slope, (h * (1 - h)).mean(), rtol=1e-12)
    assert first.jacobian is None and second.slope is None
    # The Jacobian of a batch of rows: one block b a row.
    np.testing.assert_allclose(second.jacobian, np.sqrt(len(X)) * np.linalg.norm(b), rtol=0.05)


def test_parameters_given_are_used_and_left_alone() -> None:
    loss, x, _, _ = _two_layers()
    step = gc.compile(loss, [x], updates=gc.optim.Adam(0.1).updates(loss, gc.parameters(loss)))
    before = gc.diagnosis.gradient_flow(loss, {"x": X}, step.params)
    for _ in range(30):
        step(X)
    held = step.params.copy()
    after = gc.diagnosis.gradient_flow(loss, {"x": X}, step.params)
    assert after.layers[1].output < before.layers[1].output
    assert all(np.array_equal(held[name], value) for name, value in step.params.items())


def test_parallel_layers_have_no_jacobian_by_each_other() -> None:
    x = gc.input("x", ("N", 4), F64)
    left, right = (gc.nn.Dense(4, 4, activation="tanh", name=n, dtype=F64)(x) for n in ("left", "right"))
    loss = (gc.nn.Dense(4, 1, name="top", dtype=F64)(left + right) ** 2).mean()
    flow = gc.diagnosis.gradient_flow(loss, {"x": X})
    assert [layer.jacobian is None for layer in flow.layers] == [True, True, False]
    assert "—" in flow.table()


def test_the_figures_are_plain_data() -> None:
    loss, x, _, _ = _two_layers()
    flow = gc.diagnosis.gradient_flow(loss, {x: X})
    data = json.loads(json.dumps(flow.to_dict()))
    assert [layer["name"] for layer in data["layers"]] == ["first", "second"]
    largest = [max(layer["parameters"].values()) for layer in data["layers"]]
    assert data["ratio"] == flow.ratio == largest[0] / largest[1]


@pytest.mark.parametrize(
    ("at", "message"),
    [({}, "no value is given for the input 'x'"), ({"x": X, "z": 1}, "'z', which the loss does not read")],
)
def test_values_must_fit_the_inputs(at, message) -> None:
    with pytest.raises(gc.GraphError, match=message):
        gc.diagnosis.gradient_flow(_two_layers()[0], at)


def test_what_cannot_be_diagnosed_is_said() -> None:
    loss, x, _, _ = _two_layers()
    with pytest.raises(gc.GraphError, match="no trainable parameters"):
        gc.diagnosis.gradient_flow(x.sum(), {x: X})
    with pytest.raises(gc.GraphError, match="probes is 0"):
        gc.diagnosis.gradient_flow(loss, {x: X}, probes=0)
    with pytest.raises(gc.ShapeError, match="0-dimensional"):
        gc.diagnosis.gradient_flow(loss + x, {x: X})


def test_a_plot_without_matplotlib_names_the_remedy(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    loss, x, _, _ = _two_layers()
    with pytest.raises(gc.UnsupportedError, match=r"graphc\[plot\]"):
        gc.diagnosis.gradient_flow(loss, {x: X}).plot(tmp_path / "flow.png")
