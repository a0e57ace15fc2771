"""Selections: an element picked at its own index in every row enters; a comparison with the indices leaves.

x[i, t[i]] is a take on the flattened x at i · C + t[i], by which the rows are no longer apart, and its
adjoint adds at those places one by one. With few classes, the largest of ``where(t = class, x, −∞)`` is the
same element, and ``where(t = class, g, 0)`` the adjoint; both keep the rows apart and are faster. Two
cotangents are never added at one place here, since every row has a place of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from graphc.ir.dimension import Dim, Shape, same, same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed
from graphc.ops.elementwise import equal, where
from graphc.ops.reductions import max as largest
from graphc.ops.shape import broadcast_to, reshape
from graphc.ops.sources import arange, filled

# Picking from more classes than this costs less than comparing with all of them.
_MOST_CLASSES = 1024


@dataclass(frozen=True, eq=False)
class _Places:
    """Places in a flattened array: the own index on all axes but one, where it is ``index``."""

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


def _places(places: Tensor, shape: Shape) -> _Places | None:
    """What the places of one pick in each row are, in mixed radix ((p₀ · n₁ + p₁) · n₂ + p₂) …"""
    if places.ndim != len(shape) or len(shape) < 2:
        return None
    digits: list[Tensor] = []
    rest = places
    for size in reversed(shape[1:]):
        found = _digits(rest, size)
        if found is None:
            return None
        rest, digit = found
        digits.insert(0, digit)
    digits.insert(0, rest)
    others = [a for a, digit in enumerate(digits) if not _is_own_index(digit, a, shape)]
    if len(others) != 1:
        return None
    (axis,) = others
    wanted = tuple([1 if a == axis else s for a, s in enumerate(shape)])
    classes = shape[axis]
    few = isinstance(classes, int) and classes <= _MOST_CLASSES
    if not few or not same_shape(places.shape, wanted):
        return None
    return _Places(shape, axis, digits[axis])


def _digits(place: Tensor, size: Dim) -> tuple[Tensor, Tensor] | None:
    """(p, q) of p · size + q."""
    if place.op.name != "add":
        return None
    for scaled, digit in (place.inputs, place.inputs[::-1]):
        if scaled.op.name == "multiply":
            for higher, factor in (scaled.inputs, scaled.inputs[::-1]):
                if _is_number(factor, size):
                    return higher, digit
    return None


def _is_number(node: Tensor, size: Dim) -> bool:
    while node.op.name == "broadcast_to":
        node = node.inputs[0]
    if node.op.name == "dimension":
        return same(node.attrs["value"], size)
    return node.op.name == "constant" and node.ndim == 0 and bool(node.attrs["value"] == size)


def _is_own_index(node: Tensor, axis: int, shape: Shape) -> bool:
    """Whether the node counts along its axis: each row's own number."""
    own = tuple([s if a == axis else 1 for a, s in enumerate(shape)])
    if node.op.name != "reshape" or not same_shape(node.shape, own):
        return False
    return node.inputs[0].op.name == "arange"


def _flattened(node: Tensor) -> Tensor | None:
    """The array whose elements in C order are the node's."""
    return node.inputs[0] if node.op.name == "reshape" and node.ndim == 1 else None


def _picked(node: Tensor) -> Tensor | None:
    """A take as the largest of what the mask leaves."""
    source, places = node.inputs
    x = _flattened(source)
    if x is None or node.attrs["axis"] != 0 or node.dtype.kind != "f":
        return None
    found = _places(places, x.shape)
    if found is None:
        return None
    return largest(where(found.mask, x, filled(float("-inf"), x.dtype)), axis=found.axis, keepdims=True)


def _put(node: Tensor, shape: Shape) -> Tensor | None:
    """The adjoint, for an array of this shape."""
    values, places = node.inputs
    found = _places(places, shape) if node.attrs["axis"] == 0 else None
    if found is None or not same_shape(values.shape, places.shape):
        return None
    return where(found.mask, broadcast_to(values, shape), filled(0, values.dtype))


class Selections:
    """The pass."""

    name = "selections"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
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
