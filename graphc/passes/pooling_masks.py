"""Pooling masks: derivatives of max pooling by indices enter; the same by masks leaves.

    scatter_add(y, place of the first maximum in x)  ⇒  where(x is the first maximum, y, 0)
    max_pool(relu(x))                                ⇒  relu(max_pool(x)), and backward in the same order
    sum(scatter_add(y, …))                           ⇒  sum(y)

An index is 8 bytes an element and reads memory anywhere; a mask is a byte and reads it in order. ReLU on
what is left after pooling has a quarter of the work: it keeps the order of elements, and where it makes ties,
at 0, its derivative is 0. Where windows overlap, or padding may hold the maximum, indices stay.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from graphc.ir.dimension import element_count, same, simplified
from graphc.ir.graph import Graph
from graphc.ir.op import Attrs
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed
from graphc.ops import multiply, relu
from graphc.ops import sum as sum_over
from graphc.ops.elementwise import astype, greater
from graphc.ops.pooling import max_pool
from graphc.passes.pooling_lowering import has_masks, put_at_maxima, taken_at_maxima


class _Pooled(NamedTuple):
    """x, the windows it was pooled by, and what is put at their maxima."""

    x: Tensor
    attrs: Attrs
    values: Tensor


def _windows_of_index(flat: Tensor) -> Tensor | None:
    """The node ``window_index`` that flat places come from, if they count its planes one after the other."""
    if flat.op.name != "reshape":
        return None
    (inner,) = flat.inputs
    if inner.op.name == "window_index":
        found = inner
        planes = element_count(found.shape[: found.ndim - len(found.attrs["size"])])
        return found if same(planes, 1) else None
    if inner.op.name != "add":
        return None
    rows, first = (i.inputs[0] if i.op.name == "reshape" else i for i in inner.inputs)
    if rows.op.name != "window_index" or first.op.name != "multiply":
        return None
    x = rows.inputs[0]
    lead = x.ndim - len(rows.attrs["size"])
    plane = simplified(element_count(x.shape[lead:]))
    count, step = first.inputs
    if step.op.name not in ("constant", "dimension") or step.ndim != 0:
        return None
    by = step.attrs["value"] if step.op.name == "dimension" else int(step.attrs["value"])
    fits = count.op.name == "arange" and same(by, plane)
    return rows if fits and same(count.shape[0], simplified(element_count(x.shape[:lead]))) else None


class _Rewriter:
    def __init__(self) -> None:
        self.fired: Counter[str] = Counter()
        self._put: dict[Tensor, _Pooled] = {}  # what was made, to be seen through by its readers

    def change(self, node: Tensor) -> Tensor:
        """The node, or what it is with masks."""
        match node.op.name:
            case "max_pool" if node.inputs[0].op.name == "relu":
                self.fired["relu behind pooling"] += 1
                (x,) = node.inputs[0].inputs
                return relu(_pooled(x, node.attrs))
            case "reshape":
                return self._by_masks(node)
            case "multiply":
                return self._behind_relu(node)
            case "sum":
                return self._summed(node)
        return node

    def _by_masks(self, node: Tensor) -> Tensor:
        """reshape(scatter_add(…)) or reshape(take(…)) with the places of maxima."""
        (flat,) = node.inputs
        if flat.op.name not in ("scatter_add", "take") or flat.inputs[0].op.name != "reshape":
            return node
        index = _windows_of_index(flat.inputs[1])
        if index is None or not _places_maxima(index):
            return node
        x, (values,), attrs = index.inputs[0], flat.inputs[0].inputs, index.attrs
        if not has_masks(x, attrs):
            return node
        if flat.op.name == "take":
            if values.shape != x.shape or node.shape != index.shape:
                return node
            self.fired["taken by a mask"] += 1
            return taken_at_maxima(x, values, attrs)
        if values.shape != index.shape or node.shape != x.shape:
            return node
        self.fired["put by a mask"] += 1
        return self._put_at_maxima(x, values, attrs)

    def _put_at_maxima(self, x: Tensor, values: Tensor, attrs: Attrs) -> Tensor:
        found = put_at_maxima(x, values, attrs)
        self._put[found] = _Pooled(x, attrs, values)
        return found

    def _behind_relu(self, node: Tensor) -> Tensor:
        """What is put at maxima of relu(z), times relu'(z): put at maxima of z, what is times relu' there."""
        put, slope = self._put.get(node.inputs[0]), node.inputs[1]
        if put is None or put.x.op.name != "relu" or slope.op.name != "astype":
            return node
        (positive,) = slope.inputs
        (z,) = put.x.inputs
        if positive.op.name != "greater" or positive.inputs[0] is not z or not _is_zero(positive.inputs[1]):
            return node
        self.fired["relu's derivative behind pooling"] += 1
        alive = astype(greater(_pooled(z, put.attrs), positive.inputs[1]), slope.dtype)
        return self._put_at_maxima(z, multiply(put.values, alive), put.attrs)

    def _summed(self, node: Tensor) -> Tensor:
        """A sum over whole planes is the sum of what was put there."""
        put = self._put.get(node.inputs[0])
        if put is None or node.attrs["keepdims"]:
            return node
        planes = range(put.x.ndim - len(put.attrs["size"]), put.x.ndim)
        if not set(planes) <= set(node.attrs["axis"]):
            return node
        self.fired["sum before it is put"] += 1
        return sum_over(put.values, axis=node.attrs["axis"])


def _pooled(x: Tensor, attrs: Attrs) -> Tensor:
    return max_pool(x, attrs["size"], attrs["stride"], attrs["padding"], attrs["dilation"])


def _places_maxima(index: Tensor) -> bool:
    """Whether the elements whose places are asked for are the windows' maxima."""
    x, y = index.inputs
    if y.op.name == "relu" and x.op.name == "relu":
        x, y = x.inputs[0], y.inputs[0]
    windows = ("size", "stride", "padding", "dilation")
    return (
        y.op.name == "max_pool"
        and y.inputs[0] is x
        and all(y.attrs[key] == index.attrs[key] for key in windows)
    )


def _is_zero(node: Tensor) -> bool:
    return node.op.name == "constant" and node.ndim == 0 and not node.attrs["value"]


class PoolingMasks:
    """The pass."""

    name = "pooling_masks"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        rewriter = _Rewriter()

        def change(node: Tensor) -> Tensor:
            with inheriting(node.origins):
                return rewriter.change(node)

        after = graph.replaced(transformed(graph.roots, change))
        if fired is not None:
            fired.update(rewriter.fired)
        return after
