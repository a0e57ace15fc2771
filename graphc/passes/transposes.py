"""Transposes: those that bring a batch to the front move on towards the results, until they cancel.

    f(transpose(x)) ⇒ transpose(f(x))        f elementwise, a reduction, a pad, a slice, windows, …

Convolutions with the batch innermost leave such a transpose behind and put its inverse in front. Moved on,
the two meet between layers and are gone. An operand that has no transpose itself is transposed back, where it
can be without a copy: (A B)ᵀ is Bᵀ Aᵀ. No value is computed twice, and nothing is copied: a transpose
is a view.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from graphc.ir.build import apply, carried_over
from graphc.ir.dimension import element_count, same, same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ops.linear_algebra import matmul
from graphc.ops.shape import broadcast_to, reshape, transpose

Axes = tuple[int, ...]
# How far back through operands a transpose is taken, where it must be taken back.
_DEEPEST = 8


def _brings_batch_forward(axes: Axes) -> bool:
    """Whether the axes are one of a source's put in front of those that stood before it."""
    k = axes[0] if axes else 0
    return k > 0 and axes[1 : k + 1] == tuple(range(k)) and axes[k + 1 :] == tuple(range(k + 1, len(axes)))


def inverse_order(axes: Axes) -> Axes:
    """The order of axes that takes back this one."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def permuted(x: Tensor, axes: Axes) -> Tensor:
    """x with its axes in this order, as one transpose or none."""
    if x.op.name == "transpose":
        axes = tuple([x.attrs["axes"][a] for a in axes])
        x = x.inputs[0]
    return x if axes == tuple(range(len(axes))) else transpose(x, axes)


def _at_source(values: Iterable[Any], axes: Axes) -> tuple[Any, ...]:
    """What is said of each axis of a transpose, in the order of its source's axes."""
    listed = list(values)
    return tuple([listed[k] for k in inverse_order(axes)])


# -- moving on: one rule an op ---------------------------------------------------------------------
# The node, whose first input is a transpose, and that transpose's axes: the node over the transpose's source.
_Move = Callable[[Tensor, Axes], "Tensor | None"]


def _over(node: Tensor, **attrs: Any) -> Tensor:
    """The node over its operand's source, with other attributes."""
    return apply(node.op, (node.inputs[0].inputs[0],), node.name, **{**node.attrs, **attrs})


def _reduced(node: Tensor, axes: Axes) -> Tensor:
    gone = node.attrs["axis"]
    value = _over(node, axis=tuple(sorted(axes[k] for k in gone)))
    if node.attrs["keepdims"]:
        return permuted(value, axes)
    left = [axes[k] for k in range(len(axes)) if k not in gone]
    return permuted(value, inverse_order(inverse_order(tuple(left))))


def _along_one(node: Tensor, axes: Axes) -> Tensor:
    return permuted(_over(node, axis=axes[node.attrs["axis"]]), axes)


def _padded(node: Tensor, axes: Axes) -> Tensor:
    return permuted(_over(node, widths=_at_source(node.attrs["widths"], axes)), axes)


def _sliced(node: Tensor, axes: Axes) -> Tensor:
    attrs = {key: _at_source(node.attrs[key], axes) for key in ("start", "size", "step")}
    return permuted(_over(node, **attrs), axes)


def _embedded(node: Tensor, axes: Axes) -> Tensor:
    attrs = {key: _at_source(node.attrs[key], axes) for key in ("start", "shape", "step")}
    return permuted(_over(node, **attrs), axes)


def _flipped(node: Tensor, axes: Axes) -> Tensor:
    return permuted(_over(node, axes=tuple(sorted(axes[a] for a in node.attrs["axes"]))), axes)


def _windowed(node: Tensor, axes: Axes) -> Tensor:
    found = _over(node, axes=tuple([axes[a] for a in node.attrs["axes"]]))
    return permuted(found, (*axes, *range(len(axes), found.ndim)))


def _folded(node: Tensor, axes: Axes) -> Tensor | None:
    rank = node.ndim
    if axes[rank:] != tuple(range(rank, len(axes))):
        return None
    return permuted(_over(node, axes=tuple([axes[a] for a in node.attrs["axes"]])), axes[:rank])


def _reshaped(node: Tensor, axes: Axes) -> Tensor | None:
    """Where the batch stays in front and alone, the other axes are reshaped without it."""
    before, after = node.inputs[0].shape, node.shape
    if axes[0] != len(axes) - 1 or len(after) < 2 or not _only_rest_changes(before, after):
        return None
    value = reshape(node.inputs[0].inputs[0], (*after[1:], after[0]))
    return permuted(value, (value.ndim - 1, *range(value.ndim - 1)))


def _only_rest_changes(before: Any, after: Any) -> bool:
    return same(before[0], after[0]) and same(element_count(before[1:]), element_count(after[1:]))


def _stretched(node: Tensor, axes: Axes) -> Tensor | None:
    if node.ndim != len(axes):
        return None
    return permuted(_over(node, shape=_at_source(node.shape, axes)), axes)


_MOVES: dict[str, _Move] = {
    **dict.fromkeys(("sum", "max", "min", "prod", "any", "all"), _reduced),
    "cumsum": _along_one,
    "pad": _padded,
    "slice": _sliced,
    "embed": _embedded,
    "flip": _flipped,
    "window": _windowed,
    "fold": _folded,
    "reshape": _reshaped,
    "broadcast_to": _stretched,
}


# -- taking back -----------------------------------------------------------------------------------
class _Mover:
    """Moves transposes on through the nodes of one graph, from its inputs to its results."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._uses: Counter[Tensor] = Counter()  # by node of the graph that is made
        self.moved: Counter[str] = Counter()

    def run(self) -> Graph:
        uses = Counter(i for node in self._graph.nodes for i in node.inputs)
        uses.update(self._graph.roots)
        new: dict[Tensor, Tensor] = {}
        for old in self._graph.nodes:
            node = carried_over(old, new)
            with inheriting(node.origins):
                new[old] = self._moved_on(node)
            self._uses[new[old]] += uses[old]
        return self._graph.replaced(new)

    def _moved_on(self, node: Tensor) -> Tensor:
        if not any(i.op.name == "transpose" for i in node.inputs):
            return node
        if node.op.name == "transpose":
            return permuted(node.inputs[0], node.attrs["axes"])
        if node.op.family == "elementwise" or node.op.name == "concatenate":
            found = self._jointly(node)
        else:
            rule, axes = _MOVES.get(node.op.name), node.inputs[0].attrs.get("axes", ())
            found = rule(node, axes) if rule is not None and _brings_batch_forward(axes) else None
        if found is None:
            return node
        self.moved[node.op.name] += 1
        return found

    def _jointly(self, node: Tensor) -> Tensor | None:
        """An op of several operands, of which one at least is a transpose and as large as the result."""
        joined = node.op.name == "concatenate"
        for lead in node.inputs:
            if lead.op.name != "transpose" or not (joined or same_shape(lead.shape, node.shape)):
                continue
            axes = lead.attrs["axes"]
            if _brings_batch_forward(axes):
                back = inverse_order(axes)
                operands = tuple([self._taken_back(i, back, _DEEPEST) for i in node.inputs])
                attrs = {**node.attrs, "axis": axes[node.attrs["axis"]]} if joined else node.attrs
                return permuted(apply(node.op, operands, node.name, **attrs), axes)
        return None

    def _taken_back(self, x: Tensor, axes: Axes, depth: int) -> Tensor:
        """What, broadcast, has x's elements with its axes in this order."""
        if x.ndim == 0:
            return x
        if x.ndim < len(axes):
            x = reshape(x, (*(1,) * (len(axes) - x.ndim), *x.shape))
        if sum(not same(s, 1) for s in x.shape) <= 1:  # a row: any order of axes is a view in one piece
            return x if axes == tuple(range(len(axes))) else reshape(x, tuple([x.shape[a] for a in axes]))
        if x.op.name == "broadcast_to":
            inner = self._taken_back(x.inputs[0], axes, depth)
            return broadcast_to(inner, tuple([x.shape[a] for a in axes]))
        found = self._computed_back(x, axes, depth) if depth and x.op.name != "transpose" else None
        return permuted(x, axes) if found is None else found

    def _computed_back(self, x: Tensor, axes: Axes, depth: int) -> Tensor | None:
        """x computed with its axes in this order, where nothing else reads it and no operand needs a view."""
        if x.op.name == "reshape":
            rotation = (*range(1, x.inputs[0].ndim), 0)
            if axes != (*range(1, x.ndim), 0) or not _only_rest_changes(x.inputs[0].shape, x.shape):
                return None
            inner = self._taken_back(x.inputs[0], rotation, depth - 1)
            return None if inner.op.name == "transpose" else reshape(inner, (*x.shape[1:], x.shape[0]))
        if self._uses[x] != 1:
            return None
        if x.op.name == "matmul" and axes == (1, 0):
            left, right = x.inputs
            return matmul(permuted(right, axes), permuted(left, axes)) if left.ndim == right.ndim else None
        if x.op.family == "elementwise":
            operands = [self._taken_back(i, axes, depth - 1) for i in x.inputs]
            pairs = zip(operands, x.inputs, strict=True)
            if all(o.op.name != "transpose" or i.op.name == "transpose" for o, i in pairs):
                return apply(x.op, tuple(operands), x.name, **x.attrs)
        return None


class Transposes:
    """The pass."""

    name = "transposes"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        if "transpose" not in graph.op_names:
            return graph
        mover = _Mover(graph)
        after = mover.run()
        if fired is not None:
            fired.update(mover.moved)
        return after
