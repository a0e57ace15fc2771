"""Products: chains of multiplications and divisions enter; the same factors leave in their cheapest order.

Small factors meet first, so that a large value is read once: (2·x)·c becomes x·(2·c) for a column c. Numbers
go to the smallest factor, a small divisor becomes a small reciprocal, and two factors whose product exists
already are that product: σ + x·(σ·(1 − σ)) reads x·σ from the forward pass.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations, groupby

from graphc.errors import GraphError
from graphc.ir.build import carried_over
from graphc.ir.dimension import same_shape
from graphc.ir.dtype import DType
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting, merged_origins
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import divide, multiply, negative, reciprocal
from graphc.ops.shape import broadcast_to
from graphc.ops.sources import filled
from graphc.passes.known_products import KnownProducts
from graphc.passes.linearity import may_move
from graphc.rewrite.cost import elements, node_cost
from graphc.rewrite.pattern import the_number

CHAINED = frozenset({"multiply", "divide", "negative", "reciprocal"})
# Chains of more factors are left as they are: pairs of factors are compared with each other.
_MOST_FACTORS = 12


@dataclass
class Chain:
    """number · Π above / Π below, and the nodes that multiply and divide."""

    dtype: DType
    number: float = 1.0
    above: list[Tensor] = field(default_factory=list)
    below: list[Tensor] = field(default_factory=list)
    nodes: list[Tensor] = field(default_factory=list)


class Products:
    """The pass."""

    name = "products"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        inner = inner_nodes(graph)
        new: dict[Tensor, Tensor] = {}
        there = KnownProducts(graph, without=inner)
        for node in graph.nodes:
            value = carried_over(node, new)
            if node not in inner and any(i in inner for i in node.inputs):
                chain = chain_of(node, inner, new)
                cheaper = None if chain is None else _cheapest(value, chain, new, there)
                if cheaper is not None:
                    value = cheaper
                    if fired is not None:
                        fired["reordered"] += 1
            new[node] = value
            there.became(node, value)
        return graph.replaced(new)


def inner_nodes(graph: Graph) -> set[Tensor]:
    """The links of chains: read once, by the next link."""
    reads: Counter[Tensor] = Counter(graph.roots)
    linked: set[Tensor] = set()
    for node in graph.nodes:
        reads.update(node.inputs)
        if node.op.name in CHAINED:
            linked.update(i for i in node.inputs if i.op.name in CHAINED and i.dtype == node.dtype)
    return {n for n in linked if reads[n] == 1} - set(graph.roots)


def chain_of(root: Tensor, inner: set[Tensor], new: dict[Tensor, Tensor]) -> Chain | None:
    """The factors of a chain; None where it is too long, or its dtype may not be reordered."""
    if root.op.name not in CHAINED or not may_move(1.0, root.dtype):
        return None
    chain = Chain(root.dtype)
    stack = [(root, False)]
    while stack:
        node, inverted = stack.pop()
        if node is root or node in inner:
            chain.nodes.append(node)
            match node.op.name:
                case "negative":
                    chain.number = -chain.number
                    stack.append((node.inputs[0], inverted))
                case "reciprocal":
                    stack.append((node.inputs[0], not inverted))
                case "multiply":
                    stack += [(node.inputs[1], inverted), (node.inputs[0], inverted)]
                case _:
                    stack += [(node.inputs[1], not inverted), (node.inputs[0], inverted)]
            continue
        if node.dtype != root.dtype:
            return None
        number = the_number(node)
        if number is not None and may_move(number, node.dtype):
            chain.number *= 1 / number if inverted else number
        else:
            (chain.below if inverted else chain.above).append(new[node])
    fits = 1 <= len(chain.above) + len(chain.below) <= _MOST_FACTORS
    return chain if fits and may_move(chain.number, root.dtype) else None


def _cheapest(value: Tensor, chain: Chain, new: dict[Tensor, Tensor], there: KnownProducts) -> Tensor | None:
    """A cheaper form of the chain, in the shape of its value; None where there is none."""
    price = sum([node_cost(new.get(n, value)) for n in chain.nodes[1:]], node_cost(value))
    best: Tensor | None = None
    with inheriting(merged_origins(*[n.origins for n in chain.nodes])):
        for above in (chain.above, _with_known(chain.above, there)):
            try:
                made, cost = _Builder(there).built(chain.number, above, chain.below)
            except GraphError:  # factors that broadcast only in the order they stand in
                continue
            if cost < price - 1e-6:
                best, price = made, cost
        if best is None or same_shape(best.shape, value.shape):
            return best
        return broadcast_to(best, value.shape)


def _with_known(factors: list[Tensor], there: KnownProducts) -> list[Tensor]:
    """The factors, two of them as their product wherever that exists."""
    left = list(factors)
    while True:
        for i, j in combinations(range(len(left)), 2):
            known = there.find(left[i], left[j])
            if known is not None:
                left = [*left[:i], *left[i + 1 : j], *left[j + 1 :], known]
                break
        else:
            return left


class _Builder:
    """Builds a chain from its smallest factors to its largest, and adds up what it costs."""

    def __init__(self, there: KnownProducts) -> None:
        self.there, self.cost = there, 0.0

    def built(self, number: float, above: Iterable[Tensor], below: Iterable[Tensor]) -> tuple[Tensor, float]:
        factors = [(f, False) for f in above] + [(f, True) for f in below]
        factors.sort(key=lambda pair: elements(pair[0].shape))
        total: Tensor | None = None  # of the smaller factors
        groups = [list(g) for _, g in groupby(factors, key=lambda pair: elements(pair[0].shape))]
        for group in groups:
            over = self._product([f for f, inverted in group if not inverted])
            under = self._product([f for f, inverted in group if inverted])
            if total is None:
                over, under, number = self._numbered(number, over, under)
            else:
                over = total if over is None else self._counted(multiply(over, total))
            if under is None:
                total = over
            elif over is None:
                total = self._counted(reciprocal(under))
            else:
                total = self._counted(divide(over, under))
        assert total is not None
        return total, self.cost

    def _numbered(
        self, number: float, over: Tensor | None, under: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, float]:
        """The number in the smallest group."""
        if number == 1:
            return over, under, 1.0
        if over is None:
            assert under is not None
            return (filled(number, under.dtype) if math.isfinite(number) else None), under, 1.0
        scaled = negative(over) if number == -1 else multiply(over, filled(number, over.dtype))
        return self._counted(scaled), under, 1.0

    def _product(self, factors: list[Tensor]) -> Tensor | None:
        total: Tensor | None = None
        for factor in factors:
            total = factor if total is None else self._counted(multiply(total, factor))
        return total

    def _counted(self, node: Tensor) -> Tensor:
        """The node, or the one that computes the same already."""
        known = self.there.find(*node.inputs) if node.op.name == "multiply" else None
        if known is not None:
            return known
        self.cost += node_cost(node)
        return node
