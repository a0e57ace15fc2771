"""Ordered copies: a transpose that is read many times over is laid out in order once, before it is read.

Read as a view, each element lies in a line of cache of its own. Windows read every element several times, and
so do three steps or more. What is read once or twice costs less than a copy, and products bring their own. A
slice by steps along the last axis is read by no vector instruction, so that two readers pay for its copy.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.build import apply
from graphc.ir.dimension import same
from graphc.ir.graph import Graph
from graphc.ir.op import Op
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed, users

# A value of its own, in order: the new value of a parameter too must not be another one's storage.
COPY = Op(
    "copy", "elementwise", lambda inputs, attrs: (inputs[0].shape, inputs[0].dtype), lambda attrs, x: x.copy()
)
# Steps that read a view from which on a copy pays.
_MANY = 3
# The same for a slice whose elements do not lie side by side.
_TWICE = 2


def _is_ordered(transpose: Tensor) -> bool:
    """Whether the transpose leaves all elements in their order, or at least the last axis in its place."""
    axes = transpose.attrs["axes"]
    moved = [a for a in axes if not same(transpose.inputs[0].shape[a], 1)]
    return moved == sorted(moved) or moved[-1] == max(moved)


def _readings(node: Tensor, readers: dict[Tensor, list[Tensor]]) -> int:
    """How often its elements are read by steps that do not lay them out themselves."""
    count, stack = 0, list(readers[node])
    while stack:
        reader = stack.pop()
        if reader.op.name == "window":
            return _MANY
        if reader.op.name == "slice":
            stack += readers[reader]
        else:
            count += reader.op.family in ("elementwise", "reduction")
    return count


def _is_apart(node: Tensor) -> bool:
    """Whether a slice leaves out elements of the last axis, so that its elements do not lie side by side."""
    return node.op.name == "slice" and node.ndim > 0 and abs(node.attrs["step"][-1]) > 1


class OrderedCopies:
    """The pass."""

    name = "ordered_copies"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        readers = users(graph.nodes)
        start: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            if node.op.name == "transpose" and not _is_ordered(node):
                pays = _readings(node, readers) >= _MANY
            else:
                pays = _is_apart(node) and _readings(node, readers) >= _TWICE
            if not pays:
                continue
            with inheriting(node.origins):
                start[node] = apply(COPY, (node,))
            if fired is not None:
                fired["copied"] += 1
        return graph.replaced(transformed(graph.roots, lambda node: node, start)) if start else graph
