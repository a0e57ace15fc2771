"""TOPICS rows 6 and 7: the computational graph factor by factor; back-propagation as one mode of several."""

from itertools import pairwise

import numpy as np
import pytest

import graphc as gc

F64 = "float64"


# -- row 6: f(x; w, b) = σ(wx + b) through h1 … h6 ---------------------------------------------------------
H = [0.0, 0.0, 0.0, 1.0, 2.0, 0.5]
FACTORS = (1.0, -0.25, 1.0, 1.0, -1.0, 1.0, 1.0)
POINT = {"x": 1.0, "w": 0.0, "b": 0.0}


def _decomposed() -> tuple[dict[str, gc.Tensor], list[gc.Tensor]]:
    x, w, b = (gc.input(name, (), F64) for name in "xwb")
    h1 = (x * w).named("h1")
    h2 = (h1 + b).named("h2")
    h3 = (h2 * -1.0).named("h3")
    h4 = gc.exp(h3).named("h4")
    h5 = (h4 + 1.0).named("h5")
    h6 = gc.reciprocal(h5).named("h6")
    return {"x": x, "w": w, "b": b}, [h1, h2, h3, h4, h5, h6]


def test_the_nodes_have_the_published_values() -> None:
    source, h = _decomposed()
    assert [float(v) for v in gc.interpret(h, {source[n]: v for n, v in POINT.items()})] == H
    assert [n.op.name for n in h] == ["multiply", "add", "multiply", "exp", "add", "reciprocal"]


def test_the_symbolic_engine_prints_the_seven_factors() -> None:
    source, h = _decomposed()
    chain = gc.symbolic.chain(h[-1], source["w"])
    values = chain.values(POINT)
    assert values.factors == FACTORS and values.gradient == 0.25
    assert [f.above for f in chain.factors[1:]] == ["h_6", "h_5", "h_4", "h_3", "h_2", "h_1"]
    assert "1 × (-0.25) × 1 × 1 × (-1) × 1 × 1" in chain.text(POINT)
    assert r"1 \cdot (-0.25) \cdot 1 \cdot 1 \cdot (-1) \cdot 1 \cdot 1" in chain.latex(POINT)


def test_the_automatic_engine_has_the_same_factors() -> None:
    source, h = _decomposed()
    at = {source[n]: v for n, v in POINT.items()}
    graphs = gc.autodiff.chain(h[-1], source["w"]).graphs
    # The book's first factor, ∂f/∂h6 = 1, only renames the last node.
    assert [float(v) for v in gc.interpret(graphs, at)] == list(FACTORS[1:])


@pytest.mark.parametrize("engine", [gc.grad, lambda y, w: gc.symbolic.grad(y, w).result])
@pytest.mark.parametrize("point", [(1.0, 0.0, 0.0), (0.7, -1.3, 0.4), (-2.0, 3.0, -5.0)])
def test_both_engines_give_the_gradient(engine, point) -> None:
    source, h = _decomposed()
    x, w, b = point
    s = 1 / (1 + np.exp(-(w * x + b)))
    found = gc.interpret(
        engine(h[-1], [source[n] for n in "xwb"]), dict(zip(source.values(), point, strict=True))
    )
    np.testing.assert_allclose(found, np.array([w, x, 1.0]) * s * (1 - s), rtol=1e-12)
    if point == (1.0, 0.0, 0.0):
        assert float(found[1]) == 0.25


def test_the_drawing_shows_the_values_on_its_edges() -> None:
    source, h = _decomposed()
    at = {source[n]: v for n, v in POINT.items()}
    values = dict(zip(h, gc.interpret(h, at), strict=True)) | at
    with_values, without = gc.draw(h[-1], values=values).source, gc.draw(h[-1]).source
    edges = [line for line in with_values.splitlines() if "->" in line]
    assert any("0.5" in line for line in edges) and any("2" in line for line in edges)
    assert not any("0.5" in line for line in without.splitlines() if "->" in line)


# -- row 7: forward and reverse mode on one graph; back-propagation is a special case -----------------------
def test_one_output_is_one_reverse_sweep_and_n_forward_ones() -> None:
    x = gc.input("x", (9,), F64)
    y = gc.sin(gc.tanh(x) * np.arange(1.0, 10.0)).sum()
    counts = gc.autodiff.sweep_counts(y, x)
    assert (counts.forward_sweeps, counts.reverse_sweeps) == (9, 1)
    assert counts.forward_operations > 3 * counts.reverse_operations
    at = {x: np.linspace(-1, 1, 9)}
    forward, reverse = gc.interpret([gc.jacobian(y, x, mode) for mode in ("forward", "reverse")], at)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12, atol=1e-12)
    t, k = np.tanh(at[x]), np.arange(1.0, 10.0)
    np.testing.assert_allclose(reverse, np.cos(t * k) * k * (1 - t**2), rtol=1e-12, atol=1e-12)


def test_one_input_is_one_forward_sweep_and_m_reverse_ones() -> None:
    x = gc.input("x", (), F64)
    powers = np.arange(1.0, 8.0)
    y = gc.exp(gc.sin(x) * powers)
    counts = gc.autodiff.sweep_counts(y, x)
    assert (counts.forward_sweeps, counts.reverse_sweeps) == (1, 7)
    assert counts.reverse_operations > 3 * counts.forward_operations
    at = {x: np.array(0.6)}
    forward, reverse = gc.interpret([gc.jacobian(y, x, mode) for mode in ("forward", "reverse")], at)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12)
    np.testing.assert_allclose(forward, np.exp(np.sin(0.6) * powers) * powers * np.cos(0.6), rtol=1e-12)


def _back_propagation(x, t, weights, biases):
    """Qiu, section 4.4: a forward pass that keeps every layer, then δ from the last layer to the first."""
    outputs = [x]
    for w, b in zip(weights, biases, strict=True):
        outputs.append(1 / (1 + np.exp(-(outputs[-1] @ w + b))))
    delta = 2 * (outputs[-1] - t) / t.size
    gradients = []
    for w, below, above in zip(reversed(weights), reversed(outputs[:-1]), reversed(outputs[1:]), strict=True):
        delta = delta * above * (1 - above)
        gradients.append((below.T @ delta, delta.sum(0)))
        delta = delta @ w.T
    return gradients[::-1]


def _three_layers():
    rng = np.random.default_rng(0)
    sizes = (4, 6, 5, 2)
    weights = [rng.standard_normal((m, n)) for m, n in pairwise(sizes)]
    biases = [rng.standard_normal(n) for n in sizes[1:]]
    data = rng.standard_normal((8, 4)), rng.random((8, 2))
    x, t = gc.input("x", ("N", 4), F64), gc.input("t", ("N", 2), F64)
    parameters, h = [], x
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        parameters += [gc.parameter(f"w{k}", value=w), gc.parameter(f"b{k}", value=b)]
        h = gc.sigmoid(h @ parameters[-2] + parameters[-1])
    return ((h - t) ** 2).mean(), (x, t), data, parameters, weights, biases


def test_back_propagation_by_hand_is_reverse_mode() -> None:
    loss, inputs, data, parameters, weights, biases = _three_layers()
    by_hand = [g for pair in _back_propagation(*data, weights, biases) for g in pair]
    for found, expected in zip(gc.compile(gc.grad(loss, parameters), inputs)(*data), by_hand, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_forward_mode_is_the_slope_along_each_direction() -> None:
    loss, inputs, data, parameters, weights, biases = _three_layers()
    directions = [np.random.default_rng(k).standard_normal(p.shape) for k, p in enumerate(parameters)]
    slope = gc.compile(gc.jvp(loss, parameters, directions), inputs)(*data)
    by_hand = [g for pair in _back_propagation(*data, weights, biases) for g in pair]
    expected = sum(float((g * d).sum()) for g, d in zip(by_hand, directions, strict=True))
    np.testing.assert_allclose(slope, expected, rtol=1e-12)
