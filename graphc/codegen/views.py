"""Which nodes are views of other nodes' memory, and whose memory it is."""

from __future__ import annotations

from graphc.ir.dimension import same, same_shape
from graphc.ir.tensor import Tensor

_ALWAYS_VIEWS = frozenset({"transpose", "broadcast_to", "slice", "flip", "window", "stop_gradient"})


def is_literal(node: Tensor) -> bool:
    """Whether the node is a number that stands in the source itself."""
    return node.op.name == "dimension" or (node.op.name == "constant" and node.ndim == 0)


def is_view(node: Tensor) -> bool:
    """Whether the node needs no memory of its own."""
    if node.op.name == "reshape":
        return is_contiguous(node.inputs[0])
    return node.op.name in _ALWAYS_VIEWS


def owner(node: Tensor) -> Tensor:
    """The node whose memory holds the value."""
    while is_view(node):
        node = node.inputs[0]
    return node


def is_contiguous(node: Tensor) -> bool:
    """Whether the value lies in C order without gaps, as far as the graph tells.

    A reshape is contiguous either way: as a view of contiguous memory, or because it is a copy.
    """
    while node.op.name in _ALWAYS_VIEWS:
        if not _keeps_order(node):
            return False
        node = node.inputs[0]
    return True


def _keeps_order(view: Tensor) -> bool:
    source = view.inputs[0].shape
    match view.op.name:
        case "transpose":
            moved = [axis for axis in view.attrs["axes"] if not same(source[axis], 1)]
            return moved == sorted(moved)
        case "broadcast_to":
            return same_shape([s for s in source if s != 1], [s for s in view.shape if s != 1])
        case "slice":  # only the first axis cut, without gaps
            return same_shape(source[1:], view.shape[1:]) and all(s == 1 for s in view.attrs["step"])
        case "stop_gradient":
            return True
    return False
