"""Loop bodies: what is repeated is optimised by the same passes, and what need not be repeated comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from graphc.ir.body import Body
from graphc.ir.build import carried_over
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ops.loop import SCAN, Loop, looped


class _Pass(Protocol):
    name: str

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        """A graph enters, an equivalent graph leaves."""


class LoopBodies:
    """The pass: ``passes``, and then itself for loops in loops, on each body; loops may share one.

    Passes may leave parts of a body that do not change from step to step: these are computed before the
    loop, and ``behind`` is a pass for what they may then have in common with the rest.
    """

    name = "loop_bodies"

    def __init__(self, passes: Sequence[_Pass], behind: _Pass | None = None) -> None:
        self.passes, self.behind = (*passes, self), behind

    def without(self, name: str) -> LoopBodies:
        """The same, less the passes of another name."""
        kept = [step for step in self.passes[:-1] if step.name != name]
        behind = None if self.behind is None or self.behind.name == name else self.behind
        return LoopBodies(kept, behind)

    def replaced(self, step: _Pass) -> LoopBodies:
        """The same, with another pass in the place of that of its name."""
        return LoopBodies([step if old.name == step.name else old for old in self.passes[:-1]], self.behind)

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        counts: Counter[str] = Counter() if fired is None else fired
        if all(node.op is not SCAN for node in graph.nodes):
            return graph
        known: dict[Body, Body] = {}
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            value = carried_over(node, new)
            if node.op is SCAN:
                body = node.attrs["body"]
                if body not in known:
                    known[body] = self._optimised(body, counts)
                with inheriting(node.origins):
                    value = _with_body(Loop(value), known[body])
            new[node] = value
        graph = graph.replaced(new)
        return graph if self.behind is None else self.behind(graph, counts)

    def _optimised(self, body: Body, counts: Counter[str]) -> Body:
        graph = body.graph
        for step in self.passes:
            graph = step(graph, counts)
        return body.with_results(graph.outputs)


def _with_body(loop: Loop, body: Body) -> Tensor:
    starts, sequences, constants = loop.operands
    at = loop.node.attrs
    return looped(
        list(zip(body.carries, starts, strict=True)), list(zip(body.xs, sequences, strict=True)),
        body.next, body.outputs, length=at["length"], reverse=at["reverse"], record=at["record"],
        bound=dict(zip(body.constants, constants, strict=True)), name=loop.node.name,
    ).node  # fmt: skip
