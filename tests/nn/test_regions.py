from __future__ import annotations

import math

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, GraphError, ShapeError, UnsupportedError
from tests.nn.agreement import agree

torch = pytest.importorskip("torch")


# -- the definition, in plain loops ----------------------------------------------------------------
def _pixel_value(image, y, x):
    """The bilinear value of (C, H, W) at one point, as He et al. and their code define it."""
    height, width = image.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return image[:, 0, 0] * 0
    y, x = (torch.zeros_like(v) if v <= 0 else v for v in (y, x))
    low_y, low_x = math.floor(y.item()), math.floor(x.item())
    if low_y >= height - 1:
        low_y = height - 1
        y = torch.full_like(y, low_y)
    if low_x >= width - 1:
        low_x = width - 1
        x = torch.full_like(x, low_x)
    high_y, high_x = min(low_y + 1, height - 1), min(low_x + 1, width - 1)
    ly, lx = y - low_y, x - low_x
    return (
        (1 - ly) * (1 - lx) * image[:, low_y, low_x]
        + (1 - ly) * lx * image[:, low_y, high_x]
        + ly * (1 - lx) * image[:, high_y, low_x]
        + ly * lx * image[:, high_y, high_x]
    )


def _by_loops(images, boxes, size, scale, samples, aligned):
    """RoIAlign box by box, bin by bin, sample by sample."""
    result = []
    for box in boxes:
        image = images[int(box[0].detach())]
        x1, y1, x2, y2 = (box[k] * scale - (0.5 if aligned else 0.0) for k in range(1, 5))
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = width.clamp(min=1), height.clamp(min=1)
        for p in range(size[0]):
            for q in range(size[1]):
                bin_height, bin_width = height / size[0], width / size[1]
                total = 0
                for i in range(samples):
                    for j in range(samples):
                        y = y1 + p * bin_height + (i + 0.5) * bin_height / samples
                        x = x1 + q * bin_width + (j + 0.5) * bin_width / samples
                        total = total + _pixel_value(image, y, x)
                result.append(total / samples**2)
    if not result:
        return images.new_zeros(0, images.shape[1], *size) + 0 * images.sum()
    return torch.stack(result).reshape(len(boxes), *size, images.shape[1]).permute(0, 3, 1, 2)


def _drawn(generator):
    n, channels, height, width, count = (
        int(generator.integers(low, high)) for low, high in ((1, 3), (1, 4), (1, 9), (1, 9), (0, 4))
    )
    images = generator.standard_normal((n, channels, height, width))
    boxes = np.empty((count, 5))
    boxes[:, 0] = generator.integers(0, n, count)
    if generator.random() < 0.7:  # ordered corners, some far outside, some less than a pixel wide
        start = generator.uniform(-4, 9, (count, 2))
        boxes[:, 1:] = np.hstack([start, start + generator.exponential(4, (count, 2))])
    else:
        boxes[:, 1:] = generator.uniform(-4, 12, (count, 4))
    options = {
        "output_size": tuple(map(int, generator.integers(1, 4, 2))),
        "spatial_scale": float(generator.choice([1.0, 0.5, 0.25, 1.3])),
        "sampling_ratio": int(generator.integers(1, 4)),
        "aligned": bool(generator.integers(2)),
    }
    return images, boxes, options


@pytest.mark.parametrize("seed", range(10))
def test_drawn_boxes_agree_with_the_definition(seed):
    generator = np.random.default_rng(seed)
    for call in range(10):
        images, boxes, options = _drawn(generator)
        agree(
            lambda x, b, options=options: gc.nn.roi_align(x, b, **options),
            lambda x, b, options=options: _by_loops(x, b, *options.values()),
            [images, boxes],
            shapes=[("N", "C", "H", "W"), ("K", 5)] if call % 2 else None,
            second=call % 5 == 3,
            compiled=call % 5 == 4,
        )


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("samples", [1, 2, 3])
def test_boxes_within_the_image_are_grids_of_samples(aligned, samples):
    """PyTorch's grid_sample at the same points, then means: no rule for the outside is involved."""
    generator = np.random.default_rng(samples)
    images = generator.standard_normal((2, 3, 12, 10))
    start = generator.uniform(1, 4, (4, 2))
    corners = np.hstack([start, start + generator.uniform(1.5, 4.5, (4, 2))])
    boxes = np.hstack([np.array([[0.0], [1.0], [1.0], [0.0]]), corners])

    def theirs(x, b):
        places = []
        for k, bins in ((0, 4), (1, 3)):  # x, then y
            first, last = b[:, 1 + k] - 0.5 * aligned, b[:, 3 + k] - 0.5 * aligned
            steps = (torch.arange(bins * samples, dtype=b.dtype) + 0.5) / (bins * samples)
            places.append(first[:, None] + (last - first)[:, None] * steps)
        columns = (2 * places[0] / 9 - 1)[:, None, :].expand(-1, 3 * samples, -1)
        rows = (2 * places[1] / 11 - 1)[:, :, None].expand(-1, -1, 4 * samples)
        grid = torch.stack([columns, rows], -1)
        values = torch.nn.functional.grid_sample(x[b[:, 0].long()], grid, align_corners=True)
        return torch.nn.functional.avg_pool2d(values, samples)

    agree(
        lambda x, b: gc.nn.roi_align(x, b, (3, 4), sampling_ratio=samples, aligned=aligned),
        theirs,
        [images, boxes],
        compiled=True,
    )


@pytest.mark.parametrize("samples", [1, 2, 5])
def test_a_linear_image_gives_the_centres_of_the_bins(samples):
    rows, columns = np.mgrid[:20, :30]
    images = (2.0 * rows - 3.0 * columns + 1)[None, None]
    box = np.array([[0, 3.25, 4.5, 21.25, 16.5]])
    x, b = gc.input("x", ("N", 1, 20, 30), "float64"), gc.input("b", ("K", 5), "float64")
    y = gc.nn.roi_align(x, b, (2, 3), sampling_ratio=samples)
    (found,) = gc.interpret([y], {x: images, b: box})
    height, width = 4.5 + np.array([[3.0], [9.0]]), 3.25 + np.array([3.0, 9.0, 15.0])
    np.testing.assert_allclose(found[0, 0], 2 * height - 3 * width + 1, rtol=1e-13)
    # By the centre of a bin the value moves by the image's slopes, and the centre by half of each corner.
    (slope,) = gc.interpret([gc.grad(y[0, 0, 0, 0], b)], {x: images, b: box})
    np.testing.assert_allclose(slope[0], [0, -3 * 5 / 6, 2 * 3 / 4, -3 / 6, 2 / 4], rtol=1e-12, atol=1e-12)


def test_no_derivative_by_boxes_where_none_is_wanted():
    generator = np.random.default_rng(0)
    x, b = gc.input("x", (1, 2, 6, 6), "float64"), gc.input("b", (1, 5), "float64")
    loss = gc.nn.roi_align(x, gc.stop_gradient(b), 2, sampling_ratio=2).sum()
    (g,) = gc.interpret([gc.grad(loss, b)], {x: generator.random((1, 2, 6, 6)), b: [[0, 1, 1, 4, 4]]})
    np.testing.assert_array_equal(g, np.zeros((1, 5)))


@pytest.mark.parametrize("number", [-1, 2])
def test_an_image_that_does_not_exist(number):
    x, b = gc.input("x", (2, 1, 4, 4)), gc.input("b", ("K", 5))
    y = gc.nn.roi_align(x, b, 2, sampling_ratio=1)
    with pytest.raises((IndexError, GraphError), match="an index lies outside"):
        gc.compile(y, [x, b])(np.zeros((2, 1, 4, 4), "f"), np.array([[number, 0, 0, 1, 1]], "f"))


def test_roi_align_errors():
    x, b = gc.input("x", ("N", 3, 8, 8)), gc.input("b", ("K", 5))
    with pytest.raises(UnsupportedError, match="sampling_ratio = -1 makes the number of samples depend") as e:
        gc.nn.roi_align(x, b, 2)
    assert "sampling_ratio=2" in e.value.remedy
    with pytest.raises(ShapeError, match=r"the input has shape \(N, 3, 8, 8\), the boxes \(K, 4\)"):
        gc.nn.roi_align(x, gc.input("b", ("K", 4)), 2, sampling_ratio=1)
    with pytest.raises(ShapeError, match=r"output_size = \(2, 0\) gives no bins"):
        gc.nn.roi_align(x, b, (2, 0), sampling_ratio=1)
    with pytest.raises(DTypeError, match="x has dtype int64"):
        gc.nn.roi_align(x, gc.input("b", ("K", 5), "int64"), 2, sampling_ratio=1)
    with pytest.raises(ShapeError, match="there are no pixels"):
        gc.nn.roi_align(gc.input("x", (1, 3, 8, 0)), b, 2, sampling_ratio=1)


def test_roi_align_in_single_precision():
    generator = np.random.default_rng(3)
    images = generator.standard_normal((2, 3, 8, 8)).astype("float32")
    boxes = np.array([[0, 1.2, 0.7, 5.1, 6.3], [1, -2.0, 3.1, 9.7, 4.4]], "float32")
    agree(
        lambda x, b: gc.nn.roi_align(x, b, 3, sampling_ratio=2),
        lambda x, b: _by_loops(x, b, (3, 3), 1.0, 2, False),
        [images, boxes],
        tolerance=5e-5,
        compiled=True,
    )


# -- boxes -----------------------------------------------------------------------------------------
def _boxes(generator, count):
    start = generator.uniform(0, 10, (count, 2))
    return np.hstack([start, start + generator.uniform(0.1, 5, (count, 2))])


def _areas(boxes):
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _their_overlaps(a, b):
    low, high = torch.maximum(a[:, None, :2], b[:, :2]), torch.minimum(a[:, None, 2:], b[:, 2:])
    both = (high - low).clamp(min=0).prod(-1)
    union = _areas(a)[:, None] + _areas(b) - both
    low, high = torch.minimum(a[:, None, :2], b[:, :2]), torch.maximum(a[:, None, 2:], b[:, 2:])
    return both / union, union, (high - low).prod(-1)


def _their_generalized(a, b):
    ratio, union, around = _their_overlaps(a, b)
    return ratio - (around - union) / around


@pytest.mark.parametrize("counts", [(1, 1), (4, 3), (0, 2), (3, 0), (12, 9)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_overlaps_of_boxes(counts, dtype):
    generator = np.random.default_rng(sum(counts))
    pair = [_boxes(generator, n).astype(dtype) for n in counts]
    exact = dtype == "float64"
    options = {"second": exact, "compiled": True, "tolerance": 1e-10 if exact else 1e-4}
    agree(gc.nn.box_area, _areas, pair[:1], shapes=[("N", 4)], **options)
    for shapes in (None, [("N", 4), ("M", 4)]):
        agree(gc.nn.box_iou, lambda a, b: _their_overlaps(a, b)[0], pair, shapes=shapes, **options)
        agree(gc.nn.generalized_box_iou, _their_generalized, pair, shapes=shapes, **options)


def test_overlaps_by_hand():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [4, 0, 5, 1.0]])
    b = gc.input("b", (3, 4), "float64")
    iou, generalized = gc.interpret([gc.nn.box_iou(b, b), gc.nn.generalized_box_iou(b, b)], {b: boxes})
    np.testing.assert_allclose(iou, [[1, 1 / 7, 0], [1 / 7, 1, 0], [0, 0, 1]])
    expected = [[1, 1 / 7 - 2 / 9, -5 / 10], [1 / 7 - 2 / 9, 1, -7 / 12], [-5 / 10, -7 / 12, 1]]
    np.testing.assert_allclose(generalized, expected)


def test_boxes_are_quadruples_of_floats():
    with pytest.raises(ShapeError, match=r"the boxes have shape \(N, 5\)"):
        gc.nn.box_area(gc.input("b", ("N", 5)))
    with pytest.raises(ShapeError, match=r"box_iou: the boxes have shape \(4,\)"):
        gc.nn.box_iou(gc.input("a", ("N", 4)), gc.input("b", (4,)))
    with pytest.raises(DTypeError, match="x has dtype int64"):
        gc.nn.generalized_box_iou(gc.input("a", ("N", 4), "int64"), gc.input("b", ("N", 4)))
