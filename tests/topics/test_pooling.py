"""TOPICS row 15: pooling reduces neurons: mean, maximum, global; overlapping, strided; to any derivative."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

import graphc as gc

F64 = "float64"
WINDOWS = {
    "halves": {"kernel_size": 2},
    "overlapping": {"kernel_size": 3, "stride": 2},
    "dense": {"kernel_size": 2, "stride": 1},
    "strided past": {"kernel_size": 2, "stride": 3},
    "padded": {"kernel_size": 3, "stride": 2, "padding": 1},
    "uneven": {"kernel_size": (3, 1), "stride": (1, 2)},
}
SIZE = (2, 3, 7, 9)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _looped(
    x: np.ndarray, reduce: Callable[[np.ndarray], float], fill: float, kernel_size, stride=None, padding=0
):
    """Pooling as loops over places."""
    size, steps = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    around = _pair(padding)
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in around)), constant_values=fill)
    places = [(n - k) // s + 1 for n, k, s in zip(padded.shape[2:], size, steps, strict=True)]
    y = np.empty((*x.shape[:2], *places))
    for n, c, i, j in product(*map(range, y.shape)):
        window = padded[n, c, i * steps[0] : i * steps[0] + size[0], j * steps[1] : j * steps[1] + size[1]]
        y[n, c, i, j] = reduce(window)
    return y


@pytest.mark.parametrize("name", WINDOWS)
def test_pooling_is_the_reduction_of_each_window(name: str) -> None:
    images = np.random.default_rng(0).standard_normal(SIZE)
    arguments = WINDOWS[name]
    x = gc.input("x", ("N", 3, "H", "W"), F64)
    layers = {
        gc.nn.MaxPool2d(**arguments): (np.max, -np.inf),
        gc.nn.AvgPool2d(**arguments): (np.mean, 0.0),
    }
    for layer, (reduce, fill) in layers.items():
        y = layer(x)
        assert not gc.parameters(y), "pooling has nothing to learn"
        expected = _looped(images, reduce, fill, **arguments)
        (found,) = gc.interpret([y], {x: images})
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
        for level in ("none", "default"):
            found = gc.compile(y, [x], optimize=level)(images)
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_global_pooling_is_one_number_a_map() -> None:
    images = np.random.default_rng(1).standard_normal(SIZE)
    x = gc.input("x", ("N", 3, "H", "W"), F64)
    mean, largest = gc.nn.GlobalAvgPool()(x), gc.max(x, axis=(2, 3))
    found = gc.interpret([mean, largest], {x: images})
    np.testing.assert_allclose(found[0], images.mean(axis=(2, 3)), rtol=1e-12)
    np.testing.assert_array_equal(found[1], images.max(axis=(2, 3)))
    fixed = gc.input("x", SIZE, F64)
    whole = gc.nn.max_pool2d(fixed, SIZE[2:])
    np.testing.assert_array_equal(gc.interpret([whole], {fixed: images})[0][..., 0, 0], found[1])


def test_pooling_reduces_the_neurons_which_convolution_does_not() -> None:
    x = gc.input("x", ("N", 1, 28, 28))
    features = gc.nn.Conv2d(1, 32, 3, padding="same")(x)
    assert features.shape[2:] == (28, 28)
    assert gc.nn.MaxPool2d(2)(features).shape[2:] == (14, 14)
    assert gc.nn.AvgPool2d(4)(features).shape[2:] == (7, 7)


def test_a_small_shift_changes_a_maximum_less_than_the_picture() -> None:
    image = gc.datasets.photographs()["china"].transpose(2, 0, 1)[None] / 255.0
    x = gc.input("x", (1, 3, "H", "W"), F64)
    f = gc.compile(gc.nn.max_pool2d(x, 8), [x])
    here, beside = image[..., :200, :304], image[..., :200, 1:305]
    assert np.abs(f(here) - f(beside)).mean() < 0.6 * np.abs(here - beside).mean()


def _powers(kernel_size, stride=None, padding=0):
    """Keyword arguments of lp_pool2d, which takes no padding."""
    return {"kernel_size": kernel_size, "stride": stride}


KINDS = ("max", "avg", "avg, padding left out", "lp", "global mean", "global maximum")


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_three_derivatives_are_torchs(kind: str, name: str) -> None:
    """L = Σ c · sin(pool(x + x³/3)), then ∇L, ∇(∇L · u) and ∇(∇(∇L · u) · v): none of them is 0."""
    torch = pytest.importorskip("torch")
    arguments = WINDOWS[name]
    rng = np.random.default_rng(2)
    images, u, v = (rng.standard_normal(SIZE) for _ in range(3))
    ours, theirs = {
        "max": (
            lambda t: gc.nn.max_pool2d(t, **arguments),
            lambda t: torch.nn.functional.max_pool2d(t, **arguments),
        ),
        "avg": (
            lambda t: gc.nn.avg_pool2d(t, **arguments),
            lambda t: torch.nn.functional.avg_pool2d(t, **arguments),
        ),
        "avg, padding left out": (
            lambda t: gc.nn.avg_pool2d(t, **arguments, count_include_pad=False),
            lambda t: torch.nn.functional.avg_pool2d(t, **arguments, count_include_pad=False),
        ),
        "lp": (
            lambda t: gc.nn.lp_pool2d(t, 3, **_powers(**arguments)),
            lambda t: torch.nn.functional.lp_pool2d(t, 3, **_powers(**arguments)),
        ),
        "global mean": (gc.nn.GlobalAvgPool(), lambda t: t.mean(dim=(2, 3))),
        "global maximum": (lambda t: gc.max(t, axis=(2, 3)), lambda t: t.amax(dim=(2, 3))),
    }[kind]  # fmt: skip
    if kind == "lp":
        images = np.abs(images) + 0.1  # torch takes the root of negative sums too, which is NaN
    x, t = gc.input("x", SIZE, F64), torch.tensor(images, requires_grad=True)
    y, expected = ours(x + x**3 / 3), theirs(t + t**3 / 3)
    assert y.shape == tuple(expected.shape)
    c = rng.standard_normal(tuple(expected.shape))
    loss, their_loss = (gc.sin(y) * c).sum(), (torch.sin(expected) * torch.tensor(c)).sum()
    outputs, truth = [y], [expected]
    for direction in (u, v, None):
        outputs.append(gc.grad(loss, x))
        truth.append(torch.autograd.grad(their_loss, t, create_graph=True)[0])
        if direction is not None:
            loss = (outputs[-1] * direction).sum()
            their_loss = (truth[-1] * torch.tensor(direction)).sum()
    assert all(np.abs(value.detach().numpy()).max() > 1e-3 for value in truth)
    interpreted = gc.interpret(outputs, {x: images})
    for results in (
        interpreted,
        *(gc.compile(outputs, [x], optimize=o)(images) for o in ("none", "default")),
    ):
        for found, value in zip(results, truth, strict=True):
            scale = float(value.detach().abs().max())
            np.testing.assert_allclose(found, value.detach().numpy(), rtol=1e-9, atol=1e-11 * max(scale, 1))
