"""Segments: two nodes of a graph enter, the part between them leaves, over inputs of its own.

What is derived of a link of a long chain then knows nothing of the rest, and costs what the link costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphc.ir.build import apply, carried_over
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, substitute, topological_order
from graphc.ops.sources import INPUT


@dataclass(frozen=True, eq=False)
class Segment:
    """``above`` as a graph over ``below``, an input, and inputs in the place of what enters from beside.

    ``originals`` says which node of the whole graph each node of the segment stands for.
    """

    above: Tensor
    below: Tensor
    originals: Mapping[Tensor, Tensor]

    def restored(self, tensor: Tensor) -> Tensor:
        """A graph over the segment's nodes as one over those they stand for."""
        return substitute([tensor], self.originals)[0]


def segment_between(below: Tensor, above: Tensor) -> Segment:
    """The part of ``above`` that depends on ``below``.

    >>> import graphc as gc
    >>> x, w = gc.input("x", (3,)), gc.input("w", (3,))
    >>> h = gc.tanh(x)
    >>> segment_between(h, h * gc.exp(w)).above.inputs
    (<input 'below': float32(3,)>, <input 'beside': float32(3,)>)
    """
    order = topological_order([above], stop=[below])
    inside = depends_on(order, [below])
    own = {below: _input(below, "below")}
    for node in order:
        if node in own or node not in inside:
            continue
        for i in node.inputs:
            if i not in own:
                own[i] = _input(i, "beside") if i.inputs else i
        own[node] = carried_over(node, own)
    return Segment(own[above], own[below], {made: node for node, made in own.items()})


def _input(node: Tensor, name: str) -> Tensor:
    return apply(INPUT, (), name, name=name, shape=node.shape, dtype=node.dtype)
