"""LeNet: two convolutions of 5×5, each with ReLU and max pooling, and two dense layers; a training step.

After Y. LeCun et al., *Gradient-based learning applied to document recognition*, 1998, with the widths of
today's tutorials.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import graphc as gc
from graphc.bench.workload import Data, Draws, Workload


def _data(small: bool) -> Data:
    draw = Draws()
    batch, first, second, hidden = (3, 4, 5, 7) if small else (64, 32, 64, 128)
    flat = second * 4 * 4
    return {
        "x": draw.normal(batch, 1, 28, 28),
        "label": draw.one_hot(batch, 10),
        "filter1": draw.normal(first, 1, 5, 5, scale=1 / 5),
        "bias1": draw.normal(first, scale=0.1),
        "filter2": draw.normal(second, first, 5, 5, scale=(25 * first) ** -0.5),
        "bias2": draw.normal(second, scale=0.1),
        "weight3": draw.normal(flat, hidden, scale=flat**-0.5),
        "bias3": draw.normal(hidden, scale=0.1),
        "weight4": draw.normal(hidden, 10, scale=hidden**-0.5),
        "bias4": draw.normal(10, scale=0.1),
    }


def _graphc(t: Mapping[str, Any]) -> Any:
    h = gc.nn.max_pool2d(gc.nn.relu(gc.nn.conv2d(t["x"], t["filter1"], t["bias1"])), 2)
    h = gc.nn.max_pool2d(gc.nn.relu(gc.nn.conv2d(h, t["filter2"], t["bias2"])), 2)
    h = gc.nn.relu(gc.reshape(h, (h.shape[0], -1)) @ t["weight3"] + t["bias3"])
    return gc.nn.cross_entropy(h @ t["weight4"] + t["bias4"], t["label"])


def _torch(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    h = functional.max_pool2d(functional.relu(functional.conv2d(t["x"], t["filter1"], t["bias1"])), 2)
    h = functional.max_pool2d(functional.relu(functional.conv2d(h, t["filter2"], t["bias2"])), 2)
    h = functional.relu(h.flatten(1) @ t["weight3"] + t["bias3"])
    return functional.cross_entropy(h @ t["weight4"] + t["bias4"], t["label"])


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    def block(h: Any, w: Any, b: Any) -> Any:
        h = jax.nn.relu(jax.lax.conv(h, w, (1, 1), "VALID") + b[:, None, None])
        return jax.lax.reduce_window(h, -jax.numpy.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    h = block(block(t["x"], t["filter1"], t["bias1"]), t["filter2"], t["bias2"])
    h = jax.nn.relu(h.reshape(h.shape[0], -1) @ t["weight3"] + t["bias3"])
    logits = h @ t["weight4"] + t["bias4"]
    return -(t["label"] * jax.nn.log_softmax(logits, axis=1)).sum(axis=1).mean()


LENET = Workload(
    "lenet",
    "training step of LeNet: 64 images of 28×28, convolutions of 5×5 to 32 and 64 channels, 1024–128–10",
    _data,
    ("filter1", "bias1", "filter2", "bias2", "weight3", "bias3", "weight4", "bias4"),
    {"graphc": _graphc, "torch": _torch, "jax": _jax},
    rate=0.1,
)
