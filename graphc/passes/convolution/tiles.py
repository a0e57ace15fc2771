"""Tiles of a convolution, batch last: what filtering in transformed tiles is made of.

The trilinear form of convolution is written in transformed tiles. With V, U and Y the transforms of a tile of
the input, of the filter and of a tile of the output it is Σ U V Y, number by number of the tile, summed over
channels. So each of the three ops is one product of the other two's transforms, transformed back by the
adjoint; forward and backward share them. A dilated convolution is one of each phase, side by side.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from graphc.ir.build import apply
from graphc.ir.dimension import Dim, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.convolution import CONVOLUTION, FILTER_GRADIENT, Geometry, trilinear_shapes
from graphc.ops.elementwise import astype
from graphc.ops.linear_algebra import matmul
from graphc.ops.shape import constant_pad, reshape, swapaxes, transpose
from graphc.ops.windows import FOLD, WINDOW
from graphc.passes.convolution.algorithm import batch_innermost, batch_outermost, inside

# Elements of a tile up to which each is added by itself.
_SMALL_TILE = 64


class Tiles:
    """One node's tiles: m places, r elements of the filter, so n = m + r − 1 elements along each axis.

    There are ``count`` tiles in each phase of a dilation.
    """

    def __init__(self, node: Tensor, m: tuple[int, ...]) -> None:
        x, w, u = trilinear_shapes(node)
        self.dtype = node.dtype
        self.g = Geometry.of(node.attrs)
        self.m, self.r = m, tuple([_integer(k) for k in w[2:]])
        self.n = tuple([places + elements - 1 for places, elements in zip(m, self.r, strict=True)])
        self.rank = len(m)
        self.batch, self.channels, self.results = x[0], x[1], u[1]
        self.sizes, self.places = x[2:], u[2:]
        self.filter = w
        tiles = zip(self.places, m, self.g.dilation, strict=True)
        self.count = tuple([-(-_integer(p) // (step * d)) for p, step, d in tiles])
        # The phases of a dilation stand beside the tiles; there are no such axes where there is no dilation.
        self.phases = tuple([() if d == 1 else (d,) for d in self.g.dilation])
        covered = zip(self.count, m, self.g.dilation, strict=True)
        self.covered = tuple([t * step * d for t, step, d in covered])
        spans = zip(self.count, self.phases, strict=True)
        self.tiles: tuple[Dim, ...] = (*[n for t, phase in spans for n in (t, *phase)], self.batch)

    # -- tiles, and their adjoints -----------------------------------------------------------------
    def in_input(self, x: Tensor) -> Tensor:
        """The tiles of x (N, C, …), which overlap: (n, n, C, tiles)."""
        x = batch_innermost(astype(x, self.dtype))
        widths: list[tuple[Dim, Dim]] = [(0, 0)]
        for size, (before, _), extent in zip(self.sizes, self.g.padding, self._extents(), strict=True):
            widths.append((before, simplified(extent - size - before)))
        x = constant_pad(x, (*widths, (0, 0)))
        x = reshape(x, (self.channels, *self._split(self._lengths()), self.batch))
        found = apply(
            WINDOW, (x,), axes=self._tile_axes(), size=self.n, stride=self.m, dilation=(1,) * self.rank
        )
        outer = range(x.ndim, x.ndim + self.rank)
        return transpose(found, (*outer, *range(x.ndim)))

    def to_input(self, parts: Tensor) -> Tensor:
        """Tiles added up where they lie: (N, C, …)."""
        at_once = math.prod(self.n) <= _SMALL_TILE
        whole = self._added_at_once(parts) if at_once else self._added_by_axes(parts)
        whole = reshape(whole, (self.channels, *self._extents(), self.batch))
        return batch_outermost(inside(whole, tuple([b for b, _ in self.g.padding]), self.sizes, 1))

    def _added_at_once(self, parts: Tensor) -> Tensor:
        parts = reshape(parts, (*self.n, self.channels, *self.tiles))
        parts = transpose(parts, (*range(self.rank, parts.ndim), *range(self.rank)))
        return apply(
            FOLD, (parts,), axes=self._tile_axes(), shape=self._lengths(), stride=self.m,
            dilation=(1,) * self.rank,
        )  # fmt: skip

    def _added_by_axes(self, parts: Tensor) -> Tensor:
        """One axis after the other: n + n additions of many elements instead of n · n of few."""
        # An axis of one tile has nothing to add.
        several = [(t,) if t > 1 else () for t in self.count]
        spans = zip(several, self.phases, strict=True)
        parts = reshape(parts, (*self.n, self.channels, *[n for t, d in spans for n in (*t, *d)], self.batch))
        at = self.rank  # behind the channels, with the axes of elements before them
        for step, n, t, phase in zip(self.m, self._lengths(), several, self.phases, strict=True):
            behind = (*range(1, parts.ndim), 0)
            if t:
                parts = apply(
                    FOLD, (transpose(parts, behind),), axes=(at,), shape=(n,), stride=(step,), dilation=(1,)
                )
            else:
                parts = transpose(parts, (*behind[:at], 0, *behind[at:-1]))
            at += len(phase)
        return parts

    def in_filter(self, w: Tensor) -> Tensor:
        """w (O, C, …) as (r, r, O, C)."""
        return transpose(astype(w, self.dtype), (*range(2, 2 + self.rank), 0, 1))

    def to_filter(self, w: Tensor) -> Tensor:
        """(r, r, O, C) as (O, C, …)."""
        w = reshape(w, (*self.r, *self.filter[:2]))
        return transpose(w, (self.rank, self.rank + 1, *range(self.rank)))

    def in_output(self, u: Tensor) -> Tensor:
        """The tiles of u (N, O, …): (m, m, O, tiles)."""
        u = batch_innermost(astype(u, self.dtype))
        missing = [(0, c - _integer(p)) for c, p in zip(self.covered, self.places, strict=True)]
        if any(after for _, after in missing):
            u = constant_pad(u, ((0, 0), *missing, (0, 0)))
        u = reshape(u, (self.results, *self._in_tiles(), self.batch))
        inner = self._inner_axes()
        rest = [a for a in range(u.ndim) if a not in inner]
        return transpose(u, (*inner, *rest))

    def to_output(self, u: Tensor) -> Tensor:
        """Tiles side by side: (N, O, …)."""
        u = reshape(u, (*self.m, self.results, *self.tiles))
        order, behind, within = [], iter(range(self.rank, u.ndim)), iter(range(self.rank))
        inner = self._inner_axes()
        for axis in range(u.ndim):
            order.append(next(within) if axis in inner else next(behind))
        u = reshape(transpose(u, order), (self.results, *self.covered, self.batch))
        return batch_outermost(inside(u, (0,) * self.rank, self.places, 1))

    # -- shapes ----------------------------------------------------------------------------------
    def _lengths(self) -> tuple[int, ...]:
        """The elements of the input, of one phase, that the tiles read."""
        lengths = zip(self.count, self.m, self.r, strict=True)
        return tuple([t * m + r - 1 for t, m, r in lengths])

    def _extents(self) -> tuple[int, ...]:
        """The same of all phases: sizes of the input, padded so that the tiles are full."""
        return tuple([n * d for n, d in zip(self._lengths(), self.g.dilation, strict=True)])

    def _split(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Each axis with its phases behind it."""
        return tuple([n for t, phase in zip(lengths, self.phases, strict=True) for n in (t, *phase)])

    def _tile_axes(self) -> tuple[int, ...]:
        """Where the axes of tiles stand behind the channels."""
        axes, at = [], 1
        for phase in self.phases:
            axes.append(at)
            at += 1 + len(phase)
        return tuple(axes)

    def _in_tiles(self) -> tuple[int, ...]:
        """Each axis as (tiles, m, phases)."""
        axes = zip(self.count, self.m, self.phases, strict=True)
        return tuple([n for t, m, phase in axes for n in (t, m, *phase)])

    def _inner_axes(self) -> list[int]:
        """Where the axes of m places stand in (O, tiles, m, phases, …, N)."""
        axes, at = [], 2
        for phase in self.phases:
            axes.append(at)
            at += 2 + len(phase)
        return axes


def _integer(size: Dim) -> int:
    assert isinstance(size, int)
    return size


class Transforms(Protocol):
    """Transforms of a node's input, filter and output, as matrices number by number, and their adjoints."""

    def of_input(self, x: Tensor) -> Tensor:
        """V (F, G, C / G, tiles)."""

    def of_filter(self, w: Tensor) -> Tensor:
        """U (F, G, O / G, C / G)."""

    def of_output(self, u: Tensor) -> Tensor:
        """Y (F, G, O / G, tiles)."""

    def back_to_input(self, v: Tensor) -> Tensor:
        """The adjoint of ``of_input``."""

    def back_to_filter(self, u: Tensor) -> Tensor:
        """The adjoint of ``of_filter``."""

    def back_to_output(self, y: Tensor) -> Tensor:
        """The adjoint of ``of_output``."""


def lowered_by(transforms: Transforms, node: Tensor) -> Tensor:
    """The node as one product of transforms."""
    t = transforms
    first, second = node.inputs
    if node.op is CONVOLUTION:
        return t.back_to_output(matmul(t.of_filter(second), t.of_input(first)))
    if node.op is FILTER_GRADIENT:
        return t.back_to_filter(matmul(t.of_output(second), swapaxes(t.of_input(first), -1, -2)))
    return t.back_to_input(matmul(swapaxes(t.of_filter(second), -1, -2), t.of_output(first)))


def fits_tiles(node: Tensor) -> bool:
    """Whether all but the batch is known, nothing is strided, and no operand a mask."""
    x, w, u = trilinear_shapes(node)
    g = Geometry.of(node.attrs)
    spatial = (*x[2:], *u[2:], *(n for side in g.padding for n in side))
    return (
        node.dtype in (np.float32, np.float64)
        and all(isinstance(n, int) for n in (*spatial, *w, g.groups))
        and all(s == 1 for s in g.stride)
        and not any(_is_mask(i) for i in node.inputs)
    )


def _is_mask(x: Tensor) -> bool:
    """Whether x counts something: numbers made of truth values or integers, whose zeros mean zero."""
    while x.op.family == "shape":
        x = x.inputs[0]
    return x.op.name == "astype" and x.inputs[0].dtype.kind in "biu"
