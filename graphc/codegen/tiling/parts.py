"""Parts of values: an op and some rows of its result enter; which rows of its operands they need leaves.

Rows are what lies along the axis that a region is computed along, such as the examples of a batch. A value is
*split* where each of its elements belongs to one row; a ``Part`` says how. An op can be computed for some
rows alone if those of its result need the same rows of its operands and of split operands nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphc.ir.dimension import Dim, Shape, element_count, same, simplified
from graphc.ir.op import Attrs
from graphc.ir.tensor import Tensor
from graphc.ops.shape import quotient


@dataclass(frozen=True)
class Part:
    """The axis along which the rows lie, and the sizes of what is merged with them into that axis.

    The axis has outer · rows · inner elements, in C order. ``Part(0)``: each index along axis 0 is a row.
    """

    axis: int
    outer: Dim = 1
    inner: Dim = 1

    def size(self, rows: Dim) -> Dim:
        """The size of the axis with so many rows."""
        if self.outer == 1 and self.inner == 1:
            return rows
        return _product(self.outer, rows, self.inner)

    def moved(self, axis: int) -> Part:
        """The same along another axis."""
        return Part(axis, self.outer, self.inner)

    def is_in(self, shape: Shape, rows: Dim) -> bool:
        """Whether a value of this shape can be split so."""
        return 0 <= self.axis < len(shape) and same(shape[self.axis], self.size(rows))


@lru_cache(maxsize=65536)
def _product(outer: Dim, rows: Dim, inner: Dim) -> Dim:
    return simplified(outer * rows * inner)


Needs = tuple["Part | None", ...] | None
"""For each operand its part, or None where the whole is needed; None where no split is possible."""
Rule = Callable[[Tensor, Part, Dim], Needs]


def needs(node: Tensor, part: Part, rows: Dim) -> Needs:
    """What some rows of the node's value need of its operands."""
    if node.op.family == "elementwise":
        return tuple([_broadcast(node, x, part) for x in node.inputs])
    rule = _RULES.get(node.op.name)
    return rule(node, part, rows) if rule else None


def attrs_for(node: Tensor, part: Part, rows: Dim) -> Mapping[str, Any]:
    """The node's attributes with so many rows."""
    name = {"reshape": "shape", "broadcast_to": "shape", "embed": "shape", "slice": "size"}.get(node.op.name)
    if name is None:
        return node.attrs
    sizes = list(node.attrs[name])
    sizes[part.axis] = part.size(rows)
    return {**node.attrs, name: tuple(sizes)}


# -- rules -----------------------------------------------------------------------------------------
def _broadcast(node: Tensor, operand: Tensor, part: Part) -> Part | None:
    axis = part.axis - (node.ndim - operand.ndim)
    return None if axis < 0 or same(operand.shape[axis], 1) else part.moved(axis)


def _broadcast_to(node: Tensor, part: Part, rows: Dim) -> Needs:
    return (_broadcast(node, node.inputs[0], part),)


def _transpose(node: Tensor, part: Part, rows: Dim) -> Needs:
    return (part.moved(node.attrs["axes"][part.axis]),)


def _reshape(node: Tensor, part: Part, rows: Dim) -> Needs:
    """The rows stay where they are in C order."""
    found = reshaped(part, node.shape, node.inputs[0].shape, rows)
    return None if found is None else (found,)


@lru_cache(maxsize=65536)
def reshaped(part: Part, shape: Shape, other: Shape, rows: Dim) -> Part | None:
    """The part of an array of one shape that is this part of it in another shape."""
    before = simplified(element_count(shape[: part.axis]) * part.outer)
    after = simplified(part.inner * element_count(shape[part.axis + 1 :]))
    for axis, size in enumerate(other):
        if same(size, 1) and not same(rows, 1):
            continue
        outer = quotient(before, simplified(element_count(other[:axis])))
        inner = quotient(after, simplified(element_count(other[axis + 1 :])))
        if outer is not None and inner is not None and same(size, Part(axis, outer, inner).size(rows)):
            return Part(axis, outer, inner)
    return None


def _concatenate(node: Tensor, part: Part, rows: Dim) -> Needs:
    return None if part.axis == node.attrs["axis"] else (part,) * len(node.inputs)


def _pad(node: Tensor, part: Part, rows: Dim) -> Needs:
    before, after = node.attrs["widths"][part.axis]
    return (part,) if same(before, 0) and same(after, 0) else None


def _flip(node: Tensor, part: Part, rows: Dim) -> Needs:
    return None if part.axis in node.attrs["axes"] else (part,)


def _slice(node: Tensor, part: Part, rows: Dim) -> Needs:
    return (part,) if _is_whole(node.attrs, part.axis, node.shape, node.inputs[0].shape) else None


def _embed(node: Tensor, part: Part, rows: Dim) -> Needs:
    return (part,) if _is_whole(node.attrs, part.axis, node.shape, node.inputs[0].shape) else None


def _add_part(node: Tensor, part: Part, rows: Dim) -> Needs:
    x, y = node.inputs
    whole = same(x.shape[part.axis], y.shape[part.axis])
    return (part, part) if whole and node.attrs["step"][part.axis] == 1 else None


def _is_whole(attrs: Attrs, axis: int, shape: Shape, other: Shape) -> bool:
    return attrs["step"][axis] == 1 and same(attrs["start"][axis], 0) and same(shape[axis], other[axis])


def _reduction(node: Tensor, part: Part, rows: Dim) -> Needs:
    if node.attrs.get("keepdims"):
        return None if part.axis in node.attrs["axis"] else (part,)
    kept = [a for a in range(node.inputs[0].ndim) if a not in node.attrs["axis"]]
    return (part.moved(kept[part.axis]),)


def _argument(node: Tensor, part: Part, rows: Dim) -> Needs:
    axis = node.attrs["axis"]
    if node.attrs["keepdims"]:
        return None if part.axis == axis else (part,)
    return (part.moved(part.axis + (part.axis >= axis)),)


def _along(node: Tensor, part: Part, rows: Dim) -> Needs:
    return None if part.axis == node.attrs["axis"] else (part,)


def _window(node: Tensor, part: Part, rows: Dim) -> Needs:
    inside = part.axis < node.inputs[0].ndim and part.axis not in node.attrs["axes"]
    return (part,) if inside else None


def _fold(node: Tensor, part: Part, rows: Dim) -> Needs:
    return None if part.axis in node.attrs["axes"] else (part,)


def _pooling(node: Tensor, part: Part, rows: Dim) -> Needs:
    if part.axis >= node.ndim - len(node.attrs["size"]):
        return None
    return (part,) * len(node.inputs)


def _matmul(node: Tensor, part: Part, rows: Dim) -> Needs:
    x, y = node.inputs
    columns = y.ndim > 1
    if columns and part.axis == node.ndim - 1:
        return None, part.moved(y.ndim - 1)
    if x.ndim > 1 and part.axis == node.ndim - 1 - columns:
        return part.moved(x.ndim - 2), None
    batch = node.ndim - (x.ndim > 1) - columns
    found = []
    for operand in (x, y):
        axis = part.axis - (batch - max(0, operand.ndim - 2))
        found.append(None if axis < 0 or same(operand.shape[axis], 1) else part.moved(axis))
    return tuple(found)


def _take(node: Tensor, part: Part, rows: Dim) -> Needs:
    axis, places = node.attrs["axis"], node.inputs[1].ndim
    if part.axis < axis:
        return part, None
    if part.axis < axis + places:
        return None, part.moved(part.axis - axis)
    return part.moved(part.axis - places + 1), None


def _scatter_add(node: Tensor, part: Part, rows: Dim) -> Needs:
    axis, places = node.attrs["axis"], node.inputs[1].ndim
    if part.axis == axis:
        return None
    return (part if part.axis < axis else part.moved(part.axis + places - 1)), None


_RULES: dict[str, Rule] = {
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "concatenate": _concatenate,
    "pad": _pad,
    "flip": _flip,
    "slice": _slice,
    "embed": _embed,
    "add_part": _add_part,
    "window": _window,
    "fold": _fold,
    "max_pool": _pooling,
    "window_index": _pooling,
    "matmul": _matmul,
    "take": _take,
    "scatter_add": _scatter_add,
    "index_check": lambda node, part, rows: (part,),
    "argmax": _argument,
    "argmin": _argument,
    "cumsum": _along,
    **dict.fromkeys(("sum", "prod", "max", "min", "any", "all"), _reduction),
}

# Ops that are never computed for some rows alone, and why.
_SOURCE = "is there before the first step"
_LOWERED = "is lowered to simpler ops"
WHOLE: dict[str, str] = {
    **dict.fromkeys(("input", "parameter", "constant", "dimension", "arange"), _SOURCE),
    **dict.fromkeys(("random_uniform", "random_normal"), "draws all its numbers in one order"),
    **dict.fromkeys(("mean", "logsumexp", "softmax", "log_softmax"), _LOWERED),
    **dict.fromkeys(("convolution", "transposed_convolution", "filter_gradient"), _LOWERED),
    "einsum": "is lowered to products, but for diagonals and booleans",
    "scan": "is a loop with a memory of its own",
}
