"""Common subexpressions: nodes that compute the same from the same become one node."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.body import Body
from graphc.ir.build import rebuilt, with_origins
from graphc.ir.dimension import same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import merged_origins
from graphc.ir.tensor import Tensor


def _key(node: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Any, ...]:
    """What the node computes of these operands."""
    if not node.attrs:
        return (node.op, *map(id, inputs))
    attrs: list[Any] = []
    for name, value in node.attrs.items():
        if isinstance(value, np.ndarray):
            value = (value.dtype.str, value.shape, value.tobytes())
        elif name == "weak":
            continue
        elif isinstance(value, float):
            value = value.hex()  # tells 0.0 from −0.0, and NaN is itself
        elif isinstance(value, Body):
            value = _body_key(value)
        attrs.append((name, value))
    return (node.op, tuple(map(id, inputs)), tuple(attrs))


# Bodies never change, and several passes ask.
_body_keys: weakref.WeakKeyDictionary[Body, tuple[Any, ...]] = weakref.WeakKeyDictionary()


def _body_key(body: Body) -> tuple[Any, ...]:
    """What a body computes, without the identity of its nodes: two that were built alike are equal."""
    known = _body_keys.get(body)
    if known is None:
        number = {node: k for k, node in enumerate(body.placeholders)}
        parts: list[Any] = [(len(body.carries), len(body.xs), len(body.next))]
        parts += [(p.shape, p.dtype) for p in body.placeholders]
        for node in body.order:
            if node not in number:
                number[node] = len(number)
                parts.append((_key(node, ()), tuple(number[i] for i in node.inputs)))
        parts.append(tuple(number[r] for r in body.results))
        known = _body_keys[body] = tuple(parts)
    return known


# Under these a reshape copies its elements into their order, whatever the shape.
_OUT_OF_ORDER = frozenset({"transpose", "broadcast_to", "slice", "flip", "window"})


class CommonSubexpressions:
    """The pass. Inputs, parameters and random draws are themselves: two draws are never equal.

    Two reshapes that bring the same elements into order are one copy, and the second a view of it.
    """

    name = "common_subexpressions"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        kept: dict[Tensor, Tensor] = {}  # of each node the first that computes the same
        first: dict[tuple[Any, ...], Tensor] = {}
        also: dict[Tensor, list[Tensor]] = {}
        copies: dict[Tensor, Tensor] = {}
        operands: dict[Tensor, tuple[Tensor, ...]] = {}
        for node in graph.nodes:
            inputs = tuple(map(kept.__getitem__, node.inputs))
            if node.op.name == "reshape" and inputs[0].op.name in _OUT_OF_ORDER:
                copy = copies.setdefault(inputs[0], node)
                if copy is not node and not same_shape(copy.shape, node.shape):
                    inputs = (copy,)
            kept[node], operands[node] = node, inputs
            if node.op.family != "random" and node.op.name not in ("input", "parameter"):
                found = kept[node] = first.setdefault(_key(node, inputs), node)
                if found is not node:
                    also.setdefault(found, []).append(node)
                    if fired is not None:
                        fired[f"merged {node.op.name}"] += 1
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            if kept[node] is node:
                new[node] = _from_all_places(
                    rebuilt(node, tuple([new[i] for i in operands[node]])), also.get(node)
                )
            else:
                new[node] = new[kept[node]]
        return graph.replaced(new)


def _from_all_places(node: Tensor, also: Sequence[Tensor] | None) -> Tensor:
    """A node that others were merged into says so: it comes from all those places."""
    if also is None:
        return node
    origins = merged_origins(node.origins, *[m.origins for m in also])
    return node if origins == node.origins else with_origins(node, origins)
