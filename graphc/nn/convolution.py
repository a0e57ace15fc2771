"""Convolution as deep learning knows it (a cross-correlation), and its transpose: images and filters enter.

What signal processing calls convolution, which turns the filter round, is `gc.convolve`.
"""

from __future__ import annotations

from graphc import ops
from graphc.errors import ShapeError
from graphc.ir.dimension import Dim, format_shape, same, same_shape, simplified
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.spatial import Ints, Padding, in_channels_first, known_sizes, padded, spatial_padding
from graphc.ops.arguments import integer, shape_error
from graphc.ops.convolution import Geometry, convolution, transposed_convolution
from graphc.ops.shape import constant_pad, strided_part
from graphc.ops.sources import as_tensor
from graphc.ops.windows import each_axis


def conv1d(
    x: object,
    w: object,
    b: object = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    layout: str | None = None,
) -> Tensor:
    """Cross-correlation along one axis: (N, C, L) and filters (O, C/groups, K) to (N, O, L').

    L' = ⌊(L + padding − dilation·(K − 1) − 1) / stride⌋ + 1. See `conv2d` for the arguments.

    >>> import graphc as gc
    >>> gc.nn.conv1d(gc.input("x", ("N", 2, 100)), gc.parameter("w", (8, 2, 3)), padding="same").shape
    (N, 8, 100)
    """
    return _convolved(x, w, b, stride, padding, dilation, groups, padding_mode, layout, 1)


def conv2d(
    x: object,
    w: object,
    b: object = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    layout: str | None = None,
) -> Tensor:
    """Cross-correlation of images with filters: (N, C, H, W) and (O, C/groups, K, L) to (N, O, H', W').

    ``y[n, o, i, j] = b[o] + Σ_{c, k, l} x[n, c, s·i + d·k − p, s·j + d·l − p] · w[o, c, k, l]``, with
    ``stride`` s, ``dilation`` d and ``padding`` p, which leaves ⌊(H + 2p − d·(K − 1) − 1) / s⌋ + 1 rows.
    Each of them is one number or one an axis. ``padding`` may also be a pair (before, after) an axis,
    "valid" (none), "same" (⌈H / s⌉ rows) or "full" (K − 1 on each side); ``padding_mode`` says what is
    there: "zeros", "reflect", "replicate" or "circular". ``groups`` splits the channels into parts that
    do not see each other: C of them make a depthwise convolution. ``layout`` "NHWC" is for x and the
    result; filters stay as they are. Without an axis of examples, (C, H, W) gives (O, H', W').

    Raises ShapeError where channels and groups do not fit or the filter spans more than the padded image.
    Sources: torch.nn.functional.conv2d; Dumoulin and Visin 2016.

    >>> import graphc as gc
    >>> x, w = gc.input("x", ("N", 3, 32, 32)), gc.parameter("w", (16, 3, 5, 5))
    >>> gc.nn.conv2d(x, w, stride=2, padding=2)
    <convolution: float32(N, 16, 16, 16)>
    """
    return _convolved(x, w, b, stride, padding, dilation, groups, padding_mode, layout, 2)


def conv3d(
    x: object,
    w: object,
    b: object = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    layout: str | None = None,
) -> Tensor:
    """Cross-correlation of volumes: (N, C, D, H, W) and filters (O, C/groups, I, J, K). See `conv2d`.

    >>> import graphc as gc
    >>> gc.nn.conv3d(gc.input("x", ("N", 1, 8, 8, 8)), gc.parameter("w", (4, 1, 3, 3, 3))).shape
    (N, 4, 6, 6, 6)
    """
    return _convolved(x, w, b, stride, padding, dilation, groups, padding_mode, layout, 3)


def _convolved(
    x: object,
    w: object,
    b: object,
    stride: object,
    padding: object,
    dilation: object,
    groups: object,
    padding_mode: str,
    layout: str | None,
    rank: int,
) -> Tensor:
    op = f"conv{rank}d"
    filters = _checked_filter(w, rank, op)
    steps, spread = each_axis(stride, rank, "stride", op), each_axis(dilation, rank, "dilation", op)
    parts = _checked_groups(groups, op)

    def apply(images: Tensor) -> Tensor:
        sides = spatial_padding(padding, images.shape[2:], filters.shape[2:], steps, spread, op)
        images, sides = padded(images, sides, padding_mode, op)
        y = convolution(images, filters, Geometry(steps, sides, spread, parts))
        return _biased(y, b, op)

    return in_channels_first(apply, as_tensor(x), rank, layout, op)


def conv_transpose1d(
    x: object,
    w: object,
    b: object = None,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    *,
    layout: str | None = None,
) -> Tensor:
    """The transpose of `conv1d`: (N, C, L) and filters (C, O/groups, K) to (N, O, L').

    See `conv_transpose2d`.

    >>> import graphc as gc
    >>> gc.nn.conv_transpose1d(gc.input("x", ("N", 4, 5)), gc.parameter("w", (4, 2, 4)), stride=2).shape
    (N, 2, 12)
    """
    return _transposed(x, w, b, stride, padding, output_padding, groups, dilation, layout, 1)


def conv_transpose2d(
    x: object,
    w: object,
    b: object = None,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    *,
    layout: str | None = None,
) -> Tensor:
    """The transpose of `conv2d`: (N, C, H, W) and filters (C, O/groups, K, L) to (N, O, H', W').

    Every element of x puts the filter, times itself, where a convolution of these arguments would have read
    it: H' = (H − 1)·s − 2p + d·(K − 1) + output_padding + 1. It is the adjoint, not the inverse:
    ⟨conv2d(a, w), x⟩ = ⟨a, conv_transpose2d(x, w)⟩. With a stride above 1 it is also called fractionally
    strided: the convolution, by the filter turned round, of x with s − 1 zeros between its elements.
    ``output_padding`` adds rows and columns at the end, where several sizes of image have a convolution of
    the size of x.

    Raises ShapeError where the channels do not fit or the padding takes away all that there is.
    Sources: torch.nn.functional.conv_transpose2d; Dumoulin and Visin 2016, chapter 4.

    >>> import graphc as gc
    >>> x, w = gc.input("x", ("N", 16, 7, 7)), gc.parameter("w", (16, 8, 4, 4))
    >>> gc.nn.conv_transpose2d(x, w, stride=2, padding=1)
    <transposed_convolution: float32(N, 8, 14, 14)>
    """
    return _transposed(x, w, b, stride, padding, output_padding, groups, dilation, layout, 2)


def conv_transpose3d(
    x: object,
    w: object,
    b: object = None,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    *,
    layout: str | None = None,
) -> Tensor:
    """The transpose of `conv3d`: (N, C, D, H, W) and filters (C, O/groups, I, J, K). See `conv_transpose2d`.

    >>> import graphc as gc
    >>> x, w = gc.input("x", ("N", 4, 3, 3, 3)), gc.parameter("w", (4, 1, 2, 2, 2))
    >>> gc.nn.conv_transpose3d(x, w, stride=2).shape
    (N, 1, 6, 6, 6)
    """
    return _transposed(x, w, b, stride, padding, output_padding, groups, dilation, layout, 3)


def _transposed(
    x: object,
    w: object,
    b: object,
    stride: object,
    padding: object,
    output_padding: object,
    groups: object,
    dilation: object,
    layout: str | None,
    rank: int,
) -> Tensor:
    op = f"conv_transpose{rank}d"
    filters = _checked_filter(w, rank, op)
    steps, spread = each_axis(stride, rank, "stride", op), each_axis(dilation, rank, "dilation", op)
    extra = each_axis(output_padding, rank, "output_padding", op, least=0)
    parts = _checked_groups(groups, op)
    if isinstance(padding, str):
        raise shape_error(op, f"padding {padding!r} is for a convolution", "give the padding in numbers")
    sides = spatial_padding(padding, (), filters.shape[2:], steps, spread, op)
    for more, s, d in zip(extra, steps, spread, strict=True):
        if more >= max(s, d):
            raise shape_error(
                op,
                f"output_padding {more} is not below stride {s} or dilation {d}",
                "it chooses among the sizes that one convolution maps to one; pad the result for more",
            )

    def apply(images: Tensor) -> Tensor:
        sizes, reached, beyond, dropped = [], [], [], []
        for n, k, s, d, (before, after), more in zip(
            images.shape[2:], filters.shape[2:], steps, spread, sides, extra, strict=True
        ):
            # More output is less of it cut off after the end; past what the filter reaches there are zeros.
            kept = simplified(after - more)
            zeros = -kept if isinstance(kept, int) and kept < 0 else 0
            after = simplified(kept + zeros)
            size = simplified((n - 1) * s + d * (k - 1) + 1 - before - after)
            drop: Dim = 0
            if isinstance(size, int) and size < 1 <= size + zeros:
                # All that the filter reaches is cut off before: what is left are zeros behind it.
                drop, before, size = before, 0, simplified(size + before)
            if isinstance(size, int) and size < 1:
                raise ShapeError(
                    f"padding {(before, after)} leaves nothing of the {simplified(size + before + after)} "
                    f"elements that {n} of them and a filter of {k} make",
                    op=op, location=user_location(), remedy="pad less",
                )  # fmt: skip
            sizes.append(size)
            reached.append((before, after))
            beyond.append((0, zeros))
            dropped.append(drop)
        y = transposed_convolution(
            images, filters, tuple(sizes), Geometry(steps, tuple(reached), spread, parts)
        )
        if any(after for _, after in beyond):
            y = constant_pad(y, [(0, 0), (0, 0), *beyond])
        if any(not same(drop, 0) for drop in dropped):
            start = (0, 0, *dropped)
            kept_shape = [simplified(n - drop) for n, drop in zip(y.shape, start, strict=True)]
            y = strided_part(y, start, kept_shape, [1] * y.ndim)
        return _biased(y, b, op)

    return in_channels_first(apply, as_tensor(x), rank, layout, op)


def _checked_filter(w: object, rank: int, op: str) -> Tensor:
    filters = as_tensor(w)
    if filters.ndim != rank + 2:
        raise shape_error(
            op,
            f"the filter has shape {format_shape(filters.shape)}, where {rank + 2} axes are needed",
            "give (output channels, input channels / groups, …)"
            if "transpose" not in op
            else "give (input channels, output channels / groups, …)",
        )
    known_sizes(filters.shape[2:], "the filter", op)
    return filters


def _checked_groups(groups: object, op: str) -> int:
    number = integer(groups, "groups", op)
    if number < 1:
        raise shape_error(op, f"groups = {number}", "give at least 1")
    return number


def _biased(y: Tensor, b: object, op: str) -> Tensor:
    if b is None:
        return y
    bias = as_tensor(b)
    if not same_shape(bias.shape, (y.shape[1],)):
        raise shape_error(
            op,
            f"the bias has shape {format_shape(bias.shape)}, where {format_shape((y.shape[1],))} is needed",
            "give one number for each output channel",
        )
    column: tuple[Dim, ...] = (y.shape[1], *[1] * (y.ndim - 2))
    return y + ops.reshape(bias, column)
