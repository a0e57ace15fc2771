"""The windows of a pooling: arguments as users write them enter; sizes, steps and padding leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.errors import UnsupportedError
from graphc.ir.dimension import format_shape
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.spatial import Sides, channels_last, spatial_padding
from graphc.ops.arguments import shape_error
from graphc.ops.shape import moveaxis
from graphc.ops.windows import each_axis


class Windows:
    """The windows of one call: how large, how far apart, with how much padding."""

    def __init__(
        self, kernel_size: object, stride: object, padding: object, dilation: object, ceil_mode: bool,
        rank: int, op: str,
    ) -> None:  # fmt: skip
        self.rank, self.op, self.ceil_mode, self.padding = rank, op, ceil_mode, padding
        self.size = each_axis(kernel_size, rank, "kernel_size", op)
        self.stride = self.size if stride is None else each_axis(stride, rank, "stride", op)
        self.dilation = each_axis(dilation, rank, "dilation", op)

    def sides(self, x: Tensor) -> Sides:
        """The padding asked for; at most half a window, so that every window holds an element."""
        sides = spatial_padding(
            self.padding, x.shape[x.ndim - self.rank :], self.size, self.stride, self.dilation, self.op
        )
        for (before, after), k, d in zip(sides, self.size, self.dilation, strict=True):
            if any(isinstance(p, int) and p > (d * (k - 1) + 1) // 2 for p in (before, after)):
                raise shape_error(
                    self.op,
                    f"padding {(before, after)} is more than half of the window of {k} elements",
                    "pad the tensor itself first: windows of padding alone have no value",
                )
        return sides

    def completed(self, x: Tensor, sides: Sides) -> Sides:
        """The padding with what a last, partial window lacks (``ceil_mode``).

        As in PyTorch, a window that would begin behind the tensor and its padding is left out.
        """
        if not self.ceil_mode:
            return sides
        whole = []
        for n, (before, after), k, s, d in zip(
            x.shape[x.ndim - self.rank :], sides, self.size, self.stride, self.dilation, strict=True
        ):
            if s == 1:
                whole.append((before, after))
                continue
            if not (isinstance(n, int) and isinstance(before, int) and isinstance(after, int)):
                raise UnsupportedError(
                    f"with ceil_mode the padding depends on the size {n}, which is known only at the call",
                    op=self.op, location=user_location(), remedy="pad the tensor with gc.pad instead",
                )  # fmt: skip
            span = d * (k - 1) + 1
            count = -(-(n + before + after - span) // s) + 1
            count = min(count, -(-(n + before) // s))
            whole.append((before, max(after, (count - 1) * s + span - n - before)))
        return tuple(whole)


def pooled(function: Callable[[Tensor], Any], x: Tensor, rank: int, layout: str | None, op: str) -> Any:
    """The function of x with its spatial axes last, its results in the layout of x."""
    if x.ndim < rank + 1:
        raise shape_error(
            op,
            f"x has shape {format_shape(x.shape)}, where channels and {rank} spatial axes are needed",
            "add an axis of channels",
        )
    if not channels_last(layout, rank, op):
        return function(x)
    result = function(moveaxis(x, -1, -1 - rank))
    parts = result if isinstance(result, tuple) else (result,)
    moved = tuple([moveaxis(part, -1 - rank, -1) for part in parts])
    return moved if isinstance(result, tuple) else moved[0]
