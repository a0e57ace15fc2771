"""The walk back from an output to an input: a box of the output enters, the box that it sees leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from graphc.analysis.boxes import Box, Interval, Slopes, clipped, is_empty, union, whole
from graphc.analysis.reach import REACH, Question, reads_everything
from graphc.analysis.tables import Tables
from graphc.ir.dimension import simplified
from graphc.ir.tensor import Tensor


class Walk:
    """The nodes between an input and an output, asked again and again.

    ``nodes`` are those on the way, inputs before users; ``periods`` says, once boxes were followed, for
    each axis of the output after how many steps along it the field has the same form again.
    """

    def __init__(self, nodes: Sequence[Tensor], y: Tensor, x: Tensor) -> None:
        self.y, self.x = y, x
        self.nodes = nodes
        self._on_the_way = set(nodes)
        self.periods = [1] * y.ndim
        self._tables = Tables()
        self._still: Slopes = (Fraction(0),) * y.ndim

    def all_moving(self) -> Box | None:
        """What all of y sees, with the slopes that one element would have."""
        box = [Interval(0, simplified(n - 1), self._one(a)) for a, n in enumerate(self.y.shape)]
        return self._seen(tuple(box), Question(self._still, self._tables))

    def field(self, at: Sequence[int | None], inside: bool = False) -> Box | None:
        """What the element of y at a place sees, None being all along an axis; None where it is nothing."""
        box = [
            whole(n, self._still) if place is None else Interval(place, place, self._one(a))
            for a, (n, place) in enumerate(zip(self.y.shape, at, strict=True))
        ]
        return self._seen(tuple(box), Question(self._still, self._tables, inside))

    def _one(self, axis: int) -> Slopes:
        return tuple([Fraction(int(a == axis)) for a in range(self.y.ndim)])

    def _seen(self, box: Box, question: Question) -> Box | None:
        """What of x the box of y sees.

        A node's box is around all that its users want of it.
        """
        wanted: dict[Tensor, Box] = {self.y: box}
        for node in reversed(self.nodes):
            if node is self.x or node not in wanted:
                continue
            own = wanted.pop(node)
            rule = REACH.get(node.op, reads_everything)
            for source, part in zip(node.inputs, rule(node, own, question), strict=True):
                if part is None or source not in self._on_the_way:
                    continue
                self._count_periods(part)
                if question.inside:
                    part = clipped(part, source.shape)
                if not is_empty(part):
                    before = wanted.get(source)
                    wanted[source] = part if before is None else union(before, part, source.shape)
        return wanted.get(self.x)

    def _count_periods(self, box: Box) -> None:
        for i in box:
            for axis, slope in enumerate(i.slopes):
                if slope is not None and slope.denominator != 1:
                    self.periods[axis] = math.lcm(self.periods[axis], slope.denominator)
