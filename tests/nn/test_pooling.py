"""Pooling: layouts, ties and NaN, sizes known at the call, dtypes, and what mistakes are told."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, GraphError, ShapeError, UnsupportedError

LEVELS = ("none", "exact", "default", "fast")
LAYOUTS = [(1, "NLC"), (2, "NHWC"), (3, "NDHWC")]


def _data(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def _runs(outputs, inputs, values, level):
    """The outputs by the interpreter and compiled."""
    yield gc.interpret(outputs, dict(zip(inputs, values, strict=True)))
    yield gc.compile(outputs, inputs, optimize=level)(*values)


# -- layouts and ranks -----------------------------------------------------------------------------
@pytest.mark.parametrize("single", [False, True], ids=["batch", "single"])
@pytest.mark.parametrize(
    "name, before, options",
    [
        ("max_pool", (), {"stride": 2, "padding": 1, "ceil_mode": True}),
        ("avg_pool", (), {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
        ("lp_pool", (2.0,), {"stride": 2, "ceil_mode": True}),
    ],
)
@pytest.mark.parametrize("rank, layout", LAYOUTS)
def test_channels_last_is_channels_first_turned(
    rank, layout, name, before, options, single, torch, against_torch_to_second_order
):
    function = f"{name}{rank}d"
    x = _data(*() if single else (2,), *range(4, 4 + rank), 3)
    against_torch_to_second_order(
        lambda x: getattr(gc.nn, function)(x, *before, 3, layout=layout, **options),
        lambda x: torch.movedim(
            getattr(torch.nn.functional, function)(torch.movedim(x, -1, -1 - rank), *before, 3, **options),
            -1 - rank,
            -1,
        ),
        x,
    )


def test_indices_too_are_turned():
    x = _data(2, 4, 4, 3)
    image = gc.input("x", x.shape, "float64")
    last = gc.nn.max_pool2d(image, 2, return_indices=True, layout="NHWC")
    first = gc.nn.max_pool2d(gc.moveaxis(image, -1, 1), 2, return_indices=True)
    a, i, b, j = gc.interpret([*last, *first], {image: x})
    np.testing.assert_array_equal(a, np.moveaxis(b, 1, -1))
    np.testing.assert_array_equal(i, np.moveaxis(j, 1, -1))


# -- ties, NaN and infinities ----------------------------------------------------------------------
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("value", [0.0, -np.inf, np.inf])
def test_of_equal_elements_the_first_is_the_maximum(value, level, torch):
    x = np.full((1, 2, 5, 4), value)
    x[0, 1, ::2, 1] = 1.0
    image = gc.input("x", x.shape, "float64")
    y, where = gc.nn.max_pool2d(image, (3, 2), (2, 1), 1, return_indices=True)
    t = torch.tensor(x, requires_grad=True)
    z, places = torch.nn.functional.max_pool2d(t, (3, 2), (2, 1), 1, return_indices=True)
    weights = _data(*z.shape)
    outputs = [y, where, gc.grad((y * weights).sum(), image)]
    (gradient,) = torch.autograd.grad(z, t, torch.tensor(weights))
    for found in _runs(outputs, [image], [x], level):
        np.testing.assert_array_equal(found[0], z.detach().numpy())
        np.testing.assert_array_equal(found[1], places.numpy())
        np.testing.assert_allclose(found[2], gradient.numpy(), rtol=1e-12)


@pytest.mark.parametrize("level", LEVELS)
def test_nan_is_the_largest_and_the_first_of_them_has_the_gradient(level, torch):
    """The values are PyTorch's, whose gradient goes to the last NaN of a window."""
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    x[0, 0, 0, 1] = x[0, 0, 1, 0] = x[0, 0, 2, 3] = np.nan
    image = gc.input("x", x.shape, "float64")
    y, where = gc.nn.max_pool2d(image, 2, return_indices=True)
    expected = torch.nn.functional.max_pool2d(torch.tensor(x), 2).numpy()
    gradient = np.zeros((4, 4))
    gradient.flat[[1, 7, 13, 11]] = 1
    for found in _runs([y, where, gc.grad(y.sum(), image)], [image], [x], level):
        np.testing.assert_array_equal(found[0], expected)
        np.testing.assert_array_equal(found[1].ravel(), [1, 7, 13, 11])
        np.testing.assert_array_equal(found[2][0, 0], gradient)


@pytest.mark.parametrize("level", LEVELS)
def test_an_infinity_in_a_mean_stays_in_its_windows(level, torch):
    """Sums of shifted parts must not carry it, or its difference, to a neighbour."""
    x = _data(1, 1, 6, 6)
    x[0, 0, 1, 2], x[0, 0, 5, 5], x[0, 0, 4, 0] = np.inf, -np.inf, np.nan
    image = gc.input("x", x.shape, "float64")
    y = gc.nn.avg_pool2d(image, 3, 1, 1)
    expected = torch.nn.functional.avg_pool2d(torch.tensor(x), 3, 1, 1).numpy()
    for (found,) in _runs([y], [image], [x], level):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_what_a_mask_hides_may_be_infinite():
    """Behind a ``where``, a mean's gradient is its share wherever the branch is taken, and 0 elsewhere."""
    x = gc.input("x", (1, 1, 6), "float64")
    y = gc.nn.lp_pool1d(x, 2, 2)
    loss = gc.where(np.array([True, False, True]), y, 0.0).sum()
    (found,) = gc.interpret([gc.grad(loss, x)], {x: np.array([[[3.0, 4, np.inf, 1, 5, 12]]])})
    np.testing.assert_allclose(found[0, 0], [0.6, 0.8, 0, 0, 5 / 13, 12 / 13], rtol=1e-12)


# -- derivatives -------------------------------------------------------------------------------------
def test_second_derivatives_of_a_maximum(torch, against_torch_to_second_order):
    """Of y² + e^y they are in the elements that are maxima, once for each window."""
    against_torch_to_second_order(
        lambda x: gc.nn.max_pool2d(x, 3, 1, 1) ** 2 + gc.exp(gc.nn.max_pool2d(x, 3, 1, 1)),
        lambda x: (lambda y: y**2 + torch.exp(y))(torch.nn.functional.max_pool2d(x, 3, 1, 1)),
        _data(2, 2, 5, 4),
    )


def test_forward_mode_takes_the_tangent_of_the_maximum():
    x = _data(2, 2, 7)
    image, direction = (gc.input(n, x.shape, "float64") for n in ("x", "v"))
    y, where = gc.nn.max_pool1d(image, 3, 2, 1, return_indices=True)
    tangent = gc.jvp(y, [image], [direction])
    v = _data(2, 2, 7) + 1
    found, places = gc.interpret([tangent, where], {image: x, direction: v})
    np.testing.assert_array_equal(found, np.take_along_axis(v, places, -1))


def test_the_power_mean_of_nothing_but_zeros_has_no_slope():
    x = gc.input("x", (1, 1, 4), "float64")
    y = gc.nn.lp_pool1d(x, 2, 2)
    found = gc.interpret([y, gc.grad(y.sum(), x)], {x: np.array([[[0.0, 0, 3, 4]]])})
    np.testing.assert_allclose(found[0][0, 0], [0, 5])
    np.testing.assert_allclose(found[1][0, 0], [0, 0, 0.6, 0.8])


# -- sizes known at the call -------------------------------------------------------------------------
@pytest.mark.parametrize("level", LEVELS)
def test_one_function_runs_at_any_size(level, torch):
    functional = torch.nn.functional
    x = gc.input("x", ("N", 2, "H", "W"), "float64")
    outputs = []
    for y in (
        gc.nn.max_pool2d(x, 3, 2, 1, 1),
        gc.nn.avg_pool2d(x, (3, 2), 2, 1, count_include_pad=False),
        gc.nn.avg_pool2d(x, 3, 1, 1),
        gc.nn.lp_pool2d(x, 2, (2, 3), (1, 3)),
    ):
        outputs += [y, gc.grad((y * y).sum(), x)]
    run = gc.compile(outputs, [x], optimize=level)
    for shape in [(2, 2, 6, 7), (1, 2, 7, 6), (3, 2, 5, 3), (0, 2, 5, 5), (1, 2, 9, 11)]:
        image = np.abs(_data(*shape)) + 0.1
        t = torch.tensor(image, requires_grad=True)
        wanted = []
        for z in (
            functional.max_pool2d(t, 3, 2, 1, 1),
            functional.avg_pool2d(t, (3, 2), 2, 1, count_include_pad=False),
            functional.avg_pool2d(t, 3, 1, 1),
            functional.lp_pool2d(t, 2, (2, 3), (1, 3)),
        ):
            wanted += [z, *torch.autograd.grad((z * z).sum(), t)]
        for found, want in zip(run(image), wanted, strict=True):
            np.testing.assert_allclose(found, want.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_an_image_may_be_known_by_its_number_of_channels_alone():
    x = gc.input("x", ("N", "C", 4, 4), "float64")
    y, where = gc.nn.max_pool2d(x, 2, return_indices=True)
    again = gc.nn.max_unpool2d(y, where, 2)
    run = gc.compile([again, gc.grad((again**2).sum(), x)], [x])
    for shape in [(2, 3, 4, 4), (1, 1, 4, 4), (0, 2, 4, 4)]:
        image = _data(*shape)
        kept, slope = run(image)
        np.testing.assert_array_equal(kept, np.where(kept != 0, image, 0))
        assert (kept != 0).sum() == 4 * shape[0] * shape[1]
        np.testing.assert_allclose(slope, 2 * kept)


# -- dtypes ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype, tolerance", [("float16", 1e-2), ("float32", 1e-5)])
def test_floats_stay_what_they_are(dtype, tolerance, level):
    x, exact = gc.input("x", (2, 2, 6, 5), dtype), gc.input("x", (2, 2, 6, 5), "float64")

    def pooled(x):
        return (
            gc.nn.max_pool2d(x, 3, 2, 1)
            + gc.nn.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
            + gc.nn.avg_pool2d(x, 3, 2, 1)
            + gc.nn.lp_pool2d(gc.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=1.0), 2, 3, 2)
        )

    outputs, wide = [[y, gc.grad(y.sum(), i)] for i in (x, exact) for y in [pooled(i)]]
    values = (np.abs(_data(2, 2, 6, 5)) + 0.5).astype(dtype)
    wanted = gc.interpret(wide, {exact: values})
    for run in _runs(outputs, [x], [values], level):
        for found, want in zip(run, wanted, strict=True):
            assert found.dtype == dtype
            assert np.abs(found - want).max() <= tolerance * (1 + np.abs(want).max())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8"])
def test_integers(dtype, level):
    """The maximum of integers is one, padding below every value; their mean is a float64."""
    x = np.random.default_rng(1).integers(np.iinfo(dtype).min, 0 if dtype != "uint8" else 9, (2, 1, 5))
    x = x.astype(dtype)
    x[0, 0, :3] = np.iinfo(dtype).min
    image = gc.input("x", x.shape, dtype)
    outputs = [*gc.nn.max_pool1d(image, 3, 2, 1, return_indices=True), gc.nn.avg_pool1d(image, 2)]
    for top, where, mean in _runs(outputs, [image], [x], level):
        assert top.dtype == dtype and mean.dtype == "float64" and where.dtype == "int64"
        windows = [x[..., :2], x[..., 1:4], x[..., 3:]]
        np.testing.assert_array_equal(top, np.stack([w.max(-1) for w in windows], -1))
        np.testing.assert_array_equal(top, np.take_along_axis(x, where, -1))
        np.testing.assert_array_equal(mean, (x[..., :4:2] + x[..., 1:4:2].astype(float)) / 2)


# -- unpooling -----------------------------------------------------------------------------------------
def test_a_place_that_several_windows_name_has_their_mean():
    values, index = np.array([[[2.0, 4.0, 5.0]]]), np.array([[[1, 1, 3]]])
    y, where = gc.input("y", values.shape, "float64"), gc.input("i", index.shape, "int64")
    found = gc.nn.max_unpool1d(y, where, 2, 1)
    value, slope = gc.interpret([found, gc.grad((found**2).sum(), y)], {y: values, where: index})
    np.testing.assert_array_equal(value, [[[0, 3, 0, 5]]])
    np.testing.assert_array_equal(slope, [[[3, 3, 10]]])


def test_an_index_outside_the_plane_is_refused_at_the_call():
    y, where = gc.input("y", (1, 1, 2)), gc.input("i", (1, 1, 2), "int64")
    run = gc.compile(gc.nn.max_unpool1d(y, where, 2), [y, where])
    with pytest.raises(IndexError, match="outside"):
        run(np.ones((1, 1, 2), np.float32), np.array([[[0, 4]]]))


# -- mistakes ------------------------------------------------------------------------------------------
def _x(*shape):
    return gc.input("x", shape or ("N", 2, 5, 5))


def _i(*shape):
    return gc.input("i", shape, "int64")


pool, average, power, unpool = gc.nn.max_pool2d, gc.nn.avg_pool2d, gc.nn.lp_pool2d, gc.nn.max_unpool2d
MISTAKES = {
    "padding": (lambda: pool(_x(), 2, padding=2), ShapeError, ["(2, 2)", "half"], "pad the tensor"),
    "padding alone": (
        lambda: pool(_x(1, 2, 2), (1, 2), 1, ((0, 0), (1, 1)), (1, 3)),
        ShapeError,
        ["padding alone", "(1, 1)"],
        "half a window",
    ),
    "perhaps padding alone": (
        lambda: pool(_x("N", 2, "H", 5), 2, 1, ((1, 1), (0, 0)), (3, 1)),
        ShapeError,
        ["size H may have fewer than 3 elements", "padding alone"],
        "gc.pad",
    ),
    "window": (lambda: pool(_x(), (2, 6)), ShapeError, ["axis 3", "size 5", "window of 6"], "smaller"),
    "dilation": (lambda: pool(_x(), 3, dilation=3), ShapeError, ["axis 2", "7 with its dilation 3"], "pad"),
    "rank": (lambda: pool(_x(5, 5), 2), ShapeError, ["(5, 5)", "channels"], "axis of channels"),
    "window of 0": (lambda: pool(_x(), 0), ShapeError, ["kernel_size = 0"], "at least 1"),
    "window of one axis": (lambda: pool(_x(), (2,)), ShapeError, ["1 axes", "are 2"], "one number an axis"),
    "symbolic ceil_mode": (
        lambda: pool(_x("N", 2, "H", 5), 3, 2, ceil_mode=True),
        UnsupportedError,
        ["ceil_mode", "size H"],
        "gc.pad",
    ),
    "symbolic same": (
        lambda: average(_x("N", 2, "H", 5), 3, 2, "same"),
        ShapeError,
        ["size H", "stride 2"],
        "numbers",
    ),
    "full": (
        lambda: pool(_x(), 3, padding="full"),
        ShapeError,
        ["half of the window of 3"],
        "pad the tensor",
    ),
    "layout": (lambda: pool(_x(), 2, layout="NDHWC"), UnsupportedError, ["'NDHWC'", "2 spatial"], "'NHWC'"),
    "divisor": (lambda: average(_x(), 2, divisor_override=0), ShapeError, ["is 0"], "divide by"),
    "bool": (lambda: pool(gc.input("x", (1, 4, 4), "bool"), 2), DTypeError, ["bool"], "astype"),
    "power window": (lambda: power(_x(), 2, 6), ShapeError, ["window of 6"], "smaller"),
    "unpool shapes": (lambda: unpool(_x(), _i("N", 2, 5, 4), 2), ShapeError, ["(N, 2, 5, 4)"], "max_pool"),
    "unpool floats": (lambda: unpool(_x(), _x(), 2), DTypeError, ["index", "float32"], "int64"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_a_remedy(name):
    call, kind, parts, remedy = MISTAKES[name]
    with pytest.raises(GraphError) as caught:
        call()
    error = caught.value
    assert type(error) is kind and error.op
    for part in parts:
        assert part in error.message
    assert remedy in error.remedy
    assert error.location is not None and error.location.filename == __file__
