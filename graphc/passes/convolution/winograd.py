"""Winograd's minimal filtering F(m, r): tiles of m places along each axis by fewer multiplications.

V = Bᵀ x, U = G w and Y = A u of each tile, with matrices for windows of several axes.

Rounding, as the largest error over the largest result: in float32 at most 2e-6 for F(2, 3) and F(3, 2), 1e-5
for F(4, 3) and F(2, 5); in float64 5e-14. What is not finite spreads over its tile. Masks, whose zeros must
stay zeros, are not filtered so.
"""

from __future__ import annotations

import math

from graphc.ir.dimension import Dim, same
from graphc.ir.tensor import Tensor
from graphc.ops.convolution import trilinear_shapes
from graphc.ops.linear_algebra import matmul
from graphc.ops.shape import quotient, reshape
from graphc.ops.sources import constant
from graphc.passes.convolution.algorithm import Algorithm, groups_axis
from graphc.passes.convolution.cook_toom import Array, kronecker
from graphc.passes.convolution.cost import Problem, copy_seconds, product_seconds, ufunc_seconds
from graphc.passes.convolution.tiles import Tiles, fits_tiles, lowered_by

# Elements of a tile up to which its transform, a product with a square matrix of so many rows, can pay.
_LARGEST_TILE = 64


class _Winograd:
    """One node's transforms, each one product with a Kronecker matrix."""

    def __init__(self, node: Tensor, m: int) -> None:
        self._tiles = t = Tiles(node, (m,) * (node.ndim - 2))
        self._a_t, self._g, self._b_t = kronecker(m, t.r[0], t.rank)

    def _times(self, matrix: Array, x: Tensor) -> Tensor:
        """matrix @ x, with all but the first axes of x as one."""
        return matmul(constant(matrix.astype(self._tiles.dtype)), reshape(x, (matrix.shape[1], -1)))

    def _grouped(self, x: Tensor, channels: Dim) -> Tensor:
        """(F, channels · …) as (F, G, channels / G, …)."""
        each = quotient(channels, self._tiles.g.groups)
        assert each is not None
        return reshape(x, (x.shape[0], *groups_axis(self._tiles.g), each, -1))

    def of_input(self, x: Tensor) -> Tensor:
        return self._grouped(self._times(self._b_t, self._tiles.in_input(x)), self._tiles.channels)

    def back_to_input(self, v: Tensor) -> Tensor:
        return self._tiles.to_input(self._times(self._b_t.T, v))

    def of_filter(self, w: Tensor) -> Tensor:
        return self._grouped(self._times(self._g, self._tiles.in_filter(w)), self._tiles.results)

    def back_to_filter(self, u: Tensor) -> Tensor:
        return self._tiles.to_filter(self._times(self._g.T, u))

    def of_output(self, u: Tensor) -> Tensor:
        return self._grouped(self._times(self._a_t.T, self._tiles.in_output(u)), self._tiles.results)

    def back_to_output(self, y: Tensor) -> Tensor:
        return self._tiles.to_output(self._times(self._a_t, y))


def _fits(node: Tensor, m: int, r: int) -> bool:
    elements = trilinear_shapes(node)[1][2:]
    small = (m + r - 1) ** len(elements) <= _LARGEST_TILE
    return small and all(same(k, r) for k in elements) and fits_tiles(node)


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
        lambda node: lowered_by(_Winograd(node, m), node),
        lambda problem: _seconds(problem, m, r),
    )


F_2_3, F_4_3, F_2_5, F_3_2 = winograd(2, 3), winograd(4, 3), winograd(2, 5), winograd(3, 2)
