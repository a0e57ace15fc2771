"""Common factors: what multiplies everything made of a value goes into the value's own number."""

import graphc as gc
from graphc.passes.common_factors import CommonFactors
from tests.passes.before_after import check_text


def test_a_rate_goes_into_the_number_at_the_loss() -> None:
    x = gc.input("x", (300, 100))
    y = gc.input("y", (300, 100))
    z = 0.5 * y
    check_text(
        CommonFactors(),
        [x, y],
        [0.1 * (x.T @ z), 0.1 * z.sum(axis=0)],
        """
        %0 : float32[] = constant(value=0.10000000149011612)
        x : float32[300, 100] = input
        %2 : float32[100, 300] = transpose(x, axes=(1, 0))
        %3 : float32[] = constant(value=0.5)
        y : float32[300, 100] = input
        %5 : float32[300, 100] = multiply(%3, y)
        %6 : float32[100, 100] = matmul(%2, %5)
        %7 : float32[100, 100] = multiply(%0, %6)
        %8 : float32[] = constant(value=0.10000000149011612)
        %9 : float32[100] = sum(%5, axis=(0,), keepdims=False)
        %10 : float32[100] = multiply(%8, %9)
        return %7, %10
        """,
        """
        x : float32[300, 100] = input
        %1 : float32[100, 300] = transpose(x, axes=(1, 0))
        %2 : float32[] = constant(value=0.05000000074505806)
        y : float32[300, 100] = input
        %4 : float32[300, 100] = multiply(%2, y)
        %5 : float32[100, 100] = matmul(%1, %4)
        %6 : float32[100] = sum(%4, axis=(0,), keepdims=False)
        return %5, %6
        """,
    )


def test_a_value_that_is_read_without_the_factor_keeps_its_own() -> None:
    x = gc.input("x", (300, 100))
    y = gc.input("y", (300, 100))
    z = 0.5 * y
    unchanged = """
        %0 : float32[] = constant(value=0.10000000149011612)
        x : float32[300, 100] = input
        %2 : float32[100, 300] = transpose(x, axes=(1, 0))
        %3 : float32[] = constant(value=0.5)
        y : float32[300, 100] = input
        %5 : float32[300, 100] = multiply(%3, y)
        %6 : float32[100, 100] = matmul(%2, %5)
        %7 : float32[100, 100] = multiply(%0, %6)
        %8 : float32[100] = sum(%5, axis=(0,), keepdims=False)
        return %7, %8
        """
    check_text(CommonFactors(), [x, y], [0.1 * (x.T @ z), z.sum(axis=0)], unchanged, unchanged)


def test_half_precision_keeps_the_scale_of_its_loss() -> None:
    h = gc.input("h", (300, 100), "float16")
    unchanged = """
        %0 : float16[] = constant(value=0.0010004043579101562)
        %1 : float16[] = constant(value=1000.0)
        h : float16[300, 100] = input
        %3 : float16[300, 100] = multiply(%1, h)
        %4 : float16[300, 100] = multiply(%0, %3)
        return %4
        """
    check_text(CommonFactors(), [h], [0.001 * (1000.0 * h)], unchanged, unchanged)
