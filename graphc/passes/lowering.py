"""Lowering: ops that are shorthand leave as the simpler ops they stand for.

One table keyed by op; each entry builds the value from public functions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from graphc.ir.dimension import element_count, same
from graphc.ir.dtype import FLOAT32
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed
from graphc.ops import divide, exp, isfinite, log, subtract, sum, where
from graphc.ops.elementwise import astype
from graphc.ops.reductions import peak
from graphc.ops.shape import broadcast_to, reshape
from graphc.ops.sources import dimension_value, filled
from graphc.passes.convolution import lowered_by_windows
from graphc.passes.einsum_lowering import lowered_einsum


def _mean(node: Tensor) -> Tensor:
    (x,) = node.inputs
    axes = node.attrs["axis"]
    count = element_count(x.shape[a] for a in axes)
    # NumPy too sums float16 in float32: a thousand hundreds are more than float16 can hold.
    working = FLOAT32 if node.dtype == np.float16 else node.dtype
    total = sum(astype(x, working), axis=axes, keepdims=node.attrs["keepdims"])
    return astype(divide(total, dimension_value(count, working)), node.dtype)


def _shifted(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The largest element over the axes (0 where that is infinite), and x less it: exp cannot overflow."""
    top = peak(x, axes)
    top = where(isfinite(top), top, filled(0, x.dtype))
    return top, subtract(x, top)


def _below_peak(x: Tensor, axis: int) -> Tensor:
    """x less its largest element; NaN all along an axis that holds ∞, as in the op's own meaning."""
    return subtract(x, peak(x, (axis,)))


def _logsumexp(node: Tensor) -> Tensor:
    (x,) = node.inputs
    axes = node.attrs["axis"]
    if any(same(x.shape[a], 0) for a in axes):  # the sum of nothing is 0, its logarithm −∞
        return broadcast_to(filled(-math.inf, node.dtype), node.shape)
    top, shifted = _shifted(astype(x, node.dtype), axes)
    value = log(sum(exp(shifted), axis=axes, keepdims=True)) + top
    return value if node.attrs["keepdims"] else reshape(value, node.shape)


def _softmax(node: Tensor) -> Tensor:
    x = astype(node.inputs[0], node.dtype)
    if same(x.shape[node.attrs["axis"]], 0):
        return x
    weights = exp(_below_peak(x, node.attrs["axis"]))
    return divide(weights, sum(weights, axis=(node.attrs["axis"],), keepdims=True))


def _log_softmax(node: Tensor) -> Tensor:
    x = astype(node.inputs[0], node.dtype)
    if same(x.shape[node.attrs["axis"]], 0):
        return x
    shifted = _below_peak(x, node.attrs["axis"])
    return subtract(shifted, log(sum(exp(shifted), axis=(node.attrs["axis"],), keepdims=True)))


Rule = Callable[[Tensor], Tensor]

LOWERINGS: dict[str, Rule] = {
    "convolution": lowered_by_windows,
    "transposed_convolution": lowered_by_windows,
    "filter_gradient": lowered_by_windows,
    "einsum": lowered_einsum,
    "mean": _mean,
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
}


class Lowering:
    """The pass; ``chosen`` are lowerings that take the place of the table's."""

    name = "lowering"

    def __init__(self, chosen: Mapping[str, Rule] | None = None) -> None:
        self._rules = {**LOWERINGS, **(chosen or {})}

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        if graph.op_names.isdisjoint(self._rules):
            return graph

        def lower(node: Tensor) -> Tensor:
            rule = self._rules.get(node.op.name)
            if rule is None:
                return node
            if fired is not None:
                fired[node.op.name] += 1
            with inheriting(node.origins):
                return rule(node)

        return graph.replaced(transformed(graph.roots, lower))
