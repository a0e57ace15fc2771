"""What the cotangent of a loop's packed result is made of, and how cotangents add up over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphc.autodiff.pieces import reshape, sum_over, total, transpose
from graphc.ir.dimension import Dim, same, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import ADD, add
from graphc.ops.linear_algebra import MATMUL, matmul
from graphc.ops.loop import Loop
from graphc.ops.reductions import SUM
from graphc.ops.shape import CONCATENATE, EMBED, TRANSPOSE, embed


def addends_of(value: Tensor) -> list[Tensor]:
    """The nodes of which the value is the sum."""
    found, stack = [], [value]
    while stack:
        node = stack.pop()
        if node.op is ADD and all(i.shape == node.shape for i in node.inputs):
            stack += reversed(node.inputs)
        else:
            found.append(node)
    return found


@dataclass
class Pieces:
    """The cotangent of a packed result by its parts; what is not there is zero."""

    final: dict[int, Tensor] = field(default_factory=dict)
    before: dict[int, Tensor] = field(default_factory=dict)
    after: dict[int, Tensor] = field(default_factory=dict)
    outputs: dict[int, Tensor] = field(default_factory=dict)


def taken_apart(loop: Loop, cotangent: Tensor) -> Pieces:
    """The cotangent taken apart.

    It is a sum of parts put into zeros where each part of the result was read, so most are found as
    they were, without the zeros around them.
    """
    at = loop.layout
    pieces = Pieces()
    places = [
        (found, number, part)
        for found, parts in (
            (pieces.outputs, at.outputs), (pieces.final, at.final),
            (pieces.after, at.after), (pieces.before, at.before),
        )
        for number, part in enumerate(parts) if part is not None
    ]  # fmt: skip
    rest = []
    for addend in addends_of(cotangent):
        for start, value in _placed(addend):
            for found, number, part in places:
                if same(start, part.start) and same(value.shape[0], part.size):
                    _put(found, number, reshape(value, part.shape))
                    break
            else:
                rest.append(embed(value, cotangent.shape, (start,), (1,)))
    if rest:
        value = total(rest)
        for found, number, part in places:
            if found is not pieces.after:  # the slots after a step are those before the next, and the last
                _put(found, number, part.of(value))
    return pieces


def _placed(value: Tensor) -> list[tuple[Dim, Tensor]]:
    """A vector as pieces among zeros, each with its start."""
    if value.op is EMBED and value.attrs["step"] == (1,):
        return [(value.attrs["start"][0], value.inputs[0])]
    if value.op is CONCATENATE:
        pieces: list[tuple[Dim, Tensor]] = []
        at: Dim = 0
        for piece in value.inputs:
            pieces.append((at, piece))
            at = simplified(at + piece.shape[0])
        return pieces
    return [(0, value)]


def _put(found: dict[int, Tensor], number: int, value: Tensor) -> None:
    found[number] = add(found[number], value) if number in found else value


class StepSums:
    """How the sum over the steps is formed of what each constant is owed.

    ``outputs`` are what the loop stacks, ``known`` the sequences that exist already; ``varying`` what
    changes from step to step. The sum of products Aᵀ·B of matrices is one product of the stacked A and
    B, far quicker than many small ones that are added up. ``inside`` is left to carries of the loop.
    """

    def __init__(
        self, outputs: Sequence[Tensor], known: Mapping[Tensor, Tensor], varying: set[Tensor]
    ) -> None:
        self.outputs = [o for o in dict.fromkeys(outputs) if o not in known]
        self.known, self.varying = known, varying
        self.inside: dict[Tensor, Tensor] = {}
        self._products: list[tuple[Tensor, Tensor, Tensor]] = []
        self._sums: list[tuple[Tensor, Tensor]] = []

    def stacked(self, node: Tensor, backward: Loop | None) -> Tensor:
        """The values of a node at all steps: a sequence that is there, or an output of the loop."""
        if node in self.known:
            return self.known[node]
        assert backward is not None
        return backward.output(next(k for k, o in enumerate(self.outputs) if o is node))

    def take(self, constant: Tensor, value: Tensor) -> None:
        """One constant and what a step owes it."""
        left = []
        for addend in addends_of(value):
            if addend.op is MATMUL and all(i.ndim == 2 and i in self.varying for i in addend.inputs):
                a, b = addend.inputs
                a = a.inputs[0] if a.op is TRANSPOSE else transpose(a, (1, 0))
                for node in (a, b):
                    if not self._is_stacked(node):
                        self.outputs.append(node)
                self._products.append((constant, a, b))
            elif addend.op is SUM and not addend.attrs["keepdims"] and self._is_stacked(addend.inputs[0]):
                self._sums.append((constant, addend))
            else:
                left.append(addend)
        if left:
            self.inside[constant] = total(left)

    def _is_stacked(self, node: Tensor) -> bool:
        return node in self.known or any(node is o for o in self.outputs)

    def after(self, backward: Loop | None) -> dict[Tensor, list[Tensor]]:
        """The parts of the sums that are formed after the loop, which may not be needed at all."""
        found: dict[Tensor, list[Tensor]] = {}

        def rows(node: Tensor) -> Tensor:
            sequence = self.stacked(node, backward)
            steps, count, width = sequence.shape
            return reshape(sequence, (simplified(steps * count), width))

        for constant, a, b in self._products:
            part = matmul(transpose(rows(a), (1, 0)), rows(b))
            found.setdefault(constant, []).append(part)
        for constant, addend in self._sums:
            axes = (0, *(axis + 1 for axis in addend.attrs["axis"]))
            found.setdefault(constant, []).append(sum_over(self.stacked(addend.inputs[0], backward), axes))
        return found
