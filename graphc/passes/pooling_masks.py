"""Pooling masks: derivatives of max pooling by indices enter; the same by masks leaves.

    scatter_add(y, place of the first maximum in x)  ⇒  where(x is the first maximum, y, 0)
    where(z > 0, put at maxima of relu(z), 0)        ⇒  put at maxima of z, where those are > 0
    max_pool(relu(x))                                ⇒  relu(max_pool(x)), and backward in the same order
    sum(scatter_add(y, …))                           ⇒  sum(y)

An index is 8 bytes an element and reads memory anywhere; a mask is a byte and reads it in order. ReLU on
what is left after pooling has a quarter of the work: it keeps the order of elements, and where it makes ties,
at 0, its derivative is 0. Unpooling at the places that pooling gave is the same. Indices stay where they are
results themselves, or windows too long to be taken apart.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from graphc.ir.dimension import Shape, element_count, same, same_shape, simplified
from graphc.ir.graph import Graph
from graphc.ir.op import Attrs
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed
from graphc.ops import multiply, relu
from graphc.ops import sum as sum_over
from graphc.ops.elementwise import astype, greater, where
from graphc.ops.pooling import max_pool
from graphc.ops.shape import reshape
from graphc.passes.places import decoded
from graphc.passes.pooling_lowering import is_lowered, put_at_maxima, taken_at_maxima


class _Pooled(NamedTuple):
    """x, the windows it was pooled by, and what is put at their maxima."""

    x: Tensor
    attrs: Attrs
    values: Tensor


def _windows_of_index(places: Tensor) -> Tensor | None:
    """The node ``window_index`` that flat places come from, if they count its planes one after the other."""
    found = decoded(places)
    if found is None or not same(found.factor, 1):
        return None
    index = found.other
    while index.op.name in ("reshape", "index_check"):  # places of maxima lie inside
        index = index.inputs[0]
    if index.op.name != "window_index" or not same(element_count(index.shape), element_count(found.shape)):
        return None
    shape = index.inputs[0].shape
    lead = len(shape) - len(index.attrs["size"])
    return index if found.counts(shape[:lead], simplified(element_count(shape[lead:]))) else None


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
            case "where":
                return self._chosen_by_relu(node)
            case "sum":
                return self._summed(node)
        return node

    def _by_masks(self, node: Tensor) -> Tensor:
        """reshape(scatter_add(…)) or reshape(take(…)) with the places of maxima."""
        (flat,) = node.inputs
        while flat.op.name == "reshape":
            flat = flat.inputs[0]
        if flat in self._put:
            return _in_shape(flat, node.shape)
        if flat.op.name not in ("scatter_add", "take") or flat.attrs["axis"] != 0:
            return node
        index = _windows_of_index(flat.inputs[1])
        if index is None or not _places_maxima(index) or not is_lowered(index.attrs):
            return node
        x, attrs = index.inputs[0], index.attrs
        read = x.shape if flat.op.name == "take" else index.shape
        if not same(element_count(flat.inputs[0].shape), element_count(read)):
            return node
        values = _in_shape(flat.inputs[0], read)
        if flat.op.name == "take":
            self.fired["taken by a mask"] += 1
            return _in_shape(taken_at_maxima(x, values, attrs), node.shape)
        if not same(flat.shape[0], element_count(x.shape)):
            return node
        self.fired["put by a mask"] += 1
        return _in_shape(self._put_at_maxima(x, values, attrs), node.shape)

    def _put_at_maxima(self, x: Tensor, values: Tensor, attrs: Attrs) -> Tensor:
        found = put_at_maxima(x, values, attrs)
        self._put[found] = _Pooled(x, attrs, values)
        return found

    def _behind_relu(self, node: Tensor) -> Tensor:
        """What is put at maxima of relu(z), times relu'(z): put at maxima of z, what is times relu' there."""
        put, slope = self._put.get(node.inputs[0]), node.inputs[1]
        if put is None or slope.op.name != "astype":
            return node
        alive = self._alive(put, slope.inputs[0])
        if alive is None:
            return node
        values = multiply(put.values, astype(alive, slope.dtype))
        return self._put_at_maxima(put.x.inputs[0], values, put.attrs)

    def _chosen_by_relu(self, node: Tensor) -> Tensor:
        """The same, where relu' chooses between what is put and 0."""
        positive, chosen, other = node.inputs
        put = self._put.get(chosen)
        alive = self._alive(put, positive) if put is not None and _is_zero(other) else None
        if put is None or alive is None:
            return node
        return self._put_at_maxima(put.x.inputs[0], where(alive, put.values, other), put.attrs)

    def _alive(self, put: _Pooled, positive: Tensor) -> Tensor | None:
        """relu'(z) at the maxima, where something is put at maxima of relu(z) and ``positive`` is z > 0."""
        if put.x.op.name != "relu" or positive.op.name != "greater":
            return None
        (z,) = put.x.inputs
        if positive.inputs[0] is not z or not _is_zero(positive.inputs[1]):
            return None
        self.fired["relu's derivative behind pooling"] += 1
        return greater(_pooled(z, put.attrs), positive.inputs[1])

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


def _in_shape(x: Tensor, shape: Shape) -> Tensor:
    return x if same_shape(x.shape, shape) else reshape(x, shape)


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
        if graph.op_names.isdisjoint(("max_pool", "window_index")):
            return graph
        rewriter = _Rewriter()

        def change(node: Tensor) -> Tensor:
            with inheriting(node.origins):
                return rewriter.change(node)

        after = graph.replaced(transformed(graph.roots, change))
        if fired is not None:
            fired.update(rewriter.fired)
        return after
