"""Walks over a graph, all iterative: no depth of network reaches the recursion limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from graphc.ir.build import carried_over
from graphc.ir.tensor import Tensor


def topological_order(outputs: Iterable[Tensor], stop: Iterable[Tensor] = ()) -> list[Tensor]:
    """Every node the outputs need, inputs before users, in one deterministic order.

    Nodes in ``stop`` are listed, but not looked behind.
    """
    order: list[Tensor] = []
    listed: set[Tensor] = set()
    leaves = set(stop)
    for output in outputs:
        stack = [output]
        while stack:
            node = stack[-1]
            if node not in listed:
                wanted = [i for i in node.inputs if i not in listed]
                if wanted and node not in leaves:  # after these it is met again
                    wanted.reverse()
                    stack += wanted
                    continue
                listed.add(node)
                order.append(node)
            stack.pop()
    return order


def users(order: Iterable[Tensor]) -> dict[Tensor, list[Tensor]]:
    """For each node, the nodes that read it (once per read)."""
    found: dict[Tensor, list[Tensor]] = {}
    for node in order:
        found.setdefault(node, [])
        for i in node.inputs:
            found[i].append(node)
    return found


def depends_on(order: Iterable[Tensor], sources: Iterable[Tensor]) -> set[Tensor]:
    """Those nodes of a topological order that a source reaches, sources included."""
    reached = set(sources)
    for node in order:
        if node not in reached and any(i in reached for i in node.inputs):
            reached.add(node)
    return reached


def transformed(
    outputs: Iterable[Tensor],
    change: Callable[[Tensor], Tensor],
    start: Mapping[Tensor, Tensor] | None = None,
) -> dict[Tensor, Tensor]:
    """Old node to new node, bottom up: each node is rebuilt over new inputs, then passed to ``change``.

    Nodes in ``start`` are replaced as given there.
    """
    new: dict[Tensor, Tensor] = dict(start or {})
    for node in topological_order(outputs, stop=new):
        if node not in new:
            new[node] = change(carried_over(node, new))
    return new


def substitute(outputs: list[Tensor], replacements: Mapping[Tensor, Tensor]) -> list[Tensor]:
    """The outputs with some nodes replaced by others of fitting shape and dtype."""
    outputs = list(outputs)
    new = transformed(outputs, lambda node: node, replacements)
    return [new[o] for o in outputs]
