"""What convolution and pooling share: arguments as users write them enter, numbers for every axis leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from graphc.errors import UnsupportedError
from graphc.ir.dimension import Dim, Shape, ceil_div, format_shape, larger, simplified
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import shape_error
from graphc.ops.padding import pad
from graphc.ops.shape import expand_dims, moveaxis, reshape
from graphc.ops.windows import each_side, effective_size

Ints: TypeAlias = "int | tuple[int, ...] | list[int]"
Sides: TypeAlias = "tuple[tuple[Dim, Dim], ...]"
# A number, one an axis, a pair (before, after) an axis, or "valid", "same", "full".
Padding: TypeAlias = "int | str | tuple[object, ...] | list[object]"

_LETTERS = {1: ("L", "W"), 2: ("HW",), 3: ("DHW",)}
# NumPy's names of the ways to pad that torch calls so.
PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def channels_last(layout: str | None, rank: int, op: str) -> bool:
    """Whether the layout, e.g. ``NHWC``, has the channels last; None stands for channels first."""
    if layout is None:
        return False
    first = [f"NC{spatial}" for spatial in _LETTERS[rank]]
    last = [f"N{spatial}C" for spatial in _LETTERS[rank]]
    if layout not in first + last:
        raise UnsupportedError(
            f"there is no layout {layout!r} of {rank} spatial axes", op=op, location=user_location(),
            remedy=f"use {first[0]!r} or {last[0]!r}",
        )  # fmt: skip
    return layout in last


def in_channels_first(
    function: Callable[[Tensor], Tensor], x: Tensor, rank: int, layout: str | None, op: str
) -> Tensor:
    """The function of x with channels first and an axis of examples, its result in the layout of x."""
    last = channels_last(layout, rank, op)
    if x.ndim not in (rank + 1, rank + 2):
        axes = "(N, …, C)" if last else "(N, C, …)"
        raise shape_error(
            op,
            f"x has shape {format_shape(x.shape)}, where {axes} with {rank} spatial axes is needed",
            "add or merge axes, or use the function of another rank",
        )
    single = x.ndim == rank + 1
    if single:
        x = expand_dims(x, 0)
    y = moveaxis(function(moveaxis(x, -1, 1)), 1, -1) if last else function(x)
    return reshape(y, y.shape[1:]) if single else y


def spatial_padding(
    padding: object,
    sizes: Shape,
    filter_sizes: Shape,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    op: str,
) -> Sides:
    """(before, after) for every axis.

    "valid" is none; "full" lets the filter touch with its last element; "same" leaves ⌈n / stride⌉
    places, the odd element of padding coming after, as in PyTorch and TensorFlow.
    """
    rank = len(stride)
    if not isinstance(padding, str):
        return each_side(padding, rank, op)
    spans = [effective_size(k, d) for k, d in zip(filter_sizes, dilation, strict=True)]
    match padding:
        case "valid":
            return ((0, 0),) * rank
        case "full":
            return tuple([(simplified(s - 1), simplified(s - 1)) for s in spans])
        case "same":
            return tuple([_same(n, k, s, op) for n, k, s in zip(sizes, spans, stride, strict=True)])
    raise UnsupportedError(
        f"there is no padding {padding!r}", op=op, location=user_location(),
        remedy='give numbers, or one of "valid", "same" and "full"',
    )  # fmt: skip


def _same(n: Dim, span: Dim, stride: int, op: str) -> tuple[Dim, Dim]:
    if stride == 1:
        total = simplified(span - 1)
    elif isinstance(n, int):
        total = larger(simplified((ceil_div(n, stride) - 1) * stride + span - n), 0)
    else:
        raise shape_error(
            op,
            f'padding "same" with stride {stride} depends on the size {n}, which is known only at the call',
            "give the padding in numbers, e.g. (filter size − 1) // 2",
        )
    assert isinstance(total, int), "filters have known sizes"
    return total // 2, total - total // 2


def padded(x: Tensor, sides: Sides, mode: str, op: str) -> tuple[Tensor, Sides]:
    """x padded by its own elements, and no padding left; with ``zeros``, both as they are."""
    if mode not in PADDING_MODES:
        raise UnsupportedError(
            f"there is no padding mode {mode!r}", op=op, location=user_location(),
            remedy=f"use one of {', '.join(PADDING_MODES)}",
        )  # fmt: skip
    if mode == "zeros":
        return x, sides
    widths = ((0, 0),) * (x.ndim - len(sides)) + sides
    return pad(x, widths, PADDING_MODES[mode]), ((0, 0),) * len(sides)


def known_sizes(shape: Shape, what: str, op: str) -> tuple[int, ...]:
    """Sizes that must be plain integers, those of a filter."""
    for size in shape:
        if not isinstance(size, int):
            raise shape_error(
                op, f"{what} has the symbolic size {size}", "give it sizes that are known integers"
            )
    return tuple([s for s in shape if isinstance(s, int)])
