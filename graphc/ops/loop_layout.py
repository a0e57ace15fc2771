"""How a loop's results lie in one 1-dimensional tensor: a body and a length enter, places of parts leave.

A node has one output, so the results of a loop are packed: first the carries, then the stacked outputs,
each flattened. A recorded carry has length + 1 slots, the value before the first step included, so that
its values before each step, after each step and at the end are parts of one piece of memory that the
loop writes once. A carry that is not recorded has one slot, its final value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.ir.body import Body
from graphc.ir.dimension import Dim, Shape, element_count, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.shape import reshape, strided_part


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a packed result: where it starts, and the shape that its elements have."""

    start: Dim
    shape: Shape

    @property
    def size(self) -> Dim:
        """The number of elements."""
        return simplified(element_count(self.shape))

    def of(self, packed: Tensor) -> Tensor:
        """This part of a packed result, in its shape: a view."""
        return reshape(strided_part(packed, (self.start,), (self.size,), (1,)), self.shape)


@dataclass(frozen=True)
class Layout:
    """The parts of a packed result.

    ``whole`` holds each carry's slots, ``final`` its last value, ``before`` and ``after`` its values
    around each step (None for a carry that is not recorded), stacked in the order of the sequences;
    ``outputs`` the stacked outputs; ``total`` is the number of elements.
    """

    whole: tuple[Part, ...]
    final: tuple[Part, ...]
    before: tuple[Part | None, ...]
    after: tuple[Part | None, ...]
    outputs: tuple[Part, ...]
    total: Dim


def layout(body: Body, length: Dim, record: Sequence[bool], reverse: bool) -> Layout:
    """The layout of the loop's results.

    A loop that runs in reverse fills the slots of a recorded carry from the last to the first.
    """
    whole: list[Part] = []
    final: list[Part] = []
    before: list[Part | None] = []
    after: list[Part | None] = []
    at: Dim = 0
    for carry, recorded in zip(body.carries, record, strict=True):
        shape, size = carry.shape, element_count(carry.shape)
        if recorded:
            early, late = Part(at, (length, *shape)), Part(simplified(at + size), (length, *shape))
            whole.append(Part(at, (simplified(length + 1), *shape)))
            final.append(Part(at if reverse else simplified(at + length * size), shape))
            before.append(late if reverse else early)
            after.append(early if reverse else late)
        else:
            whole.append(Part(at, shape))
            final.append(Part(at, shape))
            before.append(None)
            after.append(None)
        at = simplified(at + whole[-1].size)
    outputs = []
    for output in body.outputs:
        outputs.append(Part(at, (length, *output.shape)))
        at = simplified(at + outputs[-1].size)
    return Layout(tuple(whole), tuple(final), tuple(before), tuple(after), tuple(outputs), at)
