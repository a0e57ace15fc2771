"""Raising: sums of terms in index notation enter; graphs of ordinary ops that compute them leave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import sympy

from graphc.ir.dimension import Shape, same, same_shape
from graphc.ir.dtype import DType
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.ops.shape import broadcast_to
from graphc.ops.sources import filled
from graphc.symbolic.index.affine import Affine, Variable, constant, in_order, radix_order, within
from graphc.symbolic.index.contraction import Contraction, Operand
from graphc.symbolic.index.convolving import as_transposed_convolution
from graphc.symbolic.index.gridding import Grid, union
from graphc.symbolic.index.placing import is_laid, placed
from graphc.symbolic.index.reading import Views, is_viewed
from graphc.symbolic.index.risk import is_risky
from graphc.symbolic.index.terms import Atom, Bracket, Call, Guard, Read, Term, reads_of
from graphc.symbolic.local import read_symbol
from graphc.symbolic.raising import Raiser


@dataclass(frozen=True, eq=False)
class Raised:
    """A tensor; ``guarding``: where it is 0 it was chosen to be, and wins over an undefined factor."""

    tensor: Tensor
    guarding: bool


class TermRaiser:
    """Builds the graph of sums; ``residue`` says what no op expresses and runs as index code.

    Beside zeros that were chosen, all but the tensors ``certain`` may be infinite or undefined.
    """

    def __init__(self, dtype: DType, certain: Set[Tensor] = frozenset()) -> None:
        self._dtype, self._certain = dtype, certain
        self._views = Views(dtype)

    @property
    def residue(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._views.residue))

    def tensor(self, terms: Sequence[Term], shape: Shape) -> Raised:
        """The tensor of a shape whose element at each target is the sum of the terms there."""
        groups: dict[tuple[Affine, ...], list[Term]] = {}
        for term in terms:
            if not _is_empty(term):
                groups.setdefault(term.target, []).append(term)
        found = [self._placed(target, group, shape) for target, group in groups.items()]
        total = _added([f.tensor for f in found])
        if total is None:
            return Raised(broadcast_to(filled(0.0, self._dtype), shape), False)
        return Raised(total, all(f.guarding for f in found))

    def _placed(self, target: tuple[Affine, ...], terms: Sequence[Term], shape: Shape) -> Raised:
        axes = tuple(dict.fromkeys(v for e in target for v in _ordered(e)))
        if len(terms) == 1 and (found := self._transposed(terms[0], shape, axes)) is not None:
            return Raised(found, any(a.guarding for a, _ in terms[0].factors if isinstance(a, Read)))
        inside: frozenset[Guard] = frozenset()
        if is_laid(target, shape):
            inside = frozenset(g for e, size in zip(target, shape, strict=True) for g in _range(e, size))
        grids, guarding = [], True
        for term in terms:
            grid, guards = self._term(term, axes, inside)
            grids.append(grid)
            guarding = guarding and guards
        total = _sum(grids, axes)
        whole = Grid(total.spread(axes), axes)
        if all(e.variable is not None for e in target) and len(axes) == len(target):
            sizes = tuple([v.size for v in axes])
            if same_shape(sizes, shape):
                return Raised(whole.tensor, guarding)
        return Raised(placed(whole, target, shape, self._views), guarding)

    def _transposed(self, term: Term, shape: Shape, axes: Sequence[Variable]) -> Tensor | None:
        reads = [a for a, n in term.factors if isinstance(a, Read) and n == 1]
        if len(reads) != 2 or len(term.factors) != 2:
            return None
        inside = {g for e, size in zip(term.target, shape, strict=True) for g in _range(e, size)}
        if any(g not in inside for g in term.guards):
            return None
        gone = {v for v in term.bound if v not in axes}
        found = as_transposed_convolution(reads, term.target, shape, gone, self._views)
        return None if found is None else scaled(found, term.constant)

    def factor(self, atom: Atom, exponent: int) -> Grid:
        """A power of a factor that is no condition, over its own indices."""
        operand = self._operand(atom, exponent, ())
        if operand.grid is not None:
            return operand.grid
        assert operand.read is not None
        return self._views.grid(operand.read, ())

    # -- one term ------------------------------------------------------------------------------------
    def grid(self, terms: Sequence[Term], axes: Sequence[Variable]) -> Grid:
        """A sum of terms without targets, as a grid over (some of) these axes."""
        kept = [t for t in terms if not _is_empty(t)]
        return (
            _sum([self._term(t, axes, frozenset())[0] for t in kept], axes)
            if kept
            else Grid(filled(0.0, self._dtype), ())
        )

    def _term(self, term: Term, axes: Sequence[Variable], inside: frozenset[Guard]) -> tuple[Grid, bool]:
        guards = sorted((g for g in term.guards if g not in inside), key=repr)
        absorbed = _absorbed(term, guards)
        masks = sorted((g for g in guards if g not in absorbed), key=repr)
        constant_ = term.constant
        operands = self._guarded([(self._operand(a, n, guards), a) for a, n in term.factors])
        present = frozenset().union(*[o.variables for o in operands], *[m.value.variables for m in masks])
        summed = [v for v in term.bound if v not in axes]
        for v in summed:
            if v not in present:
                constant_ = constant_ * v.size
        if not operands and masks:
            ones = self._ones(v for v in dict.fromkeys([*axes, *in_order(present)]) if v in present)
            operands = [Operand(None, ones, present)]
        elif masks:
            covered = frozenset().union(*[o.variables for o in operands])
            missing = [v for v in summed if v in present and v not in covered]
            if missing:
                operands.append(Operand(None, self._ones(missing), frozenset(missing)))
        contraction = Contraction(operands, masks, self._views, tuple(guards))
        found = contraction.summed([v for v in summed if v in present], axes)
        guarding = any(o.guarding for o in operands)  # a sum of zeros that were chosen is one too
        if found is None:
            found = Grid(filled(1.0, self._dtype), ())
        return Grid(scaled(found.tensor, constant_), found.axes), guarding

    def _guarded(self, factors: Sequence[tuple[Operand, Atom]]) -> list[Operand]:
        """The operands; beside one that guards, all that may be infinite or undefined are risky."""
        if not any(operand.guarding for operand, _ in factors):
            return [operand for operand, _ in factors]
        return [
            replace(o, risky=o.risky or any(r.tensor not in self._certain for r in reads_of([atom])))
            for o, atom in factors
        ]

    def _ones(self, variables: Iterable[Variable]) -> Grid:
        axes = tuple(dict.fromkeys(variables))
        return Grid(broadcast_to(filled(1.0, self._dtype), tuple([v.size for v in axes])), axes)

    def _operand(self, atom: Atom, exponent: int, guards: Sequence[Guard]) -> Operand:
        if isinstance(atom, Read):
            risky = is_risky(atom, exponent)
            if exponent == 1:
                return Operand(atom, None, atom.variables, atom.guarding, risky)
            grid = self._views.grid(atom, guards)
            return Operand(
                None, Grid(raised_power(grid.tensor, exponent), grid.axes), frozenset(grid.axes), risky=risky
            )
        if isinstance(atom, Bracket):
            order = ordered_variables(atom)
            grid = self.grid(atom.terms, order)
            if exponent != 1:
                grid = Grid(raised_power(grid.tensor, exponent), grid.axes)
            return Operand(None, grid, frozenset(grid.axes), risky=is_risky(atom, exponent))
        return self._call(atom, exponent, guards)

    def _call(self, atom: Call, exponent: int, guards: Sequence[Guard]) -> Operand:
        grids = [self._views.grid(r, guards) for r in atom.reads]
        axes = union([g.axes for g in grids])
        known = {}
        for position, (read, grid) in enumerate(zip(atom.reads, grids, strict=True)):
            known[read_symbol(position, read.tensor.dtype.kind == "b")] = grid.aligned(axes)
        if atom.chooses and exponent == 1 and len(atom.expression.args) == 2:
            (value, condition), _ = atom.expression.args
            if value == 0:
                condition = sympy.Not(condition)
            holds = Raiser(known, self._dtype).raised(condition)
            grid = Grid(holds, axes)
            return Operand(None, None, frozenset(axes), atom.guarding, condition=grid)
        tensor = Raiser(known, self._dtype).raised(atom.expression)
        if exponent != 1:
            tensor = raised_power(tensor, exponent)
        return Operand(None, Grid(tensor, axes), frozenset(axes), atom.guarding, risky=not atom.guarding)


def ordered_variables(bracket: Bracket) -> tuple[Variable, ...]:
    """The bracket's variables as its reads have them, then those of guards alone."""
    free = bracket.variables
    read = [v for read in reads_of([bracket]) for e in read.index for v in _ordered(e) if v in free]
    return tuple(dict.fromkeys([*read, *in_order(free)]))


def _ordered(e: Affine) -> list[Variable]:
    order = radix_order(e)
    if order is not None:
        return order
    plain = [k for k in e.parts if isinstance(k, Variable)]
    rest = e.variables - set(plain)
    return [*plain, *in_order(rest)]


def _range(e: Affine, size: Any) -> tuple[Guard, Guard]:
    return Guard(e), Guard(constant(size - 1) - e)


def _is_empty(term: Term) -> bool:
    return any(same(v.size, 0) for v in term.bound)


def _absorbed(term: Term, guards: Sequence[Guard]) -> frozenset[Guard]:
    """The guards that a bare factor makes good by being 0 outside of its tensor."""
    bare: set[Guard] = set()
    other: set[Variable] = set()
    for atom, exponent in term.factors:
        if isinstance(atom, Read) and exponent == 1 and is_viewed(atom):
            for e, size in zip(atom.index, atom.tensor.shape, strict=True):
                if e.is_plain and not within(e, size):
                    bare |= set(_range(e, size))
        else:
            other |= atom.variables
    found = set()
    for guard in guards:
        if guard in bare and not guard.equal and (guard.value.variables.isdisjoint(other)):
            found.add(guard)
    return frozenset(found)


def _sum(grids: Sequence[Grid], axes: Sequence[Variable]) -> Grid:
    """The sum of grids, over the axes that they have among them."""
    present = tuple([v for v in axes if any(v in g.axes for g in grids)])
    if len(grids) == 1:
        return grids[0].transposed(present)
    total = _added([g.aligned(present) for g in grids])
    assert total is not None  # there are two or more
    whole = tuple([v.size for v in present])
    return Grid(total if same_shape(total.shape, whole) else broadcast_to(total, whole), present)


def _added(tensors: Sequence[Tensor]) -> Tensor | None:
    """The sum; what is negative is subtracted, after something positive where there is one."""
    positive = [t for t in tensors if t.op is not ew.NEGATIVE]
    negative = [t.inputs[0] for t in tensors if t.op is ew.NEGATIVE]
    total: Tensor | None = None
    for t in positive:
        total = t if total is None else ew.add(total, t)
    if total is None:
        for t in negative:
            total = t if total is None else ew.add(total, t)
        return None if total is None else ew.negative(total)
    for t in negative:
        total = ew.subtract(total, t)
    return total


def scaled(tensor: Tensor, factor: Any) -> Tensor:
    """The tensor times a number or an expression of sizes."""
    factor = sympy.sympify(factor)
    if factor == 1:
        return tensor
    if factor.could_extract_minus_sign():
        return ew.negative(scaled(tensor, -factor))
    above, below = sympy.fraction(factor)
    raiser = Raiser({}, tensor.dtype)
    if above != 1:
        ones = tensor.op.name == "constant" and tensor.shape == () and float(tensor.attrs["value"]) == 1.0
        tensor = raiser.raised(above) if ones else ew.multiply(tensor, raiser.raised(above))
    return tensor if below == 1 else ew.divide(tensor, raiser.raised(below))


def raised_power(tensor: Tensor, exponent: int) -> Tensor:
    """An integer power by the cheapest ops."""
    if exponent < 0:
        return ew.reciprocal(raised_power(tensor, -exponent))
    if exponent == 1:
        return tensor
    return ew.square(tensor) if exponent == 2 else ew.power(tensor, filled(float(exponent), tensor.dtype))
