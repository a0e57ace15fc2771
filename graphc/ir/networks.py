"""A graph as a networkx graph, for its algorithms: nodes are tensors, edges run from input to user."""

from __future__ import annotations

from collections.abc import Sequence

import networkx

from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order


def to_networkx(outputs: Tensor | Sequence[Tensor]) -> networkx.MultiDiGraph[Tensor]:
    """The graph below the outputs as a directed multigraph.

    A node is the tensor itself, with ``op``, ``name``, ``shape``, ``dtype``, ``scope`` and ``role``
    as attributes; an edge carries ``position``, the place of the operand.

    >>> import graphc as gc
    >>> x = gc.input("x", (3,))
    >>> gc.to_networkx(x * x).number_of_edges()
    2
    """
    graph: networkx.MultiDiGraph[Tensor] = networkx.MultiDiGraph()
    for node in topological_order([outputs] if isinstance(outputs, Tensor) else outputs):
        graph.add_node(
            node, op=node.op.name, name=node.name, shape=node.shape, dtype=node.dtype,
            scope=node.scope, role=node.role,
        )  # fmt: skip
        for position, operand in enumerate(node.inputs):
            graph.add_edge(operand, node, position=position)
    return graph
