"""Dead nodes: what does nothing leaves: identities, and updates that set a parameter to itself.

A node that no output needs is not part of a graph, so nothing has to be removed for it.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed


class DeadNodes:
    """The pass."""

    name = "dead_nodes"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        counts: Counter[str] = Counter() if fired is None else fired

        def keep(node: Tensor) -> Tensor:
            if node.op.name == "stop_gradient" or (
                node.op.name == "astype" and node.dtype == node.inputs[0].dtype
            ):
                counts[node.op.name] += 1
                return node.inputs[0]
            return node

        if not graph.op_names.isdisjoint(("stop_gradient", "astype")):
            graph = graph.replaced(transformed(graph.roots, keep))
        updates = tuple((p, new) for p, new in graph.updates if new is not p)
        if len(updates) != len(graph.updates):
            counts["update to itself"] += len(graph.updates) - len(updates)
            graph = Graph(graph.inputs, graph.outputs, updates)
        return graph
