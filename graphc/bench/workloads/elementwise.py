"""A long chain of functions of two arrays, element by element: what fusion is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.workload import Data, Draws, Workload


def _data(small: bool) -> Data:
    draw = Draws()
    count = 1000 if small else 4_000_000
    return {"x": draw.normal(count), "y": draw.normal(count)}


def _graphc(t: Mapping[str, Any]) -> Any:
    x, y = t["x"], t["y"]
    return gc.tanh(x * y + 0.5) * gc.exp(-x * x) / (1 + abs(y)) + gc.sigmoid(x - y)


def _torch(t: Mapping[str, Any]) -> Any:
    import torch

    x, y = t["x"], t["y"]
    return torch.tanh(x * y + 0.5) * torch.exp(-x * x) / (1 + torch.abs(y)) + torch.sigmoid(x - y)


def _jax(t: Mapping[str, Any]) -> Any:
    import jax
    from jax import numpy as jnp

    x, y = t["x"], t["y"]
    return jnp.tanh(x * y + 0.5) * jnp.exp(-x * x) / (1 + jnp.abs(y)) + jax.nn.sigmoid(x - y)


def _pytensor(t: Mapping[str, Any]) -> Any:
    import pytensor.tensor as pt

    x, y = t["x"], t["y"]
    return pt.tanh(x * y + 0.5) * pt.exp(-x * x) / (1 + abs(y)) + pt.sigmoid(x - y)


def _autograd(t: Mapping[str, Any]) -> Any:
    import autograd.numpy as anp

    x, y = t["x"], t["y"]
    return anp.tanh(x * y + 0.5) * anp.exp(-x * x) / (1 + anp.abs(y)) + 1 / (1 + anp.exp(y - x))


_TILE = 1 << 16  # elements that stay in the cache


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    size = len(t["x"])
    scratch = np.empty(min(_TILE, size), t["x"].dtype)
    tiles = [slice(start, min(start + _TILE, size)) for start in range(0, size, _TILE)]

    def step() -> list[Any]:
        result = np.empty_like(t["x"])
        for tile in tiles:
            x, y, r = t["x"][tile], t["y"][tile], result[tile]
            a = scratch[: len(x)]
            np.multiply(x, y, out=r)
            r += 0.5
            np.tanh(r, out=r)
            np.multiply(x, x, out=a)
            np.negative(a, out=a)
            np.exp(a, out=a)
            r *= a
            np.abs(y, out=a)
            a += 1
            r /= a
            np.subtract(x, y, out=a)  # σ(a) = tanh(a / 2) / 2 + 1 / 2
            a *= 0.5
            np.tanh(a, out=a)
            a *= 0.5
            a += 0.5
            r += a
        return [result]

    return step


ELEMENTWISE = Workload(
    "elementwise",
    "value of tanh(xy + ½) · exp(−x²) / (1 + |y|) + σ(x − y), 4 million elements",
    _data,
    (),
    {"graphc": _graphc, "torch": _torch, "jax": _jax, "pytensor": _pytensor, "autograd": _autograd},
    _by_hand,
)
