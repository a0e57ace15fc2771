"""The symbolic gradient of small graphs of every family equals SymPy's, taken element by element."""

import numpy as np
import pytest

import graphc as gc
from tests.symbolic.agreement import (
    MODES,
    assert_equal,
    gradients_in_all_modes,
    symbolic_gradients,
    weighted,
)
from tests.symbolic.element_graphs import CASES, Case, drawn
from tests.symbolic.element_oracle import element_gradients

# Graphs whose second derivatives are taken too.
CURVED = {
    "exponentials", "circular functions", "hyperbolic functions", "roots", "power of two tensors",
    "distances", "where guards a root", "arithmetic broadcast", "variance", "prod", "prod with zeros",
    "logsumexp of all", "softmax", "softmax over a symbolic axis", "log_softmax",
    "cumsum over a symbolic axis", "quadratic form", "einsum of three", "einsum diagonal",
    "reshape (6, 4) to (8, 3)", "pad by reflection", "embed", "tile and repeat", "take by an input",
    "scatter_add", "concat, slice, flip, gather, cube", "convolution squared",
    "convolution of a symbolic batch", "transposed convolution squared", "filter gradient", "window",
    "fold", "max_pool overlapping", "perceptron", "root-mean-square normalisation",
    "cross entropy of a symbolic batch", "batch normalisation of images", "through float32",
    "a factor that absorbs",
}  # fmt: skip


def test_there_are_enough_graphs() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 80
    assert {case.id for case in CASES} >= CURVED


def _prepared(
    case: Case,
) -> tuple[gc.Tensor, list[gc.Tensor], dict[gc.Tensor, np.ndarray]]:
    """The scalar, what to differentiate it by, and the point."""
    inputs = case.inputs()
    values = dict(zip(inputs, case.arrays(), strict=True))
    y = case.build(*inputs)
    loss, weights = weighted(y)
    (shape,) = [v.shape for v in gc.interpret([y], values, sizes=case.sizes)]
    values[weights] = drawn(np.random.default_rng(5), shape)
    return loss, [t for t in inputs if t.dtype.kind == "f"], values


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_equal_those_of_sympy_element_by_element(case: Case) -> None:
    loss, wrt, values = _prepared(case)
    expected = element_gradients(loss, wrt, values, case.sizes)
    for mode, gradients in gradients_in_all_modes(loss, wrt, values, case.sizes).items():
        for tensor, gradient, exact in zip(wrt, gradients, expected, strict=True):
            assert_equal(gradient, exact, f"{mode}, by {tensor.name}")


@pytest.mark.parametrize("case", [c for c in CASES if c.id in CURVED], ids=str)
def test_second_derivatives_equal_those_of_sympy(case: Case) -> None:
    """The gradient's slope along a direction, by the engine applied twice."""
    loss, wrt, values = _prepared(case)
    rng = np.random.default_rng(6)
    directions = [drawn(rng, values[t].shape) for t in wrt]
    expected = element_gradients(loss, wrt, values, case.sizes, directions)
    steps = [gc.input(f"v{k}", t.shape, "float64") for k, t in enumerate(wrt)]
    values |= dict(zip(steps, directions, strict=True))
    for mode in MODES:
        slope = gc.constant(0.0, "float64")
        for gradient, step in zip(symbolic_gradients(loss, wrt, mode), steps, strict=True):
            slope = slope + gc.sum(gradient * step)
        twice = gc.interpret(symbolic_gradients(slope, wrt, mode), values, sizes=case.sizes)
        for tensor, found, exact in zip(wrt, twice, expected, strict=True):
            assert_equal(found, exact, f"{mode}, by {tensor.name}")


def test_the_oracle_knows_a_derivative_of_its_own() -> None:
    """∂/∂x of Σ w x² is 2 w x: the oracle is no echo of the engine."""
    x, w = gc.input("x", (2, 2), "float64"), gc.input("w", (2, 2), "float64")
    a, b = np.array([[0.5, -1.25], [3.0, 0.125]]), np.array([[1.0, 2.0], [-0.5, 4.0]])
    (found,) = element_gradients(gc.sum(w * x * x), [x], {x: a, w: b})
    np.testing.assert_array_equal(found, 2 * a * b)


def test_the_oracle_resolves_ties_by_the_conventions() -> None:
    x = gc.input("x", (3,), "float64")
    (shared,) = element_gradients(gc.max(x), [x], {x: np.array([1.0, 0.0, 1.0])})
    np.testing.assert_array_equal(shared, [0.5, 0.0, 0.5])
    (first,) = element_gradients(
        gc.sum(gc.nn.max_pool1d(x[None, None], 3)), [x], {x: np.array([1.0, 0.0, 1.0])}
    )
    np.testing.assert_array_equal(first, [1.0, 0.0, 0.0])
