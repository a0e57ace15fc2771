"""Contraction: factors over index variables enter; their product, summed over some variables, leaves.

One variable after the other is summed out, beginning with the one whose factors make the smallest product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.ir.dimension import Dim, same
from graphc.ops import elementwise as ew
from graphc.ops.reductions import cumsum
from graphc.ops.reductions import sum as sum_over
from graphc.ops.shape import flip
from graphc.ops.sources import filled
from graphc.symbolic.index.affine import Affine, Variable, in_order, of
from graphc.symbolic.index.convolving import as_convolution
from graphc.symbolic.index.gridding import Grid, counted, joined, union
from graphc.symbolic.index.reading import Views
from graphc.symbolic.index.terms import Guard, Read

SIZE_HINT = 64  # what a symbolic size counts as when orders are compared


@dataclass(frozen=True, eq=False)
class Operand:
    """A factor: a read that is still to be viewed, or a grid.

    ``guarding``: where it is 0 it wins over an undefined factor; ``risky``: it may be infinite or NaN;
    ``condition``: it is 1 where this holds and 0 elsewhere, so that what it multiplies is chosen.
    """

    read: Read | None
    grid: Grid | None
    variables: frozenset[Variable]
    guarding: bool = False
    risky: bool = False
    condition: Grid | None = None


class Contraction:
    """The factors of one term on their way to one grid."""

    def __init__(
        self,
        operands: Sequence[Operand],
        masks: Sequence[Guard],
        views: Views,
        guards: tuple[Guard, ...] = (),
    ) -> None:
        self._operands = list(operands)
        self._masks = list(masks)
        self._views = views
        self._guards = guards

    def summed(self, variables: Sequence[Variable], kept: Sequence[Variable]) -> Grid | None:
        """The product over ``kept`` axes, summed over the variables; None of no factors at all."""
        left = [v for v in variables if self._uses(v)]
        while left:
            v = min(left, key=lambda v: (self._cost(v), *self._positions(v)))
            self._eliminate(v, left, kept)
            left = [u for u in left if u is not v and self._uses(u)]
        return self._product(kept)

    # -- which comes next ----------------------------------------------------------------------------
    def _uses(self, v: Variable) -> bool:
        return any(v in o.variables for o in self._operands)

    def _position(self, v: Variable) -> int:
        return self._positions(v)[0]

    def _positions(self, v: Variable) -> tuple[int, int]:
        """The first and the last factor that has the variable: of equal costs, the chain goes from the left.

        So an error comes back layer by layer, and the sum over the batch is last.
        """
        found = [i for i, o in enumerate(self._operands) if v in o.variables]
        return found[0], found[-1]

    def _cost(self, v: Variable) -> float:
        size = 1.0
        for u in set().union(*[o.variables for o in self._operands if v in o.variables]):
            size *= _hint(u.size)
        return size

    # -- one step ------------------------------------------------------------------------------------
    def _eliminate(self, v: Variable, left: Sequence[Variable], kept: Sequence[Variable]) -> None:
        group = [o for o in self._operands if v in o.variables]
        rest = [o for o in self._operands if v not in o.variables]
        masks = [m for m in self._masks if v in m.value.variables]
        gone = {u for u in left if not any(u in o.variables for o in rest)}
        gone -= {u for m in self._masks if m not in masks for u in m.value.variables}
        if masks:
            found = self._running_sum(group, masks, v)
            if found is None:
                found = self._masked(group, masks)
                gone = {u for u in gone if u is v}
                found = _without(found, gone)
            self._masks = [m for m in self._masks if m not in masks]
        else:
            axes = union([[u for u in _axes(o) if u not in gone] for o in group])
            found = self._joined(group, axes, gone)
        at = self._position(v)
        before = [o for o in self._operands[:at] if o not in group]
        after = [o for o in self._operands[at:] if o not in group]
        made = Operand(None, found, frozenset(found.axes), any(o.guarding for o in group))
        self._operands = [*before, made, *after]

    def _joined(self, group: Sequence[Operand], axes: Sequence[Variable], gone: set[Variable]) -> Grid:
        first = self._careful(group)
        if len(first) == 2 and all(o.read is not None for o in first):
            found = as_convolution(first[0].read, first[1].read, axes, gone, self._views, self._guards)
            if found is not None:
                return found
        grids = [self._viewed(o) for o in first]
        if len(grids) == 1:
            return _without(grids[0], {u for u in grids[0].axes if u not in axes})
        return joined(grids, [u for u in axes if any(u in g.axes for g in grids)])

    def _masked(self, group: Sequence[Operand], masks: Sequence[Guard]) -> Grid:
        """The product where the guards hold, else 0: chosen, not multiplied."""
        needed = union([*[_axes(o) for o in group], *[in_order(m.value.variables) for m in masks]])
        for o in [o for o in self._operands if o not in group]:
            if o.variables <= set(needed) and o.risky:
                group = [*group, o]
                self._operands.remove(o)
        grid = self._joined(group, needed, set())
        return self._chosen(grid, masks)

    def _chosen(self, grid: Grid, masks: Sequence[Guard]) -> Grid:
        for mask in masks:
            held = self._condition(mask)
            axes = union([grid.axes, held.axes])
            condition = held.aligned(axes)
            zero = filled(0.0, grid.tensor.dtype)
            grid = Grid(ew.where(condition, grid.aligned(axes), zero), axes)
        return grid

    def _condition(self, mask: Guard) -> Grid:
        """Where the guard holds; an equation k = t[n] as the comparison of the places k with t."""
        places = [k for k, c in mask.value.parts.items() if isinstance(k, Variable) and c == 1]
        if mask.equal and len(places) == 1:
            (k,) = places
            rest = counted(of(k) - mask.value, self._views)
            if k not in rest.axes:
                axes = (*rest.axes, k)
                holds = ew.equal(rest.aligned(axes), counted(of(k), self._views).aligned(axes))
                return Grid(holds, axes)
        index = counted(mask.value, self._views)
        return Grid((ew.equal if mask.equal else ew.greater_equal)(index.tensor, 0), index.axes)

    def _running_sum(self, group: Sequence[Operand], masks: Sequence[Guard], v: Variable) -> Grid | None:
        """Σ_v [v ≤ i] T[v] is a cumulative sum, Σ_v [v ≥ i] T[v] one from the end."""
        if len(masks) != 1 or masks[0].equal:
            return None
        ends = _compared(masks[0].value, v)
        if ends is None:
            return None
        other, upwards = ends
        axes = union([_axes(o) for o in group])
        if other in axes or not same(other.size, v.size):
            return None
        grid = self._joined(group, axes, set())
        axis = grid.axes.index(v)
        tensor = grid.tensor
        tensor = cumsum(tensor, axis) if upwards else flip(cumsum(flip(tensor, axis), axis), axis)
        return Grid(tensor, tuple([other if u is v else u for u in grid.axes]))

    def _product(self, kept: Sequence[Variable]) -> Grid | None:
        if not self._operands:
            return None if not self._masks else self._chosen(_ones(self._views), self._masks)
        if self._masks:
            axes = union([*[_axes(o) for o in self._operands]])
            grid = self._joined(self._operands, axes, set())
            return self._chosen(grid, self._masks)
        present = [v for v in kept if any(v in o.variables for o in self._operands)]
        return self._joined(self._operands, present, set())

    def _careful(self, group: Sequence[Operand]) -> list[Operand]:
        """Conditions and guarding factors joined with what they choose or guard: there a zero wins."""
        left = list(group)
        for chooser in [o for o in group if o.condition is not None]:
            left.remove(chooser)
            values = [o for o in left if o.condition is None]
            partners = [o for o in values if _is_chosen(o, chooser)]
            partners = partners or [o for o in values if o.variables >= chooser.variables][:1]
            at = min([left.index(o) for o in partners], default=0)
            left = [o for o in left if o not in partners]
            left.insert(at, self._selected(chooser, partners))
        guards = [o for o in left if o.guarding]
        covered = frozenset().union(*[o.variables for o in guards])
        risky = [o for o in left if o.risky and not o.guarding and o.variables <= covered]
        if not guards or not risky:
            return left
        first = joined([self._viewed(o) for o in guards], union([_axes(o) for o in guards]))
        second = joined([self._viewed(o) for o in risky], union([_axes(o) for o in risky]))
        axes = union([first.axes, second.axes])
        tensor = ew.absorbing_multiply(first.aligned(axes), second.aligned(axes))
        made = Operand(None, Grid(tensor, axes), frozenset(axes), guarding=True)
        return [made, *[o for o in left if o not in guards and o not in risky]]

    def _selected(self, chooser: Operand, partners: Sequence[Operand]) -> Operand:
        assert chooser.condition is not None
        grids = [self._viewed(o) for o in partners] or [Grid(self._views.one, ())]
        product = joined(grids, union([g.axes for g in grids]))
        axes = union([product.axes, chooser.condition.axes])
        zero = filled(0.0, product.tensor.dtype)
        tensor = ew.where(chooser.condition.aligned(axes), product.aligned(axes), zero)
        return Operand(None, Grid(tensor, axes), frozenset(axes), chooser.guarding)

    def _viewed(self, operand: Operand) -> Grid:
        if operand.grid is not None:
            return operand.grid
        if operand.condition is not None:
            return _viewed_condition(operand.condition, self._views)
        assert operand.read is not None
        return self._views.grid(operand.read, self._guards)


def _is_chosen(operand: Operand, chooser: Operand) -> bool:
    """Whether the operand goes below the condition: it varies no more, or might not be finite elsewhere."""
    if operand.variables <= chooser.variables:
        return True
    return operand.risky and chooser.guarding and operand.variables >= chooser.variables


def _axes(operand: Operand) -> list[Variable]:
    if operand.grid is not None:
        return list(operand.grid.axes)
    if operand.condition is not None:
        return list(operand.condition.axes)
    assert operand.read is not None
    return list(dict.fromkeys(v for e in operand.read.index for v in _ordered(e)))


def _ordered(e: Affine) -> list[Variable]:
    plain = [k for k in e.parts if isinstance(k, Variable)]
    return [*plain, *in_order(e.variables - set(plain))]


def _without(grid: Grid, gone: set[Variable]) -> Grid:
    axes = tuple([a for a, v in enumerate(grid.axes) if v in gone])
    if not axes:
        return grid
    return Grid(sum_over(grid.tensor, axis=axes), tuple([v for v in grid.axes if v not in gone]))


def _compared(value: Affine, v: Variable) -> tuple[Variable, bool] | None:
    """The other variable i where value is i − v (True) or v − i (False)."""
    if len(value.parts) != 2 or not same(value.constant, 0):
        return None
    (other,) = [k for k in value.parts if k is not v] if v in value.parts else [None]
    if not isinstance(other, Variable):
        return None
    if value == of(other) - of(v):
        return other, True
    return (other, False) if value == of(v) - of(other) else None


def _hint(size: Dim) -> float:
    return float(size) if isinstance(size, int) else float(SIZE_HINT)


def _ones(views: Views) -> Grid:
    return Grid(views.one, ())


def _viewed_condition(condition: Grid, views: Views) -> Grid:
    return Grid(ew.where(condition.tensor, views.one, filled(0.0, views.one.dtype)), condition.axes)
