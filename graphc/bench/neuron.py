"""The neuron σ(wx + b) on floats: nothing enters, microseconds of its value and gradient leave."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

import graphc as gc
from graphc.bench.clock import median_seconds


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
