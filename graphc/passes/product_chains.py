"""Chains of matrix products: (A·B)·v enters, A·(B·v) leaves, where that is cheaper.

The cheapest of all orders is found by dynamic programming (Cormen et al., *Introduction to Algorithms*,
15.2), each product weighed by the cost model. A transpose of a product is the product of the transposes, in
reverse. A product that is read elsewhere too is computed anyway, so it stays one factor.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.build import carried_over
from graphc.ir.dimension import same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting, merged_origins
from graphc.ir.tensor import Tensor
from graphc.ops.linear_algebra import matmul
from graphc.ops.shape import transpose
from graphc.passes.linearity import may_move
from graphc.rewrite.cost import elements, hinted, matrix_product_cost
from graphc.rewrite.cost_table import TABLE

# The search takes the cube of this many steps.
_LONGEST = 24
_GAIN = 0.95  # orders that differ by less than the model knows are left as the user wrote them


class ProductChains:
    """The pass."""

    name = "product_chains"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        reads: Counter[Tensor] = Counter(graph.roots)
        for node in graph.nodes:
            reads.update(node.inputs)
        inner = _inner_products(graph, reads)
        if not inner:
            return graph
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            value = carried_over(node, new)
            if node.op.name == "matmul" and node not in inner and may_move(1.0, node.dtype):
                better = _reordered(node, inner, new)
                if better is not None:
                    value = better
                    if fired is not None:
                        fired["reordered"] += 1
            new[node] = value
        return graph.replaced(new)


def _kind(node: Tensor) -> str | None:
    """What a link of a chain gives: a matrix (or a batch of them, one for one), a row or a column."""
    if node.op.name != "matmul":
        return None
    x, y = node.inputs
    if x.ndim == y.ndim == node.ndim and same_shape(x.shape[:-2], y.shape[:-2]):
        return "matrix"
    return {(1, 2): "row", (2, 1): "column"}.get((x.ndim, y.ndim))


def _rows(x: Tensor, turned: bool = False, first: bool = False) -> int:
    """Rows of a factor; a vector is a row where it stands first, else a column."""
    if x.ndim == 1:
        return 1 if first else hinted(x.shape[0])
    return hinted(x.shape[-1 if turned else -2])


def _columns(x: Tensor, turned: bool = False, first: bool = False) -> int:
    if x.ndim == 1:
        return hinted(x.shape[0]) if first else 1
    return hinted(x.shape[-2 if turned else -1])


def _is_turned(node: Tensor) -> bool:
    """Whether the node exchanges the last two axes of its operand."""
    rank = node.ndim
    return node.op.name == "transpose" and node.attrs["axes"] == (*range(rank - 2), rank - 1, rank - 2)


def _inner_products(graph: Graph, reads: Counter[Tensor]) -> set[Tensor]:
    """Products, and transposes of products, that one product alone reads."""
    inner: set[Tensor] = set()
    for node in graph.nodes:
        if _kind(node) is None:
            continue
        for operand, vector in zip(node.inputs, ("row", "column"), strict=True):
            product = operand.inputs[0] if _is_turned(operand) else operand
            single = reads[operand] == 1 and (product is operand or reads[product] == 1)
            # (A·v)·B reads a column as a row: that is where a chain ends.
            if single and _kind(product) in ("matrix", vector) and product.dtype == node.dtype:
                inner.update((operand, product))
    return inner


def _factors(root: Tensor, inner: set[Tensor]) -> tuple[list[tuple[Tensor, bool]], list[Tensor]]:
    """The chain's factors from left to right, each with whether it is turned; and its products."""
    factors: list[tuple[Tensor, bool]] = []
    products: list[Tensor] = []
    stack = [(root, False)]
    while stack:
        node, turned = stack.pop()
        if node is root or (node in inner and node.op.name == "matmul"):
            products.append(node)
            left, right = node.inputs[::-1] if turned else node.inputs
            stack += [(right, turned), (left, turned)]
        elif node in inner:
            stack.append((node.inputs[0], not turned))
        else:
            factors.append((node, turned))
    return factors, products


def _reordered(root: Tensor, inner: set[Tensor], new: dict[Tensor, Tensor]) -> Tensor | None:
    """The chain in its cheapest order; None where that is the order it has."""
    if _kind(root) is None or not any(i in inner for i in root.inputs):
        return None
    factors, products = _factors(root, inner)
    if not 3 <= len(factors) <= _LONGEST or any(f.dtype != root.dtype for f, _ in factors):
        return None
    batch = max(1, elements(root.shape[:-2])) if root.ndim > 1 else 1

    def price(rows: int, between: int, columns: int) -> float:
        item = TABLE.product_item * batch
        return item + matrix_product_cost(rows, between, columns, root.dtype, batch)

    count = len(factors)
    sides = [_rows(f, turned, first=k == 0) for k, (f, turned) in enumerate(factors)]
    sides.append(_columns(*factors[-1]))
    as_written = sum(
        [
            price(_rows(x, first=True), _columns(x, first=True), _columns(y))
            for x, y in (p.inputs for p in products)
        ]
    )
    best: dict[tuple[int, int], tuple[float, int]] = {(k, k): (0.0, k) for k in range(count)}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            best[i, j] = min(
                (best[i, k][0] + best[k + 1, j][0] + price(sides[i], sides[k + 1], sides[j + 1]), k)
                for k in range(i, j)
            )
    if best[0, count - 1][0] >= _GAIN * as_written:
        return None
    with inheriting(merged_origins(*[p.origins for p in products])):
        return _built(0, count - 1, best, [_turned(new[f]) if t else new[f] for f, t in factors])


def _turned(x: Tensor) -> Tensor:
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _built(
    first: int, last: int, best: dict[tuple[int, int], tuple[float, int]], factors: list[Tensor]
) -> Tensor:
    """The product of factors ``first`` to ``last``; chains are short enough for the recursion."""
    if first == last:
        return factors[first]
    middle = best[first, last][1]
    return matmul(_built(first, middle, best, factors), _built(middle + 1, last, best, factors))
