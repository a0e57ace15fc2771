from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.errors import ShapeError
from tests.nn.agreement import agree

torch = pytest.importorskip("torch")
SHAPES = [(2, 1, 3, 2), (0, 2, 1, 1), (1, 3, 1, 5), (2, 4, 3), (2, 3, 2, 2, 3)]


def _theirs(name, r, x):
    """PyTorch's function; of batches of none, which its derivative refuses, the definition of Shi et al."""
    if x.size:
        return lambda t: getattr(torch.nn.functional, name)(t, r)
    n, c, h, w = x.shape
    if name == "pixel_shuffle":
        small = c // r**2
        return lambda t: (
            t.reshape(n, small, r, r, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, small, h * r, w * r)
        )
    rows, columns = h // r, w // r
    return lambda t: (
        t.reshape(n, c, rows, r, columns, r).permute(0, 1, 3, 5, 2, 4).reshape(n, c * r**2, rows, columns)
    )


@pytest.mark.parametrize("r", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pixels_and_channels(shape, r, dtype):
    *lead, channels, height, width = shape
    generator = np.random.default_rng(r)
    folded = generator.standard_normal((*lead, channels * r * r, height, width)).astype(dtype)
    spread = generator.standard_normal((*lead, channels, height * r, width * r)).astype(dtype)
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    names = ["B", "N"][: len(lead)]
    for function, x, shapes in (
        ("pixel_shuffle", folded, [(*names, *folded.shape[-3:-2], "H", "W")]),
        ("pixel_unshuffle", spread, None),
    ):
        agree(
            lambda t, name=function: getattr(gc.nn, name)(t, r),
            _theirs(function, r, x),
            [x],
            shapes=shapes,
            second=True,
            compiled=True,
            tolerance=tolerance,
        )


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("shape", [(2, 6, 3, 2), (0, 6, 2, 2), (1, 12, 4)])
def test_channel_shuffle(shape, groups):
    x = np.random.default_rng(0).standard_normal(shape)

    def dealt(t):  # PyTorch refuses batches of none: the definition of Zhang et al.
        n, c, *space = t.shape
        return t.reshape(n, groups, c // groups, *space).transpose(1, 2).reshape(t.shape)

    theirs = dealt if 0 in shape else (lambda t: torch.nn.functional.channel_shuffle(t, groups))
    agree(lambda t: gc.nn.channel_shuffle(t, groups), theirs, [x], second=True, compiled=True)


@pytest.mark.parametrize("r", [1, 2, 3])
def test_unshuffling_undoes_shuffling(r):
    x = gc.input("x", ("N", 2 * r * r, "H", "W"), "int64")
    value = np.arange(3 * 2 * r * r * 4 * 5).reshape(3, 2 * r * r, 4, 5)
    (found,) = gc.interpret([gc.nn.pixel_unshuffle(gc.nn.pixel_shuffle(x, r), r)], {x: value})
    np.testing.assert_array_equal(found, value)


def test_errors():
    x = gc.input("x", ("N", 6, "H", 4))
    with pytest.raises(ShapeError, match=r"\(N, 6, H, 4\), whose 6 channels are not known to divide by 4"):
        gc.nn.pixel_shuffle(x, 2)
    with pytest.raises(ShapeError, match="whose H rows are not known to divide by 2"):
        gc.nn.pixel_unshuffle(x, 2)
    with pytest.raises(ShapeError, match="whose 4 columns are not known to divide by 3"):
        gc.nn.pixel_unshuffle(gc.input("y", (1, 6, 3, 4)), 3)
    with pytest.raises(ShapeError, match="whose 6 channels are not known to divide by 4"):
        gc.nn.channel_shuffle(x, 4)
    with pytest.raises(ShapeError, match="upscale_factor = 0 is below 1"):
        gc.nn.pixel_shuffle(x, 0)
    with pytest.raises(ShapeError, match=r"groups is an integer, but 2\.0"):
        gc.nn.channel_shuffle(x, 2.0)
    with pytest.raises(ShapeError, match=r"x has shape \(3, 4\), where channels and spatial axes"):
        gc.nn.pixel_shuffle(gc.input("y", (3, 4)), 2)
