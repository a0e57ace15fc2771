"""Windows and their adjoint, against NumPy's and PyTorch's, and as adjoints of each other."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphError, ShapeError

LEVELS = ("none", "exact", "default", "fast")


def _data(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def test_windows_are_those_of_numpy():
    x = _data(2, 7, 3, 8)
    image = gc.input("x", x.shape, "float64")
    y = gc.window(image, (3, 2), axis=(1, -1), stride=(2, 3))
    expected = np.lib.stride_tricks.sliding_window_view(x, (3, 2), (1, 3))[:, ::2, :, ::3]
    for found in (gc.interpret([y], {image: x})[0], gc.compile(y, [image])(x)):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("axis, ordered", [((3, 1), (3, 2)), ((1, 3), (2, 3))])
def test_sizes_go_with_their_axes(axis, ordered):
    x = gc.input("x", (2, 7, 3, 8))
    shape = [2, 7, 3, 8]
    for a, k in zip(axis, ordered, strict=True):
        shape[a] -= k - 1
    assert gc.window(x, ordered, axis=axis).shape == (*shape, *ordered)


@pytest.mark.parametrize("stride, dilation, padding", [(1, 1, 0), ((2, 1), (1, 2), (1, 2)), (3, 2, (2, 0))])
def test_unfold_and_fold_of_pytorch(stride, dilation, padding):
    functional = pytest.importorskip("torch").nn.functional
    torch = pytest.importorskip("torch")
    x = _data(2, 3, 8, 7)
    options = {"stride": stride, "dilation": dilation, "padding": padding}
    image = gc.input("x", x.shape, "float64")
    windows = gc.window(image, (3, 2), **options)
    columns = functional.unfold(torch.tensor(x), (3, 2), **options)
    again = functional.fold(columns, (8, 7), (3, 2), **options).numpy()
    found, folded = gc.interpret([windows, gc.fold(windows, (8, 7), **options)], {image: x})
    # PyTorch's columns: channels and elements along one axis, places along the other.
    turned = np.moveaxis(found, (-2, -1), (2, 3)).reshape(2, 18, -1)
    np.testing.assert_array_equal(turned, columns.numpy())
    np.testing.assert_allclose(folded, again, rtol=1e-12)


def _drawn(generator: np.random.Generator):
    """A shape, axes in any order, and windows with padding, some with a rest that no window reads."""
    rank = int(generator.integers(1, 4))
    number = int(generator.integers(1, rank + 1))
    axes = tuple(int(a) for a in generator.permutation(rank)[:number])
    size, stride, dilation = (tuple(map(int, generator.integers(1, n, number))) for n in (6, 5, 4))
    sides = tuple(tuple(map(int, generator.integers(0, 4, 2))) for _ in axes)
    shape = [int(n) for n in generator.integers(0, 4, rank)]
    for axis, k, s, d, (before, after) in zip(axes, size, stride, dilation, sides, strict=True):
        span = d * (k - 1) + 1 + s * int(generator.integers(0, 3)) + int(generator.integers(0, s))
        shape[axis] = max(span - before - after, 1)
    return tuple(shape), {"axis": axes, "stride": stride, "dilation": dilation, "padding": sides}, size


@pytest.mark.parametrize("chunk", range(8))
def test_folding_is_the_adjoint_of_taking_windows(chunk):
    """⟨window(x), y⟩ = ⟨x, fold(y)⟩; each is the other's derivative."""
    generator = np.random.default_rng(chunk)
    for number in range(64):
        shape, options, size = _drawn(generator)
        x = gc.input("x", shape, "float64")
        windows = gc.window(x, size, **options)
        y = gc.input("y", windows.shape, "float64")
        folded = gc.fold(y, tuple(shape[a] for a in options["axis"]), **options)
        values = {x: generator.standard_normal(shape), y: generator.standard_normal(windows.shape)}
        elements = tuple(range(-len(size), 0))
        outputs = [windows, folded, gc.grad((windows * y).sum(), x), gc.grad((folded * x).sum(), y)]
        outputs.append(windows.sum(axis=elements))
        run = gc.compile(outputs, [x, y], optimize=LEVELS[number % 4])
        for forth, back, slope, other, total in (run(*values.values()), gc.interpret(outputs, values)):
            one, two = (forth * values[y]).sum(), (values[x] * back).sum()
            scale = 1 + np.linalg.norm(forth) * np.linalg.norm(values[y])
            assert abs(one - two) <= 1e-12 * scale, (shape, size, options)
            np.testing.assert_array_equal(slope, back, str((shape, size, options)))
            np.testing.assert_array_equal(other, forth, str((shape, size, options)))
            np.testing.assert_allclose(total, forth.sum(axis=elements), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("level", LEVELS)
def test_symbolic_sizes(level):
    x = gc.input("x", ("N", "L"), "float64")
    y = gc.window(x, 3, stride=2, padding=1)
    again = gc.fold(y, x.shape[1:], stride=2, padding=1)
    run = gc.compile([y.sum(axis=-1), again], [x], optimize=level)
    for n, size in [(2, 6), (1, 7), (3, 2), (0, 5)]:
        image = _data(n, size)
        padded = np.pad(image, ((0, 0), (1, 1)))
        views = np.lib.stride_tricks.sliding_window_view(padded, 3, 1)[:, ::2]
        sums, folded = run(image)
        np.testing.assert_allclose(sums, views.sum(axis=-1), rtol=1e-12)
        counts = [sum(0 <= i + 1 - 2 * p < 3 for p in range(views.shape[1])) for i in range(size)]
        np.testing.assert_allclose(folded, image * counts, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64", "bool"])
def test_the_dtype_stays(dtype):
    x = gc.input("x", (5,), dtype)
    values = np.array([1, 0, 1, 1, 0]).astype(dtype)
    y = gc.window(x, 2, stride=3)
    (found,) = gc.interpret([y], {x: values})
    assert y.dtype == found.dtype == dtype
    np.testing.assert_array_equal(found, values[[[0, 1], [3, 4]]])


MISTAKES = {
    "window": (lambda: gc.window(gc.input("x", (2, 5)), 6), ["axis 1", "size 5", "window of 6"], "pad"),
    "sizes": (lambda: gc.window(gc.input("x", (5,)), (2, 2)), ["2 axes", "1 axes"], "fewer"),
    "stride": (lambda: gc.window(gc.input("x", (5,)), 2, stride=0), ["stride = 0"], "at least 1"),
    "axis": (lambda: gc.window(gc.input("x", (5,)), 2, axis=1), ["axis 1"], ""),
    "padding": (lambda: gc.window(gc.input("x", (5,)), 2, padding=-1), ["-1"], "slice"),
    "places": (lambda: gc.fold(gc.input("y", (4, 2)), 6), ["6 elements", "5 windows", "holds 4"], "stride"),
    "no elements": (lambda: gc.fold(gc.input("y", (4,)), 6), ["(4,)"], "gc.window"),
    "sizes of fold": (
        lambda: gc.fold(gc.input("y", (3, 4, 2)), 5, axis=(0, 1)),
        ["1 sizes", "2 axes"],
        "one",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_a_remedy(name):
    call, parts, remedy = MISTAKES[name]
    with pytest.raises(GraphError) as caught:
        call()
    error = caught.value
    assert type(error) is ShapeError and error.op
    for part in parts:
        assert part in error.message
    assert remedy in error.remedy
    assert error.location is not None and error.location.filename == __file__
