"""A depthwise-separable block: a filter of 3×3 for each channel, then a product over the channels.

Each with ReLU; the mean square and its gradients. After A. Howard et al., *MobileNets*, 2017, without the
normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.workload import KINKED, Data, Draws, Workload

_NAMES = ("x", "depthwise", "bias1", "pointwise", "bias2")


def _data(small: bool) -> Data:
    draw = Draws()
    batch, channels, results, side = (2, 3, 4, 6) if small else (16, 64, 128, 32)
    return {
        "x": draw.normal(batch, channels, side, side),
        "depthwise": draw.normal(channels, 1, 3, 3, scale=1 / 3),
        "bias1": draw.normal(channels, scale=0.1),
        "pointwise": draw.normal(results, channels, 1, 1, scale=channels**-0.5),
        "bias2": draw.normal(results, scale=0.1),
    }


def _graphc(t: Mapping[str, Any]) -> Any:
    channels = t["x"].shape[1]
    h = gc.nn.relu(gc.nn.conv2d(t["x"], t["depthwise"], t["bias1"], padding=1, groups=channels))
    return (gc.nn.relu(gc.nn.conv2d(h, t["pointwise"], t["bias2"])) ** 2).mean()


def _torch(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    channels = t["x"].shape[1]
    h = functional.relu(functional.conv2d(t["x"], t["depthwise"], t["bias1"], padding=1, groups=channels))
    return (functional.relu(functional.conv2d(h, t["pointwise"], t["bias2"])) ** 2).mean()


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    channels = t["x"].shape[1]
    h = jax.lax.conv_general_dilated(t["x"], t["depthwise"], (1, 1), "SAME", feature_group_count=channels)
    h = jax.nn.relu(h + t["bias1"][:, None, None])
    y = jax.lax.conv(h, t["pointwise"], (1, 1), "VALID") + t["bias2"][:, None, None]
    return (jax.nn.relu(y) ** 2).mean()


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    x, depthwise, b1, pointwise, b2 = (t[name] for name in _NAMES)
    count, channels, high, wide = x.shape
    weights = pointwise[:, :, 0, 0]
    padded = np.zeros((count, channels, high + 2, wide + 2), x.dtype)
    padded[:, :, 1:-1, 1:-1] = x
    back, scratch = np.empty_like(padded[0]), np.empty_like(x[0])
    h = np.empty_like(x)
    taps = [(i, j, np.s_[:, i : i + high, j : j + wide]) for i in range(3) for j in range(3)]

    def step() -> list[Any]:
        for image, y in zip(padded, h, strict=True):  # shifted multiply-adds, an image at a time
            y[...] = b1[:, None, None]
            for i, j, tap in taps:
                np.multiply(image[tap], depthwise[:, :, i, j, None], out=scratch)
                y += scratch
            np.maximum(y, 0, out=y)
        rows = h.reshape(count, channels, -1)
        y = weights @ rows
        y += b2[:, None]
        np.maximum(y, 0, out=y)
        loss = np.vdot(y, y) / y.size
        y *= 2 / y.size
        by_pointwise = (y @ rows.swapaxes(1, 2)).sum(axis=0).reshape(pointwise.shape)
        g = (weights.T @ y).reshape(h.shape)
        g *= h > 0
        by_x, by_depthwise = np.empty_like(x), np.zeros_like(depthwise)
        for image, gradient, out in zip(padded, g, by_x, strict=True):
            back[...] = 0
            for i, j, tap in taps:
                np.multiply(gradient, depthwise[:, :, i, j, None], out=scratch)
                back[tap] += scratch
                np.multiply(gradient, image[tap], out=scratch)
                by_depthwise[:, 0, i, j] += scratch.sum(axis=(1, 2))
            out[...] = back[:, 1:-1, 1:-1]
        return [loss, by_x, by_depthwise, g.sum(axis=(0, 2, 3)), by_pointwise, y.sum(axis=(0, 2))]

    return step


SEPARABLE = Workload(
    "separable",
    "value and gradients of a depthwise-separable block: 16×64×32×32, 3×3 a channel, 1×1 to 128 channels",
    _data,
    _NAMES,
    {"graphc": _graphc, "torch": _torch, "jax": _jax},
    _by_hand,
    tolerance=KINKED,
)
