"""What Fourier's filtering costs: a problem enters; the tile that costs least, and seconds, leave."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from graphc.passes.convolution.cost import Problem, copy_seconds, product_seconds, ufunc_seconds

Lengths = tuple[int, ...]
# Elements of a tile along an axis; and along the only axis, in two factors.
_WHOLE = (8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128)
_SPLIT: tuple[Lengths, ...] = ((16, 16), (32, 16), (32, 32), (64, 32), (64, 64), (128, 64), (128, 128))
# A tile that is the image may be so long without being split.
_LONGEST = 160
_KINDS = ("convolution", "transposed_convolution", "filter_gradient")


def least_tile(p: Problem) -> Lengths:
    """The factors of the tile that costs least for a layer's three convolutions; none where none fits."""
    return _least_tile(replace(p, kind=""))


@lru_cache(maxsize=4096)
def _least_tile(p: Problem) -> Lengths:
    problems = [replace(p, kind=kind) for kind in _KINDS]

    def cost(factors: Lengths) -> float:
        return sum([_Tile(q, factors).seconds() for q in problems])

    offered = [_lengths(n, r, d) for n, r, d in zip(p.places, p.elements, p.dilation, strict=True)]
    found = [_split(p)] if len(p.places) == 1 else []
    if all(offered):
        factors = tuple([lengths[-1] for lengths in offered])
        for _ in range(min(len(offered), 2)):  # one axis at a time, and again with the others better
            for axis, lengths in enumerate(offered):
                factors = min([(*factors[:axis], n, *factors[axis + 1 :]) for n in lengths], key=cost)
        found.append([factors])
    return min([factors for some in found for factors in some], key=cost, default=())


def _lengths(places: int, elements: int, dilation: int) -> Lengths:
    """The tiles along an axis: shorter ones than the image, and the image."""
    whole = _whole(places, elements, dilation)
    shorter = tuple([n for n in _WHOLE if elements <= n < whole])
    return (*shorter, whole) if whole <= _LONGEST else shorter


def _whole(places: int, elements: int, dilation: int) -> int:
    """The elements of one tile that is the image, or each phase of it."""
    return -(-places // dilation) + elements - 1


def _split(p: Problem) -> list[Lengths]:
    """The tiles in two factors: shorter ones than the image, and the next."""
    fitting = [f for f in _SPLIT if math.prod(f) >= p.elements[0]]
    shorter = [f for f in fitting if math.prod(f) < _whole(p.places[0], p.elements[0], p.dilation[0])]
    return fitting[: len(shorter) + 1]


def seconds(p: Problem) -> float:
    """The cost of one of the convolutions."""
    return _Tile(p, least_tile(p)).seconds()


@dataclass(frozen=True)
class _Tile:
    """A problem in tiles of these factors."""

    p: Problem
    factors: Lengths

    @property
    def is_split(self) -> bool:
        return len(self.factors) > len(self.p.places)

    def transform(self, lengths: Lengths, columns: int, height: int = 2) -> float:
        """Of so many tiles, of which these lengths are used; ``height`` numbers a frequency leave."""
        first, *others = self.factors
        used = (-(-lengths[0] // others[0]), *others) if self.is_split else lengths
        heights = [*[2] * len(others), height]
        count, left = first // 2 + 1, math.prod(used[1:])
        total = product_seconds(heights[0] * count, used[0], left * columns, self.p.itemsize)
        for n, seen, rows in zip(others, used[1:], heights[1:], strict=True):
            left //= seen
            total += product_seconds(rows * n, 2 * seen, left * columns, self.p.itemsize, count)
            count *= n
        return total

    def seconds(self) -> float:
        p = self.p
        n = (math.prod(self.factors),) if self.is_split else self.factors
        m = tuple([a - k + 1 for a, k in zip(n, p.elements, strict=True)])
        spans = zip(p.places, m, p.dilation, strict=True)
        along = [-(-size // (step * d)) for size, step, d in spans]
        tiles = p.batch * math.prod(along) * math.prod(p.dilation)
        each, rows = p.channels // p.groups, p.results // p.groups
        frequencies = math.prod(self.factors[1:]) * (self.factors[0] // 2 + 1)
        at_input, at_output = tiles * p.channels, tiles * p.results
        # Tiles are copied image by image of the batch; of one image, along a row of tiles, which are m apart.
        apart = p.batch == 1
        run = along[-1] if apart else p.batch * p.dilation[-1]
        arranged = copy_seconds(at_output * math.prod(m), run, p.itemsize, apart)
        regrouped = copy_seconds(2.0 * frequencies * (at_input + at_output), tiles) if p.groups > 1 else 0.0
        filters = p.results * each
        of_filter = self.transform(p.elements, filters, 4)
        of_filter += copy_seconds(4.0 * frequencies * filters, each, p.itemsize)
        count = frequencies * p.groups
        if p.kind == "convolution":
            gathered = copy_seconds(at_input * math.prod(n), run, p.itemsize, apart)
            product = product_seconds(2 * rows, 2 * each, tiles, p.itemsize, count)
            transforms = self.transform(n, at_input) + self.transform(m, at_output) + of_filter
            return gathered + transforms + product + arranged + regrouped
        if p.kind == "filter_gradient":  # the input's transform is the forward pass's own
            product = product_seconds(2 * rows, tiles, 2 * each, p.itemsize, count)
            return product + self.transform(m, at_output) + arranged + of_filter + regrouped / 2
        # The cotangent's transform is the filter gradient's own.
        product = product_seconds(2 * each, 2 * rows, tiles, p.itemsize, count)
        axes = [length for length, t in zip(n, along, strict=True) if t > 1]
        added = at_input * math.prod(n) * max(len(axes), 1)
        folded = ufunc_seconds(added, run, p.itemsize, sum(axes) + 1, apart)
        return product + self.transform(n, at_input) + folded + regrouped / 2
