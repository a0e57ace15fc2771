"""Receptive fields against published formulas, and against what outputs really depend on."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.runtime.interpreter import interpret
from tests.analysis.networks import Drawn, drawn


def image(*spatial: int | str, channels: int = 1) -> gc.Tensor:
    return gc.input("x", ("N", channels, *(spatial or (64, 64))))


def weight(*size: int, of: int = 1) -> gc.Tensor:
    return gc.parameter("w", (of, of, *size))


# -- closed forms ----------------------------------------------------------------------------------
@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_one_layer_spans_its_effective_size(k: int, d: int) -> None:
    x = image()
    field = gc.nn.receptive_field(gc.nn.conv2d(x, weight(k, 1), dilation=d), x)
    assert field.size == (k + (k - 1) * (d - 1), 1)
    assert field.stride == (1, 1)
    assert field.start == (0, 0)


@pytest.mark.parametrize("seed", range(30))
def test_a_stack_has_the_published_size_stride_and_padding(seed: int) -> None:
    """Araujo, Norris and Sim 2019: r₀ = Σ (kₗ − 1) Π sᵢ + 1, S₀ = Π sᵢ, u₀ = −Σ pₗ Π sᵢ, Π over i < l."""
    rng = np.random.default_rng(seed)
    x = image(400)
    h, size, stride, start = x, 1, 1, 0
    for _ in range(rng.integers(1, 7)):
        k, s, p, d = (int(rng.integers(a, b)) for a, b in ((1, 6), (1, 3), (0, 3), (1, 3)))
        match rng.integers(3):
            case 0:
                h = gc.nn.conv1d(h, weight(k), stride=s, padding=p, dilation=d)
            case 1:
                p, d = min(p, k // 2), 1
                h = gc.nn.max_pool1d(h, k, stride=s, padding=p)
            case _:
                p, d = min(p, k // 2), 1
                h = gc.nn.avg_pool1d(h, k, stride=s, padding=p)
        size += (k - 1) * d * stride
        start -= p * stride
        stride *= s
    field = gc.nn.receptive_field(h, x)
    assert (field.size, field.stride, field.start) == ((size,), (stride,), (start,))


def vgg_features(x: gc.Tensor) -> gc.Tensor:
    for layers in (2, 2, 3, 3, 3):
        for _ in range(layers):
            x = gc.relu(gc.nn.conv2d(x, gc.constant(np.ones((1, 1, 3, 3))), padding=1))
        x = gc.nn.max_pool2d(x, 2)
    return x


def test_vgg16_sees_212_pixels_in_steps_of_32() -> None:
    """The table of Araujo, Norris and Sim: VGG-16 has r = 212, effective stride 32, effective padding 90."""
    x = image(224, 224)
    field = gc.nn.receptive_field(vgg_features(x), x)
    assert (field.size, field.stride, field.start) == ((212, 212), (32, 32), (-90, -90))


def test_alexnet_sees_195_pixels_in_steps_of_32() -> None:
    """The same table: AlexNet (version 2) has r = 195, effective stride 32 and effective padding 64."""
    x = image(224, 224)
    h = gc.nn.max_pool2d(gc.nn.conv2d(x, weight(11, 11), stride=4), 3, stride=2)
    h = gc.nn.max_pool2d(gc.nn.conv2d(h, weight(5, 5), padding=2), 3, stride=2)
    for _ in range(3):
        h = gc.nn.conv2d(h, weight(3, 3), padding=1)
    h = gc.nn.max_pool2d(h, 3, stride=2)
    field = gc.nn.receptive_field(h, x)
    assert (field.size, field.stride, field.start) == ((195, 195), (32, 32), (-64, -64))


# -- branches, upsampling, heads ---------------------------------------------------------------------
def test_a_residual_sum_sees_what_its_wider_path_sees() -> None:
    x = image()
    y = x + gc.nn.conv2d(gc.nn.conv2d(x, weight(3, 3), padding=1), weight(3, 3), padding=1)
    assert gc.nn.receptive_field(y, x).size == (5, 5)
    assert gc.nn.receptive_field(y, x).start == (-2, -2)


def test_each_channel_of_branches_has_its_own_field() -> None:
    x = image(9, 9)
    y = gc.concatenate([gc.nn.conv2d(x, weight(k, k), padding=k // 2) for k in (1, 3, 5)], axis=1)
    assert gc.nn.receptive_field(y, x).size == (5, 5)
    assert [gc.nn.receptive_field(y, x, at=(None, c, None, None)).size for c in range(3)] == [
        (k, k) for k in (1, 3, 5)
    ]
    assert gc.nn.receptive_field(y, x).box((0, 1, 4, 4)) == (slice(3, 6), slice(3, 6))


def test_an_upsampling_moves_by_fractions() -> None:
    x = image(8, 8)
    y = gc.repeat(gc.repeat(x, 2, axis=2), 4, axis=3)
    field = gc.nn.receptive_field(y, x)
    assert (field.size, field.stride) == ((1, 1), (Fraction(1, 2), Fraction(1, 4)))
    assert [field.box((2 * i + 1, 4 * i + 3)) for i in range(8)] == [(slice(i, i + 1),) * 2 for i in range(8)]


@pytest.mark.parametrize(("k", "s", "widest"), [(4, 2, 2), (3, 2, 2), (2, 2, 1), (6, 2, 3), (2, 3, 1)])
def test_a_transposed_convolution_sees_the_larger_of_its_forms(k: int, s: int, widest: int) -> None:
    x = image(9)
    field = gc.nn.receptive_field(gc.nn.conv_transpose1d(x, weight(k), stride=s), x)
    assert (field.size, field.stride) == ((widest,), (Fraction(1, s),))


def test_encoder_and_decoder_with_a_skip_connection() -> None:
    x = image(32, 32)
    low = gc.nn.conv2d(gc.nn.max_pool2d(x, 2), weight(3, 3), padding=1)
    high = gc.nn.conv_transpose2d(low, weight(2, 2), stride=2)
    field = gc.nn.receptive_field(gc.concatenate([x, high], axis=1), x)
    assert (field.size, field.stride) == ((6, 6), (1, 1))


def test_a_dense_head_sees_everything_and_more() -> None:
    x = image(28, 28)
    h = gc.nn.conv2d(x, weight(5, 5), padding=2)
    y = gc.reshape(h, ("N", 28 * 28)) @ gc.parameter("v", (28 * 28, 10))
    field = gc.nn.receptive_field(y, x)
    assert (field.places, field.size, field.stride, field.start) == ((), (32, 32), (0, 0), (-2, -2))
    assert field.box() == (slice(0, 28), slice(0, 28))


def test_attention_sees_every_token() -> None:
    x = gc.input("x", ("N", 6, 4))
    y = gc.nn.scaled_dot_product_attention(x[:, :3] * 2.0, x, x)
    assert gc.nn.receptive_field(y, x, axis=1).size == (6,)
    assert gc.nn.receptive_field(y, x, axis=1).stride == (0,)


def test_flattening_keeps_the_field_of_each_place() -> None:
    x = image(8, 8)
    tokens = gc.reshape(gc.nn.conv2d(x, weight(2, 2), stride=2), ("N", 1, 16))
    field = gc.nn.receptive_field(tokens, x)
    assert field.size == (2, 2)
    assert field.box(6) == (slice(2, 4), slice(4, 6))


def test_a_squeeze_and_excitation_gate_sees_everything() -> None:
    x = image(10, 10)
    h = gc.nn.conv2d(x, weight(3, 3), padding=1)
    y = h * gc.sigmoid(gc.mean(h, axis=(2, 3), keepdims=True))
    field = gc.nn.receptive_field(y, x)
    assert (field.size, field.stride) == ((12, 12), (0, 0))


def test_paths_of_different_strides_have_none() -> None:
    x = image(12)
    field = gc.nn.receptive_field(x[:, :, ::2] + x[:, :, :6], x)
    assert field.stride == (None,)
    assert field.box(3) == (slice(3, 7),)


def test_layouts_and_flips() -> None:
    x = gc.input("x", ("N", 8, 9, 3))
    y = gc.nn.conv2d(x, gc.parameter("w", (4, 3, 3, 1)), layout="NHWC")
    assert gc.nn.receptive_field(y, x, axis=(1, 2)).size == (3, 1)
    turned = gc.nn.receptive_field(gc.flip(x, 1), x, axis=1)
    assert (turned.stride, turned.start, turned.box(2)) == ((-1,), (7,), (slice(5, 6),))


def test_a_tensor_sees_itself() -> None:
    x = image(5, 7)
    field = gc.nn.receptive_field(x, x)
    assert (field.size, field.stride, field.start) == ((1, 1), (1, 1), (0, 0))


# -- symbolic sizes and depth ------------------------------------------------------------------------
def test_symbolic_sizes() -> None:
    x = image("H", "W")
    h = gc.nn.max_pool2d(gc.nn.conv2d(x, weight(3, 3), padding=1), 2)
    field = gc.nn.receptive_field(h, x)
    assert (field.size, field.stride, field.start) == ((4, 4), (2, 2), (-1, -1))
    assert field.box((0, 3)) == (slice(0, 3), slice(5, 9))
    pooled = gc.nn.receptive_field(gc.mean(gc.nn.conv2d(x, weight(3, 3)), axis=(2, 3)), x)
    assert pooled.size == x.shape[2:]


def test_depth_is_no_limit() -> None:
    x = image(16)
    h, w = x, weight(3)
    for _ in range(3000):
        h = gc.relu(gc.nn.conv1d(h, w, padding=1))
    assert gc.nn.receptive_field(h, x).size == (6001,)


# -- what outputs depend on --------------------------------------------------------------------------
def support(changed: Any) -> tuple[slice, ...]:
    """The bounding box of what is true, along the spatial axes."""
    found = []
    for axis in range(2, changed.ndim):
        places = np.flatnonzero(changed.any(axis=tuple(a for a in range(changed.ndim) if a != axis)))
        found.append(slice(places[0], places[-1] + 1) if len(places) else slice(0, 0))
    return tuple(found)


def places_of(net: Drawn, rng: np.random.Generator) -> list[tuple[int, ...]]:
    shape = net.y.shape
    corners = [tuple(0 for _ in shape), tuple(int(n) - 1 for n in shape)]
    return [*corners, *(tuple(int(rng.integers(n)) for n in shape) for _ in range(4))]


def by_gradient(net: Drawn, place: tuple[int, ...], x: Any) -> Any:
    y = net.y[place]
    return interpret([gc.grad(y, net.x)], {net.x: x})[0] != 0


def by_perturbation(net: Drawn, place: tuple[int, ...], x: Any) -> Any:
    """With positive weights all functions here grow with each element, and a huge one wins all maxima."""
    function = gc.compile(net.y, [net.x])
    before = function(x)[place]
    changed = np.zeros(x.shape, bool)
    for element in np.ndindex(*x.shape):
        higher = x.copy()
        higher[element] = 1e9
        changed[element] = function(higher)[place] != before
    return changed


@pytest.mark.parametrize("seed", range(90))
def test_the_box_is_the_support_of_the_gradient(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = drawn(seed)
    x = rng.uniform(0.5, 1.5, [int(n) for n in net.x.shape])
    field = gc.nn.receptive_field(net.y, net.x)
    for place in places_of(net, rng)[: 2 if net.has_maxima else None]:
        depends = (by_perturbation if net.has_maxima else by_gradient)(net, place, x)
        box = field.box(place)
        own = gc.nn.receptive_field(net.y, net.x, at=place)
        fits = all(
            start >= 0 and start + size <= n
            for start, size, n in zip(own.start, own.size, net.x.shape[2:], strict=True)
        )
        if net.exact or fits:
            assert box == support(depends), (net.steps, place)
        outside = depends.copy()
        outside[(slice(None), slice(None), *box)] = False
        assert not outside.any(), (net.steps, place)
        if "reflected" not in net.steps and "resized" not in net.steps:  # there the border bends the field
            for part, start, size in zip(box, own.start, own.size, strict=True):
                assert part.stop <= part.start or (start <= part.start and part.stop <= start + size)


def test_the_drawn_networks_are_of_many_kinds() -> None:
    nets = [drawn(seed) for seed in range(90)]
    assert sum(net.exact for net in nets) >= 40
    assert sum(net.has_maxima for net in nets) >= 10
    assert {name for net in nets for name in net.steps} >= {
        "convolution", "transposed", "mean", "maximum", "residual", "branches", "upsampled", "dense",
    }  # fmt: skip
    assert len({tuple(net.steps) for net in nets}) >= 60
    assert all(prod(map(int, net.x.shape)) < 10_000 for net in nets)


# -- reports and errors ------------------------------------------------------------------------------
def lenet(x: gc.Tensor) -> gc.Tensor:
    with gc.scope("c1"):
        h = gc.relu(gc.nn.conv2d(x, gc.parameter("w", (6, 1, 5, 5))))
    with gc.scope("s2"):
        h = gc.nn.max_pool2d(h, 2)
    with gc.scope("c3"):
        h = gc.relu(gc.nn.conv2d(h, gc.parameter("w", (16, 6, 5, 5))))
    with gc.scope("s4"):
        h = gc.nn.max_pool2d(h, 2)
    with gc.scope("f5"):
        return gc.reshape(h, (x.shape[0], 256)) @ gc.parameter("w", (256, 120))


def test_the_report_has_a_row_a_layer() -> None:
    x = image(28, 28)
    report = gc.nn.receptive_fields(lenet(x), x)
    assert report.table().splitlines() == [
        "layer  output          size   stride  start",
        "c1     (N, 6, 24, 24)  5×5    1×1     0, 0",
        "s2     (N, 6, 12, 12)  6×6    2×2     0, 0",
        "c3     (N, 16, 8, 8)   14×14  2×2     0, 0",
        "s4     (N, 16, 4, 4)   16×16  4×4     0, 0",
        "f5     (N, 120)        28×28  0×0     0, 0",
    ]
    assert report.to_dict()["c3"] == {"axes": [2, 3], "size": [14, 14], "stride": [2, 2], "start": [0, 0]}
    assert str(report) == report.table()
    assert repr(report) == "<receptive fields of 5 layers>"


def test_a_field_prints_itself() -> None:
    x = image(8)
    field = gc.nn.receptive_field(gc.nn.conv_transpose1d(x, weight(4), stride=2, padding=1), x)
    assert repr(field) == "<receptive field on 'x': size 2, stride 1/2>"
    assert field.table().splitlines() == ["axis of x  size  stride  start", "2 (8)      2     1/2     -1"]
    assert field.to_dict() == {"axes": [2], "size": [2], "stride": ["1/2"], "start": [-1]}


def test_errors_tell_what_to_do() -> None:
    x, other = image(8, 8), gc.input("other", (3,))
    y = gc.nn.conv2d(x, weight(3, 3))
    with pytest.raises(gc.GraphError, match=r"does not depend on <input 'other'(.|\n)*remedy: give the out"):
        gc.nn.receptive_field(y, other)
    with pytest.raises(gc.GraphError, match="a tensor is needed, but int"):
        gc.nn.receptive_field(y, 3)
    with pytest.raises(gc.ShapeError, match="at = \\(1, 2\\) has 2 entries for a tensor of shape"):
        gc.nn.receptive_field(y, x, at=(1, 2))
    with pytest.raises(gc.ShapeError, match="place 6 is outside axis 3"):
        gc.nn.receptive_field(y, x).box((0, 6))
    with pytest.raises(gc.ShapeError, match="3 numbers are given"):
        gc.nn.receptive_field(y, x).box((0, 0, 0))
    with pytest.raises(gc.ShapeError, match="axis 4 does not exist"):
        gc.nn.receptive_field(y, x, axis=4)
