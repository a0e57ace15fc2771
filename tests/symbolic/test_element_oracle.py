"""The symbolic gradient of small graphs of every family equals SymPy's, taken element by element."""

import numpy as np
import pytest

import graphc as gc
from tests.symbolic.agreement import assert_equal, gradients_in_all_modes, weighted
from tests.symbolic.element_graphs import CASES, Case, drawn
from tests.symbolic.element_oracle import element_gradients


def test_there_are_enough_graphs() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 80


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_equal_those_of_sympy_element_by_element(case: Case) -> None:
    inputs = case.inputs()
    values = dict(zip(inputs, case.arrays(), strict=True))
    y = case.build(*inputs)
    loss, weights = weighted(y)
    (shape,) = [v.shape for v in gc.interpret([y], values, sizes=case.sizes)]
    values[weights] = drawn(np.random.default_rng(5), shape)
    wrt = [t for t in inputs if t.dtype.kind == "f"]
    expected = element_gradients(loss, wrt, values, case.sizes)
    for mode, gradients in gradients_in_all_modes(loss, wrt, values, case.sizes).items():
        for tensor, gradient, exact in zip(wrt, gradients, expected, strict=True):
            assert_equal(gradient, exact, f"{mode}, by {tensor.name}")


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
