"""Windows, batch last: with images laid out (C, …, N), the windows of the whole batch are one matrix.

Windows, their adjoint and the products then run along (places · N) beside each other in memory, however
small the images. The transposes to and from this layout are views, which the pass ``transposes`` moves on
until they cancel.
"""

from __future__ import annotations

import math

from graphc.ir.build import apply
from graphc.ir.dimension import Shape, element_count, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.convolution import CONVOLUTION, FILTER_GRADIENT, Geometry
from graphc.ops.elementwise import astype
from graphc.ops.linear_algebra import matmul
from graphc.ops.shape import quotient, reshape, swapaxes, transpose
from graphc.ops.windows import FOLD, WINDOW
from graphc.passes.convolution.algorithm import (
    Algorithm,
    batch_innermost,
    batch_outermost,
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
    """filters (G, O/G, K) @ columns (G, K, P·N)."""
    x, w = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    product = matmul(filter_matrix(w, g), _columns(x, w.shape[2:], node.shape[2:], g))
    return batch_outermost(reshape(product, (*node.shape[1:], node.shape[0])))


def _transposed(node: Tensor) -> Tensor:
    """filtersᵀ (G, K, O/G) @ cotangents (G, O/G, P·N), folded."""
    u, w = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    batch, channels = node.shape[:2]
    columns = matmul(swapaxes(filter_matrix(w, g), -1, -2), _rows(u, g))
    places, elements, sizes = u.shape[2:], w.shape[2:], node.shape[2:]
    if is_pointwise(elements, g):
        whole = reshape(columns, (channels, *g.padded(sizes), batch))
    else:
        parts = reshape(columns, (channels, *elements, *places, batch))
        whole = _folded(parts, g.padded(sizes), g)
    return batch_outermost(inside(whole, tuple([b for b, _ in g.padding]), sizes, 1))


def _folded(parts: Tensor, sizes: Shape, g: Geometry) -> Tensor:
    """(C, elements, places, N) added up where the windows lie: (C, sizes, N)."""
    rank = len(sizes)
    parts = transpose(parts, (0, *range(1 + rank, 2 + 2 * rank), *range(1, 1 + rank)))
    return apply(
        FOLD, (parts,), axes=tuple(range(1, 1 + rank)), shape=sizes, stride=g.stride, dilation=g.dilation
    )


def _filter_gradient(node: Tensor) -> Tensor:
    """cotangents (G, O/G, P·N) @ columnsᵀ (G, P·N, K): the product adds up the examples too."""
    x, u = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    columns = _columns(x, node.shape[2:], u.shape[2:], g)
    return reshape(matmul(_rows(u, g), swapaxes(columns, -1, -2)), node.shape)


def _rows(u: Tensor, g: Geometry) -> Tensor:
    """(N, O, …) as (G, O/G, P·N)."""
    rows = quotient(u.shape[1], g.groups)
    assert rows is not None
    long = simplified(element_count(u.shape[2:]) * u.shape[0])
    return reshape(batch_innermost(u), (*groups_axis(g), rows, long))


def _columns(x: Tensor, elements: Shape, places: Shape, g: Geometry) -> Tensor:
    """Every window of every padded image as a column: (G, K, P·N)."""
    rank, batch = len(elements), x.shape[0]
    channels = quotient(x.shape[1], g.groups)
    assert channels is not None
    x = padded(batch_innermost(x), g.padding, 1)
    if not is_pointwise(elements, g):
        windows = apply(
            WINDOW, (x,), axes=tuple(range(1, 1 + rank)), size=elements, stride=g.stride, dilation=g.dilation
        )
        x = transpose(windows, (0, *range(2 + rank, 2 + 2 * rank), *range(1, 2 + rank)))
    depth = simplified(channels * element_count(elements))
    return reshape(x, (*groups_axis(g), depth, simplified(element_count(places) * batch)))


def _seconds(p: Problem) -> float:
    places = math.prod(p.places)
    run = p.batch * (p.places[-1] if p.stride[-1] == 1 else 1)
    # A pointwise convolution has no windows to copy.
    pointwise = math.prod(p.elements) * math.prod(p.stride) == 1
    copied = 0 if pointwise else p.batch * p.groups * p.depth * places
    rows, columns = p.results // p.groups, places * p.batch
    if p.kind == "convolution":
        product = product_seconds(rows, p.depth, columns, p.itemsize, p.groups)
        return product + copy_seconds(copied, run, p.itemsize)
    if p.kind == "filter_gradient":  # the columns are the forward pass's own
        return product_seconds(rows, columns, p.depth, p.itemsize, p.groups)
    product = product_seconds(p.depth, rows, columns, p.itemsize, p.groups)
    return product + ufunc_seconds(copied, run, p.itemsize, math.prod(p.elements))


BATCH_LAST = Algorithm("batch_last", lambda node: True, _lowered, _seconds)
