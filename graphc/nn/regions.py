"""Regions of images: boxes (x1, y1, x2, y2) enter; their features, areas and overlaps leave.

Names, arguments and meaning are those of ``torchvision.ops``.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.ir.dimension import Dim, format_shape, same
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import float_tensor
from graphc.nn.sampling import Taps, bilinear_taps, check_image, held, sampled, within
from graphc.ops.arguments import integer, shape_error
from graphc.ops.elementwise import unguarded_where
from graphc.ops.indexing import positions
from graphc.ops.sources import dimension_value


def roi_align(
    input: object,
    boxes: object,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """The features of each box on a grid of bins: (K, C, P, Q) from images (N, C, H, W). He et al. 2017.

    ``boxes`` is (K, 5) floats: the number of the image, x1, y1, x2, y2. Coordinates times ``spatial_scale``
    are pixels. A bin is the mean of ``sampling_ratio``² bilinear samples, evenly spaced in it; a sample
    more than one pixel outside the image is 0, others outside are at the border. ``aligned`` takes pixels
    as points at their centres, half a pixel off; without it a box is at least one pixel wide and high.

    Boxes have a derivative too, that of these formulas: torchvision gives none, nor does
    ``gc.stop_gradient(boxes)``. An image number outside [0, N) raises IndexError at the call. Raises
    ShapeError where the shapes do not fit, DTypeError where one is no float, UnsupportedError where
    ``sampling_ratio`` is not positive: the number of samples would depend on the boxes.

    >>> import graphc as gc
    >>> features, boxes = gc.input("features", ("N", 16, 50, 50)), gc.input("boxes", ("K", 5))
    >>> gc.nn.roi_align(features, boxes, 7, spatial_scale=1 / 16, sampling_ratio=2).shape
    (K, 16, 7, 7)
    """
    x, boxes = float_tensor(input, "roi_align"), float_tensor(boxes, "roi_align")
    if x.ndim != 4 or boxes.ndim != 2 or not same(boxes.shape[1], 5):
        raise shape_error(
            "roi_align",
            f"the input has shape {format_shape(x.shape)}, the boxes {format_shape(boxes.shape)}",
            "they are (N, C, H, W) and (K, 5), the number of its image before each box",
        )
    check_image(x, "roi_align")
    samples = integer(sampling_ratio, "sampling_ratio", "roi_align")
    if samples < 1:
        raise UnsupportedError(
            f"sampling_ratio = {samples} makes the number of samples depend on the boxes",
            op="roi_align", location=user_location(), remedy="give a fixed number: sampling_ratio=2",
        )  # fmt: skip
    bins = _pair(output_size)
    offset = 0.5 if aligned else 0.0
    x1, y1, x2, y2 = (boxes[:, k] * spatial_scale - offset for k in range(1, 5))
    rows = _sample_taps(y1, y2, bins[0], samples, aligned, x.shape[2])
    columns = _sample_taps(x1, x2, bins[1], samples, aligned, x.shape[3])
    # NumPy counts negative indices from the end; the number of an image does not.
    number, count = ops.astype(boxes[:, 0], "int64"), x.shape[0]
    image = positions(ops.where(number < 0, dimension_value(count), number), count, "roi_align", 0)
    values = sampled(
        x,
        image[:, None, None],
        [(place[:, :, None], weight[:, :, None]) for place, weight in rows],
        [(place[:, None, :], weight[:, None, :]) for place, weight in columns],
    )
    shape = (boxes.shape[0], bins[0], samples, bins[1], samples, x.shape[1])
    return ops.transpose(ops.mean(ops.reshape(values, shape), axis=(2, 4)), (0, 3, 1, 2))


def _sample_taps(start: Tensor, stop: Tensor, bins: int, samples: int, aligned: bool, size: Dim) -> Taps:
    """The taps, (K, bins · samples), of evenly spaced samples along one side of the boxes."""
    length = stop - start if aligned else ops.maximum(stop - start, 1)
    steps = ops.arange(bins * samples, start.dtype) + 0.5
    place = start[:, None] + steps * (length / (bins * samples))[:, None]
    n = dimension_value(size, place.dtype)
    outside = (place < -1) | (place > n)
    return [
        (within(position, size), unguarded_where(outside, 0, weight))
        for position, weight in bilinear_taps(held(place, n - 1))
    ]


def _pair(output_size: object) -> tuple[int, int]:
    entries = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    bins = [integer(e, "an output size", "roi_align") for e in entries]
    if len(bins) != 2 or min(bins) < 1:
        raise shape_error(
            "roi_align", f"output_size = {output_size!r} gives no bins", "give one positive integer or two"
        )
    return bins[0], bins[1]


# -- boxes -----------------------------------------------------------------------------------------
def box_area(boxes: object) -> Tensor:
    """The areas of boxes (N, 4), as (N,); negative where x2 < x1 or y2 < y1, but not both.

    >>> import graphc as gc
    >>> gc.nn.box_area(gc.input("boxes", ("N", 4)))
    <multiply: float32(N,)>
    """
    x1, y1, x2, y2 = _corners(boxes, "box_area")
    return (x2 - x1) * (y2 - y1)


def box_iou(boxes1: object, boxes2: object) -> Tensor:
    """Intersection over union of every box of (N, 4) with every one of (M, 4): (N, M).

    NaN for two boxes without area, as in torchvision. Raises ShapeError and DTypeError for other boxes.

    >>> import graphc as gc
    >>> gc.nn.box_iou(gc.input("a", ("N", 4)), gc.input("b", ("M", 4)))
    <divide: float32(N, M)>
    """
    intersection, union = _overlaps(boxes1, boxes2, "box_iou")
    return intersection / union


def generalized_box_iou(boxes1: object, boxes2: object) -> Tensor:
    """`box_iou` less the share of the smallest box around both that neither covers: (N, M).

    Rezatofighi et al. 2019. From −1 to 1; boxes that do not meet still have a derivative.

    >>> import graphc as gc
    >>> gc.nn.generalized_box_iou(gc.input("a", ("N", 4)), gc.input("b", ("M", 4))).shape
    (N, M)
    """
    intersection, union = _overlaps(boxes1, boxes2, "generalized_box_iou")
    first, second = _against(boxes1, boxes2, "generalized_box_iou")
    width = ops.maximum(first[2], second[2]) - ops.minimum(first[0], second[0])
    height = ops.maximum(first[3], second[3]) - ops.minimum(first[1], second[1])
    around = ops.clip(width, 0) * ops.clip(height, 0)
    return intersection / union - (around - union) / around


def _overlaps(boxes1: object, boxes2: object, op: str) -> tuple[Tensor, Tensor]:
    """The areas of intersection and union of all pairs."""
    first, second = _against(boxes1, boxes2, op)
    width = ops.minimum(first[2], second[2]) - ops.maximum(first[0], second[0])
    height = ops.minimum(first[3], second[3]) - ops.maximum(first[1], second[1])
    intersection = ops.clip(width, 0) * ops.clip(height, 0)
    return intersection, box_area(boxes1)[:, None] + box_area(boxes2) - intersection


def _against(boxes1: object, boxes2: object, op: str) -> tuple[list[Tensor], list[Tensor]]:
    """The corners of the first boxes as columns, of the second as rows: together they make all pairs."""
    return [corner[:, None] for corner in _corners(boxes1, op)], _corners(boxes2, op)


def _corners(boxes: object, op: str) -> list[Tensor]:
    boxes = float_tensor(boxes, op)
    if boxes.ndim != 2 or not same(boxes.shape[1], 4):
        raise shape_error(
            op, f"the boxes have shape {format_shape(boxes.shape)}", "boxes are (N, 4): x1, y1, x2, y2"
        )
    return [boxes[:, k] for k in range(4)]
