"""Chains of matrix products: the cheapest order."""

import itertools
from collections import Counter

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.passes.product_chains import ProductChains
from graphc.rewrite.cost import cost
from tests.passes.before_after import check_text


def test_a_vector_is_multiplied_first() -> None:
    a = gc.input("a", (100, 80))
    b = gc.input("b", (80, 90))
    u = gc.input("u", (90,))
    check_text(
        ProductChains(),
        [a, b, u],
        [(a @ b) @ u],
        """
        a : float32[100, 80] = input
        b : float32[80, 90] = input
        %2 : float32[100, 90] = matmul(a, b)
        u : float32[90] = input
        %4 : float32[100] = matmul(%2, u)
        return %4
        """,
        """
        a : float32[100, 80] = input
        b : float32[80, 90] = input
        u : float32[90] = input
        %3 : float32[80] = matmul(b, u)
        %4 : float32[100] = matmul(a, %3)
        return %4
        """,
    )


def test_a_transposed_product_is_a_chain_too() -> None:
    a = gc.input("a", (100, 80))
    b = gc.input("b", (80, 90))
    c = gc.input("c", (300, 1))
    w = gc.input("w", (100, 2))
    w2 = gc.input("w2", (100, 1))
    check_text(
        ProductChains(),
        [a, b, c, w, w2],
        [(b.T @ a.T) @ w, ((a @ b).T @ w2)],
        """
        b : float32[80, 90] = input
        %1 : float32[90, 80] = transpose(b, axes=(1, 0))
        a : float32[100, 80] = input
        %3 : float32[80, 100] = transpose(a, axes=(1, 0))
        %4 : float32[90, 100] = matmul(%1, %3)
        w : float32[100, 2] = input
        %6 : float32[90, 2] = matmul(%4, w)
        %7 : float32[100, 90] = matmul(a, b)
        %8 : float32[90, 100] = transpose(%7, axes=(1, 0))
        w2 : float32[100, 1] = input
        %10 : float32[90, 1] = matmul(%8, w2)
        return %6, %10
        """,
        """
        b : float32[80, 90] = input
        %1 : float32[90, 80] = transpose(b, axes=(1, 0))
        a : float32[100, 80] = input
        %3 : float32[80, 100] = transpose(a, axes=(1, 0))
        w : float32[100, 2] = input
        %5 : float32[80, 2] = matmul(%3, w)
        %6 : float32[90, 2] = matmul(%1, %5)
        %7 : float32[90, 80] = transpose(b, axes=(1, 0))
        %8 : float32[80, 100] = transpose(a, axes=(1, 0))
        w2 : float32[100, 1] = input
        %10 : float32[80, 1] = matmul(%8, w2)
        %11 : float32[90, 1] = matmul(%7, %10)
        return %6, %11
        """,
    )


def test_a_product_that_is_read_elsewhere_stays() -> None:
    a = gc.input("a", (100, 80))
    b = gc.input("b", (80, 90))
    u = gc.input("u", (90,))
    p = a @ b
    unchanged = """
        a : float32[100, 80] = input
        b : float32[80, 90] = input
        %2 : float32[100, 90] = matmul(a, b)
        u : float32[90] = input
        %4 : float32[100] = matmul(%2, u)
        return %4, %2
        """
    check_text(ProductChains(), [a, b, u], [p @ u, p], unchanged, unchanged)


MEANT = [
    (lambda a, b, v: (a @ b) @ v, [(30, 40), (40, 50), (50,)], 1),
    (lambda v, a, b: v @ (a @ b), [(30,), (30, 40), (40, 50)], 1),
    (lambda a, v, b: (a @ v) @ b, [(30, 40), (40,), (30, 50)], 0),  # a column read as a row is no chain
    (lambda a, b, c, d: ((a @ b) @ c) @ d, [(3, 40), (40, 50), (50, 2), (2, 60)], 1),
    (lambda a, b, c: c @ (a @ b).T, [(30, 40), (40, 50), (1, 50)], 1),
    (lambda a, b, c: ((a @ b).T @ c).T, [(30, 40), (40, 50), (30, 1)], 1),
    (lambda a, b, c: (a @ b) @ c, [(7, 30, 40), (7, 40, 50), (7, 50, 1)], 1),
    (lambda a, b, c: (a @ b) @ c, [(7, 30, 40), (40, 50), (7, 50, 1)], 0),  # one matrix for all of a batch
]


@pytest.mark.parametrize("chain, shapes, reordered", MEANT)
def test_the_order_changes_the_cost_and_not_the_value(chain, shapes, reordered) -> None:
    inputs = [gc.input(f"x{k}", shape, "float64") for k, shape in enumerate(shapes)]
    before = chain(*inputs)
    fired: Counter[str] = Counter()
    after = ProductChains()(Graph(tuple(inputs), (before,)), fired).outputs[0]
    assert fired["reordered"] == reordered
    assert not reordered or cost([after]) < cost([before])
    generator = np.random.default_rng(0)
    values = {i: generator.normal(size=s) for i, s in zip(inputs, shapes, strict=True)}
    np.testing.assert_allclose(gc.interpret([after], values)[0], chain(*values.values()), rtol=1e-10)


def test_the_best_of_all_orders_is_found() -> None:
    """Against brute force over the 42 orders of six factors."""
    sizes = [40, 3, 70, 5, 60, 2, 90]
    factors = [gc.input(f"x{k}", pair, "float64") for k, pair in enumerate(itertools.pairwise(sizes))]

    def orders(parts: list[gc.Tensor]) -> list[gc.Tensor]:
        if len(parts) == 1:
            return parts
        return [a @ b for k in range(1, len(parts)) for a in orders(parts[:k]) for b in orders(parts[k:])]

    every = orders(factors)
    assert len(every) == 42
    after = ProductChains()(Graph(tuple(factors), (max(every, key=lambda o: cost([o])),))).outputs[0]
    assert cost([after]) == pytest.approx(min(cost([o]) for o in every))
