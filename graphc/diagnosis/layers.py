"""A loss's nodes and trainable parameters enter, its layers in the order of computation leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on

_AFFINE = frozenset({"add", "matmul", "einsum"})


@dataclass(frozen=True, eq=False)
class Part:
    """One layer: its parameters, its output, and what the output is computed from.

    ``before`` is the place of the nearest earlier layer that leads into it, None where none does.
    ``bend`` is what its activation function is applied to, None where it has none.
    """

    name: str
    parameters: tuple[Tensor, ...]
    output: Tensor
    before: int | None
    bend: Tensor | None


def parts_of(order: Sequence[Tensor], trainable: Sequence[Tensor]) -> list[Part]:
    """The layers below a loss, whose nodes are given in topological order."""
    groups: dict[str, list[Tensor]] = {}
    for parameter in trainable:
        scope, _, own = (parameter.name or "").rpartition("/")
        groups.setdefault(scope or own, []).append(parameter)
    data = depends_on(order, [n for n in order if n.op.name == "input"])
    moved = depends_on(order, trainable)
    inside: dict[str, list[Tensor]] = {}
    for node in order:
        if node in moved and node.inputs:
            inside.setdefault("/".join(node.scope), []).append(node)
    found = []
    for name, owned in groups.items():
        members = set(owned)
        nodes = inside.get(name) or [n for n in order if any(i in members for i in n.inputs)]
        found.append((name, owned, nodes))
    place = {node: k for k, node in enumerate(order)}
    found.sort(key=lambda layer: place[layer[2][-1]])
    before = _predecessors(order, [nodes[-1] for _, _, nodes in found])
    return [
        Part(name, tuple(owned), nodes[-1], before[k], _bend(nodes, data))
        for k, (name, owned, nodes) in enumerate(found)
    ]


def _predecessors(order: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[int | None]:
    """For each layer's output the latest other output it is computed from: one walk for all."""
    number = {output: k for k, output in enumerate(outputs)}
    latest: dict[Tensor, int] = {}  # the last layer at or below a node
    before: list[int | None] = [None] * len(outputs)
    for node in order:
        below = max((latest[i] for i in node.inputs if i in latest), default=None)
        if node in number:
            before[number[node]] = below
            latest[node] = number[node]
        elif below is not None:
            latest[node] = below
    return before


def _bend(nodes: Sequence[Tensor], data: set[Tensor]) -> Tensor | None:
    """The last affine node with parameters, where only an elementwise function of it follows."""
    affine = [
        n for n in nodes if n in data and any(i not in data and i.op.name != "constant" for i in n.inputs)
    ]
    if not affine or affine[-1] is nodes[-1] or affine[-1].op.name not in _AFFINE:
        return None
    bend = affine[-1]
    tail = depends_on(nodes, [bend]) - {bend}
    return bend if nodes[-1] in tail and all(n.op.family == "elementwise" for n in tail) else None
