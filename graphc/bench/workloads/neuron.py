"""One neuron σ(wx + b) on numbers, with its gradient: what a call costs by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.workload import Data, Workload


def _data(small: bool) -> Data:
    return {name: np.array(v, np.float32) for name, v in (("x", 0.5), ("w", 0.3), ("b", -0.1))}


def _graphc(t: Mapping[str, Any]) -> Any:
    return gc.sigmoid(t["w"] * t["x"] + t["b"])


def _torch(t: Mapping[str, Any]) -> Any:
    import torch

    return torch.sigmoid(t["w"] * t["x"] + t["b"])


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    return jax.nn.sigmoid(t["w"] * t["x"] + t["b"])


def _pytensor(t: Mapping[str, Any]) -> Any:
    import pytensor.tensor as pt

    return pt.sigmoid(t["w"] * t["x"] + t["b"])


def _autograd(t: Mapping[str, Any]) -> Any:
    import autograd.numpy as anp

    return 1 / (1 + anp.exp(-(t["w"] * t["x"] + t["b"])))


def _casadi(t: Mapping[str, Any]) -> Any:
    import casadi

    return 1 / (1 + casadi.exp(-(t["w"] * t["x"] + t["b"])))


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    def neuron(x: float, w: float, b: float) -> list[float]:
        y = 1 / (1 + math.exp(-(w * x + b)))
        g = y * (1 - y)
        return [y, g * x, g]

    x, w, b = t["x"], t["w"], t["b"]
    return lambda: neuron(x, w, b)


NEURON = Workload(
    "neuron",
    "value and gradient of σ(wx + b), on numbers",
    _data,
    ("w", "b"),
    {
        "graphc": _graphc, "torch": _torch, "jax": _jax, "pytensor": _pytensor, "autograd": _autograd,
        "casadi": _casadi,
    },
    _by_hand,
)  # fmt: skip
