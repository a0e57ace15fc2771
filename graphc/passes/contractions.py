"""Contractions: sums of products enter; matrix products and sums of fewer elements leave.

| sum over the last axis of | becomes |
|---|---|
| x · column, x / column | Σx · column, Σx / column |
| x · row | x @ row |
| (u · row) · q, where u · q exists | (u · q) @ row |
| x · y, x² | dot products of rows |
| p · (g @ vᵀ), where p @ v exists | g · (p @ v), which is smaller |
| x − mean(x) | 0 |

The last two are the softmax's and the normalisation's backward passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from graphc.ir.build import carried_over
from graphc.ir.dimension import Shape, same, same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import divide, multiply, negative
from graphc.ops.linear_algebra import matmul
from graphc.ops.reductions import sum as sum_over
from graphc.ops.shape import reshape
from graphc.passes.known_products import KnownProducts
from graphc.passes.linearity import may_move
from graphc.rewrite.cost import elements, node_cost
from graphc.rewrite.pattern import the_number

# A product adds its terms with fewer partial sums than NumPy's sum does: longer rows would lose digits.
_LONGEST = 8192
# Rows of these may lie apart in memory: a product would copy them first.
_STRIDED = frozenset({"transpose", "slice", "flip", "broadcast_to", "window"})


class Contractions:
    """The pass."""

    name = "contractions"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        if not any(n.op.name == "sum" for n in graph.nodes):
            return graph
        return _Contracting(graph, Counter() if fired is None else fired).result()


class _Contracting:
    def __init__(self, graph: Graph, fired: Counter[str]) -> None:
        self.graph, self.fired = graph, fired
        self.reads: Counter[Tensor] = Counter(graph.roots)
        for node in graph.nodes:
            self.reads.update(node.inputs)
        self.new: dict[Tensor, Tensor] = {}
        self.products = KnownProducts(graph)
        self.once: set[Tensor] = set()  # products and quotients, rewritten, that are read once
        self.matmuls: dict[tuple[Tensor, Tensor, tuple[int, ...]], Tensor] = {}

    def result(self) -> Graph:
        for node in self.graph.nodes:
            value = carried_over(node, self.new)
            if node.op.name == "sum" and may_move(1.0, node.dtype) and node.inputs[0].dtype == node.dtype:
                single = self.reads[node.inputs[0]] == 1
                with inheriting(node.origins):
                    contracted = self._contracted(value, single)
                value = value if contracted is None else contracted
            elif node.op.name == "matmul" and node.ndim == value.inputs[0].ndim == value.inputs[1].ndim:
                self.matmuls.setdefault((value.inputs[0], *_arranged(value.inputs[1])), value)
            self.new[node] = value
            self.products.became(node, value)
            if value.op.name in ("multiply", "divide") and self.reads[node] == 1:
                self.once.add(value)
        return self.graph.replaced(self.new)

    def _contracted(self, node: Tensor, single: bool) -> Tensor | None:
        """The sum in a cheaper form; ``single`` says that nothing else reads what is summed."""
        (x,) = node.inputs
        match x.op.name:
            case "negative":
                return self._done("sum of negatives", negative(self._contracted_or_not(x.inputs[0], node)))
            case "subtract":
                return self._centred(node, x)
            case "divide":
                return self._without_constant(node, x.inputs[0], x.inputs[1], divide)
            case "square" if single and _of_rows(node) and x.inputs[0].op.name not in _STRIDED:
                return self._cheaper(node, x, _row_products(node, x.inputs[0], x.inputs[0]), "dot product")
            case "multiply":
                return self._of_product(node, x, single)
        return None

    def _of_product(self, node: Tensor, x: Tensor, single: bool) -> Tensor | None:
        for a, b in (x.inputs, x.inputs[::-1]):
            found = self._without_constant(node, a, b, multiply)
            if found is None and a in self.once and same_shape(a.shape, x.shape):
                found = self._without_inner_constant(node, a, b)
            if found is not None:
                return found
        if not _of_rows(node):
            return None
        for a, b in (x.inputs, x.inputs[::-1]):
            if same_shape(a.shape, x.shape) and _is_row(b, x):
                return self._done("matrix times row", _by_row(node, a, b))
            if a.op.name == "multiply" and same_shape(a.shape, x.shape):
                for u, row in (a.inputs, a.inputs[::-1]):
                    known = self.products.find(u, b) if _is_row(row, x) else None
                    if known is not None and same_shape(known.shape, x.shape):
                        return self._done("matrix times row", _by_row(node, known, row))
            if a.op.name == "matmul":
                smaller = self._by_smaller(node, a, b)
                if smaller is not None:
                    return self._done("smaller contraction", smaller)
        a, b = x.inputs
        if {a.op.name, b.op.name} & _STRIDED:
            return None
        if single and same_shape(a.shape, x.shape) and same_shape(b.shape, x.shape):
            return self._cheaper(node, x, _row_products(node, a, b), "dot product")
        return None

    @staticmethod
    def _is_constant(node: Tensor, y: Tensor) -> bool:
        """Whether an operand of what is summed does not change along the axes of the sum."""
        shape = node.inputs[0].shape
        axes, missing = node.attrs["axis"], len(shape) - y.ndim
        if not axes or y.dtype != node.dtype or all(same(shape[a], 1) for a in axes):
            return False
        return all(same(y.shape[a - missing], 1) for a in axes if a >= missing)

    def _without_constant(
        self, node: Tensor, x: Tensor, y: Tensor, op: Callable[[Tensor, Tensor], Tensor], single: bool = False
    ) -> Tensor | None:
        """Σ x·y as y · Σx for a y that does not change along the axes of the sum."""
        if not same_shape(x.shape, node.inputs[0].shape) or not self._is_constant(node, y):
            return None
        missing = node.inputs[0].ndim - y.ndim
        axes = [a - missing for a in node.attrs["axis"] if a >= missing]
        if not node.attrs["keepdims"] and axes:
            y = reshape(y, tuple([s for a, s in enumerate(y.shape) if a not in axes]))
        value = op(self._contracted_or_not(x, node, single), y)
        return self._done("factor out of a sum", value)

    def _without_inner_constant(self, node: Tensor, a: Tensor, b: Tensor) -> Tensor | None:
        """Σ (u·c)·b as c · Σ u·b, and Σ (u/c)·b likewise."""
        orders = (a.inputs, a.inputs[::-1]) if a.op.name == "multiply" else (a.inputs,)
        for u, constant in orders:
            if self._is_constant(node, constant) and same_shape(u.shape, a.shape):
                known = self.products.find(u, b)
                product = multiply(u, b) if known is None else known
                return self._without_constant(
                    node, product, constant, multiply if a.op.name == "multiply" else divide, known is None
                )
        return None

    def _contracted_or_not(self, x: Tensor, node: Tensor, single: bool = False) -> Tensor:
        total = self._sum(x, node)
        contracted = self._contracted(total, single)
        return total if contracted is None else contracted

    def _centred(self, node: Tensor, x: Tensor) -> Tensor | None:
        """Σ (x − mean(x)) along the axis of the mean: 0, or NaN where the mean is no number."""
        value, mean = x.inputs
        if mean.op.name not in ("divide", "multiply") or not same_shape(value.shape, x.shape):
            return None
        total = mean.inputs[0]
        if total.op.name != "sum" or total.inputs[0] is not value or not total.attrs["keepdims"]:
            return None
        if total.attrs["axis"] != node.attrs["axis"] or not _is_mean(mean, value, node.attrs["axis"]):
            return None
        nothing = multiply(mean, 0.0)
        return self._done("sum of what is centred", _shaped(nothing, node.shape))

    def _by_smaller(self, node: Tensor, product: Tensor, p: Tensor) -> Tensor | None:
        """Σ_j p_ij (g vᵀ)_ij = Σ_d g_id (p v)_id, where p v exists."""
        g, turned = product.inputs
        if g.ndim < 2 or g.ndim != turned.ndim or not same_shape(p.shape, product.shape):
            return None
        base, axes = _arranged(turned)
        known = self.matmuls.get((p, base, (*axes[:-2], axes[-1], axes[-2])))
        if known is None or not same_shape(known.shape, g.shape):
            return None
        if elements(g.shape) >= elements(product.shape):
            return None
        if {g.op.name, known.op.name} & _STRIDED:
            return self._sum(multiply(g, known), node)
        return _row_products(node, g, known)

    def _sum(self, x: Tensor, like: Tensor) -> Tensor:
        return sum_over(x, axis=like.attrs["axis"], keepdims=like.attrs["keepdims"])

    def _done(self, what: str, value: Tensor) -> Tensor:
        self.fired[what] += 1
        return value

    def _cheaper(self, node: Tensor, x: Tensor, value: Tensor, what: str) -> Tensor | None:
        inner = value
        while inner.op.name != "matmul":
            inner = inner.inputs[0]
        return self._done(what, value) if node_cost(inner) < node_cost(node) + node_cost(x) else None


def _arranged(node: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """What the node is a transpose of, and the order of its axes there."""
    if node.op.name == "transpose":
        return node.inputs[0], tuple(node.attrs["axes"])
    return node, tuple(range(node.ndim))


def _of_rows(node: Tensor) -> bool:
    """Whether the sum is over the last axis alone, and that is known not to be too long for a product."""
    x = node.inputs[0]
    if x.ndim < 2 or node.attrs["axis"] != (x.ndim - 1,):
        return False
    length = x.shape[-1]
    return isinstance(length, int) and 1 < length <= _LONGEST


def _is_row(row: Tensor, x: Tensor) -> bool:
    """Whether the operand changes along the last axis alone."""
    return (
        0 < row.ndim <= x.ndim
        and same(row.shape[-1], x.shape[-1])
        and all(same(s, 1) for s in row.shape[:-1])
    )


def _shaped(x: Tensor, shape: Shape) -> Tensor:
    return x if same_shape(x.shape, shape) else reshape(x, shape)


def _by_row(node: Tensor, x: Tensor, row: Tensor) -> Tensor:
    return _shaped(matmul(x, _shaped(row, (row.shape[-1],))), node.shape)


def _row_products(node: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The dot product of each row of x with that of y, as a batch of products of a row by a column."""
    rows = reshape(x, (*x.shape[:-1], 1, x.shape[-1]))
    columns = reshape(y, (*y.shape, 1))
    return reshape(matmul(rows, columns), node.shape)


def _is_mean(mean: Tensor, x: Tensor, axes: tuple[int, ...]) -> bool:
    """Whether Σx is divided by how many there are."""
    from_number = mean.inputs[1]
    count = 1
    for a in axes:
        size = x.shape[a]
        if not isinstance(size, int):
            return False
        count *= size
    number = the_number(from_number)
    if number is None or count == 0:
        return False
    wanted = count if mean.op.name == "divide" else 1 / count
    return abs(number - wanted) <= 1e-6 * wanted
