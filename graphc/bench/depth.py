"""Chains of many ops: lengths enter, microseconds a node of each stage of the compiler leave."""

from __future__ import annotations

import gc as garbage
import math
import time
from collections.abc import Sequence

import numpy as np

import graphc as gc


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
