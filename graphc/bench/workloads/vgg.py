"""A VGG block: two convolutions of 3×3 with ReLU, then pooling; the mean square and its gradients.

After K. Simonyan, A. Zisserman, *Very deep convolutional networks for large-scale image recognition*, 2014.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.by_hand import Convolution, Pooling
from graphc.bench.workload import KINKED, Data, Draws, Workload

_NAMES = ("x", "filter1", "bias1", "filter2", "bias2")


def _data(small: bool) -> Data:
    draw = Draws()
    batch, channels, results, side = (2, 3, 4, 6) if small else (16, 64, 128, 32)
    return {
        "x": draw.normal(batch, channels, side, side),
        "filter1": draw.normal(results, channels, 3, 3, scale=(9 * channels) ** -0.5),
        "bias1": draw.normal(results, scale=0.1),
        "filter2": draw.normal(results, results, 3, 3, scale=(9 * results) ** -0.5),
        "bias2": draw.normal(results, scale=0.1),
    }


def _graphc(t: Mapping[str, Any]) -> Any:
    h = gc.nn.relu(gc.nn.conv2d(t["x"], t["filter1"], t["bias1"], padding=1))
    h = gc.nn.relu(gc.nn.conv2d(h, t["filter2"], t["bias2"], padding=1))
    return (gc.nn.max_pool2d(h, 2) ** 2).mean()


def _torch(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    h = functional.relu(functional.conv2d(t["x"], t["filter1"], t["bias1"], padding=1))
    h = functional.relu(functional.conv2d(h, t["filter2"], t["bias2"], padding=1))
    return (functional.max_pool2d(h, 2) ** 2).mean()


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    h = jax.nn.relu(jax.lax.conv(t["x"], t["filter1"], (1, 1), "SAME") + t["bias1"][:, None, None])
    h = jax.nn.relu(jax.lax.conv(h, t["filter2"], (1, 1), "SAME") + t["bias2"][:, None, None])
    h = jax.lax.reduce_window(h, -jax.numpy.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return (h**2).mean()


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    x, w1, b1, w2, b2 = (t[name] for name in _NAMES)
    first = Convolution(x, w1, (1, 1), (1, 1))
    second = Convolution(first.result, w2, (1, 1), (1, 1))
    pooling = Pooling()

    def step() -> list[Any]:
        h = first.forward(x, w1, b1)
        np.maximum(h, 0, out=h)
        y = np.maximum(pooling.forward(second.forward(h, w2, b2)), 0)
        g = y * (2 / y.size)  # 0 where the ReLU is
        loss, by_b2 = np.vdot(y, y) / y.size, g.sum(axis=(0, 2, 3))
        by_h, by_w2 = second.backward(pooling.backward(g), w2)
        by_h *= h > 0
        by_x, by_w1 = first.backward(by_h, w1)
        return [loss, by_x, by_w1, by_h.sum(axis=(0, 2, 3)), by_w2, by_b2]

    return step


VGG = Workload(
    "vgg",
    "value and gradients of a VGG block: 16×64×32×32, two convolutions of 3×3 to 128 channels, pooling",
    _data,
    _NAMES,
    {"graphc": _graphc, "torch": _torch, "jax": _jax},
    _by_hand,
    tolerance=KINKED,
)
