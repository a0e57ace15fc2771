"""What simplification must not break: chosen zeros beside infinities; and what it finds out about a graph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
from graphc.ir.traversal import topological_order
from tests.symbolic.agreement import MODES

X = np.array([4.0, 0.0, -1.0, np.inf])
A, B = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, -1.0, 2.0, 1.0])
CHOSEN = np.array([True, False, False, False])


def _vector(name: str) -> gc.Tensor:
    return gc.input(name, (4,), "float64")


Body = Callable[[gc.Tensor, gc.Tensor, gc.Tensor], gc.Tensor]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("body", "by", "expected"),
    [
        (lambda x, a, b: gc.sqrt(x) * a + x * b, "x", A / 4 + B),
        (lambda x, a, b: gc.log(x) * a + a * a * b, "a", np.log(4) + 2 * A * B),
        (lambda x, a, b: (a + b) / gc.sqrt(x) + a * b, "a", 1 / 2 + B),
        (lambda x, a, b: gc.sqrt(x) * (a + b) + gc.reciprocal(x) * a, "x", (A + B) / 4 - A / 16),
    ],
)
def test_what_was_not_chosen_stays_zero_beside_infinities(
    mode: str, body: Body, by: str, expected: np.ndarray
) -> None:
    x, a, b, m = _vector("x"), _vector("a"), _vector("b"), gc.input("m", (4,), "bool")
    loss = gc.sum(gc.where(m, body(x, a, b), 0.0))
    result = gc.symbolic.grad(loss, {"x": x, "a": a}[by], mode=mode).result
    values = {x: X, a: A, b: B, m: CHOSEN}
    needed = set(topological_order([result]))
    (found,) = gc.interpret([result], {t: v for t, v in values.items() if t in needed})
    np.testing.assert_allclose(found, np.where(CHOSEN, expected, 0.0), rtol=1e-12)


def test_what_is_written_twice_is_read_from_one_node() -> None:
    x, w = gc.input("x", ("N", 3), "float64"), gc.input("w", (3,), "float64")
    loss = gc.sum(gc.square(gc.tanh(x @ w)) + gc.tanh(x @ w))
    result = gc.symbolic.grad(loss, w, mode="full").result
    assert sum(n.op.name == "tanh" for n in topological_order([result])) == 1


def test_a_class_number_becomes_a_comparison_beside_the_softmax_and_a_scatter_alone() -> None:
    z, t = gc.input("z", ("N", 3), "float64"), gc.input("t", ("N",), "int64")
    beside = gc.symbolic.grad(gc.nn.cross_entropy(z, t), z, mode="full").result
    picked = gc.take_along_axis(z, t[:, None], axis=1)
    alone = gc.symbolic.grad(gc.sum(gc.square(picked)), z, mode="full").result
    ops = [{n.op.name for n in topological_order([g])} for g in (beside, alone)]
    assert "scatter_add" not in ops[0]
    assert "scatter_add" in ops[1]


def test_a_class_number_out_of_range_is_still_found() -> None:
    z, t = gc.input("z", ("N", 3), "float64"), gc.input("t", ("N",), "int64")
    gradient = gc.symbolic.grad(gc.nn.cross_entropy(z, t), z, mode="full").result
    with pytest.raises(Exception, match="index"):
        gc.interpret([gradient], {z: np.zeros((2, 3)), t: np.array([0, 3])})
