"""Stabilisation: formulas that overflow or cancel enter; ones that do not leave.

Rules know the formulas themselves, quotients what their gradients make of them; one makes work for the other,
so both are repeated while quotients are found.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.graph import Graph
from graphc.passes.broadcasts import Broadcasts
from graphc.passes.common_subexpressions import CommonSubexpressions
from graphc.passes.stable_quotients import StableQuotients
from graphc.rewrite import rules
from graphc.rewrite.engine import Rewriting

# Quotients of quotients of softmaxes: nothing that is written by hand goes deeper.
_MOST_ROUNDS = 4


class Stabilisation:
    """The pass."""

    name = "stabilisation"

    def __init__(self) -> None:
        self._rules = Rewriting("rules", (*rules.EXACT, *rules.STABILISATION))

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        counts: Counter[str] = Counter() if fired is None else fired
        graph = self._rules(Broadcasts()(graph, counts), counts)
        for _ in range(_MOST_ROUNDS):
            after = StableQuotients()(graph, counts)
            if after is graph:
                break
            graph = self._rules(CommonSubexpressions()(after, counts), counts)
        return graph
