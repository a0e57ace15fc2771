"""Sums by products: which sums are marked."""

import numpy as np
import pytest

import graphc as gc
from graphc.passes.product_sums import ProductSums
from tests.passes.before_after import check_text


def test_sums_of_rows_and_columns_are_marked() -> None:
    x = gc.input("x", (300, 100))
    check_text(
        ProductSums(),
        [x],
        [x.sum(axis=1), x.sum(axis=0, keepdims=True), x.sum()],
        """
        x : float32[300, 100] = input
        %1 : float32[300] = sum(x, axis=(1,), keepdims=False)
        %2 : float32[1, 100] = sum(x, axis=(0,), keepdims=True)
        %3 : float32[] = sum(x, axis=(0, 1), keepdims=False)
        return %1, %2, %3
        """,
        """
        x : float32[300, 100] = input
        %1 : float32[300] = sum(x, axis=(1,), keepdims=False, by=product)
        %2 : float32[1, 100] = sum(x, axis=(0,), keepdims=True, by=product)
        %3 : float32[] = sum(x, axis=(0, 1), keepdims=False)
        return %1, %2, %3
        """,
    )


def test_sums_of_unknown_length_strided_values_and_integers_are_not() -> None:
    n = gc.input("n", ("N", "T"))
    x = gc.input("x", (300, 100))
    i = gc.input("i", (300, 100), "int64")
    unchanged = """
        n : float32[N, T] = input
        %1 : float32[N] = sum(n, axis=(1,), keepdims=False)
        x : float32[300, 100] = input
        %3 : float32[100, 300] = transpose(x, axes=(1, 0))
        %4 : float32[100] = sum(%3, axis=(1,), keepdims=False)
        i : int64[300, 100] = input
        %6 : int64[300] = sum(i, axis=(1,), keepdims=False)
        return %1, %4, %6
        """
    check_text(
        ProductSums(), [n, x, i], [n.sum(axis=1), x.T.sum(axis=1), i.sum(axis=1)], unchanged, unchanged
    )


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-5), ("float64", 1e-13)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("shape, axis", [((40, 30), 1), ((40, 30), 0), ((5, 6, 30), 2), ((5, 6, 30), (0, 1))])
def test_generated_sums_are_sums(shape, axis, keepdims, dtype, tolerance) -> None:
    x = gc.input("x", shape, dtype)
    f = gc.compile(gc.square(x + 1).sum(axis=axis, keepdims=keepdims), [x])
    assert "np.matmul" in f.source
    value = np.random.default_rng(0).normal(size=shape).astype(dtype)
    for _ in range(2):
        found = f(value)
        wanted = np.square(value.astype(np.float64) + 1).sum(axis=axis, keepdims=keepdims)
        assert found.shape == wanted.shape and found.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=tolerance)


def test_an_exact_pipeline_adds_as_numpy_does() -> None:
    x = gc.input("x", (40, 30))
    value = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
    found = gc.compile(x.sum(axis=1), [x], optimize="exact")(value)
    np.testing.assert_array_equal(found, value.sum(axis=1))
