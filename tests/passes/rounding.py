"""What rounding may do: outputs and values enter; the interpreter's results and a bound for each leave.

Monte Carlo arithmetic (D. Parker, UCLA 1997): the graph is evaluated some times more with every result that
rounds, and every term of a sum, moved by up to a unit in its last place. How far an output moves then is what
another order of the same arithmetic may move it: little in a sum of products, much behind a cancellation or
where a comparison hangs on a last bit. So a bound in units of that is honest for every graph.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import graphc as gc
from graphc.ir.body import resolved
from graphc.ir.traversal import topological_order

Array = np.ndarray[Any, Any]

EXACT = {
    "negative",
    "abs",
    "sign",
    "floor",
    "ceil",
    "round",
    "trunc",
    "maximum",
    "minimum",
    "where",
    "clip",
    "relu",
    "stop_gradient",
    "max",
    "min",
    "max_pool",
}
SUMS = {
    "sum",
    "mean",
    "cumsum",
    "matmul",
    "einsum",
    "convolution",
    "transposed_convolution",
    "filter_gradient",
}
RUNS = 3
# How many times further off than rounding was seen to move a result: another order, and another formula.
BOUND = 16


def _moved(rng: np.random.Generator, value: Array, dtype: Any) -> Array:
    if value.dtype.kind != "f":
        return value
    noise = rng.choice([-1.0, 1.0], value.shape) * np.finfo(dtype).eps
    return (value * (1 + noise)).astype(value.dtype)


def _rounds(node: gc.Tensor) -> bool:
    if node.op.family in ("source", "shape", "indexing"):
        return node.op.name in ("fold", "scatter_add")
    return node.op.name not in EXACT


def _evaluated(
    outputs: Sequence[gc.Tensor], values: Mapping[gc.Tensor, Array], sizes: Mapping[str, int], seed: int
) -> list[Array]:
    """The results with every float in double precision, moved by what its dtype rounds."""
    rng = np.random.default_rng(seed)
    known = {t: v.astype(np.float64) if v.dtype.kind == "f" else v for t, v in values.items()}
    with np.errstate(all="ignore"):
        for node in topological_order(outputs, stop=known):
            if node in known:
                continue
            attrs = {k: resolved(v, dict(sizes)) for k, v in node.attrs.items()}
            operands = [known[i] for i in node.inputs]
            floats = node.dtype.kind == "f"
            rounds = floats and _rounds(node)
            if rounds and node.op.name in SUMS:
                operands = [_moved(rng, o, node.dtype) for o in operands]
            value = np.asarray(node.op.evaluate(attrs, *operands)).astype(
                np.float64 if floats else node.dtype
            )
            known[node] = _moved(rng, value, node.dtype) if rounds else value
    return [known[o] for o in outputs]


def reference(
    outputs: Sequence[gc.Tensor], values: Mapping[gc.Tensor, Array], sizes: Mapping[str, int]
) -> tuple[list[Array], list[float]]:
    """The interpreter's results, and how far rounding moves the largest element of each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's of the mean of nothing
        wanted = gc.interpret(outputs, values, sizes=sizes)
        runs = [_evaluated(outputs, values, sizes, seed) for seed in range(RUNS)]
    spread = [float(np.finfo(w.dtype).eps) * _largest(w) if w.dtype.kind == "f" else 0.0 for w in wanted]
    for moved in runs:
        spread = [max(s, _distance(m, w)) for s, m, w in zip(spread, moved, wanted, strict=True)]
    return wanted, spread


def _largest(x: Array) -> float:
    finite = np.abs(x[np.isfinite(x)])
    return float(finite.max(initial=0.0))


def _distance(a: Array, b: Array) -> float:
    if a.dtype.kind != "f":
        return float(np.any(a != b))
    with np.errstate(all="ignore"):
        difference = np.abs(a.astype(np.float64) - b)
    both = (np.isnan(a) & np.isnan(b)) | (a == b)
    difference = np.where(both, 0.0, difference)
    return float("inf") if np.isnan(difference).any() else float(difference.max(initial=0.0))


def excess(found: Array, wanted: Array, spread: float) -> float:
    """How many times rounding's spread the found value is off."""
    assert found.dtype == wanted.dtype, (found.dtype, wanted.dtype)
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    off = _distance(found, wanted)
    return 0.0 if off == 0 else off / spread if spread else float("inf")
