"""Places of factors: a large value times a number enters; a smaller one on its way, times the number, leaves.

The scores q·kᵀ/√d have more elements than q: q/√d does for them, and for the gradients, which are products
with q and with the scores' cotangent: one reads q/√d as it is, the other is scaled itself.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.build import rebuilt
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import users
from graphc.ops.elementwise import multiply
from graphc.ops.sources import filled
from graphc.passes.linearity import bearers, scaled_operand
from graphc.rewrite.cost import elements

# A place further away is not looked for.
_FURTHEST = 12
# A place is worth it if it has at most this share of the elements.
_SHARE = 0.5
_VIEWS = frozenset({"transpose", "reshape"})


class FactorPlaces:
    """The pass."""

    name = "factor_places"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        return _Moving(graph, Counter() if fired is None else fired).result()


class _Moving:
    def __init__(self, graph: Graph, fired: Counter[str]) -> None:
        self.graph, self.fired = graph, fired
        self.readers = users(graph.nodes)
        self.roots = set(graph.roots)
        self.new: dict[Tensor, Tensor] = {}
        self.times: dict[tuple[Tensor, float], Tensor] = {}  # values times a number that there are
        # Products whose operand (by position) is the one before its number, and the number, to be made good.
        self.owed: dict[tuple[Tensor, int], float] = {}

    def result(self) -> Graph:
        for node in self.graph.nodes:
            scaled = scaled_operand(node)
            value = None
            if scaled is not None:
                value = self._moved(node, *scaled)
            self.new[node] = self._rebuilt(node) if value is None else value
        return self.graph.replaced(self.new)

    # -- towards the sources -----------------------------------------------------------------------
    def _moved(self, node: Tensor, x: Tensor, number: float) -> Tensor | None:
        """The node with its number at the smallest place before it; or without, where all users bear it."""
        path = self._smallest_place(x)
        largest = elements(node.shape) * _SHARE
        if path and elements(_end(path).shape) <= largest:
            self.fired["moved a factor back"] += 1
            value = self._scaled(_end(path), number)
            for step, position in reversed(path):
                inputs = [self.new[i] for i in step.inputs]
                inputs[position] = value
                value = rebuilt(step, tuple(inputs))
            return value
        if self._users_bear(node, x, number):
            self.fired["moved a factor on"] += 1
            return self.new[x]
        value = self._rebuilt(node)
        if _stored(x)[0] is x:
            self.times[x, number] = value
        return value

    def _smallest_place(self, x: Tensor) -> list[tuple[Tensor, int]]:
        """Steps from x towards the sources, each with its operand, as far as the one with fewest elements.

        A product that owes a number ends the way: taken anew, it would not make it good.
        """
        best: list[tuple[Tensor, int]] = []
        fewest = elements(x.shape)
        path: list[tuple[Tensor, int]] = []
        node = x
        while len(path) < _FURTHEST and len(self.readers[node]) == 1 and node not in self.roots:
            choices = [c[0] for c in bearers(node) if len(c) == 1]
            if not choices or (node, 0) in self.owed or (node, 1) in self.owed:
                break
            sizes = [elements(i.shape) for i in node.inputs]
            position = min(choices, key=sizes.__getitem__)
            path.append((node, position))
            node = node.inputs[position]
            if elements(node.shape) < fewest:
                fewest, best = elements(node.shape), list(path)
        return best

    # -- towards the users -------------------------------------------------------------------------
    def _users_bear(self, node: Tensor, x: Tensor, number: float) -> bool:
        """Whether all users are products that cost less to scale than the node; then they owe the number."""
        if node in self.roots:
            return False
        reached: list[tuple[Tensor, int]] = []
        stack = [node]
        while stack:
            value = stack.pop()
            for reader in dict.fromkeys(self.readers[value]):
                if reader in self.roots and reader.op.name in _VIEWS:
                    return False
                if reader.op.name in _VIEWS:
                    stack.append(reader)
                elif reader.op.name == "matmul" and reader.inputs[0] is not reader.inputs[1]:
                    reached.append((reader, 0 if reader.inputs[0] is value else 1))
                else:
                    return False
        price = sum([self._price(reader, position, number) for reader, position in reached])
        if not reached or price > elements(node.shape) * _SHARE:
            return False
        for place in reached:
            self.owed[place] = self.owed.get(place, 1.0) * number
        return True

    def _price(self, product: Tensor, position: int, number: float) -> int:
        other = product.inputs[1 - position]
        if (_stored(other)[0], number) in self.times:
            return 0
        return min(elements(other.shape), elements(product.shape))

    def _rebuilt(self, node: Tensor) -> Tensor:
        inputs = [self.new[i] for i in node.inputs]
        behind = 1.0
        for position in range(len(inputs)):
            number = self.owed.get((node, position))
            if number is None:
                continue
            other = node.inputs[1 - position]
            if (_stored(other)[0], number) in self.times or elements(other.shape) <= elements(node.shape):
                inputs[1 - position] = self._scaled(other, number)
            else:
                behind *= number
        value = rebuilt(node, tuple(inputs))
        return value if behind == 1.0 else _product(value, behind)

    def _scaled(self, node: Tensor, number: float) -> Tensor:
        """The node times the number; another arrangement of the same elements may be there already."""
        base, views = _stored(node)
        value = self.times.get((base, number))
        if value is None:
            value = self.times[base, number] = _product(self.new[base], number)
        for view in reversed(views):
            value = rebuilt(view, (value,))
        return value


def _end(path: list[tuple[Tensor, int]]) -> Tensor:
    """The operand that the last step takes."""
    step, position = path[-1]
    return step.inputs[position]


def _stored(node: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What the node is another arrangement of, and the steps from there, the last first."""
    views = []
    while node.op.name in _VIEWS:
        views.append(node)
        node = node.inputs[0]
    return node, views


def _product(value: Tensor, number: float) -> Tensor:
    with inheriting(value.origins):
        return multiply(value, filled(number, value.dtype))
