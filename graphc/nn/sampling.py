"""Sampling of images at real-valued places: images (N, C, H, W) and coordinates enter, their values leave.

A sample is a sum over taps: pairs of rows and of columns, each with a weight that is a function of the
coordinate. So images and coordinates both have derivatives. Names, arguments and meaning are those of
``torch.nn.functional``.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.ir.dimension import Dim, element_count, format_shape, same, simplified
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import float_tensor
from graphc.ops.arguments import shape_error, whole_shape
from graphc.ops.elementwise import unguarded_where
from graphc.ops.indexing import taken
from graphc.ops.sources import dimension_value

# Positions along an axis, int64 and inside it, with their weights.
Taps = Sequence[tuple[Tensor, Tensor]]

_PADDING_MODES = ("zeros", "border", "reflection")


def grid_sample(
    x: object,
    grid: object,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Tensor:
    """The images ``x`` (N, C, H, W) at the places ``grid`` (N, P, Q, 2): (N, C, P, Q).

    A place is (column, row), each from −1 to 1 across the image: from edge to edge, or with
    ``align_corners`` from the first centre to the last. ``mode`` is "bilinear", or "nearest", which has no
    derivative by the grid. Outside, the image is 0 ("zeros"), its border, or reflected. Jaderberg et al.
    2015, Spatial transformer networks.

    Raises ShapeError where the shapes do not fit, DTypeError where one is no float, UnsupportedError for
    other modes and for volumes.

    >>> import graphc as gc
    >>> gc.nn.grid_sample(gc.input("x", ("N", 3, 8, 8)), gc.input("grid", ("N", 4, 5, 2))).shape
    (N, 3, 4, 5)
    """
    x, grid = float_tensor(x, "grid_sample"), float_tensor(grid, "grid_sample")
    if mode not in ("bilinear", "nearest") or padding_mode not in _PADDING_MODES:
        raise UnsupportedError(
            f"mode = {mode!r} with padding_mode = {padding_mode!r} is not supported",
            op="grid_sample", location=user_location(),
            remedy=f"the modes are bilinear and nearest, the paddings {', '.join(_PADDING_MODES)}",
        )  # fmt: skip
    if x.ndim == 5:
        raise UnsupportedError(
            f"x has shape {format_shape(x.shape)}: volumes are not supported",
            op="grid_sample", location=user_location(), remedy="sample the slices of the volume as images",
        )  # fmt: skip
    if x.ndim != 4 or grid.ndim != 4 or not same(grid.shape[3], 2) or not same(x.shape[0], grid.shape[0]):
        raise shape_error(
            "grid_sample",
            f"x has shape {format_shape(x.shape)}, the grid {format_shape(grid.shape)}",
            "they are (N, C, H, W) and (N, P, Q, 2) with the same N",
        )
    check_image(x, "grid_sample")
    height, width = x.shape[2:]
    columns, rows = (
        _taps(_pixels(grid[..., k], size, padding_mode, align_corners), size, mode, padding_mode)
        for k, size in enumerate((width, height))
    )
    image = ops.arange(x.shape[0])[:, None, None]
    return ops.transpose(sampled(x, image, rows, columns), (0, 3, 1, 2))


def affine_grid(theta: object, size: Sequence[int | str | Dim], align_corners: bool = False) -> Tensor:
    """The places that affine maps ``theta`` (N, 2, 3) send the pixels of an image to: (N, H, W, 2).

    ``size`` is that of the result of `grid_sample`, (N, C, H, W). Raises ShapeError where the shapes do not
    fit, UnsupportedError for volumes.

    >>> import graphc as gc
    >>> gc.nn.affine_grid(gc.input("theta", ("N", 2, 3)), ("N", 3, 8, 9)).shape
    (N, 8, 9, 2)
    """
    theta, sizes = float_tensor(theta, "affine_grid"), whole_shape(tuple(size), "affine_grid")
    if len(sizes) == 5:
        raise UnsupportedError(
            f"size = {format_shape(sizes)} is that of volumes", op="affine_grid", location=user_location(),
            remedy="use (N, C, H, W)",
        )  # fmt: skip
    if (
        theta.ndim != 3
        or len(sizes) != 4
        or not same(theta.shape[0], sizes[0])
        or not (same(theta.shape[1], 2) and same(theta.shape[2], 3))
    ):
        raise shape_error(
            "affine_grid",
            f"theta has shape {format_shape(theta.shape)}, size is {format_shape(sizes)}",
            "they are (N, 2, 3) and (N, C, H, W) with the same N",
        )
    height, width = (_centres(n, theta, align_corners) for n in sizes[2:])
    # One product a coordinate: theta · (column, row, 1), the pixels in the two last axes.
    column, row, shift = (theta[:, :, k, None, None] for k in range(3))
    return ops.transpose(column * width + row * height[:, None] + shift, (0, 2, 3, 1))


def _centres(n: Dim, like: Tensor, align_corners: bool) -> Tensor:
    """The centres of n pixels on the axis from −1 to 1; in the middle where there is one."""
    count = dimension_value(n, like.dtype)
    steps = ops.arange(n, like.dtype) * 2 - (count - 1)
    return steps / (ops.maximum(count - 1, 1) if align_corners else count)


# -- coordinates -----------------------------------------------------------------------------------
def _pixels(place: Tensor, size: Dim, padding_mode: str, align_corners: bool) -> Tensor:
    """Places from −1 to 1 as coordinates in pixels, brought back to the image where the padding says so."""
    n = dimension_value(size, place.dtype)
    pixel = (place + 1) * ((n - 1) / 2) if align_corners else ((place + 1) * n - 1) / 2
    if padding_mode == "zeros":
        return ops.clip(pixel, -1, n)  # all the same from there on, and within the integers
    if padding_mode == "reflection":
        pixel = _reflected(pixel, n - 1, 0) if align_corners else _reflected(pixel, n, -0.5)
    return held(pixel, n - 1)


def held(pixel: Tensor, last: Tensor) -> Tensor:
    """The coordinate within [0, last]. On the border itself it no longer moves, as in PyTorch."""
    return ops.where(pixel <= 0, 0, ops.where(pixel >= last, last, pixel))


def _reflected(pixel: Tensor, span: Tensor, low: float) -> Tensor:
    """A triangle wave between low and low + span."""
    distance = pixel - low
    distance = ops.where(distance < 0, -distance, distance)
    span = ops.maximum(span, 1)  # of a single centre: held to it afterwards
    rest = ops.remainder(distance, span)
    forth = ops.remainder(ops.floor(distance / span), 2) == 0
    return ops.where(forth, rest, span - rest) + low


# -- taps ------------------------------------------------------------------------------------------
def _taps(pixel: Tensor, size: Dim, mode: str, padding_mode: str) -> Taps:
    if mode == "nearest":
        place = ops.round(pixel)  # a half to the even one
        taps = [(place, ops.ones_like(pixel))]
    else:
        taps = bilinear_taps(pixel)
    last = dimension_value(simplified(size - 1), pixel.dtype)
    return [
        (
            within(place, size),
            unguarded_where((place < 0) | (place > last), 0, weight) if padding_mode == "zeros" else weight,
        )
        for place, weight in taps
    ]


def bilinear_taps(pixel: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The whole numbers below and above a coordinate, as floats, weighted by closeness."""
    low = ops.floor(pixel)
    further = pixel - low
    return [(low, 1 - further), (low + 1, further)]


def within(place: Tensor, size: Dim) -> Tensor:
    """Whole numbers as positions on an axis; those outside as its end. Their weight is 0."""
    return ops.clip(ops.astype(place, "int64"), 0, dimension_value(simplified(size - 1)))


def sampled(x: Tensor, image: Tensor, rows: Taps, columns: Taps) -> Tensor:
    """Σ row weight · column weight · x[image, :, row, column]; the channels are the last axis.

    ``image`` holds int64 positions in [0, N) that broadcast with those of rows and columns.
    """
    count, channels, height, width = x.shape
    pixels = ops.reshape(
        ops.transpose(x, (0, 2, 3, 1)), (simplified(element_count((count, height, width))), channels)
    )
    total: Tensor | None = None
    for row, row_weight in rows:
        for column, column_weight in columns:
            place = (image * dimension_value(height) + row) * dimension_value(width) + column
            weight = ops.astype(row_weight * column_weight, x.dtype)
            part = taken(pixels, place, 0) * weight[..., None]
            total = part if total is None else total + part
    assert total is not None
    return total


def check_image(x: Tensor, op: str) -> None:
    """Raise ShapeError for images without pixels."""
    if any(same(n, 0) for n in x.shape[2:]):
        raise shape_error(
            op, f"x has shape {format_shape(x.shape)}: there are no pixels", "give images of at least 1 by 1"
        )
