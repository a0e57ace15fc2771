"""Picking one element in every row by comparison: the values, their bits, and when it is done."""

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import PIPELINES, run


def ops(outputs: list[gc.Tensor], inputs: list[gc.Tensor]) -> set[str]:
    graph, _ = run(Graph(tuple(inputs), tuple(outputs)), PIPELINES["default"], Verifier())
    return {n.op.name for n in graph.nodes}


@pytest.mark.parametrize(
    ("shape", "axis"), [((6, 5), 1), ((6, 5), 0), ((3, 4, 2), 1), ((3, 4, 2), 2), ((1, 4), 1)]
)
@pytest.mark.parametrize("symbolic", [False, True])
def test_picked_elements_are_the_same_bits(shape, axis, symbolic) -> None:
    declared = tuple("N" if symbolic and a == (axis + 1) % len(shape) else s for a, s in enumerate(shape))
    x = gc.input("x", declared, "float64")
    i = gc.input("i", tuple(1 if a == axis else s for a, s in enumerate(declared)), "int64")
    picked = gc.take_along_axis(x, i, axis=axis)
    g = gc.grad((picked * picked * 0.5).sum(), x)
    if all(s != 1 for s in shape):
        assert not ops([picked, g], [x, i]) & {"take", "scatter_add"}
    rng = np.random.default_rng(0)
    value = rng.choice([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.5, -2.0], shape)
    index = rng.integers(-shape[axis], shape[axis], tuple(1 if a == axis else s for a, s in enumerate(shape)))
    got, slope = gc.compile([picked, g], [x, i])(value, index)
    expected = np.take_along_axis(value, index, axis)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))
    adjoint = np.zeros(shape)
    np.put_along_axis(adjoint, index, expected, axis)
    np.testing.assert_array_equal(slope, adjoint)


def test_an_index_outside_is_still_an_error() -> None:
    x, i = gc.input("x", ("N", 4)), gc.input("i", ("N", 1), "int64")
    f = gc.compile(gc.take_along_axis(x, i, axis=1), [x, i])
    with pytest.raises(IndexError, match="outside"):
        f(np.zeros((2, 4), np.float32), np.array([[0], [4]]))


def test_what_stays_a_take() -> None:
    i = gc.input("i", ("N", 1), "int64")
    many = gc.input("many", ("N", 5000))
    assert "take" in ops([gc.take_along_axis(many, i, axis=1)], [many, i])
    pairs, x = gc.input("pairs", ("N", 2), "int64"), gc.input("x", ("N", 4))
    assert "take" in ops([gc.take_along_axis(x, pairs, axis=1)], [x, pairs])
    table = gc.input("table", (10, 4))
    assert "take" in ops([gc.take(table, i, axis=0)], [table, i])


def test_cross_entropy_keeps_its_rows_apart() -> None:
    z, t = gc.input("z", ("N", 7), "float64"), gc.input("t", ("N",), "int64")
    loss = gc.nn.cross_entropy(z, t)
    g = gc.grad(loss, z)
    assert not ops([loss, g], [z, t]) & {"take", "scatter_add"}
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((9, 7)), rng.integers(0, 7, 9)
    value, slope = gc.compile([loss, g], [z, t])(logits, labels)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(value, -np.log(p[np.arange(9), labels]).mean(), rtol=1e-13)
    np.testing.assert_allclose(slope, (p - np.eye(7)[labels]) / 9, atol=1e-15)
