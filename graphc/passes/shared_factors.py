"""Shared factors: x·y − z·y enters, (x − z)·y leaves, where that is less work.

So the softmax's backward pass p·g − p·s, for a column s, is one subtraction and one product.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.build import apply, carried_over
from graphc.ir.dimension import same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import multiply
from graphc.passes.linearity import may_move
from graphc.rewrite.cost import node_cost


class SharedFactors:
    """The pass."""

    name = "shared_factors"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        reads: Counter[Tensor] = Counter(graph.roots)
        for node in graph.nodes:
            reads.update(node.inputs)
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            value = carried_over(node, new)
            if node.op.name in ("add", "subtract") and all(
                i.op.name == "multiply" and reads[i] == 1 for i in node.inputs
            ):
                joined = _joined(value)
                if joined is not None:
                    value = joined
                    if fired is not None:
                        fired["factored"] += 1
            new[node] = value
        return graph.replaced(new)


def _joined(node: Tensor) -> Tensor | None:
    first, second = node.inputs
    if not may_move(1.0, node.dtype) or any(i.dtype != node.dtype for p in node.inputs for i in p.inputs):
        return None
    if first.op.name != "multiply" or second.op.name != "multiply":
        return None  # the operands were rewritten
    for x, y in (first.inputs, first.inputs[::-1]):
        for z, other in (second.inputs, second.inputs[::-1]):
            if y is not other:
                continue
            with inheriting(node.origins):
                difference = apply(node.op, (x, z))
                value = multiply(difference, y)
            price = sum(map(node_cost, (node, first, second)))
            if same_shape(value.shape, node.shape) and node_cost(difference) + node_cost(value) < price:
                return value
    return None
