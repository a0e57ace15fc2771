"""What nodes cost, counted by hand."""

from __future__ import annotations

import pytest

import graphc as gc

N = gc.input("n", ("N",)).shape[0]


def test_products_are_counted_once_a_term() -> None:
    a, b = gc.input("a", ("N", 3, 4)), gc.input("b", (4, 5))
    assert gc.analysis.multiply_adds(a @ b) == N * 3 * 4 * 5
    assert gc.analysis.multiply_adds(gc.einsum("nij,jk->k", a, b)) == N * 3 * 4 * 5
    assert gc.analysis.multiply_adds(gc.einsum("nij->n", a)) == 0
    assert gc.analysis.operations(gc.einsum("nij->n", a)) == N * 3 * 4


@pytest.mark.parametrize(("groups", "stride"), [(1, 1), (2, 1), (4, 2)])
def test_convolutions_and_their_derivatives_cost_the_same(groups: int, stride: int) -> None:
    x = gc.input("x", ("N", 4, 9, 9))
    w = gc.parameter("w", (8, 4 // groups, 3, 3))
    y = gc.nn.conv2d(x, w, stride=stride, groups=groups)
    expected = N * 8 * int(y.shape[2]) ** 2 * (4 // groups) * 9
    assert gc.analysis.multiply_adds(y) == expected
    for gradient in gc.grad(y.sum(), [x, w]):
        assert gradient.op.family == "convolution"
        assert gc.analysis.multiply_adds(gradient) == expected


def test_other_ops_are_operations_but_no_products() -> None:
    x = gc.input("x", (3, 4))
    for y in (gc.exp(x), x * x, x.sum(axis=0), gc.nn.max_pool1d(x, 2)):
        assert gc.analysis.operations(y) == 12
        assert gc.analysis.multiply_adds(y) == 0
    assert gc.analysis.operations(x.T) == gc.analysis.multiply_adds(x.T) == 0
