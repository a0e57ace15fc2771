"""Writing over what is read: a schedule enters; which step may write its result over which operand leaves.

An elementwise step reads each element before it writes the one in its place. So its result may take the
memory of an operand that nothing needs later, where all it reads of that memory lies element for element
in the order of the result. A region does the same row by row, if it reads those rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from graphc.codegen.emitters import EMITTERS
from graphc.codegen.schedule import Schedule, results_of
from graphc.codegen.tiling.region import Operand, Region, Result
from graphc.codegen.views import is_contiguous, owner
from graphc.ir.dimension import element_count, same, same_shape
from graphc.ir.tensor import Tensor


class Reads:
    """Who reads what when. ``owners`` gives each node the one whose memory holds it.

    Outputs are read behind the last step, but for those that are ``added`` up as soon as they are there.
    """

    def __init__(self, schedule: Schedule, added: frozenset[Tensor] = frozenset()) -> None:
        self.schedule, self.added = schedule, added
        self.owners = {node: owner(node) for node in schedule.order}
        self.made = {r: k for k, step in enumerate(schedule.steps) for r in results_of(step)}
        self.last_use = self._last_uses()
        self._rows: dict[Region, dict[Tensor, Operand]] = {}
        self._results: dict[Region, dict[Tensor, Result]] = {}

    def _last_uses(self) -> dict[Tensor, int]:
        last = dict(self.made)
        for position, step in enumerate(self.schedule.steps):
            for operand in step.inputs:
                last[self.owners[operand]] = position
        end = len(self.schedule.steps)
        for output in self.schedule.graph.outputs:
            if output not in self.added:
                last[self.owners[output]] = end
        for _, new in self.schedule.graph.updates:
            last[new] = end
        return last

    def may_overwrite(self, step: Tensor, position: int, base: Tensor) -> bool:
        """Whether the step may write over the memory of this operand, as far as its own reads go."""
        allowed = EMITTERS[step.op.name].overwrites(step)
        if self.owners[step.inputs[position]] is not base or position not in allowed:
            return False
        for k, other in enumerate(step.inputs):
            if self.owners[other] is base and not (k in allowed and self._aligned(other, base, step)):
                return False
        return base.dtype == step.dtype

    @staticmethod
    def _aligned(operand: Tensor, base: Tensor, step: Tensor) -> bool:
        return (
            same_shape(operand.shape, step.shape)
            and is_contiguous(operand)
            and (operand is base or same_shape([element_count(operand.shape)], [element_count(base.shape)]))
        )

    def may_replace(self, value: Tensor, base: Tensor) -> bool:
        """Whether the value may be written over ``base``: nothing reads that later, or all at once does."""
        position, last = self.made[value], self.last_use.get(base, -1)
        if last != position:
            return last < position
        step = self.schedule.steps[position]
        if isinstance(step, Region):
            operand, result = self.rows_of(step).get(base), self.results_of(step)[value]
            return operand is not None and replaces_rows(result, operand)
        return any(self.may_overwrite(step, k, base) for k in range(len(step.inputs)))

    def rows_of(self, region: Region) -> Mapping[Tensor, Operand]:
        """The values of which a region reads some rows alone, and always the same; by what operand."""
        if region not in self._rows:
            operands: dict[Tensor, list[Operand]] = {}
            for operand in region.operands:
                operands.setdefault(self.owners[operand.outside], []).append(operand)
            self._rows[region] = {
                base: found[0]
                for base, found in operands.items()
                if len(found) == 1 and found[0].outside is base and found[0].part is not None
            }
        return self._rows[region]

    def results_of(self, region: Region) -> Mapping[Tensor, Result]:
        """A region's results by what they are around it."""
        if region not in self._results:
            self._results[region] = {r.outside: r for r in region.results}
        return self._results[region]


def replaces_rows(result: Result, operand: Operand) -> bool:
    """Whether a region computes of a result the rows that it reads of an operand."""
    old, new = operand.outside, result.outside
    return (
        result.part == operand.part
        and result.part is not None
        and result.part.outer == 1
        and old.dtype == new.dtype
        and same_shape(old.shape, new.shape)
    )


def added_up(region: Region) -> frozenset[Tensor]:
    """What each tile of a region adds to the part of its lane."""
    return frozenset([r.inside for r in region.results if r.part is None and region.lanes is not None])


def is_in_one_piece(result: Result) -> bool:
    """Whether what a tile gives lies in one piece of the result."""
    part = result.part
    return part is None or (part.outer == 1 and all(same(s, 1) for s in result.outside.shape[: part.axis]))
