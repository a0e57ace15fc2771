"""Sums by products: sums along rows or columns enter; those that BLAS does faster leave marked as products.

A product with a vector of ones is two to four times as fast as NumPy's sum, which adds pairwise along rows,
and row to row along columns. The sum stays a sum: the mark only says how it is written.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.build import carried_over, with_attrs
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.passes.linearity import may_move
from graphc.rewrite.cost import elements, hinted

# BLAS adds a row in fewer partial sums than NumPy does: longer ones would lose digits.
_LONGEST_ROW = 8192
_FEWEST = 256  # elements, below which a call costs more than it saves
_STRIDED = frozenset({"transpose", "slice", "flip", "broadcast_to", "window"})


class ProductSums:
    """The pass."""

    name = "product_sums"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            value = carried_over(node, new)
            if node.op.name == "sum" and "by" not in node.attrs and _is_faster(value):
                value = with_attrs(value, {**value.attrs, "by": "product"})
                if fired is not None:
                    fired["sum by a product"] += 1
            new[node] = value
        return graph.replaced(new)


def _is_faster(node: Tensor) -> bool:
    (x,) = node.inputs
    axes = node.attrs["axis"]
    if x.ndim < 2 or x.dtype != node.dtype or not may_move(1.0, x.dtype) or _is_strided(x):
        return False
    if elements(x.shape) < _FEWEST:
        return False
    if axes == (x.ndim - 1,):
        length = x.shape[-1]
        return isinstance(length, int) and 1 < length <= _LONGEST_ROW
    return bool(axes == tuple(range(x.ndim - 1))) and hinted(x.shape[-1]) > 1


def _is_strided(x: Tensor) -> bool:
    """Whether elements of the value may lie apart in memory."""
    while x.op.name == "reshape":
        x = x.inputs[0]
    return x.op.name in _STRIDED
