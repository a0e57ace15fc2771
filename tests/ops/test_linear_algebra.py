# ruff: noqa: E501  (tables of cases)
"""Products against NumPy's function of the same name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc import ops as gc
from graphc.errors import ShapeError
from graphc.runtime.interpreter import interpret


def _check(ours: Any, theirs: Any, *shapes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s) for s in shapes]
    inputs = [gc.input(f"x{i}", s, "float64") for i, s in enumerate(shapes)]
    node = ours(*inputs)
    (value,) = interpret([node], dict(zip(inputs, arrays, strict=True)))
    expected = theirs(*arrays)
    assert node.shape == np.shape(expected)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("kj,ji", [(2, 3), (3, 4)]),
        ("ii", [(3, 3)]), ("ii->i", [(3, 3)]), ("iii->i", [(2, 2, 2)]), ("iji->j", [(2, 3, 2)]),
        ("ijij->ji", [(2, 3, 2, 3)]), ("ii,i->i", [(3, 3), (3,)]), ("i,i", [(3,), (3,)]), ("i,j", [(3,), (2,)]),
        (",ij->ij", [(), (2, 3)]), ("->", [()]), ("ij->", [(2, 3)]), ("ba", [(2, 3)]), (" i j , j k -> i k ", [(2, 3), (3, 4)]),
        ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]), ("...ij,...jk->...ik", [(5, 1, 2, 3), (6, 3, 4)]),
        ("...ij,...jk", [(5, 2, 3), (5, 3, 4)]), ("...,...->...", [(2, 3), (3,)]), ("...", [(2, 3)]),
        ("i...->...", [(2, 3, 4)]), ("...ii->...i", [(2, 3, 3)]), ("i...j,j...->...i", [(2, 5, 3), (3, 5)]),
        ("ij,jk->ik", [(2, 1), (3, 4)]), ("i,i->i", [(1,), (3,)]), ("...i,...i->...i", [(4, 1), (1, 3)]),
        ("ij,jk,kl,lm->im", [(2, 3), (3, 2), (2, 4), (4, 2)]), ("Ab,bC->AC", [(2, 3), (3, 4)]),
        ("ij,jk->ik", [(2, 0), (0, 4)]), ("...a->...", [(0, 3)]), ("ii,ij->j", [(1, 1), (3, 2)]),
    ],
)  # fmt: skip
def test_einsum_equals_numpy(equation: str, shapes: list[tuple[int, ...]]) -> None:
    _check(lambda *x: gc.einsum(equation, *x), lambda *x: np.einsum(equation, *x), *shapes)


def test_einsum_attribute_is_canonical() -> None:
    x, y = gc.input("x", ("N", 2, 3)), gc.input("y", (1, 3, 4))
    node = gc.einsum("...ij, ...jk", x, y)
    assert node.attrs["equation"] == "aij,jk->aik"
    assert [str(i.shape) for i in node.inputs] == ["(N, 2, 3)", "(3, 4)"]


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("ij,jk->ik", [(2, 3), (4, 5)], "index 'j' has size 3 and, in operand 1 of shape (4, 5), 4"),
        ("ii->i", [(1, 3)], "index 'i'"),
        ("ij->i", [(2, 3, 4)], "names 2"),
        ("ij,jk->ik", [(2, 3)], "2 terms for 1 operands"),
        ("ij->k", [(2, 3)], "which no operand has"),
        ("ij->ii", [(2, 3)], "2 times"),
        ("i1->i", [(2, 3)], "'1' is no index"),
        ("...i->i", [(2, 3)], "leaves out the '...'"),
        (3, [(2, 3)], "the equation is a string"),
    ],
)
def test_einsum_mistakes_are_named(equation: Any, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        gc.einsum(equation, *(gc.input(f"x{i}", s) for i, s in enumerate(shapes)))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((4, 2, 3), (3, 5)), ((4, 1, 2, 3), (5, 3, 2)),
        ((3,), (4, 3, 2)), ((4, 2, 3), (3,)), ((0, 3), (3, 2)), ((2, 0), (0, 2)),
    ],
)  # fmt: skip
def test_matmul(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    _check(gc.matmul, np.matmul, *shapes)
    _check(lambda x, y: x @ y, np.matmul, *shapes)


@pytest.mark.parametrize(
    "shapes",
    [((3,), (3,)), ((), (2, 3)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((2, 3), (4, 3, 2)), ((5, 2, 3), (3,))],
)
def test_dot(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    _check(gc.dot, np.dot, *shapes)


def test_other_products() -> None:
    _check(gc.inner, np.inner, (2, 3), (4, 3))
    _check(gc.inner, np.inner, (), (4, 3))
    _check(gc.vdot, np.vdot, (2, 3), (3, 2))
    _check(gc.outer, np.outer, (2, 3), (4,))
    _check(gc.kron, np.kron, (2, 3), (4, 5))
    _check(gc.kron, np.kron, (3,), (2, 2))
    for axes in (0, 1, 2, ([0, 1], [1, 0])):
        _check(
            lambda x, y, a=axes: gc.tensordot(x, y, a),
            lambda x, y, a=axes: np.tensordot(x, y, a),
            (3, 3),
            (3, 3),
        )


@pytest.mark.parametrize("offset", [-5, -2, -1, 0, 1, 3, 4])
def test_diagonals(offset: int) -> None:
    for a, b in ((0, 1), (1, 0), (2, 0), (-1, 1)):
        _check(lambda x: gc.diagonal(x, offset, a, b), lambda x: np.diagonal(x, offset, a, b), (3, 4, 2))  # noqa: B023
        _check(lambda x: gc.trace(x, offset, a, b), lambda x: np.trace(x, offset, a, b), (3, 4, 2))  # noqa: B023


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ((2, 3), (4, 5), "the inner sizes are 3 (axis -1 of the first) and 4 (axis -2 of the second)"),
        ((), (3,), "0-dimensional"),
        (("N", 3), ("N", 3), "the inner sizes are 3"),
        ((4, 2, 3), (5, 3, 2), "do not broadcast"),
    ],
)
def test_matmul_mistakes_are_named(left: Any, right: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        gc.input("x", left) @ gc.input("y", right)
    assert message in str(caught.value)
    assert str(caught.value).startswith("matmul: ")
