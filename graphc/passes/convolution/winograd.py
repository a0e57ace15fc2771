"""Winograd's minimal filtering F(m, r): tiles of m places along each axis by fewer multiplications.

The trilinear form of convolution is written in transformed tiles: with V = Bᵀ x, U = G w and Y = A u for
each tile, the form is Σ U V Y, element by element of the tile, summed over channels. So each of the three ops
is one product of the other two's transforms, transformed back; forward and backward share them. A dilated
convolution is one of each phase, side by side.

Rounding, as the largest error over the largest result: in float32 at most 2e-6 for F(2, 3) and F(3, 2), 1e-5
for F(4, 3) and F(2, 5); in float64 5e-14. What is not finite spreads over its tile. Masks, whose zeros must
stay zeros, are not filtered so.
"""

from __future__ import annotations

import math

import numpy as np

from graphc.ir.tensor import Tensor
from graphc.ops.convolution import CONVOLUTION, FILTER_GRADIENT, Geometry, trilinear_shapes
from graphc.ops.linear_algebra import matmul
from graphc.ops.shape import swapaxes
from graphc.passes.convolution.algorithm import Algorithm
from graphc.passes.convolution.cost import Problem, copy_seconds, product_seconds, ufunc_seconds
from graphc.passes.convolution.winograd_tiles import Tiles

# Elements of a tile up to which its transform, a product with a square matrix of so many rows, can pay.
_LARGEST_TILE = 64


def _lowered(node: Tensor, m: int, r: int) -> Tensor:
    tiles = Tiles(node, m, r)
    first, second = node.inputs
    if node.op is CONVOLUTION:
        return tiles.to_output(matmul(tiles.of_filter(second), tiles.of_input(first)))
    if node.op is FILTER_GRADIENT:
        return tiles.to_filter(matmul(tiles.of_output(second), swapaxes(tiles.of_input(first), -1, -2)))
    return tiles.to_input(matmul(swapaxes(tiles.of_filter(second), -1, -2), tiles.of_output(first)))


def _fits(node: Tensor, m: int, r: int) -> bool:
    x, w, u = trilinear_shapes(node)
    g = Geometry.of(node.attrs)
    spatial = (*x[2:], *u[2:], *(n for side in g.padding for n in side))
    return (
        node.dtype in (np.float32, np.float64)
        and (m + r - 1) ** len(g.stride) <= _LARGEST_TILE
        and all(isinstance(n, int) for n in (*spatial, *w, g.groups))
        and all(k == r for k in w[2:])
        and all(s == 1 for s in g.stride)
        and not any(_is_mask(i) for i in node.inputs)
    )


def _is_mask(x: Tensor) -> bool:
    """Whether x counts something: numbers made of truth values or integers, whose zeros mean zero."""
    while x.op.family == "shape":
        x = x.inputs[0]
    return x.op.name == "astype" and x.inputs[0].dtype.kind in "biu"


def _seconds(p: Problem, m: int, r: int) -> float:
    rank = len(p.places)
    tiles = p.batch * math.prod(-(-n // m) for n in p.places)
    inner, outer = (m + r - 1) ** rank, m**rank
    each, rows = p.channels // p.groups, p.results // p.groups
    at_input = product_seconds(inner, inner, tiles * p.channels, p.itemsize)
    at_output = product_seconds(inner, outer, tiles * p.results, p.itemsize)
    # Tiles are copied image by image of the batch; of one image, along a row of tiles, which are m apart.
    apart = p.batch == 1
    run = -(-p.places[-1] // m) if apart else p.batch * p.dilation[-1]
    gathered = copy_seconds(tiles * p.channels * inner, run, p.itemsize, apart)
    arranged = copy_seconds(tiles * p.results * outer, run, p.itemsize, apart)
    count = inner * p.groups
    if p.kind == "convolution":
        product = product_seconds(rows, each, tiles, p.itemsize, count)
        return gathered + at_input + product + at_output + arranged
    if p.kind == "filter_gradient":  # the input's transform is the forward pass's own
        return product_seconds(rows, tiles, each, p.itemsize, count) + at_output + arranged
    folded = ufunc_seconds(tiles * p.channels * inner, run, p.itemsize, inner, apart)
    # The cotangent's transform is the filter gradient's own.
    return product_seconds(each, rows, tiles, p.itemsize, count) + at_input + folded


def winograd(m: int, r: int) -> Algorithm:
    """F(m, r) along each axis."""
    return Algorithm(
        f"winograd_{m}_{r}",
        lambda node: _fits(node, m, r),
        lambda node: _lowered(node, m, r),
        lambda problem: _seconds(problem, m, r),
    )


F_2_3, F_4_3, F_2_5, F_3_2 = winograd(2, 3), winograd(4, 3), winograd(2, 5), winograd(3, 2)
