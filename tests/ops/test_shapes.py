# ruff: noqa: E501  (tables of cases)
"""Arrangements against NumPy's function of the same name; symbolic sizes; mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc import ops as gc
from graphc.errors import DTypeError, GraphError, ShapeError, UnsupportedError
from graphc.ir.dimension import evaluate_dim
from graphc.runtime.interpreter import interpret

CASES: list[tuple[str, tuple[int, ...], tuple[Any, ...], dict[str, Any]]] = [
    ("reshape", (2, 3, 4), ((4, -1),), {}), ("reshape", (0, 3), ((-1, 3),), {}), ("reshape", (6,), (-1,), {}),
    ("transpose", (2, 3, 4), (), {}), ("transpose", (2, 3, 4), ((1, -1, 0),), {}),
    ("broadcast_to", (3, 1), ((2, 3, 4),), {}), ("expand_dims", (2, 3), ((0, 2),), {}),
    ("squeeze", (1, 3, 1), (), {}), ("squeeze", (1, 3, 1), (), {"axis": -1}),
    ("moveaxis", (2, 3, 4), (0, -1), {}), ("moveaxis", (2, 3, 4), ((0, 2), (1, 0)), {}), ("swapaxes", (2, 3, 4), (0, -1), {}),
    ("flip", (2, 3), (), {}), ("flip", (2, 3), ((0, -1),), {}),
    ("tile", (2, 3), (2,), {}), ("tile", (2, 3), ((2, 1, 3),), {}), ("tile", (3,), ((2, 0),), {}), ("tile", (), (3,), {}),
    ("repeat", (2, 3), (2,), {}), ("repeat", (2, 3), (2,), {"axis": -1}), ("repeat", (2, 3), ([3, 0],), {"axis": 0}),
    ("repeat", (2, 3), ([2],), {"axis": 1}),
    ("roll", (2, 3), (4,), {}), ("roll", (4, 3), (-7,), {"axis": 0}), ("roll", (4, 3), ((1, 2),), {"axis": (0, 0)}),
    ("roll", (4, 3), (1,), {"axis": (0, 1)}), ("roll", (0, 3), (1,), {"axis": 0}),
    ("tril", (3, 4), (), {}), ("tril", (2, 3, 3), (), {"k": -1}), ("triu", (4, 3), (1,), {}), ("triu", (3,), (), {}),
    *[("pad", (3, 4), (((1, 2), (0, 3)),), {"mode": m}) for m in ("constant", "edge", "reflect", "symmetric", "wrap")],
    *[("pad", (2, 3), (7,), {"mode": m}) for m in ("edge", "reflect", "symmetric", "wrap")],
    *[("pad", (1, 3), (((2, 2), (1, 1)),), {"mode": m}) for m in ("edge", "reflect", "symmetric", "wrap")],
    ("pad", (3,), ((1, 2),), {"constant_values": 5}), ("pad", (2, 3), (((1, 0),),), {}),
    ("take", (3, 4), ([0, -1],), {}), ("take", (3, 4), ([[0, 1], [2, -1]],), {"axis": 1}), ("take", (3, 4), (2,), {"axis": 0}),
    ("zeros_like", (2, 3), (), {}), ("ones_like", (2, 3), (), {"dtype": "int8"}), ("full_like", (2, 3), (7,), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shape", "args", "options"), CASES, ids=lambda v: str(v).replace(" ", ""))
@pytest.mark.parametrize("symbolic", [False, True])
def test_equals_numpy(
    name: str, shape: tuple[int, ...], args: tuple[Any, ...], options: dict[str, Any], symbolic: bool
) -> None:
    array = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    expected = getattr(np, name)(array, *args, **options)
    # The first axis of more than one element is symbolic; one of size 1 must be known to stretch.
    place = next((a for a, size in enumerate(shape) if size > 1), None)
    if symbolic and (
        place is None
        or (name, place) == ("broadcast_to", 0)
        or name in ("reshape", "repeat")
        or (name, args) == ("take", ())
    ):
        pytest.skip("needs the size")
    declared = tuple("N" if symbolic and a == place else s for a, s in enumerate(shape))
    x = gc.input("x", declared)
    node = getattr(gc, name)(x, *args, **options)
    (value,) = interpret([node], {x: array}, cast=False)
    assert value.dtype == node.dtype == expected.dtype
    sizes = {"N": shape[place]} if symbolic and place is not None else {}
    assert tuple(evaluate_dim(s, sizes) for s in node.shape) == expected.shape
    np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(
    ("before", "after", "result"),
    [
        (("N", 28, 28), (-1, 784), "(N, 784)"), (("N", 6), ("N", 2, -1), "(N, 2, 3)"), (("N", "M"), (-1,), "(M*N,)"),
        (("N", "M", 4), ("M", -1), "(M, 4*N)"), (("N", "M"), ("M", -1), "(M, N)"), ((2, "N"), (-1, 2), "(N, 2)"),
        (("N",), ("N", 1), "(N, 1)"), (("N", 4), (-1, "N"), "(4, N)"),
    ],
)  # fmt: skip
def test_symbolic_reshape(before: tuple[Any, ...], after: tuple[Any, ...], result: str) -> None:
    assert str(gc.reshape(gc.input("x", before), after).shape) == result


def test_reshape_of_a_strided_slice() -> None:
    x = gc.input("x", ("N", 4))
    node = gc.reshape(x[::2], (-1, 2))
    assert str(node.shape) == "(2*floor(N/2 + 1/2), 2)"
    (value,) = interpret([node], {x: np.arange(20.0).reshape(5, 4)})
    np.testing.assert_array_equal(value, np.arange(20.0).reshape(5, 4)[::2].reshape(-1, 2))


def test_joins_and_parts() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(6.0, 12.0).reshape(2, 3)
    x, y = gc.input("x", (2, 3), "float64"), gc.input("y", ("N", 3), "float64")
    pairs: list[tuple[Any, Any]] = [
        (gc.stack([x, x], 1), np.stack([a, a], 1)),
        (gc.concatenate([x, y], axis=None), np.concatenate([a, b], axis=None)),
        (gc.concatenate([x, b]), np.concatenate([a, b])),
        *zip(gc.split(x, 3, axis=1), np.split(a, 3, axis=1), strict=True),
        *zip(gc.split(x, [1, 5], axis=1), np.split(a, [1, 5], axis=1), strict=True),
        *zip(gc.split(y, [1]), np.split(b, [1]), strict=True),
        *zip(gc.array_split(x, 2, axis=1), np.array_split(a, 2, axis=1), strict=True),
    ]
    for value, (_, expected) in zip(interpret([o for o, _ in pairs], {x: a, y: b}), pairs, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_creation() -> None:
    rows = [
        (gc.zeros((2, 3)), np.zeros((2, 3), np.float32)),
        (gc.ones(3, "int64"), np.ones(3, np.int64)),
        (gc.full((2,), 1.5), np.full(2, 1.5, np.float32)),
        (gc.full((2,), 7), np.full(2, 7)),
        (gc.full((2, 2), np.array([1.0, 2.0])), np.full((2, 2), [1.0, 2.0])),
        (gc.eye(3), np.eye(3, dtype=np.float32)),
        (gc.eye(2, 4, 1, "int8"), np.eye(2, 4, 1, "int8")),
        (gc.eye(3, k=-1), np.eye(3, k=-1, dtype=np.float32)),
        (gc.one_hot(np.array([2, 0, 5]), 3), np.array([[0, 0, 1], [1, 0, 0], [0, 0, 0]], np.float32)),
    ]
    for value, (node, expected) in zip(interpret([n for n, _ in rows], {}), rows, strict=True):
        assert node.dtype == value.dtype == expected.dtype
        np.testing.assert_array_equal(value, expected)


def test_take_along_axis() -> None:
    rng = np.random.default_rng(0)
    array = rng.standard_normal((3, 4))
    x = gc.input("x", ("N", 4), "float64")
    for axis, shape in ((0, (5, 4)), (1, (3, 2)), (-1, (1, 2))):
        places = rng.integers(-3, 3, shape)
        i = gc.input("i", shape, "int64")
        if shape[0] == 3:
            i = gc.input("i", ("N", 2), "int64")
        (value,) = interpret([gc.take_along_axis(x, i, axis)], {x: array, i: places})
        np.testing.assert_array_equal(value, np.take_along_axis(array, places, axis))


X = gc.input("x", (2, 3))
N = gc.input("n", ("N", 3))
MISTAKES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: gc.reshape(X, (4, 2)), ShapeError, "has 6 elements, (4, 2) has 8"),
    (lambda: gc.reshape(X, (-1, 4)), ShapeError, "no size for -1"),
    (lambda: gc.reshape(N, (2, -1)), ShapeError, "of 3*N elements"),
    (lambda: gc.reshape(X, (-1, -1)), ShapeError, "-1 2 times"),
    (lambda: gc.reshape(X, (X, 2)), ShapeError, "a size cannot come from a tensor"),
    (lambda: gc.reshape(gc.input("e", (0, 3)), (-1, 0)), ShapeError, "no size for -1"),
    (lambda: gc.transpose(X, (0, 0)), ShapeError, "name an axis twice"),
    (lambda: gc.transpose(X, (0,)), ShapeError, "are no order of the 2 axes"),
    (lambda: gc.broadcast_to(X, (2, 4)), ShapeError, "broadcast"),
    (lambda: gc.broadcast_to(X, (3,)), ShapeError, "does not broadcast to"),
    (lambda: gc.concatenate([X, N], axis=1), ShapeError, "sizes 2 and N of axis 0 differ"),
    (lambda: gc.concatenate([X, X[0]]), ShapeError, "the number of axes differs"),
    (lambda: gc.concatenate([]), ShapeError, "no tensors"),
    (lambda: gc.concatenate(X), ShapeError, "a list of tensors is needed"),
    (lambda: gc.concatenate([gc.sum(X)]), ShapeError, "gc.stack"),
    (lambda: gc.stack([X, N]), ShapeError, "stacked tensors have one shape"),
    (lambda: gc.squeeze(X, 0), ShapeError, "has size 2, not 1"),
    (lambda: gc.split(X, 2, axis=1), ShapeError, "2 equal parts"),
    (lambda: gc.split(N, 2), ShapeError, "size N is not known to divide"),
    (lambda: gc.pad(X, -1), ShapeError, "not known to be at least 0"),
    (lambda: gc.pad(X, ((1, 1), (1, 1), (1, 1))), ShapeError, "3 widths for 2 axes"),
    (lambda: gc.pad(X, 1, mode="mirror"), UnsupportedError, "no padding mode 'mirror'"),
    (lambda: gc.pad(gc.input("i", (2,), "int8"), 1, constant_values=300), DTypeError, "does not fit in int8"),
    (lambda: gc.pad(gc.input("e", (0,)), 1, mode="edge"), ShapeError, "nothing to extend"),
    (lambda: gc.sum(X, axis=2), ShapeError, "sum: axis 2 does not exist in a tensor of 2 axes"),
    (lambda: X.mean(axis=(0, 0)), ShapeError, "mean: the axes (0, 0) name an axis twice"),
    (lambda: gc.softmax(gc.sum(X)), ShapeError, "softmax: axis -1 does not exist in a tensor of 0 axes"),
    (lambda: gc.max(gc.input("e", (0, 3)), axis=0), ShapeError, "is empty: it has no max"),
    (lambda: gc.argmin(gc.input("e", (0, 3))), ShapeError, "is empty: it has no argmin"),
    (lambda: gc.sum(X, axis=1.0), ShapeError, "an axis is an integer, but 1.0"),
    (lambda: gc.take(X, [0.5]), DTypeError, "an index has dtype float64"),
    (lambda: gc.take(X, 9, axis=0), ShapeError, "index 9 is out of bounds for axis 0 of size 2"),
    (lambda: gc.take_along_axis(X, [0], 1), ShapeError, "the indices have 1 axes, the tensor 2"),
    (lambda: gc.one_hot(X, 3), DTypeError, "one_hot: the indices have dtype float32"),
    (lambda: gc.repeat(X, [1, 2, 3], axis=0), ShapeError, "3 counts for axis 0 of size 2"),
    (lambda: gc.tile(X, -1), ShapeError, "tile: a dimension cannot be negative"),
    (lambda: gc.clip(X), GraphError, "both bounds are None"),
]


@pytest.mark.parametrize(("build", "kind", "message"), MISTAKES, ids=[m for _, _, m in MISTAKES])
def test_mistakes_are_named_with_a_remedy(
    build: Callable[[], Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        build()
    text = str(caught.value)
    assert message in text or message.split(": ", 1)[-1] in text
    assert "remedy: " in text
    assert f"{__file__}:" in text
