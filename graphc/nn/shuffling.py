"""Shuffling: a tensor enters; it leaves with its elements moved between channels and space.

Names, arguments and meaning are those of ``torch.nn.functional``.
"""

from __future__ import annotations

from graphc import ops
from graphc.ir.dimension import Dim, format_shape, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import integer, shape_error
from graphc.ops.shape import quotient
from graphc.ops.sources import as_tensor


def pixel_shuffle(x: object, upscale_factor: int) -> Tensor:
    """Channels spread over space: (…, C·r², H, W) to (…, C, H·r, W·r), with r = ``upscale_factor``.

    Shi et al. 2016, sub-pixel convolution. Raises ShapeError where r² does not divide the channels.

    >>> import graphc as gc
    >>> gc.nn.pixel_shuffle(gc.input("x", ("N", 18, "H", 5)), 3).shape
    (N, 2, 3*H, 15)
    """
    x, r = _checked(x, upscale_factor, "upscale_factor", "pixel_shuffle")
    *lead, channels, height, width = x.shape
    kept = _part(x, channels, r * r, "channels", "pixel_shuffle")
    parts = ops.reshape(x, (*lead, kept, r, r, height, width))
    n = len(lead)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return ops.reshape(
        ops.transpose(parts, order), (*lead, kept, simplified(height * r), simplified(width * r))
    )


def pixel_unshuffle(x: object, downscale_factor: int) -> Tensor:
    """Space gathered into channels: (…, C, H·r, W·r) to (…, C·r², H, W), with r = ``downscale_factor``.

    The inverse of `pixel_shuffle`. Raises ShapeError where r is not known to divide height and width.

    >>> import graphc as gc
    >>> gc.nn.pixel_unshuffle(gc.input("x", ("N", 2, 6, 15)), 3).shape
    (N, 18, 2, 5)
    """
    x, r = _checked(x, downscale_factor, "downscale_factor", "pixel_unshuffle")
    *lead, channels, height, width = x.shape
    rows = _part(x, height, r, "rows", "pixel_unshuffle")
    columns = _part(x, width, r, "columns", "pixel_unshuffle")
    parts = ops.reshape(x, (*lead, channels, rows, r, columns, r))
    n = len(lead)
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return ops.reshape(ops.transpose(parts, order), (*lead, simplified(channels * r * r), rows, columns))


def channel_shuffle(x: object, groups: int) -> Tensor:
    """Channels dealt out in turn from ``groups`` equal runs: (N, C, …) to the same shape.

    Zhang et al. 2018, ShuffleNet. Raises ShapeError where ``groups`` does not divide C.

    >>> import graphc as gc
    >>> x = gc.input("x", (1, 6, 1), "int64")
    >>> gc.interpret([gc.nn.channel_shuffle(x, 2)[0, :, 0]], {x: [[[0], [1], [2], [3], [4], [5]]]})
    [array([0, 3, 1, 4, 2, 5])]
    """
    x, g = _checked(x, groups, "groups", "channel_shuffle")
    batch, channels, *space = x.shape
    each = _part(x, channels, g, "channels", "channel_shuffle")
    runs = ops.reshape(x, (batch, g, each, *space))
    return ops.reshape(ops.swapaxes(runs, 1, 2), x.shape)


def _checked(x: object, factor: object, what: str, op: str) -> tuple[Tensor, int]:
    x, number = as_tensor(x), integer(factor, what, op)
    if x.ndim < 3:
        raise shape_error(
            op,
            f"x has shape {format_shape(x.shape)}, where channels and spatial axes are needed",
            "add the axes that are missing, e.g. x[None]",
        )
    if number < 1:
        raise shape_error(op, f"{what} = {number} is below 1", "give a positive integer")
    return x, number


def _part(x: Tensor, size: Dim, factor: int, what: str, op: str) -> Dim:
    found = quotient(size, factor)
    if found is None:
        raise shape_error(
            op,
            f"x has shape {format_shape(x.shape)}, whose {size} {what} are not known to divide by {factor}",
            "choose a factor that divides the size, or declare a symbolic size as an int",
        )
    return found
