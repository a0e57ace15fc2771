"""Windows, batch first: each image's windows are copied into a matrix of columns, one product an image.

The plain algorithm: it fits every convolution and rounds as NumPy's product does. The columns,
(N, groups, C/groups · elements, places), are shared by the forward pass and the filter's gradient. The
input's gradient makes such columns by a product and folds them up.
"""

from __future__ import annotations

import math

from graphc.ir.build import apply
from graphc.ir.dimension import Shape, element_count, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.convolution import CONVOLUTION, FILTER_GRADIENT, Geometry
from graphc.ops.elementwise import astype
from graphc.ops.linear_algebra import matmul
from graphc.ops.reductions import sum as sum_over
from graphc.ops.shape import quotient, reshape, swapaxes, transpose
from graphc.ops.windows import FOLD, WINDOW
from graphc.passes.convolution.algorithm import (
    Algorithm,
    filter_matrix,
    groups_axis,
    inside,
    is_pointwise,
    padded,
)
from graphc.passes.convolution.cost import Problem, copy_seconds, product_seconds, ufunc_seconds


def _lowered(node: Tensor) -> Tensor:
    if node.op is CONVOLUTION:
        return _convolution(node)
    return _filter_gradient(node) if node.op is FILTER_GRADIENT else _transposed(node)


def _convolution(node: Tensor) -> Tensor:
    """filters (G, O/G, K) @ columns (N, G, K, P)."""
    x, w = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    product = matmul(filter_matrix(w, g), _columns(x, w.shape[2:], node.shape[2:], g))
    return reshape(product, node.shape)


def _transposed(node: Tensor) -> Tensor:
    """filtersᵀ (G, K, O/G) @ cotangents (N, G, O/G, P), folded."""
    u, w = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    columns = matmul(swapaxes(filter_matrix(w, g), -1, -2), _grouped_places(u, g))
    places, elements = u.shape[2:], w.shape[2:]
    sizes, before = node.shape[2:], tuple([b for b, _ in g.padding])
    if is_pointwise(elements, g):
        return inside(reshape(columns, (*node.shape[:2], *g.padded(sizes))), before, sizes, 2)
    rank = len(places)
    parts = reshape(columns, (*node.shape[:2], *elements, *places))
    parts = transpose(parts, (0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank)))
    whole = apply(
        FOLD, (parts,), axes=tuple(range(2, 2 + rank)), shape=g.padded(sizes),
        stride=g.stride, dilation=g.dilation,
    )  # fmt: skip
    return inside(whole, before, sizes, 2)


def _filter_gradient(node: Tensor) -> Tensor:
    """cotangents (N, G, O/G, P) @ columnsᵀ (N, G, P, K), summed over the examples."""
    x, u = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    columns = _columns(x, node.shape[2:], u.shape[2:], g)
    product = matmul(_grouped_places(u, g), swapaxes(columns, -1, -2))
    return reshape(sum_over(product, axis=0), node.shape)


def _grouped_places(u: Tensor, g: Geometry) -> Tensor:
    rows = quotient(u.shape[1], g.groups)
    assert rows is not None
    return reshape(u, (u.shape[0], *groups_axis(g), rows, simplified(element_count(u.shape[2:]))))


def _columns(x: Tensor, elements: Shape, places: Shape, g: Geometry) -> Tensor:
    """Every window of the padded input as a column."""
    rank = len(elements)
    x = padded(x, g.padding, 2)
    channels = quotient(x.shape[1], g.groups)
    assert channels is not None
    if not is_pointwise(elements, g):
        windows = apply(
            WINDOW, (x,), axes=tuple(range(2, 2 + rank)), size=elements, stride=g.stride, dilation=g.dilation
        )
        x = transpose(windows, (0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank)))
    depth = simplified(channels * element_count(elements))
    return reshape(x, (x.shape[0], *groups_axis(g), depth, simplified(element_count(places))))


def _seconds(p: Problem) -> float:
    places = math.prod(p.places)
    run, apart = p.places[-1], p.stride[-1] != 1
    copied = p.batch * p.groups * p.depth * places
    count, rows = p.batch * p.groups, p.results // p.groups
    if p.kind == "convolution":
        return copy_seconds(copied, run, p.itemsize, apart) + product_seconds(
            rows, p.depth, places, p.itemsize, count
        )
    if p.kind == "filter_gradient":
        # The columns are the forward pass's own; the examples' gradients are added up.
        summed = ufunc_seconds(count * rows * p.depth, p.depth, p.itemsize)
        return summed + product_seconds(rows, places, p.depth, p.itemsize, count)
    folded = ufunc_seconds(copied, run, p.itemsize, math.prod(p.elements), apart)
    return folded + product_seconds(p.depth, rows, places, p.itemsize, count)


WINDOWS = Algorithm("windows", lambda node: True, _lowered, _seconds)
