"""Convolution: one of its three ops enters; a matrix product over windows leaves.

The windows of the padded input are copied into a matrix of columns, (N, groups, C/groups · elements,
places), which the forward pass and the filter's gradient share. The input's gradient makes such columns by
a product and folds them up.
"""

from __future__ import annotations

from graphc.ir.build import apply
from graphc.ir.dimension import Shape, element_count, same, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.convolution import Geometry
from graphc.ops.elementwise import astype
from graphc.ops.linear_algebra import matmul
from graphc.ops.reductions import sum as sum_over
from graphc.ops.shape import constant_pad, quotient, reshape, strided_part, swapaxes, transpose
from graphc.ops.windows import FOLD, WINDOW


def lowered_convolution(node: Tensor) -> Tensor:
    """filters (G, O/G, K) @ columns (N, G, K, P)."""
    x, w = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    product = matmul(_filters(w, g), _columns(x, w.shape[2:], node.shape[2:], g))
    return reshape(product, node.shape)


def lowered_transposed_convolution(node: Tensor) -> Tensor:
    """filtersᵀ (G, K, O/G) @ cotangents (N, G, O/G, P), folded."""
    u, w = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    columns = matmul(swapaxes(_filters(w, g), -1, -2), _grouped_places(u, g))
    places, elements = u.shape[2:], w.shape[2:]
    if _is_pointwise(elements, g):
        return _unpadded(reshape(columns, (*node.shape[:2], *g.padded(node.shape[2:]))), node, g)
    rank = len(places)
    parts = reshape(columns, (*node.shape[:2], *elements, *places))
    parts = transpose(parts, (0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank)))
    whole = apply(
        FOLD, (parts,), axes=tuple(range(2, 2 + rank)), shape=g.padded(node.shape[2:]),
        stride=g.stride, dilation=g.dilation,
    )  # fmt: skip
    return _unpadded(whole, node, g)


def lowered_filter_gradient(node: Tensor) -> Tensor:
    """cotangents (N, G, O/G, P) @ columnsᵀ (N, G, P, K), summed over the examples."""
    x, u = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    columns = _columns(x, node.shape[2:], u.shape[2:], g)
    product = matmul(_grouped_places(u, g), swapaxes(columns, -1, -2))
    return reshape(sum_over(product, axis=0), node.shape)


def _is_pointwise(elements: Shape, g: Geometry) -> bool:
    """Whether each place sees one element, and each element one place."""
    return all(same(k, 1) for k in elements) and all(s == 1 for s in g.stride)


def _groups(g: Geometry) -> Shape:
    """The axis of the groups; none where there is one group."""
    return () if same(g.groups, 1) else (g.groups,)


def _filters(w: Tensor, g: Geometry) -> Tensor:
    rows = quotient(w.shape[0], g.groups)
    assert rows is not None
    return reshape(w, (*_groups(g), rows, simplified(element_count(w.shape[1:]))))


def _grouped_places(u: Tensor, g: Geometry) -> Tensor:
    rows = quotient(u.shape[1], g.groups)
    assert rows is not None
    return reshape(u, (u.shape[0], *_groups(g), rows, simplified(element_count(u.shape[2:]))))


def _columns(x: Tensor, elements: Shape, places: Shape, g: Geometry) -> Tensor:
    """Every window of the padded input as a column."""
    rank = len(elements)
    if any(not (same(b, 0) and same(a, 0)) for b, a in g.padding):
        x = constant_pad(x, ((0, 0), (0, 0), *g.padding))
    channels = quotient(x.shape[1], g.groups)
    assert channels is not None
    if not _is_pointwise(elements, g):
        windows = apply(
            WINDOW, (x,), axes=tuple(range(2, 2 + rank)), size=elements, stride=g.stride, dilation=g.dilation
        )
        x = transpose(windows, (0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank)))
    depth = simplified(channels * element_count(elements))
    return reshape(x, (x.shape[0], *_groups(g), depth, simplified(element_count(places))))


def _unpadded(whole: Tensor, node: Tensor, g: Geometry) -> Tensor:
    if all(same(b, 0) and same(a, 0) for b, a in g.padding):
        return whole
    start = (0, 0, *[before for before, _ in g.padding])
    return strided_part(whole, start, node.shape, (1,) * node.ndim)
