"""Sums over windows: one reduction over a window's elements enters; additions of shifted parts leave.

    sum(window(x))      ⇒ Σ parts of x
    fold(broadcast(y))  ⇒ Σ y where its parts lie: the derivative of such a sum

A reduction over a few elements that lie far apart in memory is NumPy's slowest loop, whole shifted parts are
its fastest; and taken one axis after the other, K + K additions do for K · K elements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from graphc.ir.dimension import Dim, same, same_shape, simplified
from graphc.ir.dtype import BOOL
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed
from graphc.ops.elementwise import add
from graphc.ops.shape import broadcast_to, reshape
from graphc.ops.windows import FOLD, WINDOW
from graphc.passes.window_parts import Windows

# Windows of more elements along an axis than this stay one reduction.
_MOST_ADDITIONS = 32


def _is_sum_of_windows(node: Tensor) -> bool:
    if node.op.name != "sum" or node.inputs[0].op is not WINDOW or node.attrs["keepdims"]:
        return False
    (windows,) = node.inputs
    inner = tuple(range(windows.inputs[0].ndim, windows.ndim))
    return (
        bool(node.attrs["axis"] == inner)
        and node.dtype == windows.dtype != BOOL
        and max(windows.attrs["size"]) <= _MOST_ADDITIONS
    )


def _along_axes(node: Tensor, counts: tuple[Dim, ...], sizes: tuple[int, ...]) -> Iterator[Windows]:
    """The windows that ``window`` takes or ``fold`` adds, by axis."""
    attrs = node.attrs
    for axis, size, stride, dilation in zip(
        attrs["axes"], sizes, attrs["stride"], attrs["dilation"], strict=True
    ):
        yield Windows(axis, counts[axis], size, stride, dilation)


def _shifted_sums(node: Tensor) -> Tensor:
    (windows,) = node.inputs
    (x,) = windows.inputs
    for along in _along_axes(windows, windows.shape, windows.attrs["size"]):
        total, *others = along.parts(x)
        for part in others:
            total = add(total, part)
        x = total
    return x


def _repeated(fold: Tensor) -> Tensor | None:
    """What all elements of a window are, where ``fold`` adds up windows of one value each."""
    (windows,) = fold.inputs
    rank = windows.ndim - len(fold.attrs["axes"])
    sizes = windows.shape[rank:]
    if windows.op.name != "broadcast_to" or not all(
        isinstance(k, int) and k <= _MOST_ADDITIONS for k in sizes
    ):
        return None
    (y,) = windows.inputs
    inner = y.shape[max(0, y.ndim - len(sizes)) :]
    if y.dtype == BOOL or not all(same(k, 1) for k in inner):
        return None
    y = reshape(y, y.shape[: max(0, y.ndim - len(sizes))])
    return y if same_shape(y.shape, windows.shape[:rank]) else broadcast_to(y, windows.shape[:rank])


def _spread(fold: Tensor, y: Tensor) -> Tensor:
    """Each value added to all elements of its window, the last axis first: there parts are shortest."""
    attrs = fold.attrs
    sizes = fold.inputs[0].shape[fold.ndim :]
    lengths = dict(zip(attrs["axes"], attrs["shape"], strict=True))
    for along in sorted(_along_axes(fold, y.shape, sizes), key=lambda w: -w.axis):
        axis, size, length = along.axis, along.size, lengths[along.axis]
        if size == along.stride and along.dilation == 1 and same(length, simplified(along.count * size)):
            before, behind = y.shape[:axis], y.shape[axis + 1 :]
            beside = reshape(y, (*before, along.count, 1, *behind))
            y = reshape(
                broadcast_to(beside, (*before, along.count, size, *behind)), (*before, length, *behind)
            )
        else:
            y = along.summed([y] * size, length)
    return y


class WindowSums:
    """The pass."""

    name = "window_sums"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        if "window" not in graph.op_names:
            return graph

        def change(node: Tensor) -> Tensor:
            with inheriting(node.origins):
                if _is_sum_of_windows(node):
                    new, what = _shifted_sums(node), "sum of shifted parts"
                elif node.op is FOLD and (y := _repeated(node)) is not None:
                    new, what = _spread(node, y), "sum where parts lie"
                else:
                    return node
            if fired is not None:
                fired[what] += 1
            return new

        return graph.replaced(transformed(graph.roots, change))
