"""A transformer block, attention of 8 heads and a perceptron, each behind a normalisation; a training step.

After A. Vaswani et al., *Attention is all you need*, 2017, with the normalisation first and GELU (by tanh) as
in GPT-2; the loss is the mean square distance from a target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.by_hand import normalization, normalization_gradient
from graphc.bench.workload import Array, Data, Draws, Workload
from graphc.bench.workloads.attention import (
    WEIGHTS,
    Attention,
    autograd_attention,
    graphc_attention,
    jax_attention,
    pytensor_attention,
    torch_attention,
)

_NAMES = ("scale1", "shift1", *WEIGHTS, "scale2", "shift2", "widen", "bias1", "narrow", "bias2")
_SLOPE = (2 / np.pi) ** 0.5
_CUBE = 0.044715


def _data(small: bool) -> Data:
    draw = Draws()
    batch, length, width = (2, 4, 16) if small else (8, 128, 256)
    data = {"x": draw.normal(batch, length, width), "target": draw.normal(batch, length, width)}
    for k in (1, 2):
        data[f"scale{k}"] = 1 + draw.normal(width, scale=0.1)
        data[f"shift{k}"] = draw.normal(width, scale=0.1)
    data |= {name: draw.normal(width, width, scale=width**-0.5) for name in WEIGHTS}
    return data | {
        "widen": draw.normal(width, 4 * width, scale=width**-0.5),
        "bias1": draw.normal(4 * width, scale=0.1),
        "narrow": draw.normal(4 * width, width, scale=(4 * width) ** -0.5),
        "bias2": draw.normal(width, scale=0.1),
    }


def _graphc(t: Mapping[str, Any]) -> Any:
    width = t["x"].shape[-1]
    h = t["x"] + graphc_attention(gc.nn.layer_norm(t["x"], width, t["scale1"], t["shift1"]), t)
    z = gc.nn.layer_norm(h, width, t["scale2"], t["shift2"]) @ t["widen"] + t["bias1"]
    y = h + gc.nn.gelu(z, approximate="tanh") @ t["narrow"] + t["bias2"]
    return gc.nn.mse_loss(y, t["target"])


def _torch(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional as f

    width = t["x"].shape[-1:]
    h = t["x"] + torch_attention(f.layer_norm(t["x"], width, t["scale1"], t["shift1"]), t)
    z = f.layer_norm(h, width, t["scale2"], t["shift2"]) @ t["widen"] + t["bias1"]
    return f.mse_loss(h + f.gelu(z, approximate="tanh") @ t["narrow"] + t["bias2"], t["target"])


def _jax(t: Mapping[str, Any]) -> Any:
    from jax import nn

    def normalized(x: Any, k: int) -> Any:
        return nn.standardize(x, epsilon=1e-5) * t[f"scale{k}"] + t[f"shift{k}"]

    h = t["x"] + jax_attention(normalized(t["x"], 1), t)
    z = normalized(h, 2) @ t["widen"] + t["bias1"]
    y = h + nn.gelu(z, approximate=True) @ t["narrow"] + t["bias2"]
    return ((y - t["target"]) ** 2).mean()


def _pytensor(t: Mapping[str, Any]) -> Any:
    import pytensor.tensor as pt

    def normalized(x: Any, k: int) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = pt.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        return centred / deviation * t[f"scale{k}"] + t[f"shift{k}"]

    h = t["x"] + pytensor_attention(normalized(t["x"], 1), t)
    z = normalized(h, 2) @ t["widen"] + t["bias1"]
    gelu = 0.5 * z * (1 + pt.tanh(_SLOPE * (z + _CUBE * z**3)))
    return ((h + gelu @ t["narrow"] + t["bias2"] - t["target"]) ** 2).mean()


def _autograd(t: Mapping[str, Any]) -> Any:
    import autograd.numpy as anp

    def normalized(x: Any, k: int) -> Any:
        centred = x - anp.mean(x, axis=-1, keepdims=True)
        deviation = anp.sqrt(anp.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
        return centred / deviation * t[f"scale{k}"] + t[f"shift{k}"]

    h = t["x"] + autograd_attention(normalized(t["x"], 1), t)
    z = anp.dot(normalized(h, 2), t["widen"]) + t["bias1"]
    gelu = 0.5 * z * (1 + anp.tanh(_SLOPE * (z + _CUBE * z**3)))
    return anp.mean((h + anp.dot(gelu, t["narrow"]) + t["bias2"] - t["target"]) ** 2)


class _Normalization:
    """Layer normalisation with scale and shift, and its gradients."""

    def __init__(self, scale: Array, shift: Array) -> None:
        self.scale, self.shift = scale, shift

    def forward(self, x: Array) -> Array:
        self.normalized, self.inverse = normalization(x)
        y = self.normalized * self.scale
        y += self.shift
        return y

    def backward(self, g: Array) -> tuple[Array, list[Array]]:
        gradients = [(g * self.normalized).sum(axis=0), g.sum(axis=0)]
        return normalization_gradient(g * self.scale, self.normalized, self.inverse), gradients


def _gelu(z: Array) -> tuple[Array, Array]:
    """GELU and its derivative."""
    square = z * z
    t = square * (_SLOPE * _CUBE)
    t += _SLOPE
    t *= z
    np.tanh(t, out=t)
    square *= 3 * _SLOPE * _CUBE
    square += _SLOPE
    square *= z
    slope = 1 - t * t
    slope *= square
    t += 1
    slope += t
    slope *= 0.5
    t *= z
    t *= 0.5
    return t, slope


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    batch, width = len(t["x"]), t["x"].shape[-1]
    x, target = (t[name].reshape(-1, width) for name in ("x", "target"))

    def step() -> list[Any]:
        attention = Attention(batch, t)
        first, second = (_Normalization(t[f"scale{k}"], t[f"shift{k}"]) for k in (1, 2))
        h = attention.forward(first.forward(x))
        h += x
        entering = second.forward(h)
        z = entering @ t["widen"]
        z += t["bias1"]
        gelu, slope = _gelu(z)
        g = gelu @ t["narrow"]
        g += t["bias2"]
        g += h
        g -= target
        loss = np.vdot(g, g) / g.size

        g *= 2 / g.size
        by_narrow, by_bias2 = gelu.T @ g, g.sum(axis=0)
        slope *= g @ t["narrow"].T
        perceptron = [entering.T @ slope, slope.sum(axis=0), by_narrow, by_bias2]
        by_h, by_second = second.backward(slope @ t["widen"].T)
        by_h += g
        by_projected, by_weights = attention.backward(by_h)
        by_first = first.backward(by_projected @ attention.entering.T)[1]
        return [loss, *by_first, *by_weights, *by_second, *perceptron]

    return step


TRANSFORMER = Workload(
    "transformer",
    "training step of a transformer block: 8 sequences of 128, width 256, 8 heads, perceptron of 1024",
    _data,
    _NAMES,
    {"graphc": _graphc, "torch": _torch, "jax": _jax, "pytensor": _pytensor, "autograd": _autograd},
    _by_hand,
    rate=0.1,
)
