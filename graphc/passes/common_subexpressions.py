"""Common subexpressions: nodes that compute the same from the same become one node."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

import numpy as np

from graphc.ir.body import Body
from graphc.ir.build import carried_over, rebuilt, with_origins
from graphc.ir.dimension import same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import merged_origins
from graphc.ir.tensor import Tensor


def _key(node: Tensor) -> tuple[Any, ...]:
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
    return (node.op, tuple(map(id, node.inputs)), tuple(attrs))


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
                op, _, attrs = _key(node)
                parts.append((op, tuple(number[i] for i in node.inputs), attrs))
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
        new: dict[Tensor, Tensor] = {}
        first: dict[tuple[Any, ...], Tensor] = {}
        also: dict[Tensor, list[Tensor]] = {}
        copies: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            value = carried_over(node, new)
            if value.op.name == "reshape" and value.inputs[0].op.name in _OUT_OF_ORDER:
                copy = copies.setdefault(value.inputs[0], value)
                if copy is not value and not same_shape(copy.shape, value.shape):
                    value = rebuilt(value, (copy,))
            if node.op.family != "random" and node.op.name not in ("input", "parameter"):
                kept = first.setdefault(_key(value), value)
                if kept is not value:
                    also.setdefault(kept, []).append(value)
                    if fired is not None:
                        fired[f"merged {node.op.name}"] += 1
                    value = kept
            new[node] = value
        if not also:
            return graph.replaced(new)
        return _with_all_origins(graph.replaced(new), also)


def _with_all_origins(graph: Graph, also: dict[Tensor, list[Tensor]]) -> Graph:
    """Nodes that others were merged into say so: they come from all those places."""
    new: dict[Tensor, Tensor] = {}
    for node in graph.nodes:
        value = carried_over(node, new)
        if node in also:
            origins = merged_origins(value.origins, *(m.origins for m in also[node]))
            if origins != value.origins:
                value = with_origins(value, origins)
        new[node] = value
    return graph.replaced(new)
