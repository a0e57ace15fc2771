from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, ShapeError, UnsupportedError
from tests.nn.agreement import agree

torch = pytest.importorskip("torch")

LARGEST = {1: (12, 9), 2: (9, 7), 3: (6, 6)}


def _drawn(generator: np.random.Generator) -> tuple[np.ndarray, Any, int]:
    rank = int(generator.integers(1, 4))
    most, most_out = LARGEST[rank]
    space = [1 if generator.random() < 0.15 else int(n) for n in generator.integers(2, most, rank)]
    lead = ((0, 2), (1, 1), (2, 3), (3,))[generator.integers(4)]
    x = generator.standard_normal((*lead, *space))
    if generator.random() < 0.4:
        x = np.round(x)  # ties
    sizes = [
        None if rank > 1 and generator.random() < 0.2 else int(n)
        for n in generator.integers(1, most_out, rank)
    ]
    return x, sizes[0] if rank == 1 else tuple(sizes), rank


@pytest.mark.parametrize("seed", range(10))
def test_drawn_means_agree_with_torch(seed):
    generator = np.random.default_rng(seed)
    for call in range(20):
        x, size, rank = _drawn(generator)
        ours = getattr(gc.nn, f"adaptive_avg_pool{rank}d")
        theirs = getattr(torch.nn.functional, f"adaptive_avg_pool{rank}d")
        names = ("N", "C", "D", "H", "W")[-x.ndim :]
        agree(
            lambda t, f=ours, size=size: f(t, size),
            lambda t, f=theirs, size=size: f(t, size),
            [x],
            shapes=[names] if call % 2 else None,
            second=call % 8 == 1,
            compiled=call % 5 == 2,
        )


@pytest.mark.parametrize("seed", range(10))
def test_drawn_maxima_agree_with_torch(seed):
    generator = np.random.default_rng(seed)
    for call in range(20):
        x, size, rank = _drawn(generator)
        ours = getattr(gc.nn, f"adaptive_max_pool{rank}d")
        theirs = getattr(torch.nn.functional, f"adaptive_max_pool{rank}d")
        agree(
            lambda t, f=ours, size=size: f(t, size),
            lambda t, f=theirs, size=size: f(t, size),
            [x],
            second=call % 8 == 1,
            compiled=call % 5 == 2,
        )
        t = gc.input("t", x.shape, "float64")
        _, places = ours(t, size, return_indices=True)
        (found,) = gc.interpret([places], {t: x})
        np.testing.assert_array_equal(found, theirs(torch.tensor(x), size, return_indices=True)[1].numpy())


@pytest.mark.parametrize("size", [(1, 1), (None, 1), (1, None), (None, None), ("H", 1)])
def test_maxima_of_symbolic_planes(size):
    x = np.round(np.random.default_rng(0).standard_normal((2, 3, 5, 4)))
    theirs = tuple(n if isinstance(s, str) else s for s, n in zip(size, x.shape[2:], strict=True))
    agree(
        lambda t: gc.nn.adaptive_max_pool2d(t, size),
        lambda t: torch.nn.functional.adaptive_max_pool2d(t, theirs),
        [x],
        shapes=[("N", "C", "H", "W")],
        second=True,
        compiled=True,
    )
    t = gc.input("t", ("N", "C", "H", "W"), "float64")
    (found,) = gc.interpret([gc.nn.adaptive_max_pool2d(t, size, return_indices=True)[1]], {t: x})
    _, expected = torch.nn.functional.adaptive_max_pool2d(torch.tensor(x), theirs, return_indices=True)
    np.testing.assert_array_equal(found, expected.numpy())


@pytest.mark.parametrize("shape", [(2, 3, 4), (0, 2, 3), (1, 2, 3, 4), (2, 1, 2, 3, 2)])
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("keepdims", [False, True])
def test_global_pooling(shape, symbolic, keepdims):
    x = np.round(np.random.default_rng(0).standard_normal(shape))
    axes, names = tuple(range(2, len(shape))), [("N", "C", "D", "H", "W")[: len(shape)]]
    agree(
        lambda t: gc.nn.global_avg_pool(t, keepdims),
        lambda t: t.mean(axes, keepdim=keepdims),
        [x],
        shapes=names if symbolic else None,
        second=True,
        compiled=True,
    )

    def first_maximum(t):
        # torch.max over one axis gives its gradient to the element that its index names: the first.
        best = t.flatten(2).max(dim=2).values
        return best.reshape(*best.shape, *[1] * len(axes)) if keepdims else best

    agree(
        lambda t: gc.nn.global_max_pool(t, keepdims),
        first_maximum,
        [x],
        shapes=names if symbolic else None,
        second=True,
        compiled=True,
    )


def test_the_first_maximum_gets_the_gradient():
    x = gc.input("x", (1, 1, 2, 3), "float64")
    for y in (gc.nn.global_max_pool(x), gc.nn.adaptive_max_pool2d(x, (1, 1))):
        (g,) = gc.interpret([gc.grad(y.sum(), x)], {x: np.ones((1, 1, 2, 3))})
        np.testing.assert_array_equal(g[0, 0], [[1, 0, 0], [0, 0, 0]])
    # Windows 0–1 and 1–2 of three elements share the middle one; the table repeats no element falsely.
    (g,) = gc.interpret([gc.grad(gc.nn.adaptive_max_pool2d(x, 2).sum(), x)], {x: np.ones((1, 1, 2, 3))})
    np.testing.assert_array_equal(g[0, 0], [[1, 1, 0], [1, 1, 0]])


def test_not_a_number_wins_its_windows():
    x = gc.input("x", (1, 1, 5), "float64")
    value = np.array([[[1.0, np.nan, 3.0, np.inf, -np.inf]]])
    (y,) = gc.interpret([gc.nn.adaptive_max_pool1d(x, 3)], {x: value})
    np.testing.assert_array_equal(y[0, 0], [np.nan, np.nan, np.inf])
    # Even windows keep to themselves; of uneven ones the documentation says that they do not.
    z = gc.input("z", (1, 1, 4), "float64")
    (y,) = gc.interpret([gc.nn.adaptive_avg_pool1d(z, 2)], {z: [[[1.0, 2.0, np.nan, np.inf]]]})
    np.testing.assert_array_equal(y[0, 0], [1.5, np.nan])


@pytest.mark.parametrize("size", [1, 3, 4, 5, 8])
def test_single_precision_stays(size):
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype("float32")
    for name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        agree(
            lambda t, name=name: getattr(gc.nn, name)(t, size),
            lambda t, name=name: getattr(torch.nn.functional, name)(t, size),
            [x],
            tolerance=1e-5,
            compiled=True,
        )


def test_integers_have_maxima():
    x = gc.input("x", (1, 5), "int32")
    (y,) = gc.interpret([gc.nn.adaptive_max_pool1d(x, 2)], {x: [[3, 1, 4, 1, 5]]})
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, [[4, 5]])


def test_errors():
    x = gc.input("x", ("N", 3, "H", 6))
    with pytest.raises(ShapeError, match=r"\(N, 3, H, 6\), where \(N, C, L\) or \(C, L\) is needed"):
        gc.nn.adaptive_avg_pool1d(x, 2)
    with pytest.raises(ShapeError, match=r"output_size = \(2, 3, 4\) has 3 sizes for 2 spatial axes"):
        gc.nn.adaptive_avg_pool2d(x, (2, 3, 4))
    with pytest.raises(ShapeError, match=r"output_size is \(0, 2\)"):
        gc.nn.adaptive_max_pool2d(x, (0, 2))
    with pytest.raises(ShapeError, match="sizes are at least 1"):
        gc.nn.adaptive_max_pool2d(gc.input("e", (1, 2, 0, 3)), 1)
    with pytest.raises(DTypeError, match="x has dtype int64"):
        gc.nn.adaptive_avg_pool2d(gc.input("i", (1, 2, 4, 3), "int64"), 1)
    with pytest.raises(UnsupportedError, match="an axis of size H has windows of unknown sizes for 2") as e:
        gc.nn.adaptive_max_pool2d(x, 2)
    assert "pool to 1" in e.value.remedy
    with pytest.raises(ShapeError, match=r"x has shape \(4, 3\), where \(N, C, …\)"):
        gc.nn.global_avg_pool(gc.input("v", (4, 3)))
    with pytest.raises(ShapeError, match=r"x has shape \(4, 3, 0\)"):
        gc.nn.global_max_pool(gc.input("v", (4, 3, 0)))
