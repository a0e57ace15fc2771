from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, ShapeError, UnsupportedError
from tests.nn.agreement import agree

torch = pytest.importorskip("torch")

WAYS = list(itertools.product(("bilinear", "nearest"), ("zeros", "border", "reflection"), (False, True)))


def _drawn(generator, most=7):
    n, channels = int(generator.integers(1, 3)), int(generator.integers(1, 4))
    height, width, rows, columns = (
        1 if generator.random() < 0.15 else int(k) for k in generator.integers(1, most, 4)
    )
    x = generator.standard_normal((n, channels, height, width))
    reach = 2.5 if generator.random() < 0.7 else 9.0  # reflected several times
    return x, generator.uniform(-reach, reach, (n, rows, columns, 2))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_drawn_grids_agree_with_torch(way):
    generator = np.random.default_rng(0)
    for call in range(25):
        x, grid = _drawn(generator)
        agree(
            lambda t, g: gc.nn.grid_sample(t, g, *way),
            lambda t, g: torch.nn.functional.grid_sample(t, g, *way),
            [x, grid],
            shapes=[("N", "C", "H", "W"), ("N", "P", "Q", 2)] if call % 2 else None,
            compiled=call % 8 == 3,
        )


def _by_definition(t, grid, padding_mode, align_corners):
    """Equation 5 of Jaderberg et al.: every pixel counts by a hat function of its distance."""
    hats = []
    for k, n in ((1, t.shape[2]), (0, t.shape[3])):
        place = (grid[..., k] + 1) * (n - 1) / 2 if align_corners else ((grid[..., k] + 1) * n - 1) / 2
        if padding_mode == "border":
            place = place.clamp(0, n - 1)
        hats.append(torch.relu(1 - (place[..., None] - torch.arange(n)).abs()))
    return torch.einsum("npqh,npqw,nchw->ncpq", *hats, t)


@pytest.mark.parametrize("padding_mode", ["zeros", "border"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_second_derivatives(padding_mode, align_corners):
    """PyTorch's own kernel has none."""
    generator = np.random.default_rng(1)
    for call in range(10):
        x, grid = _drawn(generator, 5)
        agree(
            lambda t, g: gc.nn.grid_sample(t, g, "bilinear", padding_mode, align_corners),
            lambda t, g: _by_definition(t, g, padding_mode, align_corners),
            [x, grid],
            second=True,
            compiled=call % 5 == 0,
        )


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_places_on_centres_and_borders(way):
    """Whole pixels, the borders themselves, and what lies far outside."""
    x = np.random.default_rng(0).standard_normal((1, 2, 4, 3))
    steps = np.array(
        [-1e30, -3, -1.75, -1.25, -1, -0.75, -2 / 3, -0.5, 0, 0.25, 2 / 3, 0.75, 1, 1.5, 2, 1e30]
    )
    if way[1] == "reflection":
        steps = steps[1:-1]  # the remainder of 1e30 is noise
    grid = np.stack(np.meshgrid(steps, steps), axis=-1)[None]
    t, g = gc.input("t", x.shape, "float64"), gc.input("g", grid.shape, "float64")
    (found,) = gc.interpret([gc.nn.grid_sample(t, g, *way)], {t: x, g: grid})
    expected = torch.nn.functional.grid_sample(torch.tensor(x), torch.tensor(grid), *way).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("align_corners", [False, True])
def test_the_border_does_not_move(align_corners):
    """On the border itself the derivative by the grid is PyTorch's, that of the side outside."""
    x = np.random.default_rng(0).standard_normal((1, 2, 4, 4))
    edge = 1.0 if align_corners else 0.75
    grid = np.array([[-edge, -edge], [edge, 0.1], [0.1, edge], [-edge, edge]]).reshape(1, 2, 2, 2)
    agree(
        lambda t, g: gc.nn.grid_sample(t, g, padding_mode="border", align_corners=align_corners),
        lambda t, g: torch.nn.functional.grid_sample(
            t, g, padding_mode="border", align_corners=align_corners
        ),
        [x, grid],
    )


def test_no_examples_and_no_places():
    x, grid = np.zeros((0, 2, 3, 3)), np.zeros((0, 2, 2, 2))
    agree(
        lambda t, g: gc.nn.grid_sample(t, g),
        lambda t, g: _by_definition(t, g, "zeros", False),
        [x, grid],
        compiled=True,
    )


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_undefined_places_have_undefined_values(way):
    x, grid = np.ones((1, 1, 3, 3)), np.array([[np.nan, 0.0], [0.0, 0.0]]).reshape(1, 1, 2, 2)
    t, g = gc.input("t", x.shape, "float64"), gc.input("g", grid.shape, "float64")
    y = gc.nn.grid_sample(t, g, *way)
    for value in (gc.interpret([y], {t: x, g: grid})[0], gc.compile(y, [t, g])(x, grid)):
        assert value[0, 0, 0, 1] == 1
        assert way[0] == "nearest" or np.isnan(value[0, 0, 0, 0])


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (1, 1, 1, 1), (3, 2, 1, 6), (0, 1, 2, 2)])
def test_affine_grid(size, align_corners):
    theta = np.random.default_rng(0).standard_normal((size[0], 2, 3))
    # PyTorch refuses no examples; of one example none are left by a slice.
    padded = size if size[0] else (1, *size[1:])

    def theirs(t):
        whole = t if size[0] else torch.cat([t, torch.zeros(1, 2, 3, dtype=t.dtype)])
        return torch.nn.functional.affine_grid(whole, padded, align_corners)[: size[0]]

    for shapes, declared in ((None, size), ([("N", 2, 3)], ("N", *size[1:]))):
        agree(
            lambda t, declared=declared: gc.nn.affine_grid(t, declared, align_corners),
            theirs,
            [theta],
            shapes=shapes,
            second=True,
            compiled=True,
        )


def test_the_identity_leaves_the_image():
    x, theta = gc.input("x", ("N", 2, "H", "W"), "float64"), gc.input("theta", ("N", 2, 3), "float64")
    value = np.random.default_rng(0).standard_normal((3, 2, 5, 4))
    eye = np.broadcast_to(np.eye(2, 3), (3, 2, 3))
    for align_corners in (False, True):
        grid = gc.nn.affine_grid(theta, x.shape, align_corners)
        for mode in ("bilinear", "nearest"):
            y = gc.nn.grid_sample(x, grid, mode, align_corners=align_corners)
            (found,) = gc.interpret([y], {x: value, theta: eye})
            np.testing.assert_allclose(found, value, atol=1e-13)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_single_precision_stays(way):
    generator = np.random.default_rng(5)
    x, grid = (a.astype("float32") for a in _drawn(generator))
    agree(
        lambda t, g: gc.nn.grid_sample(t, g, *way),
        lambda t, g: torch.nn.functional.grid_sample(t, g, *way),
        [x, grid],
        tolerance=5e-5,
        compiled=True,
    )


def test_errors():
    x, grid = gc.input("x", ("N", 3, "H", 6)), gc.input("g", ("N", 4, 5, 2))
    with pytest.raises(UnsupportedError, match="mode = 'bicubic' with padding_mode = 'zeros'"):
        gc.nn.grid_sample(x, grid, "bicubic")
    with pytest.raises(UnsupportedError, match="padding_mode = 'wrap' is not supported"):
        gc.nn.grid_sample(x, grid, padding_mode="wrap")
    with pytest.raises(UnsupportedError, match="volumes are not supported"):
        gc.nn.grid_sample(gc.input("v", (1, 1, 2, 2, 2)), grid)
    with pytest.raises(ShapeError, match=r"x has shape \(N, 3, H, 6\), the grid \(N, 4, 5, 3\)"):
        gc.nn.grid_sample(x, gc.input("g", ("N", 4, 5, 3)))
    with pytest.raises(ShapeError, match=r"the grid \(M, 4, 5, 2\)"):
        gc.nn.grid_sample(x, gc.input("g", ("M", 4, 5, 2)))
    with pytest.raises(ShapeError, match="there are no pixels"):
        gc.nn.grid_sample(gc.input("e", ("N", 3, 0, 6)), grid)
    with pytest.raises(DTypeError, match="x has dtype int64"):
        gc.nn.grid_sample(gc.input("i", ("N", 3, 2, 6), "int64"), grid)
    with pytest.raises(ShapeError, match=r"theta has shape \(N, 3, 3\)"):
        gc.nn.affine_grid(gc.input("t", ("N", 3, 3)), ("N", 3, 4, 4))
    with pytest.raises(UnsupportedError, match="is that of volumes"):
        gc.nn.affine_grid(gc.input("t", ("N", 3, 4)), ("N", 3, 4, 4, 4))
