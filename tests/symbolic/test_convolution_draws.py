"""Two hundred drawn convolutions and poolings: the symbolic gradient is reverse mode's and forward mode's."""

from __future__ import annotations

import zlib
from itertools import islice

import numpy as np
import pytest

import graphc as gc
from graphc.ops import convolution
from tests.nn.convolution_draws import Draw, draws
from tests.symbolic.agreement import assert_equal, gradients_in_all_modes, weighted

_COUNTS = {
    "conv": 80, "conv_transpose": 50, "max_pool": 30, "avg_pool": 20, "lp_pool": 10, "max_unpool": 10,
}  # fmt: skip
_MOST_WORK = 1500


def _small(kind: str, count: int) -> list[Draw]:
    found = (d for d in draws(kind, 23) if d.work() <= _MOST_WORK)
    return list(islice(found, count))


DRAWN = [draw for kind, count in _COUNTS.items() for draw in _small(kind, count)]


def test_the_draws_reach_every_parameter() -> None:
    assert len(DRAWN) == 200
    filtered = [d for d in DRAWN if d.kind in ("conv", "conv_transpose")]
    for name in ("stride", "dilation"):
        assert sum(max(getattr(d, name)) > 1 for d in filtered) >= 80
    assert sum(d.groups > 1 for d in filtered) >= 30
    assert {d.rank for d in filtered} == {1, 2, 3}
    assert {d.rank for d in DRAWN if d.kind == "max_pool"} == {1, 2, 3}


@pytest.mark.parametrize("draw", DRAWN, ids=lambda d: f"{d.kind}{d.rank}d-{zlib.crc32(str(d).encode()):08x}")
def test_gradients_equal_reverse_and_forward_mode(draw: Draw) -> None:
    wrt = [gc.input(f"x{k}", s, "float64") for k, s in enumerate(draw.shapes)]
    values = dict(zip(wrt, draw.arrays(), strict=True))
    y = draw.ours(*wrt)[0]
    loss, weights = weighted(y)
    rng = np.random.default_rng(draw.seed)
    values[weights] = rng.normal(size=y.shape)
    directions = [gc.input(f"v{k}", t.shape, "float64") for k, t in enumerate(wrt)]
    along = {v: rng.normal(size=t.shape) for v, t in zip(directions, wrt, strict=True)}
    reverse = gc.interpret(gc.grad(loss, wrt), values)
    slopes = [gc.jvp(loss, [t], [v]) for t, v in zip(wrt, directions, strict=True)]
    forward = gc.interpret(slopes, {**values, **along})
    scale = [np.sum(np.abs(g * v)) for g, v in zip(reverse, along.values(), strict=True)]
    for mode, gradients in gradients_in_all_modes(loss, wrt, values).items():
        for k, tensor in enumerate(wrt):
            assert_equal(gradients[k], reverse[k], f"{mode}, by {tensor.name}, {draw}")
            pushed = np.sum(gradients[k] * along[directions[k]])
            assert abs(pushed - forward[k]) <= 1e-10 * max(scale[k], 1e-3), f"{mode}, {tensor.name}, {draw}"


@pytest.mark.parametrize("kind", ["conv", "conv_transpose"])
def test_second_derivatives_of_convolutions_by_applying_it_twice(kind: str) -> None:
    """Of Σ weights·y², by the image and the filter, along a direction in both."""
    for draw in _small(kind, 10):
        wrt = [gc.input(f"x{k}", s, "float64") for k, s in enumerate(draw.shapes)]
        values = dict(zip(wrt, draw.arrays(), strict=True))
        y = draw.ours(*wrt)[0]
        rng = np.random.default_rng(draw.seed)
        loss = gc.sum(gc.square(y) * rng.normal(size=y.shape))
        directions = [rng.normal(size=t.shape) for t in wrt]

        def along(gradients: list[gc.Tensor], directions: list[np.ndarray] = directions) -> gc.Tensor:
            total = gc.constant(0.0, "float64")
            for gradient, direction in zip(gradients, directions, strict=True):
                total = total + gc.sum(gradient * direction)
            return total

        expected = gc.interpret(gc.grad(along(gc.grad(loss, wrt)), wrt), values)
        slope = along(gc.symbolic.grad(loss, wrt, mode="everywhere").result)
        twice = gc.interpret(gc.symbolic.grad(slope, wrt, mode="everywhere").result, values)
        for tensor, found, reverse in zip(wrt, twice, expected, strict=True):
            assert_equal(found, reverse, f"by {tensor.name}, {draw}")


def test_gradients_of_a_symbolic_length_fit_every_length() -> None:
    """Stride 2 leaves a rest or none by the parity of the length."""
    geometry = convolution.Geometry((2,), ((1, 2),), (2,))
    x, w = gc.input("x", (2, 1, "L"), "float64"), gc.input("w", (3, 1, 2), "float64")
    y = convolution.convolution(x, w, geometry)
    loss = gc.sum(gc.sin(y))
    for length in (3, 4, 5, 8):
        rng = np.random.default_rng(length)
        values = {x: rng.normal(size=(2, 1, length)), w: rng.normal(size=(3, 1, 2))}
        expected = gc.interpret(gc.grad(loss, [x, w]), values)
        for mode, gradients in gradients_in_all_modes(loss, [x, w], values).items():
            for found, reverse in zip(gradients, expected, strict=True):
                assert_equal(found, reverse, f"{mode}, length {length}")
