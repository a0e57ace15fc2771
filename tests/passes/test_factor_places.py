"""Places of factors: a number multiplies the smallest value on its way."""

import numpy as np

import graphc as gc
from graphc.ir.graph import Graph
from graphc.passes.factor_places import FactorPlaces
from tests.passes.before_after import check_text


def test_scores_are_scaled_by_scaling_queries() -> None:
    q = gc.input("q", (300, 20))
    k = gc.input("k", (300, 20))
    check_text(
        FactorPlaces(),
        [q, k],
        [(q @ k.T) * 0.125],
        """
        q : float32[300, 20] = input
        k : float32[300, 20] = input
        %2 : float32[20, 300] = transpose(k, axes=(1, 0))
        %3 : float32[300, 300] = matmul(q, %2)
        %4 : float32[] = constant(value=0.125)
        %5 : float32[300, 300] = multiply(%3, %4)
        return %5
        """,
        """
        q : float32[300, 20] = input
        %1 : float32[] = constant(value=0.125)
        %2 : float32[300, 20] = multiply(q, %1)
        k : float32[300, 20] = input
        %4 : float32[20, 300] = transpose(k, axes=(1, 0))
        %5 : float32[300, 300] = matmul(%2, %4)
        return %5
        """,
    )


def test_gradients_of_scores_are_scaled_behind_and_read_the_scaled_queries() -> None:
    q = gc.input("q", (300, 20))
    k = gc.input("k", (300, 20))
    x = gc.input("x", (300, 100))
    scores = (q @ k.T) * 0.125
    d = gc.tanh(scores) * 0.125
    check_text(
        FactorPlaces(),
        [q, k, x],
        [scores, (d @ k), (q.T @ d)],
        """
        q : float32[300, 20] = input
        k : float32[300, 20] = input
        %2 : float32[20, 300] = transpose(k, axes=(1, 0))
        %3 : float32[300, 300] = matmul(q, %2)
        %4 : float32[] = constant(value=0.125)
        %5 : float32[300, 300] = multiply(%3, %4)
        %6 : float32[300, 300] = tanh(%5)
        %7 : float32[] = constant(value=0.125)
        %8 : float32[300, 300] = multiply(%6, %7)
        %9 : float32[300, 20] = matmul(%8, k)
        %10 : float32[20, 300] = transpose(q, axes=(1, 0))
        %11 : float32[20, 300] = matmul(%10, %8)
        return %5, %9, %11
        """,
        """
        q : float32[300, 20] = input
        %1 : float32[] = constant(value=0.125)
        %2 : float32[300, 20] = multiply(q, %1)
        k : float32[300, 20] = input
        %4 : float32[20, 300] = transpose(k, axes=(1, 0))
        %5 : float32[300, 300] = matmul(%2, %4)
        %6 : float32[300, 300] = tanh(%5)
        %7 : float32[] = constant(value=0.125)
        %8 : float32[300, 20] = multiply(k, %7)
        %9 : float32[300, 20] = matmul(%6, %8)
        %10 : float32[20, 300] = transpose(%2, axes=(1, 0))
        %11 : float32[20, 300] = matmul(%10, %6)
        return %5, %9, %11
        """,
    )


def test_two_factors_of_one_product_are_both_kept() -> None:
    """The inner one is owed by the product that the outer one would be taken through."""
    x, v = gc.input("x", (6, 3, 4), "float64"), gc.input("v", (4,), "float64")
    y = (gc.cumsum(x, axis=2) * 0.2) @ v * 0.25
    rng = np.random.default_rng(0)
    values = {x: rng.standard_normal((6, 3, 4)), v: rng.standard_normal(4)}
    (found,) = gc.interpret(FactorPlaces()(Graph((x, v), (y,))).outputs, values)
    np.testing.assert_allclose(found, values[x].cumsum(axis=2) @ values[v] * 0.05, rtol=1e-12)
