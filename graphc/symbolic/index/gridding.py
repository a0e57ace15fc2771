"""Arrays over index variables: what one axis for each variable means, and how such arrays are lined up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphc.ir.build import apply
from graphc.ir.dimension import Dim, same, same_shape
from graphc.ir.tensor import Tensor
from graphc.ops import elementwise as ew
from graphc.ops.einsum_equation import LETTERS
from graphc.ops.linear_algebra import EINSUM
from graphc.ops.shape import broadcast_to, reshape, transpose
from graphc.ops.sources import arange, constant, dimension_value
from graphc.symbolic.index.affine import Affine, Digit, Gather, Key, Variable


@dataclass(frozen=True, eq=False)
class Grid:
    """A tensor with one axis for each variable, of the variable's size."""

    tensor: Tensor
    axes: tuple[Variable, ...]

    def transposed(self, order: Sequence[Variable]) -> Grid:
        """The same with its axes in another order."""
        wanted = tuple(order)
        if wanted == self.axes:
            return self
        return Grid(transpose(self.tensor, [self.axes.index(v) for v in wanted]), wanted)

    def aligned(self, axes: Sequence[Variable]) -> Tensor:
        """The tensor with an axis for each of ``axes``, of size 1 where it does not depend on one."""
        mine = self.transposed([v for v in axes if v in self.axes])
        first = next((i for i, v in enumerate(axes) if v in self.axes), len(axes))
        shape = [v.size if v in self.axes else 1 for v in axes]
        if len(mine.axes) == len(axes) - first:
            return mine.tensor  # leading axes broadcast by themselves
        return reshape(mine.tensor, tuple(shape))

    def spread(self, axes: Sequence[Variable]) -> Tensor:
        """The tensor over all of ``axes``, repeated along those it does not depend on."""
        whole = tuple([v.size for v in axes])
        tensor = self.aligned(axes)
        return tensor if same_shape(tensor.shape, whole) else broadcast_to(tensor, whole)

    def over_diagonals(self) -> Grid:
        """The grid with each variable once."""
        once = tuple(dict.fromkeys(self.axes))
        if len(once) == len(self.axes):
            return self
        return Grid(apply(EINSUM, (self.tensor,), equation=equation_of([self.axes], once)), once)


def union(groups: Iterable[Sequence[Variable]]) -> tuple[Variable, ...]:
    """Every variable of the groups once, in order."""
    return tuple(dict.fromkeys(v for group in groups for v in group))


def equation_of(operands: Sequence[Sequence[Variable]], output: Sequence[Variable]) -> str:
    """The einsum equation: a letter for each variable."""
    letters = dict(zip(union([*operands, output]), LETTERS, strict=False))
    left = ",".join("".join(letters[v] for v in axes) for axes in operands)
    return f"{left}->{''.join(letters[v] for v in output)}"


def joined(grids: Sequence[Grid], output: Sequence[Variable]) -> Grid:
    """The product of the grids, summed over the variables that are not in ``output``."""
    wanted = tuple(output)
    summed = any(v not in wanted for g in grids for v in g.axes)
    if not summed and (len(grids) == 1 or any(set(g.axes) == set(wanted) for g in grids)):
        product = grids[0].transposed([v for v in wanted if v in grids[0].axes])
        for g in grids[1:]:
            both = [v for v in wanted if v in product.axes or v in g.axes]
            product = Grid(ew.multiply(product.aligned(both), g.aligned(both)), tuple(both))
        return product
    tensors = tuple([g.tensor for g in grids])
    return Grid(apply(EINSUM, tensors, equation=equation_of([g.axes for g in grids], wanted)), wanted)


def number(value: Dim) -> Tensor:
    """A size as a 64-bit integer."""
    return constant(value, "int64") if isinstance(value, int) else dimension_value(value)


def counted(value: Affine, reader: Reader) -> Grid:
    """The index itself as a grid of 64-bit integers."""
    total: Grid | None = None
    for key, c in value.parts.items():
        part = _counted_key(key, reader)
        if not same(c, 1):
            part = Grid(ew.multiply(part.tensor, number(c)), part.axes)
        if total is None:
            total = part
        else:
            axes = union([total.axes, part.axes])
            total = Grid(ew.add(total.aligned(axes), part.aligned(axes)), axes)
    if total is None:
        return Grid(number(value.constant), ())
    if same(value.constant, 0):
        return total
    return Grid(ew.add(total.tensor, number(value.constant)), total.axes)


class Reader:
    """What turns elements of integer tensors into grids."""

    def gathered(self, key: Gather) -> Grid:
        raise NotImplementedError


def _counted_key(key: Key, reader: Reader) -> Grid:
    if isinstance(key, Variable):
        return Grid(arange(key.size), (key,))
    if isinstance(key, Gather):
        return reader.gathered(key)
    assert isinstance(key, Digit)
    inner = counted(key.value, reader)
    whole = inner.tensor
    if not same(key.divisor, 1):
        whole = ew.floor_divide(whole, number(key.divisor))
    return Grid(ew.remainder(whole, number(key.modulus)), inner.axes)
