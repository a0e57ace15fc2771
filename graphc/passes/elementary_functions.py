"""Elementary functions: one that NumPy computes element by element enters; vectorised ones leave.

| function | by | where |
|---|---|---|
| softplus | exp, log and a correction | NumPy's logaddexp is a scalar loop: five times as dear |
| sigmoid | tanh | ``optimize="fast"``, and where tanh is cheaper than exp: on vectors of 512 bits |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from graphc.ir.dimension import symbols_of
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order, transformed
from graphc.ops import abs as absolute
from graphc.ops import exp, log, relu, tanh
from graphc.passes.linearity import may_move
from graphc.rewrite.cost import is_free, node_cost
from graphc.rewrite.cost_table import TABLE


def _softplus(x: Tensor) -> Tensor:
    """max(x, 0) + log(1 + u) for u = e^−|x|, accurate for every x.

    The sum w = 1 + u rounds by c = u − (w − 1), which is exact; log(1 + u) = log(w + c) ≈ log w + c/w.
    """
    u = exp(-absolute(x))
    w = 1 + u
    return (log(w) + (u - (w - 1)) / w) + relu(x)


def _sigmoid(x: Tensor) -> Tensor:
    """½ tanh(x/2) + ½: accurate to a rounding of 1, so not relatively for x far below 0."""
    return tanh(x * 0.5) * 0.5 + 0.5


# To rounding of the value itself.
ACCURATE = {"softplus": _softplus}
# To rounding of the function's largest value.
ABSOLUTE = {**ACCURATE, "sigmoid": _sigmoid}


def _is_cheaper(value: Tensor, node: Tensor) -> bool:
    """Whether the form costs less; where sizes are symbolic, element by element, without what calls cost."""
    made = topological_order([value], stop=node.inputs)
    known = set(node.inputs)
    costs = [node_cost(n) for n in made if n not in known and not is_free(n)]
    price = node_cost(node)
    if symbols_of(node.shape):
        return sum(costs) - len(costs) * TABLE.call < price - TABLE.call
    return sum(costs) < price


class ElementaryFunctions:
    """The pass; ``absolute`` allows forms whose error is small beside 1, not beside a small result."""

    name = "elementary_functions"

    def __init__(self, absolute: bool = False) -> None:
        self.forms: Mapping[str, Callable[[Tensor], Tensor]] = ABSOLUTE if absolute else ACCURATE

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        if graph.op_names.isdisjoint(self.forms):
            return graph

        def change(node: Tensor) -> Tensor:
            if node.op.name not in self.forms or not may_move(1.0, node.dtype):
                return node
            (x,) = node.inputs
            if x.dtype != node.dtype:
                return node
            with inheriting(node.origins):
                value = self.forms[node.op.name](x)
            if not _is_cheaper(value, node):
                return node
            if fired is not None:
                fired[node.op.name] += 1
            return value

        return graph.replaced(transformed(graph.roots, change))
