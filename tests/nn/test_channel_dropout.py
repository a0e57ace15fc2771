"""Dropout of whole channels: what is drawn, how often, and the gradient."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc import nn, ops
from graphc.errors import DTypeError, GraphError, ShapeError

FUNCTIONS = {1: nn.dropout1d, 2: nn.dropout2d, 3: nn.dropout3d}
LAYERS = {1: nn.Dropout1d, 2: nn.Dropout2d, 3: nn.Dropout3d}


@pytest.mark.parametrize("spatial", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
def test_whole_channels_go(spatial, dtype, p):
    n, channels = 200, 50
    x = ops.input("x", ("N", channels, *[2] * spatial), dtype)
    y = FUNCTIONS[spatial](x, p)
    at = np.full((n, channels, *[2] * spatial), 3.0, dtype)
    for level in ("none", "default"):
        run = gc.compile([y, gc.grad(y.sum(), x)], [x], seed=5, optimize=level)
        value, slope = run(at)
        assert value.dtype == slope.dtype == dtype
        flat = value.reshape(n, channels, -1)
        kept = flat[:, :, 0] != 0
        assert (flat == flat[:, :, :1]).all(), "a channel is kept or dropped as a whole"
        deviations = 5 * np.sqrt(p * (1 - p) / (n * channels))
        assert abs(kept.mean() - (1 - p)) <= deviations
        if p < 1:
            np.testing.assert_allclose(flat[kept], 3 / (1 - p), rtol=1e-6)
            np.testing.assert_allclose(slope.reshape(flat.shape)[kept], 1 / (1 - p), rtol=1e-6)
        assert not slope.reshape(flat.shape)[~kept].any()
        if 0 < p < 1:
            assert abs(kept.mean(0) - (1 - p)).max() <= 5 * np.sqrt(p * (1 - p) / n)
            assert (run(at)[0] != value).any(), "drawn anew at each call"


@pytest.mark.parametrize("spatial", FUNCTIONS)
def test_one_example_without_a_batch_axis(spatial):
    x = ops.input("x", (300, *[3] * spatial))
    (y,) = gc.interpret([LAYERS[spatial](0.5)(x, training=True)], {x: np.ones((300, *[3] * spatial), "f4")})
    flat = y.reshape(300, -1)
    assert (flat == flat[:, :1]).all() and 100 < (flat[:, 0] == 0).sum() < 200


@pytest.mark.parametrize("spatial", FUNCTIONS)
def test_in_evaluation_the_input_itself(spatial):
    x = ops.input("x", ("N", 3, *[2] * spatial))
    assert LAYERS[spatial](0.5)(x) is x and FUNCTIONS[spatial](x, 0.5, training=False) is x
    assert FUNCTIONS[spatial](x, 0.0) is x


def test_one_uniform_number_a_channel_is_drawn():
    y = nn.dropout2d(ops.input("x", ("N", 8, 32, 32)), 0.3)
    (draw,) = [n for n in gc.ir.traversal.topological_order([y]) if n.op.name == "random_uniform"]
    assert draw.shape == (y.shape[0], 8, 1, 1)


def test_empty_batch():
    x = ops.input("x", ("N", 3, 2, 2))
    assert gc.compile(nn.dropout2d(x), [x])(np.zeros((0, 3, 2, 2), np.float32)).shape == (0, 3, 2, 2)


def test_errors():
    with pytest.raises(ShapeError, match=r"dropout2d: x has shape \(N, 3\), where \(N, C, H, W\) or") as e:
        nn.dropout2d(ops.input("x", ("N", 3)))
    assert "gc.nn.dropout for elements" in str(e.value) and "test_channel_dropout.py" in str(e.value)
    with pytest.raises(ShapeError, match=r"where \(N, C, L\) or \(C, L\)"):
        nn.dropout1d(ops.input("x", (2, 3, 4, 5)))
    with pytest.raises(ShapeError, match=r"where \(N, C, D, H, W\) or"):
        nn.dropout3d(ops.input("x", (2, 3, 4)), training=False)
    with pytest.raises(GraphError, match=r"dropout3d: p = 1\.5 is no probability"):
        nn.dropout3d(ops.input("x", (2, 3, 4, 5)), 1.5)
    with pytest.raises(DTypeError, match="dropout1d: x has dtype int64"):
        nn.dropout1d(ops.input("i", (2, 3, 4), "int64"))
