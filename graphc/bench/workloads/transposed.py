"""A transposed convolution of 4×4 that doubles the image; the mean square of its result and gradients.

After A. Radford et al., *Unsupervised representation learning with deep convolutional generative adversarial
networks*, 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.workload import Data, Draws, Workload


def _data(small: bool) -> Data:
    draw = Draws()
    batch, channels, results, side = (2, 3, 2, 5) if small else (16, 64, 32, 14)
    return {
        "x": draw.normal(batch, channels, side, side),
        "filter": draw.normal(channels, results, 4, 4, scale=(16 * channels) ** -0.5),
    }


def _graphc(t: Mapping[str, Any]) -> Any:
    return (gc.nn.conv_transpose2d(t["x"], t["filter"], stride=2, padding=1) ** 2).mean()


def _torch(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    return (functional.conv_transpose2d(t["x"], t["filter"], stride=2, padding=1) ** 2).mean()


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    # The convolution by the filter turned round, of x with a zero between its elements.
    turned = jax.numpy.flip(t["filter"], (2, 3)).swapaxes(0, 1)
    y = jax.lax.conv_general_dilated(t["x"], turned, (1, 1), ((2, 2), (2, 2)), lhs_dilation=(2, 2))
    return (y**2).mean()


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    x, filters = t["x"], t["filter"]
    count, channels, high, wide = x.shape
    results = filters.shape[1]
    columns, weights = x.reshape(count, channels, -1), filters.reshape(channels, -1)
    taps = [np.s_[:, :, i : i + 2 * high : 2, j : j + 2 * wide : 2] for i in range(4) for j in range(4)]
    y = np.empty((count, results, 2 * high + 2, 2 * wide + 2), x.dtype)  # with the border that is cut off
    parts = np.empty((count, results * 16, high * wide), x.dtype)
    each = parts.reshape(count, results, 16, high, wide)

    def step() -> list[Any]:
        np.matmul(weights.T, columns, out=parts)
        y[...] = 0
        for number, tap in enumerate(taps):
            y[tap] += each[:, :, number]
        inside = y[:, :, 1:-1, 1:-1]
        loss = (inside**2).mean()
        y[:, :, [0, -1]] = 0
        y[:, :, :, [0, -1]] = 0
        np.multiply(y, 2 / inside.size, out=y)
        for number, tap in enumerate(taps):
            each[:, :, number] = y[tap]
        by_x = (weights @ parts).reshape(x.shape)
        return [loss, by_x, (columns @ parts.swapaxes(1, 2)).sum(axis=0).reshape(filters.shape)]

    return step


TRANSPOSED = Workload(
    "transposed",
    "value and gradients of a transposed convolution: 16×64×14×14 to 16×32×28×28, 4×4, stride 2",
    _data,
    ("x", "filter"),
    {"graphc": _graphc, "torch": _torch, "jax": _jax},
    _by_hand,
)
