"""Masks from outputs: x > 0 enters where relu(x) is computed, relu(x) > 0 leaves.

Both hold for the same elements, NaN included. So a backward pass reads the activation, which it needs anyway,
and relu may write over its operand.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.build import rebuilt
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.rewrite.pattern import the_number


class OutputMasks:
    """The pass."""

    name = "output_masks"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        rectified = {n.inputs[0]: n for n in graph.nodes if n.op.name == "relu"}
        if not rectified:
            return graph
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            inputs = [new[i] for i in node.inputs]
            if node.op.name == "greater" and node.inputs[0] in rectified and the_number(node.inputs[1]) == 0:
                output = rectified[node.inputs[0]]
                # It may stand further on in the order; what it is made of is there.
                inputs[0] = new[output] if output in new else rebuilt(output, (inputs[0],))
                if fired is not None:
                    fired["mask from the output"] += 1
            new[node] = rebuilt(node, tuple(inputs))
        return graph.replaced(new)
