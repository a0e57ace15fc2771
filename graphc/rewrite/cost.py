"""What a graph costs to run: nodes enter; operations, bytes moved and nanoseconds leave.

Operations and bytes are exact, symbolic where sizes are. Nanoseconds are an estimate from measured constants
(``cost_table``), a symbolic size counting as ``SIZE_HINT``: passes compare two forms of one value by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import sympy

from graphc.analysis import operations
from graphc.ir.body import bodies_of
from graphc.ir.dimension import Dim, Shape, element_count, evaluate_dim, simplified, symbols_of
from graphc.ir.dtype import DType
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.rewrite.cost_table import TABLE, element_cost, multiply_add_cost

SIZE_HINT = 64
_MOVED = frozenset({"transpose", "reshape", "broadcast_to", "slice", "flip", "window", "stop_gradient"})
# A function of more ns an element than this, in float32, is clearly dearer than moving the element.
_COSTLY = 0.4


@dataclass(frozen=True)
class Work:
    """``operations`` and ``bytes`` (read and written) of one run, and an estimate of its seconds."""

    operations: Dim
    bytes: Dim
    seconds: float


def is_free(node: Tensor) -> bool:
    """Whether the node computes nothing: a source, or (as a rule) a view."""
    return node.op.family == "source" or node.op.name in _MOVED


@lru_cache(maxsize=65536)
def hinted(size: Dim) -> int:
    """The size as a number, each symbol counting as ``SIZE_HINT``."""
    if isinstance(size, int):
        return size
    return evaluate_dim(size, {s.name: SIZE_HINT for s in symbols_of([size])})


def elements(shape: Shape) -> int:
    """The number of elements of this shape, hinted."""
    return prod([hinted(s) for s in shape])


def _bytes(node: Tensor) -> int:
    return elements(node.shape) * node.dtype.itemsize


def node_cost(node: Tensor, in_cache: bool = False) -> float:
    """The estimated ns of one node; with ``in_cache`` its operands and its value are there however large."""
    if is_free(node):
        return 0.0
    match node.op.family, node.op.name:
        case "loop", _:
            return hinted(node.attrs["length"]) * sum([cost(b.results) for b in bodies_of(node)])
        case _, "matmul":
            return product_cost(node.inputs[0].shape, node.inputs[1].shape, node)
        case (("linear algebra" | "convolution"), _):
            return TABLE.product_call + hinted(operations(node)) * multiply_add_cost(node.dtype)
        case "reduction", _:
            shape = node.inputs[0].shape
            count = elements(shape)
            axes = node.attrs.get("axis", ())
            if axes is None:
                axes = tuple(range(len(shape)))
            reduced = [shape[a] for a in (axes if isinstance(axes, tuple) else (axes,))]
            rows = count / max(1, elements(tuple(reduced))) * TABLE.reduced_row if reduced else 0.0
        case _, "add_part":
            rows, count = 0.0, elements(node.inputs[1].shape)
        case _:
            rows, count = 0.0, elements(max((*node.inputs, node), key=lambda n: n.ndim).shape)
    working = count * element_cost(node.op.name, node.dtype)
    return TABLE.call + rows + (working if in_cache else max(working, _moving(node)))


def _moving(node: Tensor) -> float:
    """ns to move the operands and the result through memory, if they do not fit in the cache."""
    moved = sum([_bytes(i) for i in node.inputs], _bytes(node))
    return moved / TABLE.bandwidth if moved > TABLE.cache else 0.0


def product_cost(left: Shape, right: Shape, node: Tensor) -> float:
    """The estimated ns of a matrix product; one with a short side runs at a fraction of the full rate."""
    rows = hinted(left[-2]) if len(left) > 1 else 1
    inner = hinted(left[-1])
    columns = hinted(right[-1]) if len(right) > 1 else 1
    batch = elements(node.shape) // max(1, rows * columns)
    return batch * TABLE.product_item + matrix_product_cost(rows, inner, columns, node.dtype, batch)


def matrix_product_cost(rows: int, inner: int, columns: int, dtype: DType, batch: int = 1) -> float:
    """The estimated ns of ``batch`` products of rows × inner by inner × columns."""
    shortest = max(1, min(rows, inner, columns))
    slowed = 1 + min(2.0, 10 / shortest)
    rate = multiply_add_cost(dtype)
    return TABLE.product_call + batch * rows * inner * columns * rate * slowed


def is_costly(node: Tensor) -> bool:
    """Whether the node costs clearly more than moving its elements: a function, a reduction, a product."""
    if node.op.family == "elementwise":
        return TABLE.element[4].get(node.op.name, TABLE.other) >= _COSTLY
    return node.op.family not in ("source", "shape", "random")


def cost(outputs: Iterable[Tensor]) -> float:
    """The estimated ns of all nodes below the outputs."""
    return sum(map(node_cost, topological_order(outputs)))


def work(nodes: Iterable[Tensor]) -> Work:
    """What one run of these nodes does, each of them once."""
    computing = [n for n in nodes if not is_free(n)]
    # Sizes that are symbolic are SymPy's, whose sums are slow: each kind of node is counted once.
    kinds: Counter[Tensor] = Counter()
    first: dict[tuple[object, ...], Tensor] = {}
    for node in computing:
        kinds[first.setdefault(_kind(node), node)] += 1
    done = [operations(node) * count for node, count in kinds.items()]
    moved = [_exact_bytes(node) * count for node, count in kinds.items()]
    return Work(_total(done), _total(moved), sum(map(node_cost, computing)) * 1e-9)


def _kind(node: Tensor) -> tuple[object, ...]:
    """Nodes of one kind do the same work."""
    if node.op.family == "loop":
        return (node,)
    equation = node.attrs.get("equation")
    stored = [_stored(i) for i in node.inputs]
    first = {tensor: k for k, tensor in reversed([*enumerate(stored)])}
    operands = tuple([(t.shape, t.dtype, first[t]) for t in stored])
    return (node.op.name, equation, operands, node.shape, node.dtype)


def _total(values: Iterable[Dim]) -> Dim:
    values = list(values)
    known = sum([v for v in values if isinstance(v, int)])
    symbolic = [v for v in values if not isinstance(v, int)]
    return simplified(sympy.Add(known, *symbolic)) if symbolic else known


def _exact_bytes(node: Tensor) -> Dim:
    """Bytes of the distinct operands, as far as they are stored, and of the result."""
    tensors = dict.fromkeys((*map(_stored, node.inputs), node))
    return _total([element_count(t.shape) * t.dtype.itemsize for t in tensors])


def _stored(node: Tensor) -> Tensor:
    """What a broadcast repeats."""
    while node.op.name == "broadcast_to":
        node = node.inputs[0]
    return node
