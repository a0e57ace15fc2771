"""Self-attention of 8 heads; the mean square of its result and the gradients of its weights.

After A. Vaswani et al., *Attention is all you need*, 2017. ``transformer`` is built on the same forms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.workload import Array, Data, Draws, Workload

HEADS = 8
WEIGHTS = ("query", "key", "value", "output")


def _data(small: bool) -> Data:
    draw = Draws()
    batch, length, width = (2, 4, 16) if small else (8, 128, 256)
    weights = {name: draw.normal(width, width, scale=width**-0.5) for name in WEIGHTS}
    return {"x": draw.normal(batch, length, width), **weights}


def graphc_attention(x: Any, t: Mapping[str, Any]) -> Any:
    n, length, width = x.shape
    q, k, v = (
        (x @ t[name]).reshape((n, length, HEADS, width // HEADS)).transpose((0, 2, 1, 3))
        for name in WEIGHTS[:3]
    )
    y = gc.nn.scaled_dot_product_attention(q, k, v)
    return y.transpose((0, 2, 1, 3)).reshape((n, length, width)) @ t["output"]


def torch_attention(x: Any, t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    q, k, v = ((x @ t[name]).unflatten(2, (HEADS, -1)).transpose(1, 2) for name in WEIGHTS[:3])
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2) @ t["output"]


def jax_attention(x: Any, t: Mapping[str, Any]) -> Any:
    import jax

    q, k, v = ((x @ t[name]).reshape(*x.shape[:2], HEADS, -1).swapaxes(1, 2) for name in WEIGHTS[:3])
    scores = jax.nn.softmax(q @ k.swapaxes(2, 3) / q.shape[-1] ** 0.5, axis=-1)
    return (scores @ v).swapaxes(1, 2).reshape(x.shape) @ t["output"]


def pytensor_attention(x: Any, t: Mapping[str, Any]) -> Any:
    import pytensor.tensor as pt

    n, length, width = t["x"].type.shape
    size = width // HEADS
    q, k, v = ((x @ t[name]).reshape((n, length, HEADS, size)).transpose(0, 2, 1, 3) for name in WEIGHTS[:3])
    scores = pt.special.softmax(q @ k.transpose(0, 1, 3, 2) * size**-0.5, axis=-1)
    return (scores @ v).transpose(0, 2, 1, 3).reshape((n, length, width)) @ t["output"]


def autograd_attention(x: Any, t: Mapping[str, Any]) -> Any:
    import autograd.numpy as anp

    n, length, width = x.shape
    size = width // HEADS
    rows = anp.reshape(x, (n * length, width))
    q, k, v = (
        anp.swapaxes(anp.reshape(anp.dot(rows, t[name]), (n, length, HEADS, size)), 1, 2)
        for name in WEIGHTS[:3]
    )
    scores = anp.matmul(q, anp.swapaxes(k, 2, 3)) * size**-0.5
    scores = anp.exp(scores - anp.max(scores, axis=-1, keepdims=True))
    scores = scores / anp.sum(scores, axis=-1, keepdims=True)
    y = anp.reshape(anp.swapaxes(anp.matmul(scores, v), 1, 2), (n * length, width))
    return anp.reshape(anp.dot(y, t["output"]), (n, length, width))


class Attention:
    """Attention by hand, on rows (N · T, width)."""

    def __init__(self, batch: int, t: Mapping[str, Any]) -> None:
        self.batch, self.output, self.width = batch, t["output"], len(t["output"])
        # One product for the three; 1/√size goes with the queries' weights: they are fewer than the scores.
        self.scale = (self.width // HEADS) ** -0.5
        self.entering = np.hstack([t["query"] * self.scale, t["key"], t["value"]])

    def forward(self, rows: Array) -> Array:
        self.rows = rows
        projected = (rows @ self.entering).reshape(self.batch, -1, 3, HEADS, self.width // HEADS)
        self.q, self.k, self.v = np.ascontiguousarray(projected.transpose(2, 0, 3, 1, 4))
        scores = self.q @ self.k.swapaxes(2, 3)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        self.scores = scores
        self.mixed = (scores @ self.v).swapaxes(1, 2).reshape(rows.shape)
        result: Array = self.mixed @ self.output
        return result

    def backward(self, g: Array) -> tuple[Array, list[Array]]:
        """The gradient by all projections at once, (N · T, 3 · width), and those by the weights."""
        by_output = self.mixed.T @ g
        g = (g @ self.output.T).reshape(self.batch, -1, HEADS, self.width // HEADS).swapaxes(1, 2)
        by_scores = g @ self.v.swapaxes(2, 3)
        by_value = self.scores.swapaxes(2, 3) @ g
        by_scores *= self.scores
        by_scores -= self.scores * by_scores.sum(axis=-1, keepdims=True)
        by_query, by_key = by_scores @ self.k, by_scores.swapaxes(2, 3) @ self.q
        by_projected = np.stack([by_query, by_key, by_value]).transpose(1, 3, 0, 2, 4)
        by_projected = by_projected.reshape(len(self.rows), 3 * self.width)
        by_q, by_k, by_v = np.split(self.rows.T @ by_projected, 3, axis=1)
        return by_projected, [by_q * self.scale, by_k, by_v, by_output]


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    batch, length, width = t["x"].shape
    rows = t["x"].reshape(batch * length, width)

    def step() -> list[Any]:
        attention = Attention(batch, t)
        y = attention.forward(rows)
        loss = np.vdot(y, y) / y.size
        y *= 2 / y.size
        return [loss, *attention.backward(y)[1]]

    return step


ATTENTION = Workload(
    "attention",
    "value and gradients of self-attention: 8 sequences of 128, width 256, 8 heads",
    _data,
    WEIGHTS,
    {
        "graphc": lambda t: (graphc_attention(t["x"], t) ** 2).mean(),
        "torch": lambda t: (torch_attention(t["x"], t) ** 2).mean(),
        "jax": lambda t: (jax_attention(t["x"], t) ** 2).mean(),
        "pytensor": lambda t: (pytensor_attention(t["x"], t) ** 2).mean(),
        "autograd": lambda t: (autograd_attention(t["x"], t) ** 2).mean(),
    },
    _by_hand,
)
