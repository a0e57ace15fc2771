"""TOPICS rows 14 and 17: convolution layers instead of full connection, and their transposes."""

from itertools import product

import numpy as np
import pytest
from scipy import signal

import graphc as gc

F64 = "float64"
Array = np.ndarray


def _matrix(
    w: Array, size: tuple[int, int], stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1
) -> Array:
    """The matrix (C·H·W, O·H'·W') that a convolution layer multiplies its flat images by, entry by entry.

    It is (block) Toeplitz: each weight of a filter stands once for every place of the filter.
    """
    out, per_group, *taps = w.shape
    height, width = (
        (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for n, k in zip(size, taps, strict=True)
    )
    matrix = np.zeros((per_group * groups, *size, out, height, width))
    for o, c, k, l, i, j in product(*map(range, (out, per_group, *taps, height, width))):
        row, column = stride * i + dilation * k - padding, stride * j + dilation * l - padding
        if 0 <= row < size[0] and 0 <= column < size[1]:
            channel = o // (out // groups) * per_group + c
            matrix[channel, row, column, o, i, j] += w[o, c, k, l]
    return matrix.reshape(per_group * groups * size[0] * size[1], -1)


# -- row 14: a convolution layer is a structure of three dimensions ------------------------------------------
def test_each_output_map_sums_its_filters_over_all_input_maps() -> None:
    """D maps of M × N in, P maps out: Y^p = f(Σ_d W^{p,d} ⊗ X^d + b^p), Qiu, equations 5.23 and 5.24."""
    rng = np.random.default_rng(0)
    depth, maps, m, n = 3, 4, 9, 8
    layer = gc.nn.Conv2d(depth, maps, (3, 2), activation="relu", dtype=F64)
    x = gc.input("x", ("N", depth, m, n), F64)
    y = layer(x)
    assert y.shape[1:] == (maps, m - 2, n - 1)
    f = gc.compile(y, [x])
    f.params["conv2d/bias"][:] = b = rng.standard_normal(maps)
    images, w = rng.standard_normal((2, depth, m, n)), f.params["conv2d/weight"]
    assert w.shape == (maps, depth, 3, 2)
    found = f(images)
    for example, p in product(range(2), range(maps)):
        total = sum(signal.correlate2d(images[example, d], w[p, d], "valid") for d in range(depth)) + b[p]
        np.testing.assert_allclose(found[example, p], np.maximum(total, 0), rtol=1e-10, atol=1e-12)


CASES = {
    "plain": {},
    "stride": {"stride": 2},
    "padding": {"padding": 1},
    "dilation": {"dilation": 2},
    "groups": {"groups": 2},
    "depthwise": {"groups": 4},
    "all": {"stride": 2, "padding": 2, "dilation": 2, "groups": 2},
}


@pytest.mark.parametrize("name", CASES)
def test_a_dense_layer_with_the_toeplitz_matrix_gives_the_same_output(name: str) -> None:
    arguments, size = CASES[name], (7, 6)
    rng = np.random.default_rng(1)
    x = gc.input("x", ("N", 4, *size), F64)
    convolved = gc.nn.Conv2d(4, 8, 3, bias=False, dtype=F64, **arguments)(x)
    places = int(np.prod(convolved.shape[1:]))
    flat = gc.nn.Sequential(
        gc.nn.Flatten(), gc.nn.Dense(4 * 7 * 6, places, bias=False, dtype=F64, name="dense")
    )(x)
    layer, dense = gc.compile(convolved, [x]), gc.compile(flat, [x])
    matrix = _matrix(layer.params["conv2d/weight"], size, **arguments)
    dense.params["dense/weight"] = matrix
    images = rng.standard_normal((3, 4, *size))
    np.testing.assert_allclose(
        dense(images).reshape(layer(images).shape), layer(images), rtol=1e-10, atol=1e-12
    )
    # Sparse, and few different numbers: what connections to neighbours alone, with shared weights, save.
    assert len(np.unique(matrix[matrix != 0])) == layer.params["conv2d/weight"].size
    assert (matrix != 0).sum(axis=0).max() <= 9 * 4 // arguments.get("groups", 1)
    # The dense layer could learn the same: its gradient, summed over equal weights, is the filter's.
    cotangent = gc.input("c", convolved.shape, F64)
    by_filter = gc.grad((convolved * cotangent).sum(), gc.parameters(convolved)[0])
    by_matrix = gc.grad((flat * gc.reshape(cotangent, (-1, places))).sum(), gc.parameters(flat)[0])
    c = rng.standard_normal(layer(images).shape)
    found = gc.compile(by_filter, [x, cotangent])(images, c)
    whole = gc.compile(by_matrix, [x, cotangent])(images, c)
    for place in range(0, found.size, 7):
        one = np.zeros(found.size)
        one[place] = 1
        tied = (whole * _matrix(one.reshape(found.shape), size, **arguments)).sum()
        np.testing.assert_allclose(found.flat[place], tied, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [(1, 32 * 16 * 9 + 32), (2, 32 * 8 * 9 + 32), (4, 32 * 4 * 9 + 32), (16, 32 * 9 + 32)],
)
def test_parameters_beside_those_of_full_connection(groups: int, expected: int) -> None:
    """16 maps of 28 × 28 to 32 maps: thousands of weights where full connection needs 314 millions."""
    layer = gc.nn.Conv2d(16, 32, 3, padding=1, groups=groups)
    x = gc.input("x", ("N", 16, 28, 28))
    y = layer(x)
    count = sum(int(np.prod(p.shape)) for p in layer.parameters())
    assert count == expected
    dense = gc.nn.Dense(16 * 28 * 28, int(np.prod(y.shape[1:])))  # parameters are not made before first use
    assert sum(int(np.prod(p.shape)) for p in dense.parameters()) == 12544 * 25088 + 25088
    larger = layer(gc.input("x", ("N", 16, 100, 90)))
    assert larger.shape[2:] == (100, 90) and gc.parameters(larger)[0] is gc.parameters(y)[0]


def test_groups_do_not_see_each_other_and_are_convolutions_side_by_side() -> None:
    rng = np.random.default_rng(2)
    images, w = rng.standard_normal((2, 6, 5, 5)), rng.standard_normal((9, 2, 3, 3))
    x, filters = gc.input("x", (2, 6, 5, 5), F64), gc.input("w", (9, 2, 3, 3), F64)
    y = gc.nn.conv2d(x, filters, groups=3)
    parts = [gc.nn.conv2d(x[:, 2 * g : 2 * g + 2], filters[3 * g : 3 * g + 3]) for g in range(3)]
    found, side_by_side, *gradients = gc.interpret(
        [y, gc.concatenate(parts, axis=1), *(gc.grad(y[:, 3 * g : 3 * g + 3].sum(), x) for g in range(3))],
        {x: images, filters: w},
    )
    np.testing.assert_allclose(found, side_by_side, rtol=1e-11, atol=1e-13)
    for g, gradient in enumerate(gradients):
        seen = np.abs(gradient).max(axis=(0, 2, 3)) > 0
        np.testing.assert_array_equal(np.flatnonzero(seen), [2 * g, 2 * g + 1])


def test_depthwise_then_pointwise_is_a_convolution_of_rank_one_filters() -> None:
    """W[p, d] = pointwise[p, d] · depthwise[d]: the factors of Howard et al. 2017, with fewer parameters."""
    rng = np.random.default_rng(3)
    depthwise, pointwise = rng.standard_normal((4, 1, 3, 3)), rng.standard_normal((6, 4, 1, 1))
    x = gc.input("x", (1, 4, 8, 8), F64)
    separable = gc.nn.conv2d(gc.nn.conv2d(x, depthwise, groups=4), pointwise)
    whole = gc.nn.conv2d(x, pointwise * depthwise[:, 0])
    found, expected = gc.interpret([separable, whole], {x: rng.standard_normal((1, 4, 8, 8))})
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    assert depthwise.size + pointwise.size < (pointwise * depthwise[:, 0]).size / 3


def test_a_shifted_picture_gives_shifted_features() -> None:
    image = gc.datasets.photographs()["flower"].transpose(2, 0, 1)[None] / np.float32(255)
    x = gc.input("x", ("N", 3, "H", "W"))
    f = gc.compile(gc.nn.Conv2d(3, 5, 5, activation="tanh")(x), [x])
    one, other = f(image[:, :, :60, :70]), f(image[:, :, 7:67, 11:81])
    np.testing.assert_allclose(one[:, :, 7:, 11:], other[:, :, :-7, :-11], atol=1e-5)


# -- row 17: transposed, fractionally strided convolution ------------------------------------------------
TRANSPOSED = [
    {"stride": s, "padding": p, "dilation": d, "groups": g}
    for s, p, d, g in (
        (1, 0, 1, 1),
        (2, 0, 1, 1),
        (2, 1, 1, 1),
        (3, 1, 1, 2),
        (1, 2, 2, 1),
        (2, 2, 2, 2),
        (4, 0, 1, 1),
    )
]


@pytest.mark.parametrize("arguments", TRANSPOSED, ids=str)
def test_the_transposed_convolution_is_the_adjoint(arguments: dict[str, int]) -> None:
    """⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩; with the same filter, whose first axis is then that of the input."""
    rng = np.random.default_rng(4)
    size, w = (11, 9), rng.standard_normal((6, 4 // arguments["groups"], 3, 3))
    x = gc.input("x", (2, 4, *size), F64)
    conv = gc.nn.conv2d(x, w, **arguments)
    y = gc.input("y", conv.shape, F64)
    spare = [
        (n + 2 * arguments["padding"] - 2 * arguments["dilation"] - 1) % arguments["stride"] for n in size
    ]
    turned = gc.nn.conv_transpose2d(y, w, output_padding=tuple(spare), **arguments)
    assert turned.shape == x.shape
    f = gc.compile(((conv * y).sum(), (x * turned).sum()), [x, y])
    for _ in range(3):
        left, right = f(rng.standard_normal(x.shape), rng.standard_normal(y.shape))
        np.testing.assert_allclose(left, right, rtol=1e-10)
    # The engine finds it by itself: reverse mode makes of a convolution this very op.
    by_engine = gc.vjp(conv, x, y)
    assert [n.op.name for n in gc.to_networkx(by_engine).nodes if n.inputs] == ["transposed_convolution"]
    back = gc.vjp(turned, y, x)  # and of its transpose the convolution
    assert "convolution" in {n.op.name for n in gc.to_networkx(back).nodes}
    values = {x: rng.standard_normal(x.shape), y: rng.standard_normal(y.shape)}
    results = gc.interpret([by_engine, turned, back, conv], values)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)
    np.testing.assert_allclose(results[2], results[3], rtol=1e-12)


@pytest.mark.parametrize("arguments", TRANSPOSED, ids=str)
def test_its_matrix_is_the_transpose_of_the_convolutions(arguments: dict[str, int]) -> None:
    rng = np.random.default_rng(5)
    size, w = (6, 7), rng.standard_normal((2, 2 // arguments["groups"], 3, 3))
    matrix = _matrix(w, size, **arguments)
    spare = [
        (n + 2 * arguments["padding"] - 2 * arguments["dilation"] - 1) % arguments["stride"] for n in size
    ]
    x = gc.input("x", (1, 2, *size), F64)
    conv = gc.nn.conv2d(x, w, **arguments)
    y = gc.input("y", conv.shape, F64)
    turned = gc.nn.conv_transpose2d(y, w, output_padding=tuple(spare), **arguments)
    forward, backward = gc.interpret(
        [gc.jacobian(conv, x), gc.jacobian(turned, y)], {x: np.zeros(x.shape), y: np.zeros(y.shape)}
    )
    forward, backward = forward.reshape(matrix.shape[::-1]), backward.reshape(matrix.shape)
    np.testing.assert_allclose(forward, matrix.T, atol=1e-13)
    np.testing.assert_allclose(backward, forward.T, atol=1e-13)


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("kernel", "padding"), [(1, 0), (2, 0), (3, 0), (4, 0), (2, 1), (3, 1), (4, 1), (4, 2)]
)
def test_a_fractional_stride_is_a_transposed_convolution(stride: int, kernel: int, padding: int) -> None:
    """Zeros between the elements, K − 1 − p around them, a turned filter, stride 1: steps of 1/s."""
    rng = np.random.default_rng(6)
    few, w = rng.standard_normal((1, 3, 5)), rng.standard_normal((3, 2, kernel))
    stuffed = np.zeros((1, 3, (5 - 1) * stride + 1))
    stuffed[..., ::stride] = few
    around = kernel - 1 - padding
    stuffed = np.pad(stuffed, ((0, 0), (0, 0), (around, around)))
    expected = np.array([
        sum(signal.correlate(stuffed[0, c], w[c, o, ::-1], "valid") for c in range(3)) for o in range(2)
    ])  # fmt: skip
    x = gc.input("x", (1, 3, "T"), F64)
    turned = gc.nn.conv_transpose1d(x, w, stride=stride, padding=padding)
    found = gc.compile(turned, [x])(few)
    assert found.shape[2] == (5 - 1) * stride - 2 * padding + kernel
    np.testing.assert_allclose(found[0], expected, rtol=1e-11, atol=1e-13)


def test_from_few_dimensions_to_many_and_drawn() -> None:
    """Qiu's figure: 4 features become 6 (1-D, K = 3), 2 × 2 become 4 × 4; the drawing names the op."""
    assert gc.nn.ConvTranspose1d(1, 1, 3)(gc.input("x", ("N", 1, 4))).shape[2:] == (6,)
    layer = gc.nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1, name="enlarge")
    y = layer(gc.input("x", ("N", 8, 16, 16)))
    assert y.shape[1:] == (3, 32, 32)
    picture = gc.draw(y)
    assert "convᵀ 4×4 /2" in picture.source and "enlarge" in picture.source
    assert picture.render("png")[:4] == b"\x89PNG"
    # In a drawing of a convolution with its gradient the adjoint stands on the way back.
    x = gc.input("x", (1, 3, 8, 8))
    conv = gc.nn.Conv2d(3, 4, 3)(x)
    assert "convᵀ" not in gc.draw(conv).source
    assert "convᵀ" in gc.draw([conv, gc.grad((conv * conv).sum(), x)]).source
