"""``graphc bench``: what the compiler costs and what its functions cost, measured side by side.

Every figure is printed with what it was measured against in the same process; absolute times do not
carry over to another machine.
"""

from __future__ import annotations

import argparse
import gc as garbage
import math
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_info

import graphc as gc

Clock = Callable[[], float]


def median_seconds(call: Callable[[], object], budget: float = 1.0, least: int = 5) -> float:
    """The median of repeated timings of a call; short calls are timed in groups."""
    call()
    start = time.perf_counter()
    call()
    once = max(time.perf_counter() - start, 1e-9)
    group = max(1, int(2e-3 / once))
    samples: list[float] = []
    end = time.perf_counter() + budget
    while len(samples) < least or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(group):
            call()
        samples.append((time.perf_counter() - start) / group)
    return statistics.median(samples)


# -- depth -----------------------------------------------------------------------------------------
def _chain(length: int) -> tuple[gc.Tensor, gc.Tensor]:
    x = gc.input("x", ("N",), "float64")
    y = x
    for k in range(length // 2):
        y = gc.tanh(y) if k % 2 else gc.sin(y)
        y = y * 0.999
    return x, y.sum()


def depth_rows(lengths: Sequence[int]) -> list[dict[str, float]]:
    """Microseconds a node of building, differentiating, compiling and drawing chains of each length."""
    rows = []
    for length in lengths:
        garbage.collect()
        best: dict[str, float] = {}
        for _ in range(3 if length <= 10_000 else 1):
            clock = time.perf_counter()
            laps: dict[str, float] = {}

            def lap(stage: str, laps: dict[str, float] = laps) -> None:
                nonlocal clock
                now = time.perf_counter()
                laps[stage], clock = now - clock, now

            x, y = _chain(length)
            lap("build")
            g = gc.grad(y, x)
            lap("grad")
            f = gc.compile([y, g], [x])
            lap("compile")
            source = gc.draw([y, g]).source
            lap("draw")
            f(np.zeros(3))
            assert source
            best = {k: min(v, best.get(k, math.inf)) for k, v in laps.items()}
        nodes = f.stats["nodes"]
        row = {k: v / nodes * 1e6 for k, v in best.items()}
        rows.append({"length": length, "nodes": nodes, **row, "total": sum(row.values())})
    return rows


# -- compile time ------------------------------------------------------------------------------------
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


# -- the neuron --------------------------------------------------------------------------------------
def neuron_rows(peers: bool) -> list[tuple[str, float]]:
    """Microseconds of one call of σ(wx + b) with its gradient, on floats."""
    w, x, b = (gc.input(n, ()) for n in "wxb")
    y = gc.sigmoid(w * x + b)
    dw, db = gc.grad(y, [w, b])
    f = gc.compile([y, dw, db], [w, x, b])

    def by_hand(w: float = 0.3, x: float = 0.5, b: float = -0.1) -> tuple[float, float, float]:
        o = 1 / (1 + math.exp(-(w * x + b)))
        g = o * (1 - o)
        return o, g * x, g

    rows = [
        ("graphc", median_seconds(lambda: f(0.3, 0.5, -0.1))),
        ("Python by hand", median_seconds(by_hand)),
    ]
    if peers:
        rows += [(name, median_seconds(call)) for name, call in _neuron_peers()]
    return [(name, seconds * 1e6) for name, seconds in rows]


def _neuron_peers() -> list[tuple[str, Callable[[], object]]]:
    found: list[tuple[str, Callable[[], object]]] = []
    try:
        import torch

        tw, tx, tb = (torch.tensor(v, requires_grad=g) for v, g in ((0.3, True), (0.5, False), (-0.1, True)))

        def by_torch() -> object:
            o = torch.sigmoid(tw * tx + tb)
            return o, torch.autograd.grad(o, [tw, tb])

        found.append((f"PyTorch {torch.__version__}", by_torch))
    except ImportError:
        pass
    try:
        import jax

        g = jax.jit(jax.value_and_grad(lambda wb, x: jax.nn.sigmoid(wb[0] * x + wb[1])))
        jw, jx, jb = (jax.numpy.float32(v) for v in (0.3, 0.5, -0.1))
        found.append((f"JAX {jax.__version__}", lambda: jax.block_until_ready(g((jw, jb), jx))))
    except ImportError:
        pass
    try:
        import pytensor
        import pytensor.tensor as pt

        pw, px, pb = pt.fscalar(), pt.fscalar(), pt.fscalar()
        o = pt.sigmoid(pw * px + pb)
        call = pytensor.function([px, pw, pb], [o, *pt.grad(o, [pw, pb])])
        a = [np.float32(v) for v in (0.5, 0.3, -0.1)]
        found.append((f"PyTensor {pytensor.__version__}", lambda: call(*a)))
    except ImportError:
        pass
    return found


# -- the training step -------------------------------------------------------------------------------
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


# -- the command -------------------------------------------------------------------------------------
def _kernel() -> str:
    found = [
        f"{p['internal_api']} {p.get('architecture', '?')} ×{p['num_threads']}" for p in threadpool_info()
    ]
    return ", ".join(found) or "unknown"


def _table(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = Table(title=title, title_justify="left")
    for k, column in enumerate(columns):
        table.add_column(column, justify="left" if k == 0 else "right")
    for row in rows:
        table.add_row(*(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row))
    console.print(table)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables; ``--smoke`` takes seconds and only shows that it runs."""
    parser = argparse.ArgumentParser(prog="graphc bench", description=main.__doc__)
    parser.add_argument("--smoke", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--peers", action="store_true", help="measure installed peers in the same run")
    options = parser.parse_args(argv)
    console = Console()
    console.print(f"NumPy {np.__version__}, BLAS {_kernel()}, {os.cpu_count()} processors")
    lengths = (1_000, 10_000) if options.smoke else (1_000, 10_000, 100_000)
    rows = depth_rows(lengths)
    stages = ["build", "grad", "compile", "draw", "total"]
    _table(
        console, "µs a node of a chain", ["length", "nodes", *stages, "total / shortest"],
        [[r["length"], r["nodes"], *(r[s] for s in stages), r["total"] / rows[0]["total"]] for r in rows],
    )  # fmt: skip
    seconds, by_stage = compile_seconds(3 if options.smoke else 15)
    _table(
        console, "ms to declare, differentiate and compile the step of a 784–512–256–10 network",
        ["total", *by_stage], [[seconds * 1e3, *(v * 1e3 for v in by_stage.values())]],
    )  # fmt: skip
    neuron = neuron_rows(options.peers)
    _table(
        console, "µs a call of σ(wx + b) with its gradient, on floats", ["", "µs", "ratio"],
        [[n, v, v / neuron[0][1]] for n, v in neuron],
    )  # fmt: skip
    steps = step_rows()
    _table(
        console, "ms a training step of 784–512–256–10, batch 256", ["", "ms", "ratio"],
        [[n, v, v / steps[0][1]] for n, v in steps],
    )  # fmt: skip
    console.print(f"bytes allocated by a training step in steady state: {steady_bytes()}")
    return 0
