"""Products that a graph has anyway: two operands enter, their product leaves, if the graph has it somewhere.

It may stand later in the order: it needs its operands alone, so it can be computed as soon as they are.
"""

from __future__ import annotations

from collections.abc import Collection

from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import multiply


class KnownProducts:
    """The products of elements in a graph that is being rewritten; those in ``without`` do not count."""

    def __init__(self, graph: Graph, without: Collection[Tensor] = ()) -> None:
        self._pending = {
            frozenset(n.inputs): n for n in graph.nodes if n.op.name == "multiply" and n not in without
        }
        self._old: dict[Tensor, Tensor] = {}
        self._made: dict[frozenset[Tensor], Tensor] = {}

    def became(self, node: Tensor, value: Tensor) -> None:
        """Told of each node that is rewritten."""
        self._old[value] = node
        if value.op.name == "multiply" and frozenset(node.inputs) in self._pending:
            self._made.setdefault(frozenset(value.inputs), value)

    def find(self, a: Tensor, b: Tensor) -> Tensor | None:
        """The product of two rewritten nodes."""
        made = self._made.get(frozenset((a, b)))
        if made is None and a in self._old and b in self._old:
            later = self._pending.get(frozenset((self._old[a], self._old[b])))
            if later is not None:
                made = self._made[frozenset((a, b))] = multiply(a, b)
        return made
