"""Rows normalised by their mean and variance, scaled and shifted, then x · σ(x); its sum and gradients.

After J. Ba et al., *Layer normalization*, 2016, and P. Ramachandran et al., *Searching for activation
functions*, 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.by_hand import normalization, normalization_gradient
from graphc.bench.workload import Data, Draws, Workload


def _data(small: bool) -> Data:
    draw = Draws()
    rows, width = (6, 8) if small else (4096, 768)
    return {"x": draw.normal(rows, width), "scale": draw.normal(width), "shift": draw.normal(width)}


def _graphc(t: Mapping[str, Any]) -> Any:
    return gc.nn.silu(gc.nn.layer_norm(t["x"], t["x"].shape[-1], t["scale"], t["shift"])).sum()


def _torch(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    y = functional.layer_norm(t["x"], t["x"].shape[-1:], t["scale"], t["shift"])
    return functional.silu(y).sum()


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    return jax.nn.silu(jax.nn.standardize(t["x"], epsilon=1e-5) * t["scale"] + t["shift"]).sum()


def _pytensor(t: Mapping[str, Any]) -> Any:
    import pytensor.tensor as pt

    centred = t["x"] - t["x"].mean(axis=1, keepdims=True)
    deviation = pt.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    y = centred / deviation * t["scale"] + t["shift"]
    return (y * pt.sigmoid(y)).sum()


def _autograd(t: Mapping[str, Any]) -> Any:
    import autograd.numpy as anp

    centred = t["x"] - anp.mean(t["x"], axis=1, keepdims=True)
    deviation = anp.sqrt(anp.mean(centred**2, axis=1, keepdims=True) + 1e-5)
    y = centred / deviation * t["scale"] + t["shift"]
    return anp.sum(y / (1 + anp.exp(-y)))


_ROWS = 64  # whose intermediate results stay in the cache


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    x, scale, shift = t["x"], t["scale"], t["shift"]

    def step() -> list[Any]:
        loss, by_x = 0.0, np.empty_like(x)
        by_scale, by_shift = np.zeros_like(scale), np.zeros_like(shift)
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            normalized, inverse = normalization(x[rows])
            y = normalized * scale
            y += shift
            s = y * 0.5  # σ(y) = tanh(y / 2) / 2 + 1 / 2
            np.tanh(s, out=s)
            s *= 0.5
            s += 0.5
            y *= s
            loss += y.sum(dtype=np.float64)
            g = 1 - s  # the derivative of y · σ(y): σ + yσ · (1 − σ)
            g *= y
            g += s
            by_shift += g.sum(axis=0)
            by_scale += (g * normalized).sum(axis=0)
            g *= scale
            by_x[rows] = normalization_gradient(g, normalized, inverse)
        return [x.dtype.type(loss), by_x, by_scale, by_shift]

    return step


LAYERNORM = Workload(
    "layernorm",
    "value and gradients of layer normalisation and x · σ(x): 4096 rows of 768",
    _data,
    ("x", "scale", "shift"),
    {"graphc": _graphc, "torch": _torch, "jax": _jax, "pytensor": _pytensor, "autograd": _autograd},
    _by_hand,
)
