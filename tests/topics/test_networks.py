"""TOPICS rows 1 to 5, 8 and 9: neurons, networks, approximation, composition, non-convexity, vanishing."""

import re

import numpy as np
import pytest

import graphc as gc

F64 = "float64"


# -- row 1: a neuron: activation rule, topology, learning algorithm ------------------------------------
def _neuron(features: int = 2) -> tuple[gc.Tensor, gc.Tensor, gc.Tensor]:
    x = gc.input("x", ("N", features))
    y = gc.nn.Dense(features, 1, activation="sigmoid", name="neuron")(x)
    return x, y, gc.input("t", ("N", 1))


def test_a_neuron_learns_a_linearly_separable_set() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((300, 2)).astype(np.float32)
    margin = points @ [2.0, -1.0] + 0.3
    keep = np.abs(margin) > 0.2
    points, label = points[keep], (margin[keep] > 0).astype(np.float32)[:, None]
    x, y, t = _neuron()
    loss = gc.nn.binary_cross_entropy(y, t)
    step = gc.compile(loss, [x, t], updates=gc.optim.SGD(2.0).updates(loss, gc.parameters(loss)))
    losses = [float(step(points, label)) for _ in range(500)]
    assert losses[-1] < losses[0] / 5
    predict = gc.compile(y, [x], params=step.params)
    np.testing.assert_array_equal(predict(points) > 0.5, label > 0.5)
    w = step.params["neuron/weight"][:, 0]
    assert w @ [2.0, -1.0] / np.linalg.norm(w) / np.sqrt(5) > 0.98, "the normal of the line is found"


def test_the_drawing_of_a_neuron_shows_its_formula() -> None:
    _, y, _ = _neuron()
    operations = gc.draw(y).source
    assert all(symbol in operations for symbol in ("@", "+", "σ", "weight", "bias"))
    neurons = gc.draw(y, view="neurons").source
    assert "weight·x + bias → σ" in neurons and neurons.count("->") >= 2


# -- rows 2 and 3: networks; layers, one direction, no feedback ------------------------------------------
def _network() -> gc.Tensor:
    x = gc.input("x", ("N", 3))
    hidden = gc.nn.Dense(3, 4, activation="tanh", name="hidden")(x)
    return gc.nn.Dense(4, 2, name="output")(hidden)


def test_both_pictures_come_from_one_declaration() -> None:
    y = _network()
    neurons, operations = gc.draw(y, view="neurons"), gc.draw(y, view="operations")
    assert neurons.render("svg").lstrip().startswith(b"<") and operations.render("png")[:4] == b"\x89PNG"
    assert neurons.source.count("->") >= 3 * 4 + 4 * 2
    assert "@" in operations.source


def test_the_drawing_clusters_by_layer() -> None:
    source = gc.draw(_network()).source
    assert source.count("subgraph") == 2 and "hidden" in source and "output" in source


def test_a_cycle_cannot_be_built() -> None:
    y = _network()
    with pytest.raises(AttributeError, match="immutable"):
        y.inputs = (y,)
    with pytest.raises(TypeError):
        y.inputs[0] = y  # type: ignore[index]
    position = {n: k for k, n in enumerate(gc.to_networkx(y).nodes)}
    assert all(position[a] < position[b] for a, b, _ in gc.to_networkx(y).edges)


# -- row 4: universal approximation ------------------------------------------------------------------------
def _grid(dimension: int, count: int) -> np.ndarray:
    grid = np.linspace(-1, 1, count)
    return grid[:, None] if dimension == 1 else np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)


def _fit_by_hidden_layer(target, dimension: int, width: int, seed: int = 0) -> float:
    """The sup-norm error, over the range, of a linear output over one squashing hidden layer.

    The hidden weights are drawn once, the output layer solves least squares: the best linear
    combination that the hidden units allow. The network is graphc's; the solve is NumPy's. The error is
    measured on a finer grid than the one that is solved on.
    """
    rng = np.random.default_rng(seed)
    coarse, fine = (_grid(dimension, n) for n in ((401, 2001) if dimension == 1 else (33, 97)))
    values = target(*coarse.T)
    scale = 8.0 if dimension == 1 else 2.5
    direction = rng.standard_normal((dimension, width))
    direction *= scale * rng.uniform(0.3, 1, width) / np.linalg.norm(direction, axis=0)
    offset = -(rng.uniform(-1, 1, (width, dimension)) * direction.T).sum(1)
    x = gc.input("x", ("N", dimension), F64)
    w, b = gc.parameter("w", value=direction), gc.parameter("b", value=offset)
    v, c = gc.parameter("v", (width,), dtype=F64), gc.parameter("c", (), dtype=F64)
    hidden = gc.sigmoid(x @ w + b)
    features = gc.compile(hidden, [x])
    table = np.column_stack([features(coarse), np.ones(len(coarse))])
    solution, *_ = np.linalg.lstsq(table, values, rcond=1e-12)
    network = gc.compile(hidden @ v + c, [x], params=features.params)
    network.params["v"], network.params["c"] = solution[:-1], solution[-1]
    expected = target(*fine.T)
    return float(np.abs(network(fine) - expected).max() / np.ptp(expected))


FUNCTIONS = {
    "wave": (lambda x: np.sin(3 * np.pi * x), 1),
    "corner": (lambda x: np.abs(x) + 0.3 * x, 1),
    "bump": (lambda x: np.exp(-20 * (x - 0.2) ** 2) + 0.5 * np.cos(5 * x), 1),
    "surface": (lambda x, y: np.sin(3 * x) * np.cos(2 * y) + 0.5 * x * y, 2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_error_falls_with_the_width(name: str) -> None:
    target, dimension = FUNCTIONS[name]
    # The best of three draws of the hidden weights: a stand-in for training them.
    errors = [
        min(_fit_by_hidden_layer(target, dimension, width, seed) for seed in range(3))
        for width in (4, 16, 64, 256)
    ]
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[3] < 0.01


# -- row 5: a model is a composition, its gradient a product of Jacobians -----------------------------------
def test_the_gradient_of_a_composition_is_the_product_of_the_printed_factors() -> None:
    x = gc.input("x", (4,), F64)
    rng = np.random.default_rng(0)
    h = x
    for k, size in enumerate((5, 3, 4, 2), 1):
        w = gc.constant(rng.standard_normal((size, h.shape[0])))
        h = gc.tanh(w @ h).named(f"h{k}")
    loss = ((h - 0.5) ** 2).sum().named("L")
    chain = gc.autodiff.chain(loss, x)
    text = chain.text()
    assert text.splitlines()[0].startswith("∂L/∂x = ∂L/∂") and "∂h1/∂x" in text and "(5,) × (4,)" in text
    assert r"\frac{\partial L}{\partial x}" in chain.latex()
    at = {x: rng.standard_normal(4)}
    *factors, expected = gc.interpret([*chain.graphs, gc.grad(loss, x)], at)
    product = factors[0]
    for factor in factors[1:]:
        product = product @ factor
    np.testing.assert_allclose(product, expected, rtol=1e-12)
    # The factors as they are printed, read back from the text, multiply to the gradient too.
    printed = np.eye(1)
    for block in re.split(r"\n  ∂", chain.text(factors))[1:]:
        shape = [
            int(np.prod([int(n) for n in re.findall(r"\d+", part)]))
            for part in re.findall(r"\([\d, ]*\)", block.split("\n")[0])
        ]
        numbers = re.findall(r"-?\d+\.?\d*(?:e[-+]?\d+)?", " ".join(block.split("\n")[1:]))
        printed = printed @ np.array(numbers, float).reshape(shape)
    np.testing.assert_allclose(printed[0], expected, rtol=2e-4)
    assert chain.latex(factors).count("pmatrix") == 2 * len(factors)
    with pytest.raises(gc.DifferentiationError, match="values are given for"):
        chain.text(factors[1:])
    step = 1e-6
    for k in range(4):
        moved = [gc.interpret([loss], {x: at[x] + s * step * np.eye(4)[k]})[0] for s in (1, -1)]
        np.testing.assert_allclose(product[k], (moved[0] - moved[1]) / (2 * step), rtol=1e-6, atol=1e-9)


# -- row 8: optimisation is non-convex ---------------------------------------------------------------------
def test_a_saddle_of_two_sigmoids_is_found_and_classified() -> None:
    """L(w1, w2) = (1 − σ(w2 σ(w1)))²: at a point of [−10, 10]² the Hessian has eigenvalues of both signs."""
    w = gc.input("w", (2,), F64)
    loss = (1 - gc.sigmoid(w[1] * gc.sigmoid(w[0]))) ** 2
    f = gc.compile({"loss": loss, "gradient": gc.grad(loss, w), "hessian": gc.hessian(loss, w)}, [w])
    sigma = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    signs = set()
    for w1 in np.linspace(-10, 10, 21):
        for w2 in np.linspace(-10, 10, 21):
            result = f(np.array([w1, w2]))
            np.testing.assert_allclose(result["loss"], (1 - sigma(w2 * sigma(w1))) ** 2, rtol=1e-10)
            low, high = np.linalg.eigvalsh(result["hessian"])
            signs.add((bool(low < -1e-6), bool(high > 1e-6)))
    assert (True, True) in signs, "indefinite: the surface is not convex"
    point, h = np.array([0.7, -1.3]), 1e-5
    numeric = [(f(point + h * e)["gradient"] - f(point - h * e)["gradient"]) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(f(point)["hessian"], numeric, rtol=1e-6, atol=1e-10)


def test_with_one_sample_there_is_no_critical_point() -> None:
    """∂L/∂w2 = −2(1 − s)²s·σ(w1) < 0 at x = 1, y* = 1: the surface only falls off, towards w2 → ∞."""
    w = gc.input("w", (2,), F64)
    loss = (1 - gc.sigmoid(w[1] * gc.sigmoid(w[0]))) ** 2
    slope = gc.compile(gc.grad(loss, w)[1], [w])
    grid = np.linspace(-10, 10, 41)
    assert max(float(slope(np.array([w1, w2]))) for w1 in grid for w2 in grid) < 0


def test_with_two_samples_a_critical_point_is_a_saddle() -> None:
    """L = ½Σ(σ(w2 σ(w1 x)) − y*)², x = ±1, y* = 1, 0: Newton's method ends at the origin.

    There σ(w1 x) = ½ and σ(w2 …) = ½, so by hand ∂²L/∂w1² = 0, ∂²L/∂w1∂w2 = −1/16, ∂²L/∂w2² = 1/32.
    """
    w, x, t = gc.input("w", (2,), F64), gc.input("x", ("N",), F64), gc.input("t", ("N",), F64)
    loss = ((gc.sigmoid(w[1] * gc.sigmoid(w[0] * x)) - t) ** 2).mean()
    f = gc.compile((gc.grad(loss, w), gc.hessian(loss, w)), [w, x, t])
    data = np.array([1.0, -1.0]), np.array([1.0, 0.0])
    point = np.array([0.4, -0.3])
    for _ in range(20):
        gradient, hessian = f(point, *data)
        point = point - np.linalg.solve(hessian, gradient)
    gradient, hessian = f(point, *data)
    np.testing.assert_allclose([point, gradient], np.zeros((2, 2)), atol=1e-12)
    np.testing.assert_allclose(hessian, [[0, -1 / 16], [-1 / 16, 1 / 32]], atol=1e-12)
    low, high = np.linalg.eigvalsh(hessian)
    np.testing.assert_allclose([low, high], (1 / 64) * np.array([1 - 17**0.5, 1 + 17**0.5]), rtol=1e-9)
    assert low < 0 < high


# -- row 9: vanishing gradients ----------------------------------------------------------------------------
def _deep(activation: str, init) -> gc.diagnosis.GradientFlow:
    x, t = gc.input("x", ("N", 32)), gc.input("t", ("N", 32))
    layers = [gc.nn.Dense(32, 32, activation=activation, init=init) for _ in range(20)]
    loss = gc.nn.mse_loss(gc.nn.Sequential(*layers)(x), t)
    rng = np.random.default_rng(0)
    at = {"x": rng.standard_normal((64, 32)).astype(np.float32), t: rng.random((64, 32)).astype(np.float32)}
    return gc.diagnosis.gradient_flow(loss, at)


def test_gradients_vanish_through_sigmoids_and_not_through_relus() -> None:
    sigmoid, relu = _deep("sigmoid", gc.init.glorot_uniform()), _deep("relu", gc.init.he_normal())
    assert len(sigmoid.layers) == 20
    assert sigmoid.ratio < 1e-6
    assert relu.ratio > 1e-2
    # σ' ≤ 1/4: each Jacobian of a sigmoid layer is a quarter of its weights' norm at most.
    assert all(layer.jacobian < 0.25 * 64 * np.sqrt(32) for layer in sigmoid.layers[1:])
    assert "first layer / last layer" in sigmoid.table() and "19/weight" in sigmoid.table()


def test_the_diagnosis_is_plotted(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    flow = _deep("sigmoid", gc.init.glorot_uniform())
    flow.plot(tmp_path / "flow.png")
    assert (tmp_path / "flow.png").read_bytes()[:4] == b"\x89PNG"


def test_a_jacobian_norm_is_the_jacobians() -> None:
    x = gc.input("x", (3,), F64)
    with gc.scope("a"):
        h = gc.parameter("w", value=np.diag([1.0, 2.0, 3.0])) @ x
    with gc.scope("b"):
        weight = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 5.0]])
        y = gc.parameter("w", value=weight) @ h
    flow = gc.diagnosis.gradient_flow(y.sum(), {x: np.ones(3)}, probes=400)
    np.testing.assert_allclose(flow.layers[1].jacobian, np.linalg.norm(weight), rtol=0.1)
    np.testing.assert_allclose(flow.layers[0].output, np.linalg.norm(weight.sum(0)), rtol=1e-6)
