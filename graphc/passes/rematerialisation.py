"""Rematerialisation: values that wait long for their readers are computed a second time instead.

In a training step most memory holds values of the forward pass that the backward pass reads. Of those, some
are *kept*; what is read of the others is computed again from the kept ones, just before it is read first
(A. Griewank and A. Walther 2000; T. Chen et al., *Training deep nets with sublinear memory cost*, 2016). A
random draw is always kept: drawn again it would be another.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import networkx as nx

from graphc.ir.build import rebuilt
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor

# Families whose ops cost little beside reading and writing memory.
_CHEAP = frozenset({"elementwise", "reduction", "shape", "indexing"})
# A minimum cut takes more than linear time.
_LARGEST_CUT = 2000


@dataclass(frozen=True, eq=False)
class Order:
    """A graph and the order in which its nodes are computed.

    ``owner`` gives each node the one whose memory holds it, ``bytes`` the memory of those.
    """

    graph: Graph
    nodes: tuple[Tensor, ...]
    owner: Mapping[Tensor, Tensor]
    bytes: Mapping[Tensor, int]


class Rematerialisation:
    """What can be computed again in an order: candidates of what to keep, and what follows from one."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.position = {n: k for k, n in enumerate(order.nodes)}
        self.split = self._split()
        # Values of the first part, what they are computed from, where that part reads them last, and which
        # of them are read later.
        self.values = [n for n in order.nodes[: self.split] if order.owner[n] is n and n.inputs]
        self.values += [n for n in order.nodes[: self.split] if n.op.family == "random"]
        self.values.sort(key=self.position.__getitem__)
        self.sources: dict[Tensor, dict[Tensor, None]] = {n: {} for n in self.values}
        self.last: dict[Tensor, int] = dict(self.position)
        self.needed: dict[Tensor, None] = {}
        self._read()

    def _split(self) -> int:
        """Where the backward pass begins; without one, behind the step with the most memory in use."""
        nodes, owner = self.order.nodes, self.order.owner
        for k, node in enumerate(nodes):
            if node.role == "backward" and node.inputs and owner[node] is node:
                return k
        last = {owner[i]: k for k, n in enumerate(nodes) for i in n.inputs}
        ends: dict[int, int] = {}
        alive = most = best = 0
        for k, node in enumerate(nodes):
            size = self.order.bytes[node] if owner[node] is node and node.inputs else 0
            alive += size
            ends[last.get(node, len(nodes))] = ends.get(last.get(node, len(nodes)), 0) + size
            if alive > most:
                most, best = alive, k + 1
            alive -= ends.pop(k, 0)
        return best

    def _read(self) -> None:
        owner = self.order.owner
        for k, node in enumerate(self.order.nodes):
            for i in node.inputs:
                base = owner[i]
                if base not in self.sources:
                    continue
                if k >= self.split:
                    self.needed.setdefault(base)
                else:
                    self.last[base] = k
                    if owner[node] in self.sources and base is not owner[node]:
                        self.sources[owner[node]].setdefault(base)
        for root in self.order.graph.roots:
            if owner[root] in self.sources:
                self.needed.setdefault(owner[root])

    @staticmethod
    def _is_cheap(node: Tensor) -> bool:
        return node.op.family in _CHEAP

    @staticmethod
    def is_repeatable(node: Tensor) -> bool:
        """Whether the node may be computed twice."""
        return node.op.family not in ("random", "loop", "source")

    # -- what to keep ------------------------------------------------------------------------------
    def candidates(self) -> Iterator[frozenset[Tensor]]:
        """What to keep, roughly from little to much that is computed again."""
        if len(self.values) <= _LARGEST_CUT:
            yield self._kept_by_cut()
        seen = set()
        for count in self._segment_counts():
            kept = self._kept_by_segments(count)
            if kept not in seen:
                seen.add(kept)
                yield kept

    def _segment_counts(self) -> list[int]:
        most = max(2, len(self.needed))
        return sorted({min(most, k) for k in (2, 3, 4, 5, 6, 8, 10, 13, 17, 23, 30, 40)})

    def _kept_by_cut(self) -> frozenset[Tensor]:
        """The fewest bytes from which cheap ops alone give all that is read later: a minimum cut."""
        # The value at position k is an edge from 2k to 2k + 1 that is as costly to cut as it is large.
        network: nx.DiGraph[int] = nx.DiGraph()
        computed, read = -1, -2
        network.add_nodes_from((computed, read))
        for node in self.values:
            k = self.position[node]
            network.add_edge(2 * k, 2 * k + 1, capacity=self.order.bytes[node] + 1)
            if not (self._is_cheap(node) and self.is_repeatable(node)):
                network.add_edge(computed, 2 * k)
            for source in self.sources[node]:
                network.add_edge(2 * self.position[source] + 1, 2 * k)
        for node in self.needed:
            network.add_edge(2 * self.position[node] + 1, read)
        _, (before, _) = nx.minimum_cut(network, computed, read)
        cut = [k for k in before if k >= 0 and k % 2 == 0 and k + 1 not in before]
        return frozenset([self.order.nodes[k // 2] for k in cut])

    def _kept_by_segments(self, count: int) -> frozenset[Tensor]:
        """What crosses from each of so many pieces of the first part to the next, and all of the last."""
        sizes = self.order.bytes
        share = sum([sizes[n] for n in self.needed]) / count
        boundaries: list[int] = []
        ends: list[tuple[int, int]] = []  # where values are read last, and their bytes: a heap
        crossing = held = 0
        best: tuple[int, int] | None = None  # the fewest bytes that cross, and where
        for node in self.values:
            position = self.position[node]
            while ends and ends[0][0] <= position:
                crossing -= heapq.heappop(ends)[1]
            if self.last[node] > position:
                crossing += sizes[node]
                heapq.heappush(ends, (self.last[node], sizes[node]))
            held += sizes[node] if node in self.needed else 0
            if held > share / 2 and (best is None or crossing <= best[0]):
                best = (crossing, position)
            if held >= share and best is not None:
                boundaries.append(best[1])
                held, best = 0, None
        if not boundaries:
            return frozenset(self.values)
        kept = []
        for node in self.values:
            next_boundary = bisect_left(boundaries, self.position[node])
            if next_boundary == len(boundaries) or boundaries[next_boundary] < self.last[node]:
                kept.append(node)
        return frozenset(kept)

    # -- the order that follows -----------------------------------------------------------------------
    def repeated(self, kept: Collection[Tensor]) -> list[Tensor]:
        """The values that are computed again."""
        found: dict[Tensor, None] = {}
        stack = [n for n in self.needed if self._is_repeated(n, kept)]
        while stack:
            node = stack.pop()
            if node not in found:
                found[node] = None
                stack += [s for s in self.sources[node] if self._is_repeated(s, kept)]
        return sorted(found, key=self.position.__getitem__)

    def _is_repeated(self, value: Tensor, kept: Collection[Tensor]) -> bool:
        return value in self.sources and value not in kept and self.is_repeatable(value)

    def applied(self, kept: Collection[Tensor]) -> tuple[Graph, tuple[Tensor, ...]]:
        """The graph in which the others are computed again where they are read later, and its order."""
        owner, graph = self.order.owner, self.order.graph
        # What is returned, or stays in a parameter, is there anyway.
        there = {owner[root] for root in graph.roots}
        again = {n for n in self.repeated(kept) if n not in there}
        again = {n for n in self.order.nodes[: self.split] if owner[n] in again}
        new: dict[Tensor, Tensor] = {}
        second: dict[Tensor, Tensor] = {}
        order: list[Tensor] = []
        for position, node in enumerate(self.order.nodes):
            if position < self.split:
                new[node] = node
            else:
                for value in node.inputs:
                    if value in again:
                        order += _second(value, again, second)
                new[node] = rebuilt(node, tuple([second[i] if i in again else new[i] for i in node.inputs]))
            order.append(new[node])
        changed = graph.replaced(new)
        read = set(changed.nodes)
        return changed, tuple([n for n in order if n in read])


def _second(value: Tensor, again: Collection[Tensor], second: dict[Tensor, Tensor]) -> list[Tensor]:
    """A second node for the value and for what it needs, where there is none yet, in order."""
    made = []
    stack = [value]
    while stack:
        node = stack[-1]
        missing = [i for i in node.inputs if i in again and i not in second]
        if node in second:
            stack.pop()
        elif missing:
            stack += reversed(missing)
        else:
            inputs = tuple([second.get(i, i) for i in node.inputs])
            second[node] = Tensor(
                node.op, inputs, node.attrs, node.shape, node.dtype, node.name, node.origins
            )
            made.append(second[stack.pop()])
    return made
