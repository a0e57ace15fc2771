from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from tests.nn.agreement import agree

torch = pytest.importorskip("torch")

# Layers that are made by the same words in PyTorch, and the shapes they take.
PAIRS = [
    ("Upsample", (), {"scale_factor": 2}, (2, 3, 4, 5)),
    ("Upsample", ((7, 3),), {"mode": "bilinear", "align_corners": True}, (2, 3, 4, 5)),
    ("PixelShuffle", (2,), {}, (2, 8, 3, 4)),
    ("PixelUnshuffle", (2,), {}, (2, 3, 4, 6)),
    ("AdaptiveAvgPool1d", (3,), {}, (2, 3, 7)),
    ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 7, 4)),
    ("AdaptiveAvgPool3d", (2,), {}, (2, 3, 4, 5, 3)),
    ("AdaptiveMaxPool1d", (3,), {}, (2, 3, 7)),
    ("AdaptiveMaxPool2d", ((3, None),), {}, (2, 3, 7, 4)),
    ("AdaptiveMaxPool3d", (2,), {}, (2, 3, 4, 5, 3)),
]


@pytest.mark.parametrize(("name", "arguments", "options", "shape"), PAIRS)
def test_layers_are_torchs(name, arguments, options, shape):
    layer = getattr(gc.nn, name)(*arguments, **options)
    assert layer.parameters() == []
    x = np.random.default_rng(0).standard_normal(shape)
    agree(layer, getattr(torch.nn, name)(*arguments, **options), [x])
    assert getattr(gc.nn, name).__doc__
    assert layer(gc.input("x", shape)).dtype == np.float32
    named = getattr(gc.nn, name)(*arguments, **options, name="part")
    assert named(gc.input("x", shape)).scope == ("part",)


def test_global_pooling_ends_a_network():
    model = gc.nn.Sequential(gc.nn.Upsample(scale_factor=2), gc.nn.GlobalAvgPool(), gc.nn.Dense(3, 2))
    assert model(gc.input("x", ("N", 3, "H", "W"))).shape == gc.input("y", ("N", 2)).shape
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    agree(gc.nn.GlobalMaxPool(), lambda t: t.flatten(2).max(2).values, [x])
    agree(gc.nn.GlobalMaxPool(keepdims=True), lambda t: torch.nn.functional.adaptive_max_pool2d(t, 1), [x])
