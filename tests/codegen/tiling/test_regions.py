"""Graphs that run in tiles equal the interpreter, whatever the tiles and the threads."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import graphc as gc
from graphc.codegen.schedule import schedule
from graphc.codegen.tiling import regions, sizes
from graphc.codegen.tiling.region import Region
from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import PIPELINES, run
from tests.passes.random_graphs import Drawn, graphs
from tests.samples import SAMPLES

MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little work: regions, and tiles of about two rows."""
    monkeypatch.setattr(regions, "LEAST", 1.0)
    monkeypatch.setattr(sizes, "_rows_of_a_tile", lambda region, nodes: 2)


def regions_of(outputs: list[gc.Tensor], inputs: list[gc.Tensor]) -> list[Region]:
    graph, _ = run(Graph(tuple(inputs), tuple(outputs)), PIPELINES["default"], Verifier())
    return [s for s in schedule(graph, tiled=True).steps if isinstance(s, Region)]


def check(
    outputs: list[gc.Tensor], inputs: list[gc.Tensor], arrays: list[np.ndarray], tolerance: float
) -> None:
    """Two calls equal the interpreter; one thread and three give the same bits."""
    function = gc.compile(outputs, inputs, threads=3)
    alone = gc.compile(outputs, inputs, threads=1)
    expected = gc.interpret(outputs, dict(zip(inputs, arrays, strict=True)))
    for _ in range(2):  # the second call finds used buffers
        for got, one, wanted in zip(function(*arrays), alone(*arrays), expected, strict=True):
            np.testing.assert_array_equal(got, one)
            np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "sample",
    [s for s in SAMPLES if s.op not in ("random_uniform", "random_normal") and not s.sizes],
    ids=lambda s: s.id,
)
def test_samples_in_tiles(sample) -> None:
    inputs = sample.inputs()
    arrays = sample.arrays(np.random.default_rng(0))
    output = sample.build(*inputs)
    outputs = [output]
    if sample.smooth and sample.differentiable():
        floats = [i for i in inputs if i.dtype.kind == "f"]
        outputs += gc.grad((output * output).sum(), floats)
    check(outputs, inputs, arrays, 1e-11 if output.dtype == np.float64 else 1e-5)


@MANY
@given(graphs(kinks=False))
def test_random_graphs_in_tiles(drawn: Drawn) -> None:
    outputs = [drawn.output, *gc.grad(drawn.output, drawn.inputs)]
    check(outputs, drawn.inputs, drawn.arrays(), 1e-9)


def network(batch: object) -> tuple[list[gc.Tensor], list[gc.Tensor]]:
    """A convolutional network's loss and gradients."""
    x = gc.input("x", (batch, 2, 9, 8), "float64")
    label = gc.input("label", (batch, 3), "float64")
    w, b = gc.input("w", (4, 2, 3, 3), "float64"), gc.input("b", (4,), "float64")
    v = gc.input("v", (36, 3), "float64")
    h = gc.nn.max_pool2d(gc.nn.relu(gc.nn.conv2d(x, w, b)), 2)
    loss = gc.nn.cross_entropy(gc.reshape(h, (h.shape[0], -1)) @ v, label)
    return [loss, *gc.grad(loss, [x, w, b, v])], [x, label, w, b, v]


def arrays_for(inputs: list[gc.Tensor], batch: int) -> list[np.ndarray]:
    rng = np.random.default_rng(batch)
    return [rng.standard_normal([s if isinstance(s, int) else batch for s in i.shape]) for i in inputs]


@pytest.mark.parametrize("batch", [2, 5, 8, "N"])
def test_a_network_in_tiles(batch) -> None:
    outputs, inputs = network(batch)
    found = regions_of(outputs, inputs)
    assert found, "the batch is a parallel axis"
    assert any(r.part is None for region in found for r in region.results), "gradients of weights are sums"
    for n in (1, 2, 3, 4, 7) if batch == "N" else (batch,):
        check(outputs, inputs, arrays_for(inputs, n), 1e-11)


def test_no_rows_at_all() -> None:
    x = gc.input("x", ("N", 3), "float64")
    w = gc.input("w", (3, 2), "float64")
    y = gc.tanh(x @ w)
    outputs = [y, gc.grad((y * y).sum(), w)]
    assert regions_of(outputs, [x, w])
    check(outputs, [x, w], [np.zeros((0, 3)), np.ones((3, 2))], 0)


def test_an_error_in_a_tile_reaches_the_caller() -> None:
    table = gc.input("table", (4, 3))
    places = gc.input("places", (8,), "int64")
    y = gc.exp(gc.take(table, places, axis=0))
    function = gc.compile(y, [table, places], threads=2)
    assert "in_tiles" in function.source
    with pytest.raises(IndexError, match="outside"):
        function(np.ones((4, 3), np.float32), np.arange(8))
    np.testing.assert_allclose(function(np.ones((4, 3), np.float32), np.zeros(8, np.int64)), np.e, rtol=1e-6)


def test_updates_of_parameters() -> None:
    x, t = gc.input("x", ("N", 3)), gc.input("t", ("N", 2))
    w = gc.parameter("w", value=np.full((3, 2), 0.1, np.float32))
    loss = gc.square(gc.tanh(x @ w) - t).mean()
    step = gc.compile(loss, [x, t], updates={w: w - 0.5 * gc.grad(loss, w)})
    plain = gc.compile(loss, [x, t], updates={w: w - 0.5 * gc.grad(loss, w)}, optimize="exact")
    rng = np.random.default_rng(0)
    arrays = rng.standard_normal((7, 3)).astype(np.float32), rng.standard_normal((7, 2)).astype(np.float32)
    for _ in range(5):
        np.testing.assert_allclose(step(*arrays), plain(*arrays), rtol=1e-5)
    np.testing.assert_allclose(step.params["w"], plain.params["w"], rtol=1e-5)


def test_rows_that_do_not_lie_together_in_what_a_view_is_of() -> None:
    """A slice of a vector as a matrix is split by columns: the matrix is sliced, not the vector."""
    v, w = gc.input("v", (2 + 6 * 8,), "float64"), gc.input("w", (6, 5), "float64")
    matrix = gc.reshape(v[2:], (6, 8))
    y = gc.exp(gc.transpose(matrix) @ w)
    assert regions_of([y], [v, w])
    check([y], [v, w], arrays_for([v, w], 0), 1e-12)


@pytest.mark.parametrize("batch", [5, "N"])
@pytest.mark.parametrize("options", [{"padding": 1}, {"ceil_mode": True}, {"dilation": 2}])
def test_overlapping_pooling_in_tiles(batch: int | str, options: dict[str, object]) -> None:
    """By images; with batch statistics in front, by channels."""
    x, w = gc.input("x", (batch, 2, 8, 9), "float64"), gc.input("w", (4, 2, 3, 3), "float64")
    h = gc.nn.conv2d(x, w, padding=1)
    arrays = [np.random.default_rng(0).standard_normal(s) for s in ((5, 2, 8, 9), (4, 2, 3, 3))]
    for before in (h, gc.nn.batch_norm(h, None, None, training=True)):
        y = gc.nn.max_pool2d(gc.nn.relu(before), 3, 2, **options)
        y = y + gc.nn.max_pool2d(gc.nn.avg_pool2d(before, 3, 1, padding=1), 3, 2, **options)
        outputs = [y, *gc.grad(gc.sum(y * y), [x, w])]
        assert regions_of(outputs, [x, w])
        check(outputs, [x, w], arrays, 1e-10)
