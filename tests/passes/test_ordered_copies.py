"""Ordered copies: a transpose that is read many times is copied once; others stay views."""

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.verifier import Verifier
from graphc.passes.ordered_copies import OrderedCopies
from graphc.passes.pipelines import run

X = gc.input("x", (2, 3, 4, 5), "float64")
LAST = gc.transpose(X, (1, 2, 3, 0))


def _copies(output: Tensor) -> int:
    """How many copies the pass puts in; values stay what they are."""
    (after,) = run(Graph((X,), (output,)), (OrderedCopies(),), Verifier())[0].outputs
    values = {X: np.random.default_rng(0).standard_normal(X.shape)}
    found, wanted = gc.interpret([after, output], values)
    np.testing.assert_array_equal(found, wanted)
    return [n.op.name for n in Graph((), (after,)).nodes].count("copy")


EVERY_SECOND, ROWS = X[..., ::2], X[:, :, ::2]

READ = {
    "windows": (gc.window(LAST, (2, 2), axis=(1, 2)), 1),
    "three steps": (gc.sin(LAST) + gc.exp(LAST) + gc.sum(LAST, axis=3, keepdims=True), 1),
    "three parts": (LAST[:, :2] + LAST[:, 1:3] * LAST[:, 2:4], 1),
    "two steps": (gc.sin(LAST) + gc.exp(LAST), 0),
    "a product": (gc.matmul(LAST, gc.swapaxes(LAST, -1, -2)), 0),
    "the last axis in its place": (gc.window(gc.transpose(X, (1, 0, 2, 3)), (2, 2), axis=(1, 2)), 0),
    "every second, read twice": (gc.sin(EVERY_SECOND) + gc.exp(EVERY_SECOND), 1),
    "every second, read once": (gc.sin(X[..., ::2]), 0),
    "every second row": (gc.sin(ROWS) + gc.exp(ROWS), 0),
    "no order": (gc.window(X, (2, 2), axis=(1, 2)), 0),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read_many_times_is_copied(name: str) -> None:
    output, copies = READ[name]
    assert _copies(output) == copies


def test_axes_of_one_element_are_in_order_anywhere() -> None:
    x = gc.input("x", (1, 3, 4, 5), "float64")
    y = gc.window(gc.transpose(x, (1, 2, 3, 0)), (2, 2), axis=(1, 2))
    after, _ = run(Graph((x,), (y,)), (OrderedCopies(),), Verifier())
    assert "copy" not in [n.op.name for n in after.nodes]
