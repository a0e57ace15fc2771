"""Sums over windows: one reduction over a window's elements enters; additions of shifted parts leave.

A reduction over a few elements that lie far apart in memory is NumPy's slowest loop, whole shifted parts are
its fastest; and taken one axis after the other, K + K additions do for K · K elements.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.dimension import Dim
from graphc.ir.dtype import BOOL
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed
from graphc.ops.elementwise import add
from graphc.ops.shape import strided_part
from graphc.ops.windows import WINDOW

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


def _shifted_sums(node: Tensor) -> Tensor:
    (windows,) = node.inputs
    (x,) = windows.inputs
    attrs = windows.attrs
    for axis, size, stride, dilation in zip(
        attrs["axes"], attrs["size"], attrs["stride"], attrs["dilation"], strict=True
    ):
        count = windows.shape[axis]
        start: list[Dim] = [0] * x.ndim
        shape, steps = list(x.shape), [1] * x.ndim
        shape[axis], steps[axis] = count, stride
        total: Tensor | None = None
        for r in range(size):
            start[axis] = r * dilation
            part = strided_part(x, start, shape, steps)
            total = part if total is None else add(total, part)
        assert total is not None
        x = total
    return x


class WindowSums:
    """The pass."""

    name = "window_sums"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        if "window" not in graph.op_names:
            return graph

        def change(node: Tensor) -> Tensor:
            if not _is_sum_of_windows(node):
                return node
            if fired is not None:
                fired["sum of shifted parts"] += 1
            with inheriting(node.origins):
                return _shifted_sums(node)

        return graph.replaced(transformed(graph.roots, change))
