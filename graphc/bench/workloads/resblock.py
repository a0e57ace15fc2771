"""A residual block: ReLU(x + two convolutions of 3×3 with a ReLU between); its mean square and gradients.

After K. He et al., *Deep residual learning for image recognition*, 2015, without the normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import graphc as gc
from graphc.bench.workload import Data, Draws, Workload


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


RESBLOCK = Workload(
    "resblock",
    "value and gradients of a residual block: 16×64×32×32, two convolutions of 3×3",
    _data,
    ("x", "filter1", "bias1", "filter2", "bias2"),
    {"graphc": _graphc, "torch": _torch, "jax": _jax},
)
