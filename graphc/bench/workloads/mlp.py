"""A multi-layer perceptron with ReLU and tanh; a training step, at a usual size and at a small one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.by_hand import cross_entropy
from graphc.bench.workload import KINKED, Data, Draws, Workload

_NAMES = ("weight1", "bias1", "weight2", "bias2", "weight3", "bias3")


def _data(batch: int, widths: tuple[int, ...], small: bool) -> Data:
    draw = Draws()
    if small:
        batch, widths = 5, (8, 7, 6, 10)
    data = {"x": draw.normal(batch, widths[0]), "label": draw.one_hot(batch, widths[-1])}
    for k, (entering, leaving) in enumerate(itertools.pairwise(widths), start=1):
        data[f"weight{k}"] = draw.normal(entering, leaving, scale=entering**-0.5)
        data[f"bias{k}"] = draw.normal(leaving, scale=0.1)
    return data


def _graphc(t: Mapping[str, Any]) -> Any:
    h = gc.nn.relu(t["x"] @ t["weight1"] + t["bias1"])
    h = gc.tanh(h @ t["weight2"] + t["bias2"])
    return gc.nn.cross_entropy(h @ t["weight3"] + t["bias3"], t["label"])


def _torch(t: Mapping[str, Any]) -> Any:
    import torch

    h = torch.relu(torch.addmm(t["bias1"], t["x"], t["weight1"]))
    h = torch.tanh(torch.addmm(t["bias2"], h, t["weight2"]))
    return torch.nn.functional.cross_entropy(torch.addmm(t["bias3"], h, t["weight3"]), t["label"])


def _jax(t: Mapping[str, Any]) -> Any:
    import jax

    h = jax.nn.relu(t["x"] @ t["weight1"] + t["bias1"])
    h = jax.numpy.tanh(h @ t["weight2"] + t["bias2"])
    logits = h @ t["weight3"] + t["bias3"]
    return -(t["label"] * jax.nn.log_softmax(logits, axis=1)).sum(axis=1).mean()


def _pytensor(t: Mapping[str, Any]) -> Any:
    import pytensor.tensor as pt

    h = pt.maximum(t["x"] @ t["weight1"] + t["bias1"], 0)
    h = pt.tanh(h @ t["weight2"] + t["bias2"])
    logits = h @ t["weight3"] + t["bias3"]
    return -(t["label"] * pt.special.log_softmax(logits, axis=1)).sum(axis=1).mean()


def _autograd(t: Mapping[str, Any]) -> Any:
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    h = anp.maximum(anp.dot(t["x"], t["weight1"]) + t["bias1"], 0)
    h = anp.tanh(anp.dot(h, t["weight2"]) + t["bias2"])
    logits = anp.dot(h, t["weight3"]) + t["bias3"]
    return -anp.sum(t["label"] * (logits - logsumexp(logits, axis=1, keepdims=True))) / len(t["label"])


def _by_hand(t: Mapping[str, Any]) -> Callable[[], list[Any]]:
    x, label = t["x"], t["label"]
    w1, b1, w2, b2, w3, b3 = (t[name] for name in _NAMES)

    def step() -> list[Any]:
        h1 = x @ w1
        h1 += b1
        np.maximum(h1, 0, out=h1)
        h2 = h1 @ w2
        h2 += b2
        np.tanh(h2, out=h2)
        logits = h2 @ w3
        logits += b3
        loss, g = cross_entropy(logits, label)
        third = [h2.T @ g, g.sum(axis=0)]
        g = g @ w3.T
        h2 *= h2
        np.subtract(1, h2, out=h2)
        g *= h2
        second = [h1.T @ g, g.sum(axis=0)]
        g = g @ w2.T
        g *= h1 > 0
        return [loss, x.T @ g, g.sum(axis=0), *second, *third]

    return step


_FORMS = {"graphc": _graphc, "torch": _torch, "jax": _jax, "pytensor": _pytensor, "autograd": _autograd}

MLP = Workload(
    "mlp",
    "training step of 784–512–256–10 with ReLU and tanh, batch 256",
    partial(_data, 256, (784, 512, 256, 10)),
    _NAMES,
    _FORMS,
    _by_hand,
    rate=0.1,
    tolerance=KINKED,
)
MLP_SMALL = Workload(
    "mlp_small",
    "training step of 64–32–32–10 with ReLU and tanh, batch 32",
    partial(_data, 32, (64, 32, 32, 10)),
    _NAMES,
    _FORMS,
    _by_hand,
    rate=0.1,
    tolerance=KINKED,
)
