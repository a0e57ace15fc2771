"""The two derivative engines on whole networks: how long each derives, and how fast its gradient runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.clock import interleaved

Case = tuple[gc.Tensor, dict[gc.Tensor, np.ndarray[Any, Any]]]
Row = tuple[str, int, str, int, float, float, float, float, float]


def _classified(net: gc.nn.Layer, shape: tuple[int, ...], batch: int) -> Case:
    x, label = gc.input("x", ("N", *shape)), gc.input("label", ("N",), "int64")
    loss = gc.nn.cross_entropy(net(x), label, ignore_index=None)
    generator = np.random.default_rng(0)
    images = generator.normal(size=(batch, *shape)).astype(np.float32)
    return loss, {x: images, label: generator.integers(0, 10, batch)}


def lenet(batch: int = 64) -> Case:
    """LeNet-5 with ReLU and max pooling on 28 × 28 images (LeCun et al. 1998)."""
    net = gc.nn.Sequential(
        gc.nn.Conv2d(1, 6, 5, padding=2), gc.nn.ReLU(), gc.nn.MaxPool2d(2),
        gc.nn.Conv2d(6, 16, 5), gc.nn.ReLU(), gc.nn.MaxPool2d(2), gc.nn.Flatten(),
        gc.nn.Dense(400, 120), gc.nn.ReLU(), gc.nn.Dense(120, 84), gc.nn.ReLU(), gc.nn.Dense(84, 10),
    )  # fmt: skip
    return _classified(net, (1, 28, 28), batch)


def residual_network(batch: int = 8) -> Case:
    """Eight residual blocks of 16 channels (He et al. 2016) on 16 × 16 images, pooled and classified."""
    net = gc.nn.Sequential(
        gc.nn.Conv2d(3, 16, 3, padding=1),
        *[gc.nn.ResidualBlock(16, 16) for _ in range(8)],
        gc.nn.GlobalAvgPool(), gc.nn.Dense(16, 10),
    )  # fmt: skip
    return _classified(net, (3, 16, 16), batch)


def attention_block(batch: int = 8) -> Case:
    """A layer-normalised transformer block of 4 heads on 32 places of 64 features (Vaswani et al. 2017)."""
    x, target = gc.input("x", ("N", "T", 64)), gc.input("target", ("N", "T", 64))
    loss = gc.nn.mse_loss(gc.nn.TransformerBlock(64, 4, 128)(x), target)
    generator = np.random.default_rng(0)
    draws = [generator.normal(size=(batch, 32, 64)).astype(np.float32) for _ in range(2)]
    return loss, dict(zip((x, target), draws, strict=True))


NETWORKS: dict[str, Callable[[int], Case]] = {
    "LeNet": lenet,
    "8 residual blocks": residual_network,
    "attention block": attention_block,
}


def engine_rows(smoke: bool) -> list[Row]:
    """Of each network: name, parameters, the symbolic mode, what stayed index code, seconds to derive by
    either engine, ms to run either gradient, and the ratio of those.

    Raises AssertionError where the two gradients differ.
    """
    rows: list[Row] = []
    for name, make in NETWORKS.items():
        loss, values = make(2) if smoke else make(64 if name == "LeNet" else 8)
        parameters = list(gc.parameters(loss))
        start = time.perf_counter()
        derivation = gc.symbolic.grad(loss, parameters)
        derived = time.perf_counter()
        reverse = gc.grad(loss, parameters)
        end = time.perf_counter()
        inputs = list(values)
        by_symbols = gc.compile(list(derivation.gradients), inputs)
        by_sweep = gc.compile(list(reverse), inputs, params=by_symbols.params)
        arrays = list(values.values())
        found, expected = by_symbols(*arrays), by_sweep(*arrays)
        largest = max(float(np.abs(e).max()) for e in expected)
        differences = [float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True)]
        assert max(differences) <= 1e-4 * largest, f"{name}: the engines differ by {max(differences):.1e}"
        calls = {"symbolic": partial(by_symbols, *arrays), "reverse": partial(by_sweep, *arrays)}
        times = interleaved(calls, 0.05 if smoke else 3.0)
        by_symbols_ms, by_sweep_ms = (times[name].seconds.median * 1e3 for name in calls)
        rows.append(
            (
                name, len(parameters), derivation.mode, len(derivation.residue),
                derived - start, end - derived, by_symbols_ms, by_sweep_ms,
                times["symbolic"].ratio(times["reverse"]).median,
            )
        )  # fmt: skip
    return rows
