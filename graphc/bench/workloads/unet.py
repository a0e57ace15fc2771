"""A U-Net of one level: down by pooling, up by a transposed convolution, the skip beside it; a training step.

After O. Ronneberger et al., *U-Net: convolutional networks for biomedical image segmentation*, 2015; the loss
is the binary cross-entropy of every pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.by_hand import Convolution, Pooling
from graphc.bench.workload import KINKED, Data, Draws, Workload

_NAMES = ("enter", "bias1", "down", "bias2", "up", "join", "bias3", "leave")


def _data(small: bool) -> Data:
    draw = Draws()
    batch, side, width = (2, 8, 3) if small else (8, 64, 16)
    return {
        "x": draw.normal(batch, 1, side, side),
        "mask": (draw.normal(batch, 1, side, side) > 0).astype(np.float32),
        "enter": draw.normal(width, 1, 3, 3, scale=1 / 3),
        "bias1": draw.normal(width, scale=0.1),
        "down": draw.normal(2 * width, width, 3, 3, scale=(9 * width) ** -0.5),
        "bias2": draw.normal(2 * width, scale=0.1),
        "up": draw.normal(2 * width, width, 2, 2, scale=(2 * width) ** -0.5),
        "join": draw.normal(width, 2 * width, 3, 3, scale=(18 * width) ** -0.5),
        "bias3": draw.normal(width, scale=0.1),
        "leave": draw.normal(1, width, 1, 1, scale=width**-0.5),
    }


def _graphc(t: Mapping[str, Any]) -> Any:
    skip = gc.nn.relu(gc.nn.conv2d(t["x"], t["enter"], t["bias1"], padding=1))
    deep = gc.nn.relu(gc.nn.conv2d(gc.nn.max_pool2d(skip, 2), t["down"], t["bias2"], padding=1))
    both = gc.concatenate([skip, gc.nn.conv_transpose2d(deep, t["up"], stride=2)], axis=1)
    logits = gc.nn.conv2d(gc.nn.relu(gc.nn.conv2d(both, t["join"], t["bias3"], padding=1)), t["leave"])
    return gc.nn.binary_cross_entropy_with_logits(logits, t["mask"])


def _torch(t: Mapping[str, Any]) -> Any:
    import torch
    from torch.nn import functional as f

    skip = f.relu(f.conv2d(t["x"], t["enter"], t["bias1"], padding=1))
    deep = f.relu(f.conv2d(f.max_pool2d(skip, 2), t["down"], t["bias2"], padding=1))
    both = torch.cat([skip, f.conv_transpose2d(deep, t["up"], stride=2)], dim=1)
    logits = f.conv2d(f.relu(f.conv2d(both, t["join"], t["bias3"], padding=1)), t["leave"])
    return f.binary_cross_entropy_with_logits(logits, t["mask"])


def _jax(t: Mapping[str, Any]) -> Any:
    import jax
    from jax import lax, nn
    from jax import numpy as jnp

    def conv(h: Any, w: Any, b: Any) -> Any:
        return nn.relu(lax.conv(h, w, (1, 1), "SAME") + b[:, None, None])

    skip = conv(t["x"], t["enter"], t["bias1"])
    pooled = lax.reduce_window(skip, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    deep = conv(pooled, t["down"], t["bias2"])
    turned = jnp.flip(t["up"], (2, 3)).swapaxes(0, 1)
    up = lax.conv_general_dilated(deep, turned, (1, 1), ((1, 1), (1, 1)), lhs_dilation=(2, 2))
    h = conv(jnp.concatenate([skip, up], axis=1), t["join"], t["bias3"])
    logits = lax.conv(h, t["leave"], (1, 1), "VALID")
    return (jax.nn.softplus(logits) - logits * t["mask"]).mean()


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    x, mask = t["x"], t["mask"]
    enter, b1, down, b2, up, join, b3, leave = (t[name] for name in _NAMES)
    width, (count, _, high, wide) = len(enter), x.shape
    one = (1, 1)
    first = Convolution(x, enter, one, one)
    second = Convolution(x[:, [0] * width, ::2, ::2], down, one, one)
    third = Convolution(x[:, [0] * 2 * width], join, one, one)
    pooling, both = Pooling(), np.empty((count, 2 * width, high, wide), x.dtype)
    ups, leaves = up.reshape(2 * width, -1), leave.reshape(1, width)

    def step() -> list[Any]:
        skip = first.forward(x, enter, b1)
        np.maximum(skip, 0, out=skip)
        deep = second.forward(pooling.forward(skip), down, b2)
        np.maximum(deep, 0, out=deep)
        columns = deep.reshape(count, 2 * width, -1)
        # A transposed convolution whose windows do not meet is a product and an order of its results.
        parts = (ups.T @ columns).reshape(count, width, 2, 2, high // 2, wide // 2)
        both[:, :width] = skip
        both[:, width:] = parts.transpose(0, 1, 4, 2, 5, 3).reshape(count, width, high, wide)
        h = third.forward(both, join, b3)
        np.maximum(h, 0, out=h)
        rows = h.reshape(count, width, -1)
        logits = (leaves @ rows).reshape(x.shape)
        loss = (np.maximum(logits, 0) - logits * mask + np.log1p(np.exp(-np.abs(logits)))).mean()

        g = np.tanh(logits * 0.5) * 0.5 + 0.5
        g -= mask
        g /= g.size
        g = g.reshape(count, 1, -1)
        by_leave = (g @ rows.swapaxes(1, 2)).sum(axis=0).reshape(leave.shape)
        by_h = (leaves.T @ g).reshape(h.shape)
        by_h *= h > 0
        by_both, by_join = third.backward(by_h, join)
        fine = by_both[:, width:].reshape(count, width, high // 2, 2, wide // 2, 2)
        by_parts = fine.transpose(0, 1, 3, 5, 2, 4).reshape(count, width * 4, -1)
        by_up = (columns @ by_parts.swapaxes(1, 2)).sum(axis=0).reshape(up.shape)
        by_deep = (ups @ by_parts).reshape(deep.shape)
        by_deep *= deep > 0
        by_pooled, by_down = second.backward(by_deep, down)
        by_skip = pooling.backward(by_pooled)
        by_skip += by_both[:, :width]
        by_skip *= skip > 0
        by_enter = first.filter_gradient(by_skip, enter)
        by_b1, by_b2, by_b3 = (v.sum(axis=(0, 2, 3)) for v in (by_skip, by_deep, by_h))
        return [loss, by_enter, by_b1, by_down, by_b2, by_up, by_join, by_b3, by_leave]

    return step


UNET = Workload(
    "unet",
    "training step of a U-Net of one level: 8 images of 64×64, 16 channels, 32 below",
    _data,
    _NAMES,
    {"graphc": _graphc, "torch": _torch, "jax": _jax},
    _by_hand,
    rate=0.1,
    tolerance=KINKED,
)
