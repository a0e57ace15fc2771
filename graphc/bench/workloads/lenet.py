"""LeNet: two convolutions of 5×5, each with ReLU and max pooling, and two dense layers.

A training step on 64 images, and the scores of a single one. After Y. LeCun et al., *Gradient-based learning
applied to document recognition*, 1998, with the widths of today's tutorials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.by_hand import cross_entropy
from graphc.bench.workload import KINKED, Array, Data, Draws, Workload

_NAMES = ("filter1", "bias1", "filter2", "bias2", "weight3", "bias3", "weight4", "bias4")


def _inference_data(batch: int, small: bool) -> Data:
    draw = Draws()
    first, second, hidden = (4, 5, 7) if small else (32, 64, 128)
    flat = second * 4 * 4
    return {
        "x": draw.normal(3 if small and batch > 1 else batch, 1, 28, 28),
        "filter1": draw.normal(first, 1, 5, 5, scale=1 / 5),
        "bias1": draw.normal(first, scale=0.1),
        "filter2": draw.normal(second, first, 5, 5, scale=(25 * first) ** -0.5),
        "bias2": draw.normal(second, scale=0.1),
        "weight3": draw.normal(flat, hidden, scale=flat**-0.5),
        "bias3": draw.normal(hidden, scale=0.1),
        "weight4": draw.normal(hidden, 10, scale=hidden**-0.5),
        "bias4": draw.normal(10, scale=0.1),
    }


def _data(small: bool) -> Data:
    data = _inference_data(64, small)
    return {**data, "label": Draws(1).one_hot(len(data["x"]), 10)}


def _graphc_scores(t: Mapping[str, Any]) -> Any:
    h = gc.nn.max_pool2d(gc.nn.relu(gc.nn.conv2d(t["x"], t["filter1"], t["bias1"])), 2)
    h = gc.nn.max_pool2d(gc.nn.relu(gc.nn.conv2d(h, t["filter2"], t["bias2"])), 2)
    h = gc.nn.relu(gc.reshape(h, (h.shape[0], -1)) @ t["weight3"] + t["bias3"])
    return h @ t["weight4"] + t["bias4"]


def _graphc(t: Mapping[str, Any]) -> Any:
    return gc.nn.cross_entropy(_graphc_scores(t), t["label"])


def _torch_scores(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    h = functional.max_pool2d(functional.relu(functional.conv2d(t["x"], t["filter1"], t["bias1"])), 2)
    h = functional.max_pool2d(functional.relu(functional.conv2d(h, t["filter2"], t["bias2"])), 2)
    h = functional.relu(h.flatten(1) @ t["weight3"] + t["bias3"])
    return h @ t["weight4"] + t["bias4"]


def _torch(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    return functional.cross_entropy(_torch_scores(t), t["label"])


def _jax_scores(t: Mapping[str, Any]) -> Any:
    import jax

    def block(h: Any, w: Any, b: Any) -> Any:
        h = jax.nn.relu(jax.lax.conv(h, w, (1, 1), "VALID") + b[:, None, None])
        return jax.lax.reduce_window(h, -jax.numpy.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    h = block(block(t["x"], t["filter1"], t["bias1"]), t["filter2"], t["bias2"])
    h = jax.nn.relu(h.reshape(h.shape[0], -1) @ t["weight3"] + t["bias3"])
    return h @ t["weight4"] + t["bias4"]


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    return -(t["label"] * jax.nn.log_softmax(_jax_scores(t), axis=1)).sum(axis=1).mean()


class _Block:
    """Convolution, pooling and ReLU by hand, with the batch as last axis: long runs in memory.

    (C, H, W, N) to (O, H', W', N): the windows are copied, (C · 25, H · W · N), for one product.
    """

    def __init__(self, channels: int, side: int, batch: int, filters: Array, bias: Array) -> None:
        self.shape, self.filters, self.bias = (channels, side, side, batch), filters, bias
        self.size = side - 4
        self.windows = np.empty((channels, 5, 5, self.size, self.size, batch), filters.dtype)
        self.columns = self.windows.reshape(channels * 25, -1)
        self.sum = np.empty((len(filters), self.size, self.size, batch), filters.dtype)
        self.gradient = np.empty_like(self.sum)
        places = [(i, j) for i in (0, 1) for j in (0, 1)]
        self.corners = [self.sum[:, i::2, j::2] for i, j in places]
        self.corner_gradients = [self.gradient[:, i::2, j::2] for i, j in places]
        self.taps = [
            (i, j, np.s_[:, i : i + self.size, j : j + self.size]) for i in range(5) for j in range(5)
        ]

    def forward(self, x: Array) -> Array:
        for i, j, tap in self.taps:
            self.windows[:, i, j] = x[tap]
        rows = self.filters.reshape(len(self.filters), -1)
        np.matmul(rows, self.columns, out=self.sum.reshape(len(rows), -1))
        a, b, c, d = self.corners
        self.largest = np.maximum(np.maximum(a, b), np.maximum(c, d))
        y = self.largest + self.bias[:, None, None, None]  # the same for all of a window: after the maximum
        np.maximum(y, 0, out=y)
        self.result: Array = y
        return self.result

    def backward(self, g: Array) -> list[Array]:
        """The gradients by filters and bias."""
        g = g * (self.result > 0)
        for corner, by_corner in zip(self.corners, self.corner_gradients, strict=True):
            np.multiply(g, corner == self.largest, out=by_corner)
        flat = self.gradient.reshape(len(self.filters), -1)
        return [(flat @ self.columns.T).reshape(self.filters.shape), g.sum(axis=(1, 2, 3))]

    def input_gradient(self) -> Array:
        """The gradient by x, after ``backward``; the windows are lost."""
        rows = self.filters.reshape(len(self.filters), -1)
        np.matmul(rows.T, self.gradient.reshape(len(rows), -1), out=self.columns)
        by_x = np.zeros(self.shape, self.gradient.dtype)
        for i, j, tap in self.taps:
            by_x[tap] += self.windows[:, i, j]
        return by_x


def _blocks(t: Mapping[str, Any]) -> tuple[_Block, _Block]:
    batch = len(t["x"])
    first = _Block(1, 28, batch, t["filter1"], t["bias1"])
    return first, _Block(len(t["filter1"]), 12, batch, t["filter2"], t["bias2"])


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    first, second = _blocks(t)
    w3, b3, w4, b4 = (t[name] for name in _NAMES[4:])

    def step() -> list[Any]:
        pooled = second.forward(first.forward(t["x"].transpose(1, 2, 3, 0)))
        flat = pooled.reshape(len(w3), -1)
        h = flat.T @ w3
        h += b3
        np.maximum(h, 0, out=h)
        loss, g = cross_entropy(h @ w4 + b4, t["label"])
        last = [h.T @ g, g.sum(axis=0)]
        g = g @ w4.T
        g *= h > 0
        dense = [flat @ g, g.sum(axis=0), *last]
        by_second = second.backward((w3 @ g.T).reshape(pooled.shape))
        return [loss, *first.backward(second.input_gradient()), *by_second, *dense]

    return step


def _scores_by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    first, second = _blocks(t)

    def step() -> list[Any]:
        flat = second.forward(first.forward(t["x"].transpose(1, 2, 3, 0))).reshape(len(t["weight3"]), -1)
        h = flat.T @ t["weight3"] + t["bias3"]
        return [np.maximum(h, 0, out=h) @ t["weight4"] + t["bias4"]]

    return step


LENET = Workload(
    "lenet",
    "training step of LeNet: 64 images of 28×28, convolutions of 5×5 to 32 and 64 channels, 1024–128–10",
    _data,
    _NAMES,
    {"graphc": _graphc, "torch": _torch, "jax": _jax},
    _by_hand,
    rate=0.1,
    tolerance=KINKED,
)
LENET_INFERENCE = Workload(
    "lenet_inference",
    "scores of one image of 28×28 by the same LeNet",
    partial(_inference_data, 1),
    (),
    {"graphc": _graphc_scores, "torch": _torch_scores, "jax": _jax_scores},
    _scores_by_hand,
)
