"""A residual block: ReLU(x + two convolutions of 3×3 with a ReLU between); its mean square and gradients.

After K. He et al., *Deep residual learning for image recognition*, 2015, without the normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.by_hand import Convolution
from graphc.bench.workload import KINKED, Data, Draws, Workload

_NAMES = ("x", "filter1", "bias1", "filter2", "bias2")


def _data(small: bool) -> Data:
    draw = Draws()
    batch, channels, side = (2, 3, 7) if small else (16, 64, 32)
    scale = (9 * channels) ** -0.5
    return {
        "x": draw.normal(batch, channels, side, side),
        "filter1": draw.normal(channels, channels, 3, 3, scale=scale),
        "bias1": draw.normal(channels, scale=0.1),
        "filter2": draw.normal(channels, channels, 3, 3, scale=scale),
        "bias2": draw.normal(channels, scale=0.1),
    }


def _graphc(t: Mapping[str, Any]) -> Any:
    h = gc.nn.relu(gc.nn.conv2d(t["x"], t["filter1"], t["bias1"], padding=1))
    h = gc.nn.conv2d(h, t["filter2"], t["bias2"], padding=1)
    return (gc.nn.relu(h + t["x"]) ** 2).mean()


def _torch(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    h = functional.relu(functional.conv2d(t["x"], t["filter1"], t["bias1"], padding=1))
    h = functional.conv2d(h, t["filter2"], t["bias2"], padding=1)
    return (functional.relu(h + t["x"]) ** 2).mean()


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    h = jax.nn.relu(jax.lax.conv(t["x"], t["filter1"], (1, 1), "SAME") + t["bias1"][:, None, None])
    h = jax.lax.conv(h, t["filter2"], (1, 1), "SAME") + t["bias2"][:, None, None]
    return (jax.nn.relu(h + t["x"]) ** 2).mean()


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    x, w1, b1, w2, b2 = (t[name] for name in _NAMES)
    first, second = (Convolution(x, w1, (1, 1), (1, 1)) for _ in range(2))

    def step() -> list[Any]:
        h = first.forward(x, w1, b1)
        np.maximum(h, 0, out=h)
        y = second.forward(h, w2, b2)
        y += x
        np.maximum(y, 0, out=y)
        loss = np.vdot(y, y) / y.size
        g = y * (2 / y.size)
        by_h, by_w2 = second.backward(g, w2)
        by_h *= h > 0
        by_x, by_w1 = first.backward(by_h, w1)
        by_x += g
        return [loss, by_x, by_w1, by_h.sum(axis=(0, 2, 3)), by_w2, g.sum(axis=(0, 2, 3))]

    return step


RESBLOCK = Workload(
    "resblock",
    "value and gradients of a residual block: 16×64×32×32, two convolutions of 3×3",
    _data,
    _NAMES,
    {"graphc": _graphc, "torch": _torch, "jax": _jax},
    _by_hand,
    tolerance=KINKED,
)
