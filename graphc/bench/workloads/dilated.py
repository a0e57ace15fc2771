"""A convolution of 3×3 dilated by 2, as wide as its input; the mean square of its result and gradients.

After F. Yu, V. Koltun, *Multi-scale context aggregation by dilated convolutions*, 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.by_hand import Convolution
from graphc.bench.workload import Data, Draws, Workload


def _data(small: bool) -> Data:
    draw = Draws()
    batch, channels, side = (2, 3, 9) if small else (8, 32, 48)
    scale = (9 * channels) ** -0.5
    return {
        "x": draw.normal(batch, channels, side, side),
        "filter": draw.normal(channels, channels, 3, 3, scale=scale),
    }


def _graphc(t: Mapping[str, Any]) -> Any:
    return (gc.nn.conv2d(t["x"], t["filter"], padding=2, dilation=2) ** 2).mean()


def _torch(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    return (functional.conv2d(t["x"], t["filter"], padding=2, dilation=2) ** 2).mean()


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    y = jax.lax.conv_general_dilated(t["x"], t["filter"], (1, 1), ((2, 2), (2, 2)), rhs_dilation=(2, 2))
    return (y**2).mean()


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    x, w = t["x"], t["filter"]
    convolution = Convolution(x, w, (2, 2), (2, 2), dilation=2)

    def step() -> list[Any]:
        y = convolution.forward(x, w)
        return [np.vdot(y, y) / y.size, *convolution.backward(y * (2 / y.size), w)]

    return step


DILATED = Workload(
    "dilated",
    "value and gradients of a dilated convolution: 8×32×48×48, 3×3 dilated by 2",
    _data,
    ("x", "filter"),
    {"graphc": _graphc, "torch": _torch, "jax": _jax},
    _by_hand,
)
