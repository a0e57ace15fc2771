"""Products: small factors first, numbers on the smallest, products that exist already."""

import graphc as gc
from graphc.ir.graph import Graph
from graphc.passes.products import Products
from tests.passes.before_after import check_text


def test_a_number_goes_to_the_column() -> None:
    x = gc.input("x", (300, 100))
    c = gc.input("c", (300, 1))
    check_text(
        Products(),
        [x, c],
        [(2.0 * x) * c],
        """
        %0 : float32[] = constant(value=2.0)
        x : float32[300, 100] = input
        %2 : float32[300, 100] = multiply(%0, x)
        c : float32[300, 1] = input
        %4 : float32[300, 100] = multiply(%2, c)
        return %4
        """,
        """
        x : float32[300, 100] = input
        c : float32[300, 1] = input
        %2 : float32[] = constant(value=2.0)
        %3 : float32[300, 1] = multiply(c, %2)
        %4 : float32[300, 100] = multiply(x, %3)
        return %4
        """,
    )


def test_columns_meet_first() -> None:
    x = gc.input("x", (300, 100))
    y = gc.input("y", (300, 100))
    c = gc.input("c", (300, 1))
    check_text(
        Products(),
        [x, y, c],
        [(x * c) * (y / c)],
        """
        x : float32[300, 100] = input
        c : float32[300, 1] = input
        %2 : float32[300, 100] = multiply(x, c)
        y : float32[300, 100] = input
        %4 : float32[300, 100] = divide(y, c)
        %5 : float32[300, 100] = multiply(%2, %4)
        return %5
        """,
        """
        x : float32[300, 100] = input
        y : float32[300, 100] = input
        %2 : float32[300, 100] = multiply(x, y)
        c : float32[300, 1] = input
        %4 : float32[300, 1] = divide(c, c)
        %5 : float32[300, 100] = multiply(%2, %4)
        return %5
        """,
    )


def test_a_product_that_exists_is_read() -> None:
    x = gc.input("x", (300, 100))
    s = gc.sigmoid(x)
    check_text(
        Products(),
        [x],
        [x * s, x * (s * (1 - s))],
        """
        x : float32[300, 100] = input
        %1 : float32[300, 100] = sigmoid(x)
        %2 : float32[300, 100] = multiply(x, %1)
        %3 : float32[] = constant(value=1.0)
        %4 : float32[300, 100] = subtract(%3, %1)
        %5 : float32[300, 100] = multiply(%1, %4)
        %6 : float32[300, 100] = multiply(x, %5)
        return %2, %6
        """,
        """
        x : float32[300, 100] = input
        %1 : float32[300, 100] = sigmoid(x)
        %2 : float32[300, 100] = multiply(x, %1)
        %3 : float32[] = constant(value=1.0)
        %4 : float32[300, 100] = subtract(%3, %1)
        %5 : float32[300, 100] = multiply(%2, %4)
        return %2, %5
        """,
    )


def test_a_link_that_is_read_elsewhere_stays_one_factor() -> None:
    x = gc.input("x", (300, 100))
    c = gc.input("c", (300, 1))
    p = 2.0 * x
    unchanged = """
        %0 : float32[] = constant(value=2.0)
        x : float32[300, 100] = input
        %2 : float32[300, 100] = multiply(%0, x)
        c : float32[300, 1] = input
        %4 : float32[300, 100] = multiply(%2, c)
        return %4, %2
        """
    check_text(Products(), [x, c], [p * c, p], unchanged, unchanged)


def test_numbers_alone_are_left_to_folding() -> None:
    number = (gc.constant(2.0) * 3.0) * 4.0
    assert Products()(Graph((), (number,))).outputs[0] is number


def test_integers_stay_as_they_are() -> None:
    i = gc.input("i", (300, 100), "int64")
    unchanged = """
        %0 : int64[] = constant(value=2)
        i : int64[300, 100] = input
        %2 : int64[300, 100] = multiply(%0, i)
        %3 : int64[] = constant(value=3)
        %4 : int64[300, 100] = multiply(%3, i)
        %5 : int64[300, 100] = multiply(%2, %4)
        return %5
        """
    check_text(Products(), [i], [(2 * i) * (3 * i)], unchanged, unchanged)
