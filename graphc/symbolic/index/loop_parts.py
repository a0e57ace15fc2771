"""The derivative by a loop's packed result, by its parts; what no path leads to is not there."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphc.ir.dimension import Shape, same, same_shape
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import add
from graphc.ops.loop import SCAN, Loop
from graphc.ops.loop_layout import Part
from graphc.ops.shape import RESHAPE, SLICE, moveaxis, reshape, strided_part
from graphc.symbolic.index.raising import Raised

Place = tuple[str, int]
"""A part of a packed result: which of the layout's lists it is in, and where."""

_LISTS = ("final", "outputs", "after", "before")


def part_of(view: Tensor) -> Place | None:
    """The part of a loop's result that the node cuts out, if it is just one."""
    if view.op is not SLICE or view.inputs[0].op is not SCAN or view.attrs["step"] != (1,):
        return None
    for name, number, part in _parts(Loop(view.inputs[0])):
        if same(view.attrs["start"][0], part.start) and same(view.shape[0], part.size):
            return name, number
    return None


def _shaped(tensor: Tensor, shape: Shape) -> Tensor:
    """The elements in another shape: as they were, where the tensor is a view of such a one."""
    if tensor.op is RESHAPE and same_shape(tensor.inputs[0].shape, shape):
        return tensor.inputs[0]
    return reshape(tensor, shape)


def _parts(loop: Loop) -> list[tuple[str, int, Part]]:
    return [
        (name, number, part)
        for name in _LISTS
        for number, part in enumerate(getattr(loop.layout, name))
        if part is not None
    ]


@dataclass
class Pieces:
    """The derivative by each part that has one. ``prefix`` is the shape of the output it is of.

    That by a final value has the shape ``(*prefix, *carry)``, that by stacked values
    ``(length, *prefix, *value)``, as the recurrence reads it.
    """

    loop: Loop
    prefix: Shape
    final: dict[int, Raised] = field(default_factory=dict)
    before: dict[int, Raised] = field(default_factory=dict)
    after: dict[int, Raised] = field(default_factory=dict)
    outputs: dict[int, Raised] = field(default_factory=dict)

    @property
    def all_guarding(self) -> bool:
        """Whether all zeros in them were chosen."""
        lists = (self.final, self.before, self.after, self.outputs)
        return all(piece.guarding for pieces in lists for piece in pieces.values())

    def put(self, place: Place, found: Raised) -> None:
        """The derivative by one part, as it lies in memory: ``(*prefix, size)``."""
        name, number = place
        part: Part = getattr(self.loop.layout, name)[number]
        tensor = _shaped(found.tensor, (*self.prefix, *part.shape))
        if name != "final":
            tensor = moveaxis(tensor, len(self.prefix), 0)
        pieces: dict[int, Raised] = getattr(self, name)
        held = pieces.get(number)
        if held is not None:
            tensor = add(held.tensor, tensor)
        pieces[number] = Raised(tensor, found.guarding and (held is None or held.guarding))

    def put_whole(self, found: Raised) -> None:
        """The derivative by the packed result, as far as it is read in other ways than by its parts."""
        rank = len(self.prefix)
        for name, number, part in _parts(self.loop):
            if name != "after":  # the slots after a step are those before the next, and the last
                start, size = (*[0] * rank, part.start), (*self.prefix, part.size)
                piece = strided_part(found.tensor, start, size, (1,) * (rank + 1))
                self.put((name, number), Raised(piece, found.guarding))
