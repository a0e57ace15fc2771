from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, GraphError, ShapeError, UnsupportedError
from tests.nn.agreement import agree

torch = pytest.importorskip("torch")

MODES = {
    1: ("nearest", "nearest-exact", "linear", "area"),
    2: ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
    3: ("nearest", "nearest-exact", "trilinear", "area"),
}
FACTORS = (1, 2, 3, 0.5, 0.25, 1 / 3, 1.5, 1.25)
LARGEST = {1: (14, 16), 2: (9, 14), 3: (6, 8)}


def _drawn(generator: np.random.Generator) -> tuple[np.ndarray, dict[str, Any]]:
    """An array and the arguments of one call; often axes of size 1, sometimes no examples."""
    rank = int(generator.integers(1, 4))
    mode = str(generator.choice(MODES[rank]))
    most, most_out = LARGEST[rank]
    space = [1 if generator.random() < 0.15 else int(n) for n in generator.integers(2, most, rank)]
    options: dict[str, Any] = {"mode": mode}
    if mode.endswith(("linear", "cubic")):
        options["align_corners"] = [None, False, True][generator.integers(3)]
    if generator.random() < 0.5:
        options["size"] = tuple(map(int, generator.integers(1, most_out, rank)))
    else:
        factors = [
            float(generator.choice(FACTORS) if generator.random() < 0.6 else generator.uniform(0.2, 3))
            for _ in space
        ]
        options["scale_factor"] = tuple(
            [s if n * s >= 1 else 2.0 for s, n in zip(factors, space, strict=True)]
        )
        options["recompute_scale_factor"] = [None, False, True][generator.integers(3)]
    x = generator.standard_normal((int(generator.integers(0, 3)), int(generator.integers(1, 4)), *space))
    return x, options


def _contradicts_itself(x: np.ndarray, options: dict[str, Any]) -> bool:
    """Whether PyTorch's backward function copies or doubles where its forward one goes by the factor."""
    factors = options.get("scale_factor")
    if factors is None or options["recompute_scale_factor"]:
        return False
    ratios = [(int(n * s) / n, s) for n, s in zip(x.shape[2:], factors, strict=True)]
    if options["mode"] == "nearest":
        return x.ndim != 4 and any(ratio in (1, 2) and ratio != s for ratio, s in ratios)
    return options["mode"] == "bicubic" and all(ratio == 1 for ratio, _ in ratios)


def _symbolic(x: np.ndarray, options: dict[str, Any]) -> tuple[int | str, ...]:
    """The shape of x with as many symbolic sizes as the factors allow."""
    factors = options.get("scale_factor", (2.0,) * (x.ndim - 2))
    space = [
        "DHW"[k] if (s * 64).is_integer() else n
        for k, (n, s) in enumerate(zip(x.shape[2:], factors, strict=True))
    ]
    return ("N", "C", *space)


@pytest.mark.parametrize("seed", range(20))
def test_drawn_calls_agree_with_torch(seed):
    generator = np.random.default_rng(seed)
    for call in range(25):
        x, options = _drawn(generator)
        agree(
            lambda t, options=options: gc.nn.interpolate(t, **options),
            lambda t, options=options: torch.nn.functional.interpolate(t, **options),
            [x],
            shapes=[_symbolic(x, options)] if call % 3 == 0 else None,
            linear=(wrong := _contradicts_itself(x, options)),
            second=call % 8 == 1 and not wrong,
            compiled=call % 5 == 2,
        )


@pytest.mark.parametrize("factor", [1.1, 1.25, 1.9, 2.2, 2.5])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
@pytest.mark.parametrize("n", range(1, 6))
def test_a_factor_that_hardly_changes_a_size(factor, mode, n):
    x = np.random.default_rng(n).standard_normal((1, 2, n, 3))
    options = {"scale_factor": (factor, 1.0), "mode": mode}
    for shape in ([1, 2, n, 3], *[["N", 2, "H", 3]] * (factor * 4).is_integer()):
        agree(
            lambda t: gc.nn.interpolate(t, **options),
            lambda t: torch.nn.functional.interpolate(t, **options),
            [x],
            shapes=[shape],
            linear=_contradicts_itself(x, {**options, "recompute_scale_factor": None}),
        )


@pytest.mark.parametrize(("factor", "n"), [(2.6, 16), (1.3, 31), (2.45, 21)])
@pytest.mark.parametrize("size", ["known", "symbolic"])
def test_a_place_that_rounding_puts_below_a_whole_number(factor, n, size):
    x = np.random.default_rng(n).standard_normal((1, 1, n))
    shape = [(1, 1, n if size == "known" else "L")]
    # A symbolic size takes no such factor; by the new size the places come from whole numbers.
    options = {"scale_factor": factor} if size == "known" else {"size": int(n * factor)}
    agree(
        lambda t: gc.nn.interpolate(t, **options),
        lambda t: torch.nn.functional.interpolate(t, **options),
        [x],
        shapes=shape,
    )


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
@pytest.mark.parametrize("scale", [2, 0.5, 1.5, 0.3])
def test_single_precision_stays(mode, scale):
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 8)).astype("float32")
    agree(
        lambda t: gc.nn.interpolate(t, scale_factor=scale, mode=mode),
        lambda t: torch.nn.functional.interpolate(t, scale_factor=scale, mode=mode),
        [x],
        tolerance=2e-5,
        compiled=True,
    )


def test_one_declaration_serves_all_sizes():
    x = gc.input("x", ("N", 2, "H", "W"), "float64")
    ways = [
        {"scale_factor": 2, "mode": "bilinear"},
        {"scale_factor": 0.5, "mode": "nearest"},
        {"size": (5, 4), "mode": "bicubic", "align_corners": True},
        {"size": (5, 4), "mode": "area"},
        {"scale_factor": 3},
    ]
    run = gc.compile([gc.nn.interpolate(x, **way) for way in ways], [x])
    for shape in ((1, 2, 6, 4), (3, 2, 5, 9), (0, 2, 2, 2)):
        value = np.random.default_rng(1).standard_normal(shape)
        for way, found in zip(ways, run(value), strict=True):
            expected = torch.nn.functional.interpolate(torch.tensor(value), **way).numpy()
            np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_linear_image_is_interpolated_exactly():
    line = np.arange(5.0)[None, None]
    x = gc.input("x", ("N", 1, 5), "float64")
    (fine,) = gc.interpret([gc.nn.interpolate(x, 9, mode="linear", align_corners=True)], {x: line})
    np.testing.assert_allclose(fine[0, 0], np.linspace(0, 4, 9), atol=1e-15)


def test_whole_factors_move_views_only():
    """Nearest by a whole factor, or its inverse, indexes nothing: it broadcasts or slices."""
    x = gc.input("x", ("N", 3, "H", 6))
    for way in ({"scale_factor": 3}, {"scale_factor": 0.5}, {"scale_factor": 2, "mode": "nearest-exact"}):
        text = gc.text_form(gc.nn.interpolate(x, **way))
        assert "take" not in text and "matmul" not in text
    assert gc.nn.interpolate(x, scale_factor=1) is x


def test_nearest_keeps_integers_and_infinities():
    values = np.array([[[1, -(2**60), 7]]])
    i = gc.input("i", (1, 1, 3), "int64")
    (found,) = gc.interpret([gc.nn.interpolate(i, 5)], {i: values})
    np.testing.assert_array_equal(found, values[..., [0, 0, 1, 1, 2]])
    x = gc.input("x", (1, 1, 3), "float64")
    for way in ({"size": 5}, {"size": 6}, {"scale_factor": 1.7}):
        (found,) = gc.interpret([gc.nn.interpolate(x, **way)], {x: [[[np.inf, 1.0, np.nan]]]})
        expected = torch.nn.functional.interpolate(torch.tensor([[[np.inf, 1.0, np.nan]]]), **way).numpy()
        np.testing.assert_array_equal(found, expected)


def test_errors():
    x = gc.input("x", ("N", 3, "H", 6))
    with pytest.raises(GraphError, match=r"size = None and scale_factor = None are given"):
        gc.nn.interpolate(x)
    with pytest.raises(GraphError, match=r"size = 3 and scale_factor = 2 are given"):
        gc.nn.interpolate(x, 3, 2)
    with pytest.raises(ShapeError, match=r"size = \(3, 4, 5\) has 3 entries for the spatial sizes \(H, 6\)"):
        gc.nn.interpolate(x, (3, 4, 5))
    with pytest.raises(
        ShapeError, match=r"mode 'linear' is for 1 spatial axes, x has shape \(N, 3, H, 6\)"
    ) as e:
        gc.nn.interpolate(x, 3, mode="linear")
    assert "use 'bilinear' or 'bicubic'" in e.value.remedy
    with pytest.raises(ShapeError, match=r"x has shape \(7, 3\), where \(N, C, …\)"):
        gc.nn.interpolate(gc.input("v", (7, 3)), 3)
    with pytest.raises(UnsupportedError, match="there is no mode 'lanczos'"):
        gc.nn.interpolate(x, 3, mode="lanczos")
    with pytest.raises(GraphError, match="align_corners has no meaning for mode 'area'"):
        gc.nn.interpolate(x, 3, mode="area", align_corners=False)
    with pytest.raises(UnsupportedError, match=r"the symbolic size H times 1\.7 has no integer form"):
        gc.nn.interpolate(x, scale_factor=1.7)
    with pytest.raises(ShapeError, match=r"would have spatial sizes \(0, 1\)"):
        gc.nn.interpolate(gc.input("v", (1, 1, 2, 6)), scale_factor=0.25)
    with pytest.raises(DTypeError, match="x has dtype int64"):
        gc.nn.interpolate(gc.input("i", (1, 1, 2, 6), "int64"), 3, mode="bilinear")
    for factor in (0, -1.0, float("inf"), float("nan"), True, "2"):
        with pytest.raises(GraphError, match="is no positive number"):
            gc.nn.interpolate(x, scale_factor=factor)
    with pytest.raises(ShapeError, match="a dimension cannot be negative"):
        gc.nn.interpolate(x, -3)
