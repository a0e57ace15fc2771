"""Places in a flattened array, decoded: by value against NumPy, in every form in which they are written."""

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.ops.indexing import scatter_add
from graphc.ops.shape import reshape
from graphc.ops.sources import arange
from graphc.passes.pipelines import PIPELINES, run
from graphc.passes.places import Places, decoded

T = gc.input("t", (3, 4), "int64")  # one integer for each of 3 · 4


def rows(size: int, *shape: int) -> gc.Tensor:
    return reshape(arange(size), shape)


FORMS: dict[str, Callable[[], gc.Tensor]] = {
    "mixed radix": lambda: (rows(3, 3, 1) * 4 + rows(4, 1, 4)) * 5 + T,
    "a product an axis": lambda: rows(3, 3, 1) * 20 + rows(4, 4) * 5 + T,
    "the other first": lambda: T + (5 * rows(4, 1, 4) + 20 * rows(3, 3, 1)),
    "flat": lambda: reshape(rows(3, 3, 1) * 20 + rows(4, 4) * 5 + T, (12,)),
    "axes of size 1": lambda: reshape(rows(3, 3, 1) * 20 + rows(4, 4) * 5, (3, 1, 4)) + reshape(T, (3, 1, 4)),
    "rows as one": lambda: reshape(arange(12) * 5, (12,)) + reshape(T, (12,)),
    "broadcast": lambda: gc.broadcast_to(rows(3, 3, 1) * 20, (3, 4)) + rows(4, 4) * 5 + T,
}


def value_of(found: Places, t: np.ndarray) -> np.ndarray:
    """The sum that the decoding claims, added up in NumPy."""
    total = found.factor * gc.interpret([found.other_as(found.shape)], {T: t})[0]
    for own in found.own:
        along = [own.size if a == own.axis else 1 for a in range(len(found.shape))]
        total = total + np.arange(own.size).reshape(along) * own.factor
    return np.ravel(total)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_decoded_adds_up_to_the_places(form: str) -> None:
    places = FORMS[form]()
    found = decoded(places)
    assert found is not None
    t = np.random.default_rng(0).integers(0, 5, (3, 4))
    np.testing.assert_array_equal(value_of(found, t), np.ravel(gc.interpret([places], {T: t})[0]))
    assert found.counts((3, 4), 5)
    assert not found.counts((3, 4), 4) and not found.counts((4, 3), 1) and not found.counts((2, 4), 5)


def test_two_other_integers_are_not_decoded() -> None:
    assert decoded(rows(3, 3, 1) * 20 + T + gc.square(T)) is None
    assert decoded(rows(3, 3, 1) * 20 + rows(4, 4) * 5) is None


@pytest.mark.parametrize("wrong", [(20, 4), (15, 5), (5, 20)])
def test_wrong_strides_put_nothing_by_comparison(wrong: tuple[int, int]) -> None:
    """Places that are no element of each row are added one by one, as they say."""
    g = gc.input("g", (3, 4), "float64")
    places = rows(3, 3, 1) * wrong[0] + rows(4, 4) * wrong[1] + T
    y = reshape(scatter_add(g, places, 0, 120)[:60], (3, 4, 5))
    z = reshape(
        scatter_add(reshape(g, (12,)), reshape(places, (12,)), 0, 60 if max(wrong) < 20 else 120), (-1,)
    )
    t, values = np.random.default_rng(0).integers(0, 5, (3, 4)), np.random.default_rng(1).random((3, 4))
    for got, wanted in zip(
        gc.compile([y, z], [T, g])(t, values), gc.interpret([y, z], {T: t, g: values}), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-14)


@pytest.mark.parametrize("engine", ["reverse", "symbolic"])
@pytest.mark.parametrize("batch", ["N", 1, 3])
def test_pooling_and_labels_of_both_engines_become_comparisons(engine: str, batch: object) -> None:
    x, label = gc.input("x", (batch, 2, 8, 8), "float64"), gc.input("label", (batch,), "int64")
    w = gc.input("w", (3, 2, 3, 3), "float64")
    v = gc.input("v", (27, 4), "float64")
    h = gc.nn.max_pool2d(gc.nn.relu(gc.nn.conv2d(x, w)), 2)
    loss = gc.nn.cross_entropy(gc.reshape(h, (h.shape[0], 27)) @ v, label, ignore_index=None)
    inputs = [x, w, v]
    reverse = list(gc.grad(loss, inputs))
    found = reverse if engine == "reverse" else list(gc.symbolic.grad(loss, inputs).gradients)
    graph, _ = run(Graph((x, label, w, v), tuple(found)), PIPELINES["default"], Verifier())
    picked = {"window_index"} if batch == 1 else {"window_index", "scatter_add", "take"}  # one row is no rows
    assert not {n.op.name for n in graph.nodes} & picked
    n = 5 if batch == "N" else int(str(batch))
    rng = np.random.default_rng(0)
    at = {
        x: rng.standard_normal((n, 2, 8, 8)), label: rng.integers(0, 4, n),
        w: rng.standard_normal((3, 2, 3, 3)), v: rng.standard_normal((27, 4)),
    }  # fmt: skip
    got = gc.compile(found, [x, label, w, v])(*at.values())
    for a, b in zip(got, gc.interpret(reverse, at), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
