"""Logistic regression on a million examples of 100 features: two passes over the data; a step of descent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.workload import Data, Draws, Workload


def _data(small: bool) -> Data:
    draw = Draws()
    count, features = (50, 4) if small else (1_000_000, 100)
    return {
        "x": draw.normal(count, features),
        "label": (draw.normal(count) > 0).astype(np.float32),
        "weight": draw.normal(features, scale=features**-0.5),
        "bias": draw.normal(scale=0.1),
    }


def _graphc(t: Mapping[str, Any]) -> Any:
    return gc.nn.binary_cross_entropy_with_logits(t["x"] @ t["weight"] + t["bias"], t["label"])


def _torch(t: Mapping[str, Any]) -> Any:
    from torch.nn import functional

    return functional.binary_cross_entropy_with_logits(t["x"] @ t["weight"] + t["bias"], t["label"])


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    z = t["x"] @ t["weight"] + t["bias"]
    return (jax.nn.softplus(z) - z * t["label"]).mean()


def _pytensor(t: Mapping[str, Any]) -> Any:
    import pytensor.tensor as pt

    z = t["x"] @ t["weight"] + t["bias"]
    return (pt.softplus(z) - z * t["label"]).mean()


def _autograd(t: Mapping[str, Any]) -> Any:
    import autograd.numpy as anp

    z = anp.dot(t["x"], t["weight"]) + t["bias"]
    return anp.mean(anp.maximum(z, 0) + anp.log1p(anp.exp(-anp.abs(z))) - z * t["label"])


_ROWS = 4096  # 1.6 MB: what the first product has read the second finds in the cache


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    x, label, weight, bias = (t[name] for name in ("x", "label", "weight", "bias"))
    count = len(x)

    def step() -> list[Any]:
        loss, by_weight, by_bias = 0.0, np.zeros_like(weight), 0.0
        for start in range(0, count, _ROWS):
            rows, target = x[start : start + _ROWS], label[start : start + _ROWS]
            z = rows @ weight
            z += bias
            e = np.exp(-np.abs(z))
            loss += float((np.maximum(z, 0) + np.log1p(e) - z * target).sum())
            z *= 0.5
            g = np.tanh(z, out=z)
            g *= 0.5
            g += 0.5
            g -= target
            by_weight += g @ rows
            by_bias += float(g.sum())
        return [loss / count, by_weight / count, by_bias / count]

    return step


LOGISTIC = Workload(
    "logistic",
    "training step of logistic regression: 1 000 000 examples of 100 features",
    _data,
    ("weight", "bias"),
    {"graphc": _graphc, "torch": _torch, "jax": _jax, "pytensor": _pytensor, "autograd": _autograd},
    _by_hand,
    rate=0.1,
)
