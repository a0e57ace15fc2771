"""Indexing against NumPy's own, over drawn subscripts, with known and with symbolic sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc import ops as gc
from graphc.errors import DTypeError, GraphError, ShapeError, UnsupportedError
from graphc.ir.dimension import evaluate_dim
from graphc.runtime.interpreter import interpret

SLICES = st.builds(
    slice,
    st.none() | st.integers(-7, 7),
    st.none() | st.integers(-7, 7),
    st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]),
)


@st.composite
def subscripts(draw: Any) -> tuple[tuple[int, ...], Any]:
    """A shape and a subscript that NumPy takes: leading items, maybe an ellipsis and trailing ones."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    fancy = draw(st.sampled_from([(), (3,), (2, 3)]))

    def item(size: int) -> Any:
        kind = draw(st.sampled_from(["slice", "slice", "integer", "array"]))
        if kind == "slice":
            return draw(SLICES)
        if kind == "integer":
            return draw(st.integers(-size, size - 1))
        width = draw(st.sampled_from([fancy, fancy[-1:]]))
        count = int(np.prod(width))
        values = draw(st.lists(st.integers(-size, size - 1), min_size=count, max_size=count))
        return np.array(values, np.int64).reshape(width)

    leading = draw(st.integers(0, len(shape)))
    items = [item(size) for size in shape[:leading]]
    if draw(st.booleans()):
        trailing = draw(st.integers(0, len(shape) - leading))
        items += [Ellipsis, *[item(size) for size in shape[len(shape) - trailing :]]]
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    return shape, tuple(items)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(subscripts(), st.booleans())
def test_equals_numpy(case: tuple[tuple[int, ...], Any], symbolic: bool) -> None:
    shape, index = case
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    expected = array[index]
    declared = tuple(f"d{a}" for a in range(len(shape))) if symbolic else shape
    x = gc.input("x", declared)
    node = x[index]
    (value,) = interpret([node], {x: array})
    assert value.shape == expected.shape
    np.testing.assert_array_equal(value, expected)
    sizes = {f"d{a}": s for a, s in enumerate(shape)}
    assert tuple(evaluate_dim(s, sizes) for s in node.shape) == expected.shape


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(1, 7), SLICES)
def test_symbolic_slices_clamp_as_numpy_does(size: int, part: slice) -> None:
    x = gc.input("x", ("N",))
    array = np.arange(float(size), dtype=np.float32)
    (value,) = interpret([x[part]], {x: array})
    np.testing.assert_array_equal(value, array[part])


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (np.s_[1:], "N - 1"), (np.s_[:-1], "N - 1"), (np.s_[1:-1], "Max(0, N - 2)"),
        (np.s_[::2], "floor(N/2 + 1/2)"),
        (np.s_[::-1], "N"), (np.s_[-2:], "Min(2, N)"), (np.s_[:3], "Min(3, N)"), (np.s_[:1], "1"),
    ],
)  # fmt: skip
def test_symbolic_sizes_come_out_simple(part: slice, text: str) -> None:
    assert str(gc.input("x", ("N",))[part].shape[0]) == text


def test_symbolic_bounds() -> None:
    x, y = gc.input("x", ("N", 3)), gc.input("y", ("M",))
    n, m = x.shape[0], y.shape[0]
    array, other = np.arange(15.0).reshape(5, 3), np.zeros(2)
    values = interpret([x[m:], x[: n - 1], x[n - 1], x[:-m], x[m], y[:n]], {x: array, y: other})
    for value, expected in zip(
        values, [array[2:], array[:4], array[4], array[:-2], array[2], other[:5]], strict=True
    ):
        np.testing.assert_array_equal(value, expected)


def test_whole_slices_build_no_node() -> None:
    x = gc.input("x", ("N", 3))
    assert x[:] is x
    assert x[..., :] is x


def test_tensor_indices() -> None:
    x, i = gc.input("x", ("N", 3)), gc.input("i", ("K",), "int8")
    array, places = np.arange(12.0).reshape(4, 3), np.array([3, -4, 0], np.int8)
    values = interpret([x[i], x[i, 1:], x[i, -1], x[None, i]], {x: array, i: places})
    for value, expected in zip(
        values, [array[places], array[places, 1:], array[places, -1], array[None, places]], strict=True
    ):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("wrong", [4, -5])
def test_an_index_out_of_range_at_the_call(wrong: int) -> None:
    x, i = gc.input("x", ("N", 3)), gc.input("i", (), "int64")
    with pytest.raises(IndexError, match=f"index {wrong} is out of bounds for an axis of size 4"):
        interpret([x[i]], {x: np.zeros((4, 3)), i: np.asarray(wrong)})


@pytest.mark.parametrize(
    ("index", "kind", "message"),
    [
        (3, ShapeError, "index 3 is out of bounds for axis 0 of size 3"),
        (np.s_[:, -5], ShapeError, "index -5 is out of bounds for axis 1 of size 4"),
        ([0, 3], ShapeError, "index 3 is out of bounds for axis 0 of size 3"),
        (np.s_[0, 0, 0], ShapeError, "3 indices for the 2 axes"),
        (np.s_[..., ...], ShapeError, "stands 2 times"),
        (np.s_[::0], ShapeError, "the step of a slice is 0"),
        (1.0, ShapeError, "an index is an integer, but 1.0"),
        (True, UnsupportedError, "boolean mask"),
        (np.array([True, False, True]), UnsupportedError, "gc.where"),
        ([0.5], DTypeError, "an index has dtype float64"),
        (np.s_["a":], ShapeError, "a bound of a slice is an integer"),
    ],
)
def test_mistakes_are_named(index: Any, kind: type[Exception], message: str) -> None:
    x = gc.input("x", (3, 4))
    with pytest.raises(kind) as caught:
        x[index]
    assert message in str(caught.value)
    assert "remedy" in str(caught.value)


def test_a_tensor_cannot_be_iterated_without_a_known_length() -> None:
    assert [row.shape for row in gc.input("x", (2, 3))] == [(3,), (3,)]
    with pytest.raises(GraphError, match="symbolic size N"):
        list(gc.input("x", ("N", 3)))
