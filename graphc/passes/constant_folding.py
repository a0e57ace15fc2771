"""Constant folding: nodes of constants alone are computed at compile time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import sympy

from graphc.ir.build import apply
from graphc.ir.dimension import symbols_of
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import transformed
from graphc.ops.sources import CONSTANT

# A folded value larger than this, and than what it was made of, would only make the program larger.
_LARGEST_BYTES = 64 * 1024
# Their result is a view that repeats elements: keeping the op is smaller than keeping the result.
# A loop is left to the run, however little it computes from: it may be long.
_KEPT = frozenset({"broadcast_to", "scan"})


class ConstantFolding:
    """The pass."""

    name = "constant_folding"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        def fold(node: Tensor) -> Tensor:
            if not _foldable(node):
                return node
            try:
                with np.errstate(all="ignore"):
                    value = node.op.evaluate(node.attrs, *(i.attrs["value"] for i in node.inputs))
            except (ArithmeticError, IndexError, ValueError):
                return node  # its error belongs to the run, where the user's line is named
            array = np.array(value, dtype=node.dtype)
            array.flags.writeable = False
            if fired is not None:
                fired[node.op.name] += 1
            with inheriting(node.origins):
                return apply(CONSTANT, (), node.name, value=array, weak=False)

        return graph.replaced(transformed(graph.roots, fold))


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple):
            yield from _flat(value)
        else:
            yield value


def _foldable(node: Tensor) -> bool:
    if node.op.name == "arange":
        return isinstance(node.shape[0], int) and node.shape[0] * 8 <= _LARGEST_BYTES
    if not node.inputs or node.op.name in _KEPT or any(i.op is not CONSTANT for i in node.inputs):
        return False
    if symbols_of(node.shape) or any(isinstance(v, sympy.Expr) for v in _flat(node.attrs.values())):
        return False
    size = math.prod(s for s in node.shape if isinstance(s, int)) * node.dtype.itemsize
    operands: int = sum(i.attrs["value"].nbytes for i in node.inputs)
    return size <= max(_LARGEST_BYTES, operands)
