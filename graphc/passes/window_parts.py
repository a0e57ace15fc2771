"""Windows along one axis, as strided parts: the first elements of all windows, the second, …; and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.ir.dimension import Dim, same, simplified
from graphc.ir.op import Attrs
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import add
from graphc.ops.shape import constant_pad, embed, strided_part
from graphc.ops.windows import effective_size


@dataclass(frozen=True)
class Windows:
    """``count`` windows along an axis: window p has ``size`` elements from stride · p − before on.

    ``length`` is that of the axis, with as much padding as the windows reach.
    """

    axis: int
    count: Dim
    size: int
    stride: int = 1
    dilation: int = 1
    before: Dim = 0
    after: Dim = 0

    def first(self, number: int) -> int:
        """Where the windows' element of this number is in the first window, counted from the padding on."""
        return number * self.dilation

    def padded(self, x: Tensor, value: float) -> Tensor:
        """x with the padding, if any."""
        if same(self.before, 0) and same(self.after, 0):
            return x
        return constant_pad(
            x, [(self.before, self.after) if a == self.axis else (0, 0) for a in range(x.ndim)], value
        )

    def parts(self, padded: Tensor) -> list[Tensor]:
        """Of each window its first elements, its second elements, …"""
        found = []
        for number in range(self.size):
            start, shape, steps = self._part(padded.shape, number)
            shape[self.axis] = self.count
            found.append(strided_part(padded, start, shape, steps))
        return found

    def summed(self, parts: Iterable[Tensor], length: Dim) -> Tensor:
        """The adjoint: all parts added where they lie, along an axis of this length."""
        total: Tensor | None = None
        for number, part in enumerate(parts):
            start, shape, steps = self._part(part.shape, number)
            shape[self.axis] = simplified(self.before + length + self.after)
            put = embed(part, tuple(shape), start, steps)
            total = put if total is None else add(total, put)
        assert total is not None
        if same(total.shape[self.axis], length):
            return total
        start, shape, steps = self._part(total.shape, 0)
        start[self.axis], shape[self.axis], steps[self.axis] = self.before, length, 1
        return strided_part(total, start, shape, steps)

    def _part(self, shape: Sequence[Dim], number: int) -> tuple[list[Dim], list[Dim], list[int]]:
        start: list[Dim] = [0] * len(shape)
        steps = [1] * len(shape)
        start[self.axis], steps[self.axis] = self.first(number), self.stride
        return start, list(shape), steps


def windows_along(shape: Sequence[Dim], counts: Sequence[Dim], attrs: Attrs) -> Iterator[Windows]:
    """The windows of a pooling along each of its axes, the last axes of ``shape``, the last one first."""
    rank = len(attrs["size"])
    keys = ("size", "stride", "dilation", "padding")
    each: list[tuple[Any, ...]] = list(zip(*[attrs[key] for key in keys], strict=True))
    for number in reversed(range(rank)):
        size, stride, dilation, (before, after) = each[number]
        axis = len(shape) - rank + number
        count = counts[number]
        reach = simplified(stride * (count - 1) + effective_size(size, dilation) - before - shape[axis])
        if isinstance(reach, int) and isinstance(after, int):
            after = min(after, max(0, reach))
        yield Windows(axis, count, size, stride, dilation, before, after)
