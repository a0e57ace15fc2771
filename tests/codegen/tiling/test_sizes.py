"""How long tiles are: long enough for what every tile reads as a whole, and no longer than that asks for."""

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.schedule import schedule
from graphc.codegen.tiling.region import Region
from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import PIPELINES, run


def _regions(outputs: list[gc.Tensor], inputs: list[gc.Tensor]) -> list[Region]:
    graph, _ = run(Graph(tuple(inputs), tuple(outputs)), PIPELINES["default"], Verifier())
    return [s for s in schedule(graph, tiled=True).steps if isinstance(s, Region)]


def _by_channels(channels: int, side: int) -> Region:
    """Weights times columns, then statistics of each channel, which needs all columns."""
    w, x = gc.input("w", (channels, 64)), gc.input("x", (64, side * side))
    y = w @ x
    y = y - gc.mean(y, axis=1, keepdims=True)
    (region,) = _regions([y / gc.sqrt(gc.mean(y * y, axis=1, keepdims=True) + 1e-5)], [w, x])
    assert region.rows == channels
    return region


def test_a_large_whole_is_read_by_few_tiles() -> None:
    """A tile of 64 · 128² floats read for two rows of a product each took most of the time."""
    large = _by_channels(64, 128).tiles
    assert large.most >= 16
    assert large.count == 64 // large.most


def test_a_whole_that_stays_in_cache_is_read_as_often_as_one_likes() -> None:
    assert _by_channels(2048, 32).tiles.count >= 8


@pytest.mark.parametrize("batch", [8, "N"])
def test_a_residual_block_has_one_region_a_convolution_and_direction(batch: int | str) -> None:
    """Batch statistics need all images, but one channel alone: rows are channels."""
    x, inputs = gc.input("x", (batch, 32, 16, 16)), []
    h = x
    for number in range(2):
        w, g, b = (
            gc.input(f"{n}{number}", s) for n, s in (("w", (32, 32, 3, 3)), ("g", (32,)), ("b", (32,)))
        )
        inputs += [w, g, b]
        h = gc.nn.batch_norm(gc.nn.conv2d(h, w, padding=1), None, None, g, b, training=True)
        h = gc.nn.relu(h) if number == 0 else gc.nn.relu(h + x)
    loss = gc.sum(h * h)
    outputs = [loss, *gc.grad(loss, inputs)]
    found = _regions(outputs, [x, *inputs])
    assert sum(r.rows == 32 for r in found) == 3  # forward and back meet in the last one
    function = gc.compile(outputs, [x, *inputs])
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((8, 32, 16, 16)), *[rng.standard_normal(i.shape) * 0.1 for i in inputs]]
    arrays = [a.astype("float32") for a in arrays]
    wanted = gc.interpret(outputs, dict(zip((x, *inputs), arrays, strict=True)))
    for ours, truth in zip(function(*arrays), wanted, strict=True):
        error = np.linalg.norm(ours - truth) / np.linalg.norm(truth)
        assert error < 1e-3
