"""Contractions: sums of products become matrix products or smaller sums."""

import numpy as np

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.traversal import topological_order
from graphc.passes.contractions import Contractions
from tests.passes.before_after import check_text


def test_a_column_leaves_the_sum() -> None:
    x = gc.input("x", (300, 100))
    c = gc.input("c", (300, 1))
    check_text(
        Contractions(),
        [x, c],
        [(x * c).sum(axis=1)],
        """
        x : float32[300, 100] = input
        c : float32[300, 1] = input
        %2 : float32[300, 100] = multiply(x, c)
        %3 : float32[300] = sum(%2, axis=(1,), keepdims=False)
        return %3
        """,
        """
        x : float32[300, 100] = input
        %1 : float32[300] = sum(x, axis=(1,), keepdims=False)
        c : float32[300, 1] = input
        %3 : float32[300] = reshape(c, shape=(300,))
        %4 : float32[300] = multiply(%1, %3)
        return %4
        """,
    )


def test_a_row_makes_a_matrix_product() -> None:
    x = gc.input("x", (300, 100))
    r = gc.input("r", (100,))
    check_text(
        Contractions(),
        [x, r],
        [(x * r).sum(axis=1)],
        """
        x : float32[300, 100] = input
        r : float32[100] = input
        %2 : float32[300, 100] = multiply(x, r)
        %3 : float32[300] = sum(%2, axis=(1,), keepdims=False)
        return %3
        """,
        """
        x : float32[300, 100] = input
        r : float32[100] = input
        %2 : float32[300] = matmul(x, r)
        return %2
        """,
    )


def test_rows_by_rows_are_dot_products() -> None:
    x = gc.input("x", (300, 100))
    y = gc.input("y", (300, 100))
    check_text(
        Contractions(),
        [x, y],
        [(x * y).sum(axis=1)],
        """
        x : float32[300, 100] = input
        y : float32[300, 100] = input
        %2 : float32[300, 100] = multiply(x, y)
        %3 : float32[300] = sum(%2, axis=(1,), keepdims=False)
        return %3
        """,
        """
        x : float32[300, 100] = input
        %1 : float32[300, 1, 100] = reshape(x, shape=(300, 1, 100))
        y : float32[300, 100] = input
        %3 : float32[300, 100, 1] = reshape(y, shape=(300, 100, 1))
        %4 : float32[300, 1, 1] = matmul(%1, %3)
        %5 : float32[300] = reshape(%4, shape=(300,))
        return %5
        """,
    )


def test_a_product_that_is_read_elsewhere_is_summed() -> None:
    x, y = gc.input("x", (300, 100)), gc.input("y", (300, 100))
    product = x * y
    unchanged = """
        x : float32[300, 100] = input
        y : float32[300, 100] = input
        %2 : float32[300, 100] = multiply(x, y)
        %3 : float32[300] = sum(%2, axis=(1,), keepdims=False)
        %4 : float32[] = constant(value=2.0)
        %5 : float32[300, 100] = multiply(%2, %4)
        return %3, %5
        """
    check_text(Contractions(), [x, y], [product.sum(axis=1), product * 2], unchanged, unchanged)


def test_the_sum_of_what_is_centred_is_nothing() -> None:
    x = gc.input("x", (300, 100))
    mean = x.sum(axis=1, keepdims=True) * 0.01
    check_text(
        Contractions(),
        [x],
        [(x - mean).sum(axis=1)],
        """
        x : float32[300, 100] = input
        %1 : float32[300, 1] = sum(x, axis=(1,), keepdims=True)
        %2 : float32[] = constant(value=0.009999999776482582)
        %3 : float32[300, 1] = multiply(%1, %2)
        %4 : float32[300, 100] = subtract(x, %3)
        %5 : float32[300] = sum(%4, axis=(1,), keepdims=False)
        return %5
        """,
        """
        x : float32[300, 100] = input
        %1 : float32[300, 1] = sum(x, axis=(1,), keepdims=True)
        %2 : float32[] = constant(value=0.009999999776482582)
        %3 : float32[300, 1] = multiply(%1, %2)
        %4 : float32[] = constant(value=0.0)
        %5 : float32[300, 1] = multiply(%3, %4)
        %6 : float32[300] = reshape(%5, shape=(300,))
        return %6
        """,
    )


def test_the_softmax_backward_pass_sums_the_smaller_product() -> None:
    x = gc.input("x", (300, 100))
    v = gc.input("v", (100, 20))
    g = gc.input("g", (300, 20))
    check_text(
        Contractions(),
        [x, v, g],
        [x @ v, (x * (g @ v.T)).sum(axis=-1, keepdims=True)],
        """
        x : float32[300, 100] = input
        v : float32[100, 20] = input
        %2 : float32[300, 20] = matmul(x, v)
        g : float32[300, 20] = input
        %4 : float32[20, 100] = transpose(v, axes=(1, 0))
        %5 : float32[300, 100] = matmul(g, %4)
        %6 : float32[300, 100] = multiply(x, %5)
        %7 : float32[300, 1] = sum(%6, axis=(1,), keepdims=True)
        return %2, %7
        """,
        """
        x : float32[300, 100] = input
        v : float32[100, 20] = input
        %2 : float32[300, 20] = matmul(x, v)
        g : float32[300, 20] = input
        %4 : float32[300, 1, 20] = reshape(g, shape=(300, 1, 20))
        %5 : float32[300, 20, 1] = reshape(%2, shape=(300, 20, 1))
        %6 : float32[300, 1, 1] = matmul(%4, %5)
        %7 : float32[300, 1] = reshape(%6, shape=(300, 1))
        return %2, %7
        """,
    )


def test_a_sum_of_unknown_length_stays_a_sum() -> None:
    n = gc.input("n", ("N", "T"))
    unchanged = """
        n : float32[N, T] = input
        %1 : float32[N, T] = square(n)
        %2 : float32[N] = sum(%1, axis=(1,), keepdims=False)
        return %2
        """
    check_text(Contractions(), [n], [gc.square(n).sum(axis=1)], unchanged, unchanged)


def test_a_column_inside_a_factor_leaves_the_sum_too() -> None:
    """As the variance's gradient has it: Σ g·(x/s) is (Σ g·x)/s, here with g·x known and g = u·row."""
    x, u, c, r = (
        gc.input("x", (30, 10)),
        gc.input("u", (30, 10)),
        gc.input("c", (30, 1)),
        gc.input("r", (10,)),
    )
    known = u * x
    total = ((u * r) * (x / c)).sum(axis=1)
    after = Contractions()(Graph((x, u, c, r), (known, total))).outputs
    names = [
        n.op.name
        for n in topological_order([after[1]])
        if n.inputs and n.ndim == 2 and n.op.name != "reshape"
    ]
    assert names == ["multiply"]  # u · x alone, then rows
    generator = np.random.default_rng(0)
    values = {i: generator.uniform(1, 2, [int(s) for s in i.shape]).astype(np.float32) for i in (x, u, c, r)}
    np.testing.assert_allclose(*gc.interpret([after[1], total], values), rtol=1e-5)
