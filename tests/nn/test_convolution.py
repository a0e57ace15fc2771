"""Convolution: layouts, paddings, sizes known at the call, dtypes, laws, and what mistakes are told."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, GraphError, ShapeError, UnsupportedError
from tests.nn.convolution_draws import same_sides

LEVELS = ("none", "exact", "default", "fast")
GENERATOR = np.random.default_rng(5)
LAYOUTS = [(1, "NLC"), (1, "NWC"), (2, "NHWC"), (3, "NDHWC")]


def _data(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def _function(module, name: str, rank: int):
    return getattr(module, f"{name}{rank}d")


# -- layouts and ranks -----------------------------------------------------------------------------
@pytest.mark.parametrize("single", [False, True], ids=["batch", "single"])
@pytest.mark.parametrize("name", ["conv", "conv_transpose"])
@pytest.mark.parametrize("rank, layout", LAYOUTS)
def test_channels_last_is_channels_first_turned(
    rank, layout, name, single, torch, against_torch_to_second_order
):
    lead = () if single else (2,)
    x, w, b = _data(*lead, *range(4, 4 + rank), 4), _data(4, 2, *[2] * rank), _data(4)
    options = {"stride": 2, "padding": 1, "groups": 2}
    against_torch_to_second_order(
        lambda x, w, b: _function(gc.nn, name, rank)(x, w, b, layout=layout, **options),
        lambda x, w, b: torch.movedim(
            _function(torch.nn.functional, name, rank)(torch.movedim(x, -1, -1 - rank), w, b, **options),
            -1 - rank,
            -1,
        ),
        x,
        w,
        b,
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_channels_first_may_be_said(rank):
    x, w = gc.input("x", (2, 3, *[5] * rank)), gc.input("w", (4, 3, *[2] * rank))
    name = {1: "NCL", 2: "NCHW", 3: "NCDHW"}[rank]
    assert _function(gc.nn, "conv", rank)(x, w, layout=name).shape == (2, 4, *[4] * rank)


# -- padding ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("shapes", [None, [("N", 2, "H", "W"), (3, 2, 3, 2)]], ids=["known", "symbolic"])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_by_the_elements_themselves(mode, shapes, torch, against_torch_to_second_order):
    pad, conv2d = torch.nn.functional.pad, torch.nn.functional.conv2d
    against_torch_to_second_order(
        lambda x, w: gc.nn.conv2d(x, w, stride=(2, 1), padding=((1, 2), (3, 0)), padding_mode=mode),
        lambda x, w: conv2d(pad(x, (3, 0, 1, 2), mode=mode), w, stride=(2, 1)),
        _data(2, 2, 5, 4),
        _data(3, 2, 3, 2),
        shapes=shapes,
    )


def test_reflection_goes_on_where_pytorch_refuses():
    """Padding wider than the image swings to and fro, as numpy.pad has it."""
    x, w = _data(1, 1, 3), _data(1, 1, 4)
    image = gc.input("x", x.shape, "float64")
    (found,) = gc.interpret([gc.nn.conv1d(image, w, padding=5, padding_mode="reflect")], {image: x})
    padded = np.pad(x[0, 0], 5, mode="reflect")
    np.testing.assert_allclose(found[0, 0], np.correlate(padded, w[0, 0], "valid"), rtol=1e-12)


@pytest.mark.parametrize(
    "n, k, s, d", [(n, k, s, d) for n, k, s, d in product((1, 2, 5, 6, 7), (1, 2, 3, 4), (1, 2, 3), (1, 2))]
)
def test_same_is_its_formula(n, k, s, d):
    """⌈n / s⌉ places, place p reading s·p + d·r − before."""
    x, w = _data(1, 1, n)[0, 0], _data(1, 1, k)[0, 0]
    image = gc.input("x", (1, 1, n), "float64")
    y = gc.nn.conv1d(image, w.reshape(1, 1, k), stride=s, padding="same", dilation=d)
    before, _ = same_sides(n, d * (k - 1) + 1, s)
    expected = [
        sum(w[r] * x[s * p + d * r - before] for r in range(k) if 0 <= s * p + d * r - before < n)
        for p in range(-(-n // s))
    ]
    (found,) = gc.interpret([y], {image: x.reshape(1, 1, n)})
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-12, atol=1e-12)


def test_full_and_valid_by_name():
    x, w = gc.input("x", ("N", 2, "L")), gc.input("w", (3, 2, 4))
    assert [str(n) for n in gc.nn.conv1d(x, w, padding="full", dilation=2).shape] == ["N", "3", "L + 6"]
    assert [str(n) for n in gc.nn.conv1d(x, w, padding="valid").shape] == ["N", "3", "L - 3"]
    values = {x: _data(2, 2, 3).astype("float32"), w: _data(3, 2, 4).astype("float32")}
    named, numbers = gc.interpret([gc.nn.conv1d(x, w, padding=p) for p in ("full", 3)], values)
    np.testing.assert_array_equal(named, numbers)


# -- sizes known at the call -------------------------------------------------------------------------
@pytest.mark.parametrize("level", LEVELS)
def test_one_function_runs_at_any_size(level, torch):
    """Also where the last windows leave a rest, and without examples."""
    functional = torch.nn.functional
    x, w, v = gc.input("x", ("N", 2, "H", "W"), "float64"), _data(4, 1, 3, 2), _data(4, 2, 2, 3)
    filters = gc.input("w", w.shape, "float64")
    turned = gc.input("v", v.shape, "float64")
    inner = gc.nn.conv2d(x, filters, None, (2, 3), ((1, 2), (0, 1)), (1, 2), 2)
    y = gc.nn.conv_transpose2d(inner, turned, None, 3, 1, (1, 2))
    run = gc.compile([y, *gc.grad((y * y).sum(), [x, filters, turned])], [x, filters, turned], optimize=level)
    for sizes in [(1, 5, 4), (2, 6, 7), (3, 7, 5), (0, 5, 6), (1, 2, 2), (2, 9, 12)]:
        image = _data(sizes[0], 2, *sizes[1:])
        t, wt, vt = (torch.tensor(a, requires_grad=True) for a in (image, w, v))
        padded = functional.pad(t, (0, 1, 1, 2))
        z = functional.conv2d(padded, wt, None, (2, 3), 0, (1, 2), 2)
        z = functional.conv_transpose2d(z, vt, None, 3, 1, (1, 2))
        wanted = [z, *torch.autograd.grad((z * z).sum(), [t, wt, vt])]
        for found, want in zip(run(image, w, v), wanted, strict=True):
            np.testing.assert_allclose(found, want.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_a_size_too_small_is_refused_at_the_call():
    x, w = gc.input("x", ("N", 1, "L")), gc.input("w", (1, 1, 4))
    run = gc.compile(gc.nn.conv1d(x, w), [x, w])
    with pytest.raises(ShapeError, match="L"):
        run(np.zeros((1, 1, 2), np.float32), np.zeros((1, 1, 4), np.float32))


# -- dtypes ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype, tolerance", [("float16", 2e-2), ("float32", 1e-5)])
def test_floats_stay_what_they_are(dtype, tolerance, level):
    x, w = gc.input("x", ("N", 2, 5, 5), dtype), gc.input("w", (2, 2, 3, 3), dtype)
    y = gc.nn.conv_transpose2d(gc.nn.conv2d(x, w, stride=2, padding=1), w, stride=2, padding=1)
    outputs = [y, *gc.grad(y.sum(), [x, w])]
    values = [_data(3, 2, 5, 5).astype(dtype), _data(2, 2, 3, 3).astype(dtype)]
    wide = [gc.input("x", (3, 2, 5, 5), "float64"), gc.input("w", (2, 2, 3, 3), "float64")]
    z = gc.nn.conv_transpose2d(gc.nn.conv2d(*wide, stride=2, padding=1), wide[1], stride=2, padding=1)
    exact = gc.interpret([z, *gc.grad(z.sum(), wide)], dict(zip(wide, values, strict=True)))
    for run in (
        gc.compile(outputs, [x, w], optimize=level)(*values),
        gc.interpret(outputs, dict(zip([x, w], values, strict=True))),
    ):
        for found, want in zip(run, exact, strict=True):
            assert found.dtype == dtype
            assert np.abs(found - want).max() <= tolerance * (1 + np.abs(want).max())


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_integers_are_exact(dtype):
    x = GENERATOR.integers(0, 9, (2, 2, 5, 6)).astype(dtype)
    w = GENERATOR.integers(0, 3, (3, 2, 2, 3)).astype(dtype)
    images, filters = gc.input("x", x.shape, dtype), gc.input("w", w.shape, dtype)
    y = gc.nn.conv2d(images, filters, stride=(1, 2))
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 3), (2, 3))[:, :, :, ::2]
    expected = np.einsum("nchwkl,ockl->nohw", windows.astype("int64"), w.astype("int64"))
    for found in (gc.compile(y, [images, filters])(x, w), gc.interpret([y], {images: x, filters: w})[0]):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected.astype(dtype))


def test_mixed_dtypes_meet_as_in_numpy():
    x, w = gc.input("x", (1, 1, 4), "int64"), gc.input("w", (1, 1, 2), "float32")
    assert gc.nn.conv1d(x, w).dtype == np.result_type("int64", "float32")
    with pytest.raises(DTypeError, match="bool"):
        gc.nn.conv1d(gc.input("x", (1, 1, 4), "bool"), w)


@pytest.mark.parametrize("level", LEVELS)
def test_infinities_and_nan_spread_as_in_a_sum_of_products(level, torch):
    x, w = _data(1, 1, 6, 6), _data(1, 1, 2, 2)
    x[0, 0, 1, 1], x[0, 0, 4, 4], x[0, 0, 4, 5], x[0, 0, 1, 4] = np.inf, np.inf, -np.inf, np.nan
    images, filters = gc.input("x", x.shape, "float64"), gc.input("w", w.shape, "float64")
    run = gc.compile(gc.nn.conv2d(images, filters, padding=1), [images, filters], optimize=level)
    with np.errstate(invalid="ignore"):
        found = run(x, w)
    wanted = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w), padding=1).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


# -- laws ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride, before, after, dilation", [(1, 0, 0, 1), (2, 1, 2, 1), (3, 2, 0, 2)])
def test_the_jacobian_is_the_toeplitz_matrix(stride, before, after, dilation, groups):
    n, k, seen, made = 7, 3, 4, 2
    w = _data(made, seen // groups, k)
    places = (n + before + after - dilation * (k - 1) - 1) // stride + 1
    matrix = np.zeros((made, places, seen, n))
    for o, p, c, r in product(range(made), range(places), range(seen // groups), range(k)):
        i = stride * p + dilation * r - before
        if 0 <= i < n:
            group = o // (made // groups)
            matrix[o, p, group * (seen // groups) + c, i] = w[o, c, r]
    x = gc.input("x", (1, seen, n), "float64")
    y = gc.nn.conv1d(x, w, None, stride, ((before, after),), dilation, groups)
    jacobian = gc.jacobian(y, x)
    for found in (gc.interpret([jacobian], {})[0], gc.compile(jacobian, [])()):  # y is linear in x
        np.testing.assert_allclose(found.reshape(matrix.shape), matrix, rtol=1e-12)


@pytest.mark.parametrize("stride, dilation", [((1, 2), (1, 1)), ((3, 2), (2, 1)), ((2, 4), (1, 3))])
def test_transposing_is_convolving_with_zeros_between(stride, dilation):
    """Fractional strides: s − 1 zeros between the elements, the filter turned round, no stride."""
    x, w = _data(2, 3, 3, 2), _data(3, 2, 2, 3)
    stuffed = np.zeros((2, 3, 2 * stride[0] + 1, stride[1] + 1))
    stuffed[:, :, :: stride[0], :: stride[1]] = x
    turned = np.swapaxes(w[:, :, ::-1, ::-1], 0, 1)
    a, b = gc.input("x", x.shape, "float64"), gc.input("w", w.shape, "float64")
    z, t = gc.input("z", stuffed.shape, "float64"), gc.input("t", turned.shape, "float64")
    transposed = gc.nn.conv_transpose2d(a, b, stride=stride, dilation=dilation)
    plain = gc.nn.conv2d(z, t, padding="full", dilation=dilation)
    found, expected = gc.interpret([transposed, plain], {a: x, b: w, z: stuffed, t: turned})
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 2)])
def test_an_output_of_padding_alone_is_zeros(shape, torch, against_torch_to_second_order):
    """Here padding cuts off all that the filter reaches; output_padding puts zeros behind it."""
    x, w, b = _data(*shape), _data(1, 2, 1), _data(2)
    options = {"stride": 3, "padding": shape[-1], "output_padding": 2}
    against_torch_to_second_order(
        lambda x, w, b: (gc.nn.conv_transpose1d(x, w, b, **options) + x.mean() * w.mean()) ** 2,
        lambda x, w, b: (torch.nn.functional.conv_transpose1d(x, w, b, **options) + x.mean() * w.mean()) ** 2,
        x,
        w,
        b,
    )


# -- derivatives of higher order -------------------------------------------------------------------------
def _penalty(functional, grad, square, x, w, v):
    """‖∂y/∂x‖² of a small network: its derivatives are third derivatives of convolutions."""
    hidden = functional.leaky_relu(functional.conv2d(x, w, padding=1), 0.2)
    pooled = functional.max_pool2d(hidden, 2)
    score = functional.conv2d(pooled, v, stride=2)
    return square(grad(square(score), x))


def test_a_gradient_penalty_is_differentiated_again(torch, against_torch_to_second_order):
    against_torch_to_second_order(
        lambda x, w, v: _penalty(gc.nn, gc.grad, lambda t: (t**2).sum(), x, w, v),
        lambda x, w, v: _penalty(
            torch.nn.functional,
            lambda y, x: torch.autograd.grad(y, x, create_graph=True)[0],
            lambda t: (t**2).sum(),
            x,
            w,
            v,
        ),
        _data(2, 2, 6, 5),
        _data(3, 2, 3, 3),
        _data(1, 3, 2, 2),
        rtol=1e-8,
        atol=1e-8,
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["conv1d", "conv_transpose1d"])
def test_what_a_mask_hides_may_be_infinite(name, level):
    """x is infinite only where every output that reads it is masked: gradients as if it were 0 there."""
    dirty, w = _data(2, 2, 9), _data(2, 2, 3)
    dirty[0, 1, 2], dirty[1, 0, 8], dirty[1, 1, 0] = np.inf, np.nan, -np.inf
    bad = ~np.isfinite(dirty)
    x, filters = gc.input("x", dirty.shape, "float64"), gc.input("w", w.shape, "float64")
    y = getattr(gc.nn, name)(x, filters, stride=2, padding=1)
    touched = gc.interpret([y], {x: bad.astype(float), filters: np.ones(w.shape)})[0] > 0
    keep = gc.input("keep", y.shape, "bool")
    loss = (gc.where(keep, y, 0.0) ** 2).sum()
    outputs = [loss, *gc.grad(loss, [x, filters])]
    run = gc.compile(outputs, [x, filters, keep], optimize=level)
    clean = np.where(bad, 0.0, dirty)
    with np.errstate(invalid="ignore"):
        found = run(dirty, w, ~touched)
        meant = gc.interpret(outputs, {x: dirty, filters: w, keep: ~touched})
    assert 0 < touched.sum() < touched.size
    for value, interpreted, wanted in zip(found, meant, run(clean, w, ~touched), strict=True):
        assert np.isfinite(value).all()
        np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(interpreted, wanted, rtol=1e-12, atol=1e-13)


# -- mistakes ------------------------------------------------------------------------------------------
def _x():
    return gc.input("x", ("N", 2, 5, 5))


def _w(*shape):
    return gc.input("w", shape or (4, 2, 3, 3))


conv, transpose = gc.nn.conv2d, gc.nn.conv_transpose2d
MISTAKES = {
    "channels": (lambda: conv(_x(), _w(4, 3, 3, 3)), ShapeError, ["2 channels", "for 3"], "axis 1"),
    "groups": (
        lambda: conv(_x(), _w(3, 1, 3, 3), groups=2),
        ShapeError,
        ["3 channels", "2 groups"],
        "divide",
    ),
    "groups of input": (lambda: conv(_x(), _w(), groups=3), ShapeError, ["2 channels", "3 groups"], "divide"),
    "no groups": (lambda: conv(_x(), _w(), groups=0), ShapeError, ["groups = 0"], "at least 1"),
    "rank": (
        lambda: conv(gc.input("x", ("N", 2)), _w()),
        ShapeError,
        ["(N, 2)", "2 spatial"],
        "add or merge",
    ),
    "rank of filter": (
        lambda: conv(_x(), _w(4, 2, 3)),
        ShapeError,
        ["(4, 2, 3)", "4 axes"],
        "output channels",
    ),
    "symbolic filter": (lambda: conv(_x(), _w(4, 2, "K", 3)), ShapeError, ["symbolic size K"], "known"),
    "filter too large": (
        lambda: conv(_x(), _w(4, 2, 9, 3), padding=1),
        ShapeError,
        ["size 5, 7 with", "spans 9"],
        "pad more",
    ),
    "dilation too large": (
        lambda: conv(_x(), _w(), dilation=(1, 4)),
        ShapeError,
        ["axis 3", "spans 9"],
        "dilation",
    ),
    "negative padding": (lambda: conv(_x(), _w(), padding=-1), ShapeError, ["padding -1"], "slice"),
    "padding of three axes": (
        lambda: conv(_x(), _w(), padding=(1, 2, 3)),
        ShapeError,
        ["3 axes", "are 2"],
        "one an axis",
    ),
    "padding of three sides": (
        lambda: conv(_x(), _w(), padding=((1, 2, 3), 0)),
        ShapeError,
        ["no pair"],
        "before, after",
    ),
    "padding by a name": (lambda: conv(_x(), _w(), padding="wide"), UnsupportedError, ["'wide'"], '"same"'),
    "padding mode": (
        lambda: conv(_x(), _w(), padding=1, padding_mode="mirror"),
        UnsupportedError,
        ["'mirror'"],
        "reflect",
    ),
    "symbolic same": (
        lambda: conv(gc.input("x", ("N", 2, "H", 5)), _w(), None, 2, "same"),
        ShapeError,
        ["size H", "stride 2"],
        "numbers",
    ),
    "layout": (lambda: conv(_x(), _w(), layout="NWHC"), UnsupportedError, ["'NWHC'"], "'NHWC'"),
    "stride": (lambda: conv(_x(), _w(), stride=0), ShapeError, ["stride = 0"], "at least 1"),
    "fraction of a stride": (lambda: conv(_x(), _w(), stride=0.5), ShapeError, ["stride", "0.5"], "int"),
    "bias": (lambda: conv(_x(), _w(), gc.input("b", (3,))), ShapeError, ["(3,)", "(4,)"], "output channel"),
    "bool": (lambda: conv(gc.input("x", (1, 2, 5, 5), "bool"), _w()), DTypeError, ["bool"], "astype"),
    "transposed channels": (
        lambda: transpose(_x(), _w()),
        ShapeError,
        ["2 channels", "for 4"],
        "input channels, output",
    ),
    "output_padding": (
        lambda: transpose(_x(), _w(2, 4, 3, 3), stride=2, output_padding=2),
        ShapeError,
        ["output_padding 2", "stride 2"],
        "pad the result",
    ),
    "transposed by a name": (
        lambda: transpose(_x(), _w(2, 4, 3, 3), padding="same"),
        ShapeError,
        ["'same'"],
        "numbers",
    ),
    "nothing left": (
        lambda: transpose(_x(), _w(2, 4, 3, 3), padding=4),
        ShapeError,
        ["(4, 4)", "7"],
        "pad less",
    ),
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
