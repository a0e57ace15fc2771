"""Sizes and shapes: comparison, broadcasting, bounds, source."""

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.errors import ShapeError
from graphc.ir.dimension import (
    as_shape,
    broadcast_shapes,
    ceil_div,
    dim_source,
    evaluate_dim,
    floor_div,
    larger,
    same,
    smaller,
    symbol,
)

N, M = symbol("N"), symbol("M")


def test_the_same_string_is_the_same_dimension() -> None:
    assert as_shape(("N", 3)) == (N, 3)
    assert symbol("N") is symbol("N") and symbol("N") != symbol("M")
    assert as_shape(5) == (5,) and as_shape(np.int64(5)) == (5,)


def test_equal_expressions_are_the_same() -> None:
    assert same(2 * (N + 1), 2 * N + 2) and not same(N, N + 1) and not same(N, 3)
    assert isinstance(as_shape((sympy.Integer(4),))[0], int)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from([1, 2, 3]), max_size=4), min_size=1, max_size=3))
def test_broadcasting_is_numpys(shapes: list[list[int]]) -> None:
    shapes_ = [tuple(s) for s in shapes]
    try:
        expected = np.broadcast_shapes(*shapes_)
    except ValueError:
        with pytest.raises(ShapeError):
            broadcast_shapes(shapes_)
    else:
        assert broadcast_shapes(shapes_) == expected


def test_symbols_broadcast_with_themselves_and_one() -> None:
    assert broadcast_shapes([(N, 1), (1, 3)]) == (N, 3)
    assert broadcast_shapes([(N,), (N,)]) == (N,)
    with pytest.raises(ShapeError, match="N and M"):
        broadcast_shapes([(N,), (M,)])
    with pytest.raises(ShapeError):
        broadcast_shapes([(N,), (3,)])


def test_bounds_are_decided_where_they_can_be() -> None:
    assert smaller(N, N + 2) == N and larger(N, 1) == N and larger(N - 1, 0) == N - 1
    assert smaller(N, 5) == sympy.Min(N, 5)


@settings(deadline=None)
@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.integers(1, 7),
    st.sampled_from(["floor", "ceil", "min", "max", "poly", "mixed"]),
)
def test_source_computes_the_size(n: int, m: int, k: int, form: str) -> None:
    expression, expected = {
        "floor": (floor_div(N + 3 * M, k), (n + 3 * m) // k),
        "ceil": (ceil_div(N * M, k), -(-(n * m) // k)),
        "min": (smaller(N, M + k), min(n, m + k)),
        "max": (larger(2 * N - k, M), max(2 * n - k, m)),
        "poly": (N**2 * k + M - 1, n * n * k + m - 1),
        "mixed": (floor_div(N * M - smaller(N, M), k) * 2, (n * m - min(n, m)) // k * 2),
    }[form]
    assert evaluate_dim(expression, {"N": n, "M": m}) == expected
    text = dim_source(expression, {"N": "a", "M": "b"})
    assert eval(text, {"a": n, "b": m, "min": min, "max": max}) == expected


def test_an_unknown_size_is_named() -> None:
    with pytest.raises(ShapeError, match="'M' is unknown"):
        evaluate_dim(N + M, {"N": 1})


@pytest.mark.parametrize("names", [{"N": "a", "M": "b"}, {"N": "b", "M": "a"}, {"N": "n", "M": "n2"}])
def test_source_of_one_expression_under_several_names(names: dict[str, str]) -> None:
    values = {names["N"]: 3, names["M"]: 5}
    assert eval(dim_source(2 * N + M, names), values) == 11
