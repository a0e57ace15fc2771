"""How much work a step is: a node enters, about how many nanoseconds one thread takes in cache leaves."""

from __future__ import annotations

from graphc.codegen.views import is_view
from graphc.ir.tensor import Tensor
from graphc.rewrite.cost import elements, is_free, node_cost
from graphc.rewrite.cost_table import TABLE, element_cost


def step_cost(node: Tensor) -> float:
    """The time of one node: views take none, a reshape that is no view takes that of a copy."""
    if not node.inputs or is_view(node):
        return 0.0
    if is_free(node):
        return TABLE.call + elements(node.shape) * element_cost("copy", node.dtype)
    return node_cost(node, in_cache=True)
