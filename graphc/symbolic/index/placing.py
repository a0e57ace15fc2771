"""Placing: a grid over index variables and the index of each enter; a tensor with the elements there leaves.

The opposite of reading: elements that meet at one place are added up, places that nothing reaches are 0.

| index | op |
|---|---|
| plain variables | transpose |
| variables in mixed radix; digits of one index | reshape |
| s·v + c, a constant | pad, embed |
| several variables | fold |
| a variable on two axes | a diagonal |
| anything else | scatter_add |
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from graphc.ir.build import apply
from graphc.ir.dimension import Dim, Shape, larger, same, same_shape, simplified
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.ops.indexing import scatter_add
from graphc.ops.shape import constant_pad, embed, flip, reshape, strided_part
from graphc.ops.sources import arange, filled
from graphc.ops.windows import FOLD
from graphc.symbolic.index.affine import Affine, Variable, of, product_of, radix_order, raveled
from graphc.symbolic.index.gridding import Grid
from graphc.symbolic.index.reading import Views, digit_families


def placed(grid: Grid, target: Sequence[Affine], shape: Shape, views: Views) -> Tensor:
    """Zeros of a shape, with every element of the grid added at its index."""
    groups = digit_families(target, shape)
    sizes = tuple([product_of([shape[a] for a in axes]) for axes, _ in groups])
    index = [e for _, e in groups]
    if all(_is_regular(e, size) for e, size in zip(index, sizes, strict=True)):
        tensor = _laid(grid, index, sizes)
    else:
        if any(not _is_gathered(e) and not _is_regular(e, n) for e, n in zip(index, sizes, strict=True)):
            views.residue.append(f"sum at {list(target)}")
        tensor = _scattered(grid, index, sizes, views)
    return tensor if same_shape(tensor.shape, shape) else reshape(tensor, shape)


def is_laid(target: Sequence[Affine], shape: Shape) -> bool:
    """Whether the target needs no scatter_add: what leaves its axes is then cut off, without a guard."""
    groups = digit_families(target, shape)
    return all(_is_regular(e, product_of([shape[a] for a in axes])) for axes, e in groups)


def _is_gathered(e: Affine) -> bool:
    return not e.is_plain and all(not hasattr(k, "modulus") for k in e.parts)


def _is_regular(e: Affine, size: Dim) -> bool:
    if not e.is_plain:
        return False
    order = radix_order(e)
    if order and same(product_of([v.size for v in order]), size):
        return True
    return all(isinstance(c, int) for c in e.parts.values())


# -- regular places ------------------------------------------------------------------------------------
def _laid(grid: Grid, index: Sequence[Affine], sizes: Shape) -> Tensor:
    grid, index = _without_repeats(grid, index)
    for number, (e, size) in enumerate(zip(index, sizes, strict=True)):
        order = radix_order(e)
        if order and same(product_of([v.size for v in order]), size):
            continue
        grid, index[number] = _folded(grid, e)
    return _embedded(grid, index, sizes)


def _without_repeats(grid: Grid, index: Sequence[Affine]) -> tuple[Grid, list[Affine]]:
    """A variable of several axes gets a name of its own on each; what is off the diagonal is 0."""
    seen: set[Variable] = set()
    found = []
    for e in index:
        new = {}
        for v in e.variables & seen:
            other = Variable(v.size, v.letter)
            new[v] = of(other)
            axes = (*grid.axes, other)
            at = grid.axes.index(v)
            column = reshape(arange(v.size), (v.size, *(1 for _ in grid.axes[at:])))
            same_place = ew.equal(column, arange(v.size))
            wide = reshape(grid.tensor, (*grid.tensor.shape, 1))
            grid = Grid(ew.where(same_place, wide, filled(0.0, grid.tensor.dtype)), axes)
        seen |= e.variables
        e = e.substituted(new)
        seen |= e.variables
        found.append(e)
    return grid, found


def _folded(grid: Grid, e: Affine) -> tuple[Grid, Affine]:
    """One variable for all those of an index: their elements are added where they meet."""
    backwards = [v for v, c in e.parts.items() if isinstance(v, Variable) and int(c) < 0]
    if backwards:
        grid = Grid(flip(grid.tensor, tuple([grid.axes.index(v) for v in backwards])), grid.axes)
        # v becomes size − 1 − v
        for v in backwards:
            c = e.parts[v]
            e = (e - of(v).times(simplified(2 * c))).plus(simplified(c * (v.size - 1)))
    while len(e.parts) > 1:
        (second, d), (first, s) = sorted(e.parts.items(), key=lambda part: int(part[1]))[:2]
        assert isinstance(first, Variable) and isinstance(second, Variable)
        step = gcd(int(s), int(d))
        stride, dilation = int(s) // step, int(d) // step
        span = simplified(stride * (first.size - 1) + dilation * (second.size - 1) + 1)
        rest = [v for v in grid.axes if v is not second]
        ordered = grid.transposed([*rest, second])
        meeting = Variable(span, first.letter)
        tensor = apply(
            FOLD, (ordered.tensor,), axes=(rest.index(first),), shape=(span,),
            stride=(stride,), dilation=(dilation,),
        )  # fmt: skip
        grid = Grid(tensor, tuple([meeting if v is first else v for v in rest]))
        e = e - of(first).times(s) - of(second).times(d) + of(meeting).times(step)
    return grid, e


def _embedded(grid: Grid, index: Sequence[Affine], sizes: Shape) -> Tensor:
    """The grid's axes in the order of the index, each put at its start with its step."""
    orders = [radix_order(e) for e in index]
    names: list[Variable] = []
    inner, starts, steps = [], [], []
    for e, size, order in zip(index, sizes, orders, strict=True):
        if order and same(product_of([v.size for v in order]), size):
            names += order
            inner.append(size)
            starts.append(0)
            steps.append(1)
            continue
        variables = [v for v in e.parts if isinstance(v, Variable)]
        names += variables
        inner.append(variables[0].size if variables else 1)
        starts.append(e.constant)
        steps.append(int(e.parts[variables[0]]) if variables else 1)
    x = grid.transposed(names).tensor
    if not same_shape(x.shape, inner):
        x = reshape(x, tuple(inner))
    x, starts = _cropped(x, starts, steps, sizes)
    if same_shape(x.shape, sizes):
        return x
    if all(s == 1 for s in steps):
        widths = [(b, simplified(n - m - b)) for b, m, n in zip(starts, x.shape, sizes, strict=True)]
        return constant_pad(x, widths)
    return embed(x, tuple(sizes), starts, steps)


def _cropped(
    x: Tensor, starts: Sequence[Dim], steps: Sequence[int], sizes: Shape
) -> tuple[Tensor, list[Dim]]:
    """The elements that fall inside, and where the first of them goes."""
    first, count, place = [], [], []
    for start, step, have, size in zip(starts, steps, x.shape, sizes, strict=True):
        outside = larger(simplified(-start), 0)
        skipped = _ceiling(outside, step)
        begin = simplified(start + step * skipped)
        last = simplified(start + step * (have - 1) - (size - 1))
        dropped = _ceiling(larger(last, 0), step)
        first.append(skipped)
        count.append(larger(simplified(have - skipped - dropped), 0))
        place.append(begin)
    if all(same(f, 0) for f in first) and same_shape(count, x.shape):
        return x, place
    return strided_part(x, first, count, (1,) * x.ndim), place


def _ceiling(value: Dim, step: int) -> Dim:
    if step == 1:
        return value
    if isinstance(value, int):
        return -(-value // step)
    return simplified(-((-value) // step))


# -- odd places ----------------------------------------------------------------------------------------
def _scattered(grid: Grid, index: Sequence[Affine], sizes: Shape, views: Views) -> Tensor:
    odd = [a for a, (e, size) in enumerate(zip(index, sizes, strict=True)) if not _is_whole(e, size)]
    rest = [v for a, e in enumerate(index) if a not in odd for v in e.parts]
    apart = len(odd) == 1 and index[odd[0]].variables.isdisjoint(rest) and len(set(rest)) == len(rest)
    if apart:
        (axis,) = odd
        place = views.place(index[axis], sizes[axis])
        before = [v for e in index[:axis] for v in e.parts]
        after = [v for e in index[axis + 1 :] for v in e.parts]
        x = grid.transposed([*before, *place.axes, *after]).tensor  # type: ignore[list-item]
        return scatter_add(x, place.tensor, axis, sizes[axis])
    total = product_of(sizes)
    flat = views.place(raveled(index, sizes), total)
    places = flat.spread(grid.axes)
    count = product_of([v.size for v in grid.axes])
    tensor = scatter_add(reshape(grid.tensor, (count,)), reshape(places, (count,)), 0, total)
    return reshape(tensor, tuple(sizes))


def _is_whole(e: Affine, size: Dim) -> bool:
    v = e.variable
    return v is not None and same(v.size, size)
