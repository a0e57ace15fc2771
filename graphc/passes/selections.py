"""Selections: an element picked at its own index in every row enters; a comparison with the indices leaves.

x[i, t[i]] is a take on the flattened x at i · C + t[i], by which the rows are no longer apart, and its
adjoint adds at those places one by one. With few classes, the largest of ``where(t = class, x, −∞)`` is the
same element, and ``where(t = class, g, 0)`` the adjoint; both keep the rows apart and are faster. Two
cotangents are never added at one place here, since every row has a place of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from graphc.ir.dimension import Dim, Shape, element_count, same, same_shape, simplified
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed
from graphc.ops.elementwise import equal, where
from graphc.ops.reductions import max as largest
from graphc.ops.shape import broadcast_to, reshape
from graphc.ops.sources import arange, filled
from graphc.passes.places import Places, decoded

# Picking from more classes than this costs less than comparing with all of them.
_MOST_CLASSES = 1024


@dataclass(frozen=True, eq=False)
class _Picks:
    """One element at every index of all axes but one, along which it lies at ``index`` (of size 1 there)."""

    shape: Shape
    axis: int
    index: Tensor

    @property
    def mask(self) -> Tensor:
        """Where the elements lie that are picked."""
        size = self.shape[self.axis]
        classes = reshape(
            arange(size), tuple([size if a == self.axis else 1 for a in range(len(self.shape))])
        )
        return equal(self.index, classes)


def _picks(places: Tensor, shape: Shape) -> _Picks | None:
    """What is picked of an array of this shape, if it is one element at every index of all axes but one."""
    found = decoded(places)
    if found is None or len(shape) < 2:
        return None
    for axis, classes in enumerate(shape):
        few = isinstance(classes, int) and classes <= _MOST_CLASSES
        if few and same(found.factor, _stride(shape, axis)) and _rows_are_own(found, shape, axis):
            one = tuple([1 if a == axis else s for a, s in enumerate(shape)])
            return _Picks(shape, axis, found.other_as(one))
    return None


def _rows_are_own(found: Places, shape: Shape, axis: int) -> bool:
    """Whether the own indices of the places are those along all other axes."""
    rows = [a for a, n in enumerate(shape) if a != axis and not same(n, 1)]
    wide = [n for n in found.shape if not same(n, 1)]
    return len(found.own) == len(rows) == len(wide) and all(
        same(o.size, shape[a]) and same(o.factor, _stride(shape, a))
        for o, a in zip(found.own, rows, strict=True)
    )


def _stride(shape: Shape, axis: int) -> Dim:
    return simplified(element_count(shape[axis + 1 :]))


def _flattened(node: Tensor) -> Tensor | None:
    """The array whose elements in C order are the node's."""
    return node.inputs[0] if node.op.name == "reshape" and node.ndim == 1 else None


def _picked(node: Tensor) -> Tensor | None:
    """A take as the largest of what the mask leaves."""
    source, places = node.inputs
    x = _flattened(source)
    if x is None or node.attrs["axis"] != 0 or node.dtype.kind != "f":
        return None
    found = _picks(places, x.shape)
    if found is None:
        return None
    value = largest(where(found.mask, x, filled(float("-inf"), x.dtype)), axis=found.axis, keepdims=True)
    return value if same_shape(value.shape, node.shape) else reshape(value, node.shape)


def _put(node: Tensor, shape: Shape) -> Tensor | None:
    """The adjoint, for an array of this shape."""
    values, places = node.inputs
    found = _picks(places, shape) if node.attrs["axis"] == 0 else None
    if found is None:
        return None
    beside = reshape(values, found.index.shape)
    return where(found.mask, broadcast_to(beside, shape), filled(0, values.dtype))


class Selections:
    """The pass."""

    name = "selections"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        if graph.op_names.isdisjoint(("take", "scatter_add")):
            return graph

        def change(node: Tensor) -> Tensor:
            with inheriting(node.origins):
                new = None
                if node.op.name == "take":
                    new = _picked(node)
                elif node.op.name == "reshape" and node.inputs[0].op.name == "scatter_add":
                    new = _put(node.inputs[0], node.shape)
            if new is None:
                return node
            if fired is not None:
                fired[node.op.name if node.op.name == "take" else "scatter_add"] += 1
            return new

        return graph.replaced(transformed(graph.roots, change))
