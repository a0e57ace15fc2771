"""Places in a flattened array: integers by which elements are picked or put enter; what they count leaves.

An element's place is Σ stride · index over the axes. Most of these indices are the element's own (it counts
along an axis of the places); what is left says where along the other axes it lies: a label, the place in a
window. How the sum was written does not matter: in mixed radix or by a product an axis, one axis or several.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir.dimension import Dim, Shape, element_count, same, same_shape, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.shape import broadcast_to, reshape


@dataclass(frozen=True)
class Own:
    """factor · index along an axis of the places, of so many."""

    axis: int
    size: Dim
    factor: Dim


@dataclass(frozen=True, eq=False)
class Places:
    """The sum: own indices by axis, and one other integer times ``factor``, for the elements of ``shape``."""

    shape: Shape
    own: tuple[Own, ...]
    other: Tensor
    factor: Dim

    def other_as(self, shape: Shape) -> Tensor:
        """The other integer of each element, in another shape of as many."""
        other = self.other
        if not same_shape(other.shape, self.shape):
            other = broadcast_to(other, self.shape)
        return other if same_shape(other.shape, shape) else reshape(other, shape)

    def counts(self, sizes: Shape, factor: Dim) -> bool:
        """Whether the own indices are those of an array of these sizes, whose last axis has this stride.

        The own axes come first among those of the places, in order.
        """
        wide = [a for a, n in enumerate(self.shape) if not same(n, 1)]
        if [o.axis for o in self.own] != wide[: len(self.own)]:
            return False
        for own in reversed(self.own):
            if not same(own.factor, factor):
                return False
            factor = simplified(factor * own.size)
        return same(element_count(sizes), element_count([o.size for o in self.own]))


_Others = list[tuple[Dim, Tensor]]
_Terms = tuple[list[Own], _Others]


def decoded(places: Tensor) -> Places | None:
    """What integers count; None where more than one of them is no own index."""
    while places.op.name == "reshape" and _kept_axes(places.inputs[0].shape, places.shape) is None:
        places = places.inputs[0]
    own, others = _terms(places)
    if len(others) != 1:
        return None
    ((factor, other),) = others
    counting = sorted([o for o in own if not same(o.size, 1)], key=lambda o: o.axis)
    return Places(places.shape, tuple(counting), other, factor)


def _terms(node: Tensor) -> _Terms:
    """Own indices by the axes of the node, and all else with its factor, broadcasting with the node."""
    match node.op.name:
        case "arange":
            return [Own(0, node.shape[0], 1)], []
        case "add":
            found = [_aligned(_terms(i), node.ndim - i.ndim) for i in node.inputs]
            return found[0][0] + found[1][0], found[0][1] + found[1][1]
        case "multiply":
            for value, number in (node.inputs, node.inputs[::-1]):
                by = _number(number)
                if by is not None:
                    return _aligned(_terms(value), node.ndim - value.ndim, by)
        case "broadcast_to":
            return _aligned(_terms(node.inputs[0]), node.ndim - node.inputs[0].ndim)
        case "reshape":
            axes = _kept_axes(node.inputs[0].shape, node.shape)
            if axes is not None:
                own, others = _terms(node.inputs[0])
                moved = [Own(axes[o.axis], o.size, o.factor) for o in own if o.axis in axes]
                return moved, [(f, _moved(v, node, axes)) for f, v in others]
    return [], [(1, node)]


def _aligned(terms: _Terms, shift: int, factor: Dim = 1) -> _Terms:
    own, others = terms
    return (
        [Own(o.axis + shift, o.size, simplified(o.factor * factor)) for o in own],
        [(simplified(f * factor), v) for f, v in others],
    )


def _kept_axes(shape: Shape, other: Shape) -> dict[int, int] | None:
    """Where the axes go, if a reshape only adds or drops axes of size 1; None where it does more."""
    wide, wide_after = ([a for a, n in enumerate(s) if not same(n, 1)] for s in (shape, other))
    if not same_shape([shape[a] for a in wide], [other[a] for a in wide_after]):
        return None
    return dict(zip(wide, wide_after, strict=True))


def _moved(value: Tensor, node: Tensor, axes: dict[int, int]) -> Tensor:
    """What broadcasts with the operand of a reshape as what broadcasts with its result."""
    before = node.inputs[0].ndim - value.ndim
    shape: list[Dim] = [1] * node.ndim
    for axis, after in axes.items():
        if axis >= before:
            shape[after] = value.shape[axis - before]
    return reshape(value, tuple(shape))


def _number(node: Tensor) -> Dim | None:
    while node.op.name == "broadcast_to":
        node = node.inputs[0]
    if node.op.name == "dimension":
        value: Dim = node.attrs["value"]
        return value
    if node.op.name == "constant" and node.ndim == 0:
        return int(node.attrs["value"])
    return None
