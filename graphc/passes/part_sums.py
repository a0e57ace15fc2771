"""Sums of parts: a part embedded in zeros and added enters; the part, added where it lies, leaves.

    x + embed(y) ⇒ add_part(x, y)

Zeros are neither written nor added, and where nothing needs x any longer, y is added in its place. So a sum
of parts that overlap, such as the derivative of windows, costs what the parts cost.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from graphc.ir.build import apply
from graphc.ir.dimension import Shape, same_shape
from graphc.ir.dtype import DType
from graphc.ir.graph import Graph
from graphc.ir.op import Attrs, Op
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed
from graphc.ops.shape import python_slices

Array = np.ndarray[Any, Any]


def _infer(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    return inputs[0].shape, inputs[0].dtype


def _add_part(attrs: Attrs, x: Array, y: Array) -> Array:
    result = x.copy()
    result[python_slices(attrs["start"], y.shape, attrs["step"])] += y
    return result


# x with y added to its elements from `start` on by `step`.
ADD_PART = Op("add_part", "shape", _infer, _add_part)


# -- the pass --------------------------------------------------------------------------------------
def _part(node: Tensor) -> tuple[Tensor, dict[str, Any]] | None:
    """What stands among zeros, and where."""
    match node.op.name:
        case "embed":
            return node.inputs[0], {"start": tuple(node.attrs["start"]), "step": tuple(node.attrs["step"])}
        case "pad" if node.attrs["value"] == 0:
            start = tuple([before for before, _ in node.attrs["widths"]])
            return node.inputs[0], {"start": start, "step": (1,) * node.ndim}
    return None


def _added(node: Tensor) -> Tensor | None:
    """A sum of two as a part added to the other."""
    if node.op.name != "add":
        return None
    for rest, whole in (node.inputs, node.inputs[::-1]):
        part = _part(whole)
        if part is not None and same_shape(rest.shape, node.shape) and same_shape(whole.shape, node.shape):
            y, place = part
            if rest.dtype == y.dtype == node.dtype:
                return apply(ADD_PART, (rest, y), node.name, **place)
    return None


class PartSums:
    """The pass."""

    name = "part_sums"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        if not any(n.op.name == "add" and any(map(_part, n.inputs)) for n in graph.nodes):
            return graph

        def change(node: Tensor) -> Tensor:
            with inheriting(node.origins):
                new = _added(node)
            if new is None:
                return node
            if fired is not None:
                fired["added in its place"] += 1
            return new

        return graph.replaced(transformed(graph.roots, change))
