"""Shared factors: a difference of products with one factor is one product."""

import graphc as gc
from graphc.passes.shared_factors import SharedFactors
from tests.passes.before_after import check_text


def test_a_column_is_subtracted_before_the_product() -> None:
    x = gc.input("x", (300, 100))
    y = gc.input("y", (300, 100))
    c = gc.input("c", (300, 1))
    check_text(
        SharedFactors(),
        [x, y, c],
        [x * y - c * y],
        """
        x : float32[300, 100] = input
        y : float32[300, 100] = input
        %2 : float32[300, 100] = multiply(x, y)
        c : float32[300, 1] = input
        %4 : float32[300, 100] = multiply(c, y)
        %5 : float32[300, 100] = subtract(%2, %4)
        return %5
        """,
        """
        x : float32[300, 100] = input
        c : float32[300, 1] = input
        %2 : float32[300, 100] = subtract(x, c)
        y : float32[300, 100] = input
        %4 : float32[300, 100] = multiply(%2, y)
        return %4
        """,
    )


def test_products_that_are_read_elsewhere_stay() -> None:
    x, y, c = gc.input("x", (300, 100)), gc.input("y", (300, 100)), gc.input("c", (300, 1))
    product = x * y
    unchanged = """
        x : float32[300, 100] = input
        y : float32[300, 100] = input
        %2 : float32[300, 100] = multiply(x, y)
        c : float32[300, 1] = input
        %4 : float32[300, 100] = multiply(c, y)
        %5 : float32[300, 100] = subtract(%2, %4)
        %6 : float32[] = sum(%2, axis=(0, 1), keepdims=False)
        return %5, %6
        """
    check_text(SharedFactors(), [x, y, c], [product - c * y, product.sum()], unchanged, unchanged)
