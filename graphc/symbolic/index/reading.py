"""Reading: an element of a tensor at affine indices enters; a grid of views of the tensor leaves.

| index | view |
|---|---|
| distinct plain variables | the tensor, transposed |
| the same variable twice | diagonal |
| n − 1 − v, s·v + c, a constant | slice (padded by zeros where the guards let it leave the axis) |
| several variables | windows |
| variables in mixed radix; digits of one index | reshape |
| anything else, elements of integer tensors among it | take |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphc.ir.build import apply
from graphc.ir.dimension import Dim, larger, same, same_shape, simplified
from graphc.ir.dtype import DType
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.ops.indexing import taken
from graphc.ops.shape import constant_pad, flip, reshape, strided_part
from graphc.ops.sources import filled
from graphc.ops.windows import WINDOW
from graphc.symbolic.index.affine import (
    Affine,
    Digit,
    Gather,
    Variable,
    constant,
    of,
    product_of,
    radix_order,
    within,
)
from graphc.symbolic.index.gridding import Grid, Reader, counted, number, union
from graphc.symbolic.index.terms import Guard, Read


@dataclass
class Views(Reader):
    """Reads as grids. ``residue`` lists the reads that no view expresses: they run as index code."""

    dtype: DType
    residue: list[str] = field(default_factory=list)

    @property
    def one(self) -> Tensor:
        """The number 1."""
        return filled(1.0, self.dtype)

    def gathered(self, key: Gather) -> Grid:
        return self.grid(Read(key.tensor, key.index), ())

    def grid(self, read: Read, guards: Sequence[Guard]) -> Grid:
        """The elements for all values of the variables; zeros where an index leaves its axis."""
        x, index = merged_digits(read.tensor, read.index)
        axes = [_Axis.of(e, size) for e, size in zip(index, x.shape, strict=True)]
        if any(a is None for a in axes):
            return self._taken(x, index, read)
        return _viewed(x, [a for a in axes if a is not None], guards)

    def _taken(self, x: Tensor, index: Sequence[Affine], read: Read) -> Grid:
        """The elements by computed places: along the one axis that needs it, or of the flat tensor."""
        odd = [a for a, (e, size) in enumerate(zip(index, x.shape, strict=True)) if _Axis.of(e, size) is None]
        if any(not _is_gathered(index[a]) for a in odd):
            self.residue.append(f"read of {read}")
        rest = frozenset().union(*[e.variables for a, e in enumerate(index) if a not in odd])
        if len(odd) == 1 and rest.isdisjoint(index[odd[0]].variables):
            (axis,) = odd
            stand_in = Variable(x.shape[axis])
            simple = [of(stand_in) if a == axis else e for a, e in enumerate(index)]
            inner = self.grid(Read(x, tuple(simple)), ())
            place = self.place(index[axis], x.shape[axis])
            at = inner.axes.index(stand_in)
            axes = (*inner.axes[:at], *place.axes, *inner.axes[at + 1 :])
            return Grid(taken(inner.tensor, place.tensor, at), axes)
        total = Grid(number(0), ())
        step: Dim = 1
        for e, size in reversed(list(zip(index, x.shape, strict=True))):
            part = self.place(e, size)
            axes = union([part.axes, total.axes])
            scaled = part if same(step, 1) else Grid(ew.multiply(part.tensor, number(step)), part.axes)
            total = scaled if same(step, 1) else Grid(ew.add(scaled.aligned(axes), total.aligned(axes)), axes)
            step = simplified(step * size)
        return Grid(taken(reshape(x, (product_of(x.shape),)), total.tensor, 0), total.axes)

    def place(self, e: Affine, size: Dim) -> Grid:
        """The index as positions; where it leaves the axis, position 0 (what is there is masked)."""
        found = counted(e, self)
        if within(e, size):
            return found
        inside = ew.logical_and(ew.greater_equal(found.tensor, 0), ew.less(found.tensor, number(size)))
        return Grid(ew.where(inside, found.tensor, number(0)), found.axes)


def is_viewed(read: Read) -> bool:
    """Whether views alone express the read: then it is 0 where an index leaves its axis."""
    groups = digit_families(read.index, read.tensor.shape)
    sizes = [product_of([read.tensor.shape[a] for a in axes]) for axes, _ in groups]
    return all(_Axis.of(e, size) is not None for (_, e), size in zip(groups, sizes, strict=True))


def _is_gathered(e: Affine) -> bool:
    """Whether the index is odd by gathered elements alone, which only ``take`` expresses."""
    keys = list(e.parts)
    return any(isinstance(k, Gather) for k in keys) and not any(isinstance(k, Digit) for k in keys)


def merged_digits(x: Tensor, index: Sequence[Affine]) -> tuple[Tensor, tuple[Affine, ...]]:
    """Neighbouring axes that are read at all the digits of one index become one axis."""
    groups = digit_families(index, x.shape)
    if all(len(axes) == 1 for axes, _ in groups):
        return x, tuple(index)
    shape = tuple([product_of([x.shape[a] for a in axes]) for axes, _ in groups])
    return reshape(x, shape), tuple([e for _, e in groups])


def digit_families(index: Sequence[Affine], shape: Sequence[Dim]) -> list[tuple[tuple[int, ...], Affine]]:
    """Axes in groups: those that hold all digits of one index together with that index."""
    groups: list[tuple[tuple[int, ...], Affine]] = []
    axis = 0
    while axis < len(index):
        found = _family(index, shape, axis)
        groups.append(found)
        axis = found[0][-1] + 1
    return groups


def _family(index: Sequence[Affine], shape: Sequence[Dim], first: int) -> tuple[tuple[int, ...], Affine]:
    """The longest run of axes from ``first`` that are the digits of one index."""
    for last in range(len(index) - 1, first, -1):
        whole = _whole(index[first : last + 1], shape[first : last + 1])
        if whole is not None:
            return tuple(range(first, last + 1)), whole
    return (first,), index[first]


def _whole(index: Sequence[Affine], shape: Sequence[Dim]) -> Affine | None:
    """The index whose digits these are."""
    values = [k.value for e in index if (k := _digit_of(e)) is not None]
    if not values:
        return None
    value = values[0]
    if not within(value, product_of(shape)):
        return None
    step: Dim = 1
    for e, size in reversed(list(zip(index, shape, strict=True))):
        key = _digit_of(e)
        if same(size, 1) and e.is_constant and same(e.constant, 0):
            continue
        if key is None or key.value != value or not same(key.divisor, step) or not same(key.modulus, size):
            return None
        step = simplified(step * size)
    return value


def _digit_of(e: Affine) -> Digit | None:
    if len(e.parts) != 1 or not same(e.constant, 0):
        return None
    ((key, c),) = e.parts.items()
    return key if isinstance(key, Digit) and same(c, 1) else None


# -- views -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Axis:
    """How one axis is read: ``steps`` by variables from ``first``, or split in mixed radix."""

    size: Dim
    steps: tuple[tuple[Variable, int], ...]
    first: Dim
    radix: tuple[Variable, ...] = ()

    @classmethod
    def of(cls, e: Affine, size: Dim) -> _Axis | None:
        order = radix_order(e)
        if order and same(product_of([v.size for v in order]), size):
            return cls(size, (), 0, tuple(order))
        if not e.is_plain or not all(isinstance(c, int) for c in e.parts.values()):
            return None
        steps = tuple([(v, c) for v, c in e.parts.items() if isinstance(v, Variable)])
        return cls(size, steps, e.constant)

    @property
    def value(self) -> Affine:
        total = constant(self.first)
        for v, c in self.steps:
            total += of(v).times(c)
        return total

    def overflow(self, guarded: frozenset[Variable]) -> tuple[Dim, Dim]:
        """How far the index leaves the axis before and after.

        Without a guard on its variables it cannot: the op's own rule has seen to that.
        """
        if self.radix:
            return 0, 0
        bounds = self.value.interval
        assert bounds is not None  # integer coefficients
        low, high = simplified(-bounds[0]), simplified(bounds[1] - self.size + 1)
        certain = isinstance(low, int) and isinstance(high, int)
        if not certain and guarded.isdisjoint(self.value.variables):
            return 0, 0
        return larger(low, 0), larger(high, 0)


def _viewed(x: Tensor, axes: Sequence[_Axis], guards: Sequence[Guard]) -> Grid:
    guarded = frozenset().union(*[g.value.variables for g in guards])
    widths = [a.overflow(guarded) for a in axes]
    if any(not same(w, 0) for pair in widths for w in pair):
        x = constant_pad(x, widths)
    starts, sizes, steps, windows, names = [], [], [], [], []
    for axis, (a, (before, _)) in enumerate(zip(axes, widths, strict=True)):
        start, size, step = _part(a, before, x.shape[axis])
        starts.append(start)
        sizes.append(size)
        steps.append(step)
        windows.append(a.steps if len(a.steps) > 1 else ())
        single = tuple([v for v, _ in a.steps])
        names.append(a.radix or (single if len(single) < 2 else (Variable(size, "h"),)))
    whole = all(same(s, 0) for s in starts) and all(s == 1 for s in steps) and same_shape(sizes, x.shape)
    if not whole:
        x = strided_part(x, starts, sizes, steps)
    shape = [v.size for group in names for v in group]
    if not same_shape(shape, x.shape):
        x = reshape(x, tuple(shape))
    grid = Grid(x, tuple([v for group in names for v in group]))
    for steps_of, stand_in in zip(windows, names, strict=True):
        if steps_of:
            grid = _windowed(grid, stand_in[0], steps_of)
    return grid.over_diagonals()


def _part(a: _Axis, before: Dim, size: Dim) -> tuple[Dim, Dim, int]:
    """Start, size and step of the part of an axis that is read."""
    if a.radix:
        return 0, size, 1
    if not a.steps:
        return simplified(a.first + before), 1, 1
    if len(a.steps) == 1:
        ((v, c),) = a.steps
        return simplified(a.first + before), v.size, c
    low: Dim = simplified(a.first + before)
    span: Dim = 1
    for v, c in a.steps:
        reach = simplified(abs(c) * (v.size - 1))
        span = simplified(span + reach)
        low = low if c > 0 else simplified(low - reach)
    return low, span, 1


def _windowed(grid: Grid, stand_in: Variable, steps: Sequence[tuple[Variable, int]]) -> Grid:
    """The axis of ``stand_in``, which holds the whole span, read by several variables."""
    axis = grid.axes.index(stand_in)
    backwards = [v for v, c in steps if c < 0]
    order = sorted(steps, key=lambda s: (_extent(s[0]), abs(s[1])))
    x, names = grid.tensor, list(grid.axes)
    while len(order) > 1:
        element, dilation = order.pop(0)
        stride = abs(order[0][1]) if len(order) == 1 else 1
        x = apply(
            WINDOW, (x,), axes=(axis,), size=(element.size,), stride=(stride,), dilation=(abs(dilation),)
        )
        names.append(element)
    names[axis] = order[0][0]
    # The same variable may also index another axis: only this window's axes are turned round.
    mine = {names[axis]: axis} | {v: a for a, v in enumerate(names) if a >= len(grid.axes)}
    reversed_axes = tuple([mine[v] for v in backwards])
    return Grid(flip(x, reversed_axes) if reversed_axes else x, tuple(names))


def _extent(v: Variable) -> float:
    """A variable's size for comparison: a symbolic one counts as large."""
    return v.size if isinstance(v.size, int) else float("inf")
