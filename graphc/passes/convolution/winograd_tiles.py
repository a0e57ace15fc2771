"""Tiles of a convolution and their transforms, batch last: what Winograd's filtering is made of.

Every transform is one product with a Kronecker matrix, and has its adjoint beside it.
"""

from __future__ import annotations

from graphc.ir.build import apply
from graphc.ir.dimension import Dim, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.convolution import Geometry, trilinear_shapes
from graphc.ops.elementwise import astype
from graphc.ops.linear_algebra import matmul
from graphc.ops.shape import constant_pad, quotient, reshape, transpose
from graphc.ops.sources import constant
from graphc.ops.windows import FOLD, WINDOW
from graphc.passes.convolution.algorithm import batch_innermost, batch_outermost, groups_axis, inside
from graphc.passes.convolution.cook_toom import Array, kronecker


class Tiles:
    """One node's tiles: m places, r elements along each axis; ``count`` tiles in each phase of a dilation."""

    def __init__(self, node: Tensor, m: int, r: int) -> None:
        x, w, u = trilinear_shapes(node)
        self.dtype = node.dtype
        self.g = Geometry.of(node.attrs)
        self.m, self.r, self.n = m, r, m + r - 1
        self.rank = len(x) - 2
        self.batch, self.channels, self.results = x[0], x[1], u[1]
        self.sizes, self.places = x[2:], u[2:]
        self.filter = w
        self.count = tuple(
            [-(-_integer(p) // (m * d)) for p, d in zip(self.places, self.g.dilation, strict=True)]
        )
        # The phases of a dilation stand beside the tiles; there are no such axes where there is no dilation.
        self.phases = tuple([() if d == 1 else (d,) for d in self.g.dilation])
        self.covered = tuple([t * m * d for t, d in zip(self.count, self.g.dilation, strict=True)])
        spans = zip(self.count, self.phases, strict=True)
        self.tiles: tuple[Dim, ...] = (*[n for t, phase in spans for n in (t, *phase)], self.batch)
        transforms = kronecker(m, r, self.rank)
        self._a_t, self._g, self._b_t = transforms

    # -- products -------------------------------------------------------------------------------
    def _times(self, matrix: Array, x: Tensor) -> Tensor:
        """A transform: matrix @ x, with all but the first axes of x as one."""
        return matmul(constant(matrix.astype(self.dtype)), reshape(x, (matrix.shape[1], -1)))

    def _grouped(self, x: Tensor, channels: Dim) -> Tensor:
        """(n · n, channels · …) as (n · n, G, channels / G, …)."""
        each = quotient(channels, self.g.groups)
        assert each is not None
        return reshape(x, (x.shape[0], *groups_axis(self.g), each, -1))

    def _elements(self, count: int) -> tuple[int, ...]:
        return (count,) * self.rank

    # -- transforms ------------------------------------------------------------------------------
    def of_input(self, x: Tensor) -> Tensor:
        """V (n · n, C, tiles) from x (N, C, …)."""
        x = batch_innermost(astype(x, self.dtype))
        widths: list[tuple[Dim, Dim]] = [(0, 0)]
        for size, (before, _), extent in zip(self.sizes, self.g.padding, self._extents(), strict=True):
            widths.append((before, simplified(extent - size - before)))
        x = constant_pad(x, (*widths, (0, 0)))
        x = reshape(x, (self.channels, *self._split(self._lengths()), self.batch))
        found = apply(
            WINDOW, (x,), axes=self._tile_axes(), size=self._elements(self.n), stride=self._elements(self.m),
            dilation=self._elements(1),
        )  # fmt: skip
        outer = range(x.ndim, x.ndim + self.rank)
        return self._grouped(
            self._times(self._b_t, transpose(found, (*outer, *range(x.ndim)))), self.channels
        )

    def to_input(self, v: Tensor) -> Tensor:
        """The adjoint of ``of_input``."""
        parts = self._times(self._b_t.T, v)
        parts = reshape(parts, (*self._elements(self.n), self.channels, *self.tiles))
        parts = transpose(parts, (*range(self.rank, parts.ndim), *range(self.rank)))
        whole = apply(
            FOLD, (parts,), axes=self._tile_axes(), shape=self._lengths(), stride=self._elements(self.m),
            dilation=self._elements(1),
        )  # fmt: skip
        whole = reshape(whole, (self.channels, *self._extents(), self.batch))
        return batch_outermost(inside(whole, tuple([b for b, _ in self.g.padding]), self.sizes, 1))

    def of_filter(self, w: Tensor) -> Tensor:
        """U (n · n, O, C) from w (O, C, …)."""
        w = transpose(astype(w, self.dtype), (*range(2, 2 + self.rank), 0, 1))
        return self._grouped(self._times(self._g, w), self.results)

    def to_filter(self, u: Tensor) -> Tensor:
        """The adjoint of ``of_filter``."""
        w = reshape(self._times(self._g.T, u), (*self._elements(self.r), *self.filter[:2]))
        return transpose(w, (self.rank, self.rank + 1, *range(self.rank)))

    def of_output(self, u: Tensor) -> Tensor:
        """Y (n · n, O, tiles) from u (N, O, …)."""
        u = batch_innermost(astype(u, self.dtype))
        missing = [(0, c - _integer(p)) for c, p in zip(self.covered, self.places, strict=True)]
        if any(after for _, after in missing):
            u = constant_pad(u, ((0, 0), *missing, (0, 0)))
        u = reshape(u, (self.results, *self._in_tiles(), self.batch))
        inner = self._inner_axes()
        rest = [a for a in range(u.ndim) if a not in inner]
        return self._grouped(self._times(self._a_t.T, transpose(u, (*inner, *rest))), self.results)

    def to_output(self, y: Tensor) -> Tensor:
        """The adjoint of ``of_output``."""
        u = reshape(self._times(self._a_t, y), (*self._elements(self.m), self.results, *self.tiles))
        order, behind, within = [], iter(range(self.rank, u.ndim)), iter(range(self.rank))
        inner = self._inner_axes()
        for axis in range(u.ndim):
            order.append(next(within) if axis in inner else next(behind))
        u = reshape(transpose(u, order), (self.results, *self.covered, self.batch))
        return batch_outermost(inside(u, (0,) * self.rank, self.places, 1))

    # -- shapes ----------------------------------------------------------------------------------
    def _lengths(self) -> tuple[int, ...]:
        """The elements of the input, of one phase, that the tiles read."""
        return tuple([t * self.m + self.r - 1 for t in self.count])

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
        return tuple(
            [n for t, phase in zip(self.count, self.phases, strict=True) for n in (t, self.m, *phase)]
        )

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
