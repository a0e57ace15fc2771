"""The product of Jacobians: on tensors its factors' values multiply to the gradient of both engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphError, ShapeError, UnsupportedError
from graphc.symbolic import JacobianChain, ScalarChain, chain
from graphc.symbolic.notation import text

F64 = "float64"
Values = dict[gc.Tensor, Any]


def network() -> tuple[gc.Tensor, dict[str, gc.Tensor], list[gc.Tensor], Values]:
    """Three layers and a loss on a batch of 5: the loss, the sources, the layers, values."""
    shapes = {
        "x": (5, 3), "t": (5, 2), "W_1": (3, 4), "b_1": (4,), "W_2": (4, 4), "b_2": (4,), "W_3": (4, 2)
    }  # fmt: skip
    source = {n: gc.input(n, s, F64) for n, s in shapes.items()}
    one = gc.tanh(source["x"] @ source["W_1"] + source["b_1"])
    two = gc.sigmoid(one @ source["W_2"] + source["b_2"])
    three = two @ source["W_3"]
    loss = gc.nn.cross_entropy(three, gc.softmax(source["t"])).named("L")
    rng = np.random.default_rng(3)
    return loss, source, [one, two, three], {t: rng.normal(size=t.shape) for t in source.values()}


def assert_product(found: JacobianChain, at: Mapping[gc.Tensor, Any], tolerance: float = 1e-12) -> None:
    """The product of the factors is the derivative by reverse mode; each factor that by its link."""
    values = found.values(at)
    product = np.linalg.multi_dot(values.factors) if len(values.factors) > 1 else values.factors[0]
    (expected,) = gc.interpret([gc.jacobian(found.y, found.wrt)], at)
    assert values.gradient.shape == expected.shape
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(values.gradient, expected, rtol=0, atol=tolerance * scale)
    np.testing.assert_allclose(product.reshape(expected.shape), expected, rtol=0, atol=tolerance * scale)
    for factor, value in zip(found.factors, values.factors, strict=True):
        (link,) = gc.interpret([gc.jacobian(factor.above, factor.below)], at)
        np.testing.assert_allclose(value, link.reshape(value.shape), rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("name", ["x", "W_1", "b_1", "W_2", "W_3"])
@pytest.mark.parametrize("by_layers", [False, True])
def test_the_product_is_the_gradient_of_a_network(name: str, by_layers: bool) -> None:
    loss, source, layers, at = network()
    wrt = source[name]
    reached = {"W_2": 1, "W_3": 2}.get(name, 0)
    found = chain(loss, wrt, through=layers[reached:] if by_layers else None)
    assert isinstance(found, JacobianChain)
    if by_layers:
        assert len(found.factors) == 4 - reached
    assert_product(found, at)
    (gradient,) = gc.interpret([gc.grad(loss, wrt)], at)
    np.testing.assert_allclose(found.values(at).gradient, gradient, rtol=1e-12, atol=1e-14)


GRAPHS: dict[str, tuple[Callable[[gc.Tensor], gc.Tensor], tuple[int, ...], int]] = {
    # the graph, the shape of x, how many factors
    "five functions": (lambda x: gc.sum(gc.square(gc.exp(gc.sin(gc.tanh(x))))), (4,), 5),
    "a branch is one factor": (lambda x: gc.sum(gc.tanh(gc.sin(x) * gc.cos(x))), (3,), 3),
    "a residual": (lambda x: gc.exp(gc.tanh(x) + x), (2, 2), 2),
    "a branch between links": (lambda x: gc.sum(gc.exp(gc.tanh(x)) + gc.tanh(x)), (3,), 2),
    "softmax": (lambda x: gc.log(gc.softmax(x * 2.0)), (2, 3), 3),
    "views": (lambda x: gc.sum(gc.square(x.reshape(3, 2).T[1:]), axis=0), (2, 3), 5),
    "no elements": (lambda x: gc.sum(gc.exp(x[:0])), (3,), 3),
    "one element": (lambda x: gc.exp(gc.tanh(x)), (1, 1), 2),
    "a convolution": (
        lambda x: gc.max(gc.nn.conv1d(x, np.arange(6.0).reshape(1, 2, 3)) ** 2),
        (1, 2, 5),
        3,
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_the_product_is_the_derivative(name: str) -> None:
    build, shape, count = GRAPHS[name]
    x = gc.input("x", shape, F64)
    found = chain(build(x), x)
    assert isinstance(found, JacobianChain)
    assert_product(found, {x: np.random.default_rng(5).normal(size=shape)})
    if count:
        assert len(found.factors) == count, found.text()


def test_scalars_that_branch_are_collapsed_between_what_all_paths_pass() -> None:
    x = gc.input("x", (), F64)
    s = gc.sin(x)
    found = chain(gc.exp(s * gc.cos(s)), x)
    assert isinstance(found, JacobianChain)
    assert [text(f.formula) for f in found.factors] == [
        "∂f/∂h_2 = f",
        "∂h_2/∂h_1 = cos(h_1) − h_1 sin(h_1)",
        "∂h_1/∂x = cos(x)",
    ]
    assert isinstance(chain(gc.exp(s), x), ScalarChain)
    assert_product(found, {x: 0.7})


def test_symbolic_sizes_are_those_of_the_values() -> None:
    x, w = gc.input("x", ("N", 3), F64), gc.input("w", (3,), F64)
    y = gc.mean(gc.square(gc.tanh(x @ w))).named("y")
    found = chain(y, w)
    assert isinstance(found, JacobianChain)
    assert text(found.factors[0].formula) == "(∂y/∂h_3)[n] = 1 / N"
    rng = np.random.default_rng(0)
    for size in (1, 4):
        assert_product(found, {x: rng.normal(size=(size, 3)), w: rng.normal(size=3)})
    with pytest.raises(ShapeError, match="'x' is declared"):
        found.values({x: np.ones((2, 4)), w: np.ones(3)})


def sorted_factors(line: str) -> tuple[str, list[str]]:
    """The sides of a product: which factor stands first is no one's business here."""
    left, right = line.split("   ")[0].split(" = ")
    return left, sorted(right.replace(" − ", "−").split())


def test_text_and_latex_show_each_factor_with_shape_and_value() -> None:
    loss, source, layers, at = network()
    found = chain(loss, source["W_1"], through=layers)
    assert isinstance(found, JacobianChain)
    lines = found.text(at).splitlines()
    assert lines[4] == "∂L/∂W_1 = ∂L/∂h_3 · ∂h_3/∂h_2 · ∂h_2/∂h_1 · ∂h_1/∂W_1"
    head = [line for line in lines if "×" in line]
    assert [sorted_factors(line) for line in head[1:]] == [
        ("(∂h_3/∂h_2)[i,j,k,l]", ["W_3[l,j]", "δ[i,k]"]),
        ("(∂h_2/∂h_1)[i,j,k,l]", ["(1−h_2[i,j])", "W_2[l,j]", "h_2[i,j]", "δ[i,k]"]),
        ("(∂h_1/∂W_1)[i,j,k,l]", ["(1−h_1[i,j]²)", "x[i,k]", "δ[j,l]"]),
    ]
    shapes = [line.rsplit("  ", 1)[1].strip() for line in head]
    assert shapes == ["() × (5, 2)", "(5, 2) × (5, 4)", "(5, 4) × (5, 4)", "(5, 4) × (3, 4)"]
    latex = found.latex(at)
    assert latex.startswith("\\[\n\\begin{aligned}\n") and latex.endswith("\n\\end{aligned}\n\\]")
    assert latex.count(r"\left[20 \times 20\right]") == 2  # the factor by itself and in the product
    assert latex.count("{") == latex.count("}")
    assert found.text().splitlines() == [line for line in lines if not line.startswith("  ")][:-1]


def test_the_matrix_notation_of_a_factor() -> None:
    x, w = gc.input("x", (3,), F64), gc.input("W", (2, 3), F64)
    found = chain(gc.sum(gc.tanh(w @ x)).named("L"), x)
    assert isinstance(found, JacobianChain)
    assert text(found.factors[-1].matrix) == "∂h_1/∂x = W"


def test_names_of_nodes_are_the_users_and_tell_two_apart() -> None:
    x = gc.input("h_1", (2,), F64)
    found = chain(gc.sum(gc.exp(gc.tanh(x).named("block/z"))), x)
    assert isinstance(found, JacobianChain)
    values = found.values({"h_1": [0.1, 0.2]})
    assert len(values.nodes) == 4 and "h_1" in values.nodes and "f" in values.nodes
    np.testing.assert_allclose(values.nodes["h_1"], [0.1, 0.2])


def test_a_chain_of_a_thousand_links() -> None:
    x = gc.input("x", (2,), F64)
    y = x
    for k in range(1000):
        y = gc.sin(y) if k % 2 else y * 1.01
    found = chain(y, x)
    assert isinstance(found, JacobianChain) and len(found.factors) == 1000
    at = {x: np.array([0.4, -1.1])}
    slope = np.array([1.0, 1.0])
    h = at[x]
    for k in range(1000):
        slope, h = (slope * np.cos(h), np.sin(h)) if k % 2 else (slope * 1.01, h * 1.01)
    np.testing.assert_allclose(found.values(at).gradient, np.diag(slope), rtol=1e-12, atol=0)
    assert found.text().count("\n") == 2000


def test_where_there_is_no_chain_the_error_says_why() -> None:
    x, z = gc.input("x", (3,), F64), gc.input("z", (3,), F64)
    y = gc.exp(x) + gc.sin(x)
    with pytest.raises(UnsupportedError, match=r"several paths lead from .*x.* meet here"):
        chain(y, x)
    with pytest.raises(GraphError, match="no chain leads"):
        chain(y, z)
    with pytest.raises(GraphError, match="no chain leads"):
        chain(y, y)
    with pytest.raises(UnsupportedError, match="0 by convention"):
        chain(gc.sum(gc.floor(x)), x)
    with pytest.raises(GraphError, match="does not lie on every path"):
        chain(gc.sum(y), x, through=[gc.exp(x)])
    with pytest.raises(GraphError, match="no value is given for 'x'"):
        chain(gc.sum(y), x).values({})


def test_a_value_that_is_too_large_is_refused() -> None:
    x = gc.input("x", ("N",), F64)
    found = chain(gc.sum(gc.exp(gc.tanh(x))), x)
    with pytest.raises(GraphError, match="5000 × 5000 elements"):
        found.values({x: np.zeros(5000)})
