"""The training step of 784–512–256–10: what it costs to compile and to run, beside the same step by hand."""

from __future__ import annotations

import statistics
import time
import tracemalloc

import numpy as np

import graphc as gc
from graphc.bench.clock import median_seconds


def _mlp_step(batch: int | str = "N") -> gc.Function:
    x, t = gc.input("x", (batch, 784)), gc.input("t", (batch, 10))
    model = gc.nn.Sequential(
        gc.nn.Dense(784, 512), gc.nn.ReLU(), gc.nn.Dense(512, 256), gc.nn.Tanh(), gc.nn.Dense(256, 10)
    )
    loss = gc.nn.cross_entropy(model(x), t)
    return gc.compile(loss, [x, t], updates=gc.optim.SGD(0.1).updates(loss, gc.parameters(loss)))


def compile_seconds(repeats: int = 7) -> tuple[float, dict[str, float]]:
    """Median seconds from the declaration of a 784–512–256–10 network to its compiled step, and by stage."""
    totals, stages = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        step = _mlp_step()
        totals.append(time.perf_counter() - start)
        stages.append(step.stats["seconds"])
    return statistics.median(totals), {k: statistics.median(s[k] for s in stages) for k in stages[0]}


def step_rows(batch: int = 256) -> list[tuple[str, float]]:
    """Milliseconds of a training step of 784–512–256–10, and of the same step by hand in NumPy."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, 784)).astype(np.float32)
    t = np.eye(10, dtype=np.float32)[rng.integers(0, 10, batch)]
    step = _mlp_step()
    p = [v.copy() for v in step.params.values()]

    def by_hand() -> float:
        h1 = np.maximum(x @ p[0] + p[1], 0)
        h2 = np.tanh(h1 @ p[2] + p[3])
        z = h2 @ p[4] + p[5]
        z = z - z.max(1, keepdims=True)
        e = np.exp(z)
        s = e.sum(1, keepdims=True)
        loss = -(t * (z - np.log(s))).sum() / np.float32(batch)
        g = (e / s - t) / np.float32(batch)
        g4, g5 = h2.T @ g, g.sum(0)
        g = g @ p[4].T * (1 - h2 * h2)
        g2, g3 = h1.T @ g, g.sum(0)
        g = (g @ p[2].T) * (h1 > 0)
        for a, d in zip(p, [x.T @ g, g.sum(0), g2, g3, g4, g5], strict=True):
            a -= np.float32(0.1) * d
        return float(loss)

    first = abs(float(step(x, t)) - by_hand())
    assert first < 1e-4, f"the two steps differ by {first}"
    return [
        ("graphc", median_seconds(lambda: step(x, t)) * 1e3),
        ("NumPy by hand", median_seconds(by_hand) * 1e3),
    ]


def steady_bytes() -> int:
    """Peak bytes that a training step allocates after the first calls (views and scalars included)."""
    step = _mlp_step()
    x, t = np.zeros((256, 784), np.float32), np.zeros((256, 10), np.float32)
    for _ in range(3):
        step(x, t)
    tracemalloc.start()
    step(x, t)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    step(x, t)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return peak
