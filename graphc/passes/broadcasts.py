"""Broadcasts: elementwise ops of broadcast values enter; ops of the values, broadcast afterwards, leave.

f(broadcast x) = broadcast f(x), and an operand that the op broadcasts by itself needs no node for it.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.build import apply, carried_over
from graphc.ir.dimension import same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ops.shape import broadcast_to


def _narrow(node: Tensor) -> Tensor:
    while node.op.name == "broadcast_to":
        node = node.inputs[0]
    return node


class Broadcasts:
    """The pass."""

    name = "broadcasts"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        if "broadcast_to" not in graph.op_names:
            return graph
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            value = carried_over(node, new)
            if node.op.family == "elementwise" and any(i.op.name == "broadcast_to" for i in value.inputs):
                if fired is not None:
                    fired["broadcast later"] += 1
                with inheriting(value.origins):
                    narrow = apply(node.op, tuple(map(_narrow, value.inputs)), value.name, **value.attrs)
                    fits = same_shape(narrow.shape, value.shape)
                    value = narrow if fits else broadcast_to(narrow, value.shape)
            new[node] = value
        return graph.replaced(new)
