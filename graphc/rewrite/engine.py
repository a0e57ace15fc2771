"""The rewriting engine: a graph and rules enter, the graph in which no rule applies any more leaves.

Nodes are visited bottom up, each once a sweep; at a node, rules are tried in their order until none
applies. Sweeps are repeated until one changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from graphc.errors import GraphError
from graphc.ir.build import rebuilt
from graphc.ir.dimension import broadcast_shapes, same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import strengthened, weak_value
from graphc.ops.shape import broadcast_to
from graphc.rewrite.pattern import Call
from graphc.rewrite.rule import Rule

# Rules that undo each other would go on for ever; the tests show that ours do not.
_MOST_SWEEPS = 20
_MOST_AT_A_NODE = 20


class Rewriting:
    """A pass that applies rules. ``name`` is what reports call it."""

    def __init__(self, name: str, rules: Sequence[Rule]) -> None:
        self.name = name
        self.rules = tuple(rules)
        self._by_op: dict[str, list[Rule]] = {}
        for rule in self.rules:
            assert isinstance(rule.left, Call), f"{rule.name}: a rule rewrites an op"
            self._by_op.setdefault(rule.left.op, []).append(rule)

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        counts: Counter[str] = Counter() if fired is None else fired
        for _ in range(_MOST_SWEEPS):
            before = counts.total()
            graph = self._sweep(graph, counts)
            if counts.total() == before:
                break
        return graph

    def _sweep(self, graph: Graph, counts: Counter[str]) -> Graph:
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            value = rebuilt(node, tuple([new[i] for i in node.inputs]))
            for _ in range(_MOST_AT_A_NODE):
                replacement = self._replacement(value, counts)
                if replacement is None:
                    break
                value = replacement
            new[node] = value
        return graph.replaced(new)

    def _replacement(self, node: Tensor, counts: Counter[str]) -> Tensor | None:
        for rule in self._by_op.get(node.op.name, ()):
            with inheriting(node.origins):
                try:
                    value = fitting(rule.apply(node), node)
                except GraphError:  # the right side cannot be built of these shapes or dtypes
                    value = None
            if value is not None:
                counts[rule.name] += 1
                return value
        return None


def fitting(value: object, node: Tensor) -> Tensor | None:
    """A replacement in the node's shape and dtype; None where it does not have them."""
    if value is None:
        return None
    if weak_value(value) is not None:
        value = strengthened(value, node.dtype)
    assert isinstance(value, Tensor)
    if value is node or value.dtype != node.dtype:
        return None
    if same_shape(value.shape, node.shape):
        return value
    if same_shape(broadcast_shapes([value.shape, node.shape]), node.shape):
        return broadcast_to(value, node.shape)
    return None
