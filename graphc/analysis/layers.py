"""A graph's nodes enter, its layers in the order of computation leave: what tables have a row for.

A layer is a scope. Outside scopes each convolution, pooling and product of tensors begins one, and what
follows it up to the next belongs to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, users

# What a layer is named after, the most telling first.
_TELLING = ("convolution", "linear algebra")
_BEGINNING = frozenset({"max_pool", "window", "scatter_add", "reshape"})


@dataclass(eq=False)
class Group:
    """The nodes of one layer, inputs before users; ``scope`` is empty outside scopes."""

    scope: tuple[str, ...]
    nodes: list[Tensor] = field(default_factory=list)

    @property
    def computed(self) -> list[Tensor]:
        """Its nodes without sources."""
        return [n for n in self.nodes if n.inputs]

    @property
    def output(self) -> Tensor:
        """The node that is computed last."""
        return (self.computed or self.nodes)[-1]

    @property
    def kind(self) -> str:
        """The op it is named after."""
        ops = [n.op for n in self.computed] or [n.op for n in self.nodes]
        for family in _TELLING:
            for op in ops:
                if op.family == family:
                    return op.name
        begun = next((op.name for op in ops if op.name in _BEGINNING), None)
        return begun or ops[-1].name

    @property
    def name(self) -> str:
        """Its path; outside scopes the user's name of its result, else its kind."""
        named = next((n.name for n in reversed(self.computed) if n.name), None)
        return "/".join(self.scope) or named or self.kind


def grouped(order: Sequence[Tensor]) -> list[Group]:
    """The layers among all nodes below some outputs, in topological order; inputs are in none.

    A parameter is in the layer of its scope, outside scopes in that which reads it first; so is what is
    computed without an input, such as a mask made of constants.
    """
    data = depends_on(order, [n for n in order if n.op.name == "input"])
    groups: dict[Tensor, Group] = {}
    scoped: dict[tuple[str, ...], Group] = {}
    number: dict[Group, int] = {}
    waiting: list[Tensor] = []
    for node in order:
        if node.op.name == "input":
            continue
        if not node.scope and node not in data:
            waiting.append(node)
            continue
        if node.scope:
            group = scoped.setdefault(node.scope, Group(node.scope))
        else:
            group = _outside_scopes(node, [groups[i] for i in node.inputs if i in groups], number)
        number.setdefault(group, len(number))
        group.nodes.append(node)
        groups[node] = group
    readers = users(order)
    for node in reversed(waiting):
        reader = next((groups[r] for r in readers[node] if r in groups), None) or Group(())
        number.setdefault(reader, len(number))
        reader.nodes.insert(0, node)
        groups[node] = reader
    place = {node: k for k, node in enumerate(order)}
    return sorted(number, key=lambda group: place[group.output])


def _outside_scopes(node: Tensor, before: list[Group], number: dict[Group, int]) -> Group:
    """The layer of what it is computed from, or one that it begins."""
    if not before or node.op.family in _TELLING or node.op.name in _BEGINNING:
        return Group(())
    latest = max(before, key=number.__getitem__)
    return Group(()) if latest.scope else latest
