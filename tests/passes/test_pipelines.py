"""Pipelines: what they record, that they verify, that they stay linear, and that dtypes keep them honest."""

import time

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphError
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import PIPELINES, run


def test_each_pass_is_recorded() -> None:
    x = gc.input("x", (3,))
    _, records = run(Graph((x,), (gc.log(1.0 + gc.exp(x * 1.0)),)), PIPELINES["default"], Verifier())
    assert [r.name for r in records] == [p.name for p in PIPELINES["default"]]
    fired = sum((r.fired for r in records), start=type(records[0].fired)())
    assert fired["multiply_by_one"] == 1
    assert all(r.seconds >= 0 for r in records)


class _Breaking:
    """A pass that leaves a node which lies about its shape."""

    name = "breaking"

    def __call__(self, graph: Graph, fired: object = None) -> Graph:
        (y,) = graph.outputs
        wrong = Tensor(y.op, y.inputs, y.attrs, (7,), y.dtype, y.name, y.origins)
        return Graph(graph.inputs, (wrong,))


def test_a_pass_that_breaks_the_graph_is_named() -> None:
    x = gc.input("x", (3,))
    with pytest.raises(GraphError, match="breaking"):
        run(Graph((x,), (gc.exp(x),)), (_Breaking(),), Verifier())


def test_time_grows_with_the_number_of_nodes() -> None:
    """Time per node at 40 000 nodes is within a factor of that at 1 000: nothing is quadratic."""

    def seconds(count: int) -> float:
        x = gc.input("x", (4,))
        y = x
        for _ in range(count // 4):
            y = gc.tanh(y * 0.5 + 1.0) - x
        start = time.process_time()
        run(Graph((x,), (y,)), PIPELINES["default"], Verifier())
        return (time.process_time() - start) / count

    assert seconds(40_000) < 6 * min(seconds(1_000) for _ in range(3))


@pytest.mark.parametrize("name", ["exact", "default"])
def test_negating_a_narrow_integer_wraps_before_it_is_widened(name: str) -> None:
    i, u, b = gc.input("i", (2,), "int64"), gc.input("u", (2,), "uint8"), gc.input("b", (2,), "int8")
    values = {i: np.array([1, 2]), u: np.array([5, 0], np.uint8), b: np.array([-128, 3], np.int8)}
    outputs = (i + (-u), i - (-u), (-b) * (-i))
    after, _ = run(Graph((i, u, b), outputs), PIPELINES[name], Verifier())
    with np.errstate(all="ignore"):
        wrapped, turned = np.negative(values[u]), np.negative(values[b])
    expected = (values[i] + wrapped, values[i] - wrapped, turned * -values[i])
    for found, wanted in zip(gc.interpret(after.outputs, values), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["exact", "default"])
def test_a_cast_through_a_dtype_that_rounds_stays(name: str) -> None:
    i = gc.input("i", (1,), "int64")
    after, _ = run(Graph((i,), (i.astype("float64").astype("int64"),)), PIPELINES[name], Verifier())
    (found,) = gc.interpret(after.outputs, {i: np.array([2**53 + 1])})
    assert found[0] == 2**53


def test_the_sign_of_zero_in_maximum_stays() -> None:
    x = gc.input("x", (2,))
    y = gc.maximum(0.0, x)
    after, _ = run(Graph((x,), (y,)), PIPELINES["exact"], Verifier())
    assert after.outputs[0].op.name == "maximum"
