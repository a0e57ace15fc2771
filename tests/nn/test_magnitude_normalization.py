"""Division by a magnitude against PyTorch, to the second derivative, and at vectors of zeros."""

from __future__ import annotations

import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn, ops
from graphc.errors import DTypeError, GraphError, ShapeError

GENERATOR = np.random.default_rng(22)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize(
    ("normalized", "declared"), [((5,), ("N", "T", 5)), ((3, 5), ("N", 3, 5)), ((4, 3, 5), (4, 3, 5))]
)
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("eps", [None, 1e-2])
def test_rms_norm(normalized, declared, affine, eps, against_torch_to_second_order, torch):
    rest = [GENERATOR.standard_normal(normalized)] if affine else []
    against_torch_to_second_order(
        lambda x, *weight: nn.rms_norm(x, normalized, *weight, eps=eps),
        lambda x, *weight: torch.nn.functional.rms_norm(x, normalized, *weight, eps=eps),
        GENERATOR.standard_normal((4, 3, 5)) * 2 + 1,
        *rest,
        shapes=[declared, *[normalized for _ in rest]],
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rms_norm_of_small_numbers_shows_the_default_eps(dtype, torch):
    # Squares of 1e-4 are below the smallest number of float16.
    at = (np.array([[1.0, -2.0, 3.0]]) * {"float16": 1, "float32": 1e-4, "float64": 1e-8}[dtype]).astype(
        dtype
    )
    x = ops.input("x", (1, 3), dtype)
    (y,) = gc.interpret([nn.rms_norm(x, 3)], {x: at})
    assert y.dtype == dtype
    expected = torch.nn.functional.rms_norm(torch.tensor(at), (3,)).numpy()
    np.testing.assert_allclose(y, expected, rtol={"float16": 2e-3, "float32": 1e-5, "float64": 1e-12}[dtype])


def test_rms_norm_layer(torch):
    layer = nn.RMSNorm((3, 4), dtype="float64")
    x = ops.input("x", ("N", 3, 4), "float64")
    at = GENERATOR.standard_normal((2, 3, 4))
    np.testing.assert_allclose(
        gc.compile(layer(x), [x])(at),
        torch.nn.RMSNorm((3, 4), dtype=torch.float64)(torch.tensor(at)).detach(),
        rtol=1e-12,
    )
    assert [p.name for p in layer.parameters()] == ["rmsnorm/weight"]
    assert nn.RMSNorm(4, affine=False).parameters() == []
    assert nn.RMSNorm(4)(ops.input("y", ("N", 4))).dtype == np.float32


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
@pytest.mark.parametrize(
    ("shape", "declared"),
    [((2, 4, 3), ("N", 4, "L")), ((2, 5, 2, 3), ("N", "C", "H", "W")), ((1, 1, 2, 1, 2), (1, 1, 2, 1, 2))],
)
def test_local_response_norm(size, shape, declared, against_torch_to_second_order, torch):
    options = {"alpha": 0.7, "beta": 0.6, "k": 1.5}
    against_torch_to_second_order(
        lambda x: nn.local_response_norm(x, size, **options),
        lambda x: torch.nn.functional.local_response_norm(x, size, **options),
        GENERATOR.standard_normal(shape) * 2,
        shapes=[declared],
    )


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, math.inf])
@pytest.mark.parametrize(("axis", "declared"), [(1, ("N", 4, "L")), (-1, ("N", 4, 3)), (0, (2, 4, 3))])
def test_normalize(p, axis, declared, against_torch_to_second_order, torch):
    against_torch_to_second_order(
        lambda x: nn.normalize(x, p, axis, eps=1e-3),
        lambda x: torch.nn.functional.normalize(x, p, axis, eps=1e-3),
        GENERATOR.standard_normal((2, 4, 3)),
        shapes=[declared],
    )


def test_normalize_over_several_axes(against_torch_to_second_order, torch):
    against_torch_to_second_order(
        lambda x: nn.normalize(x, axis=(0, 2)),
        lambda x: torch.nn.functional.normalize(x, dim=(0, 2)),
        GENERATOR.standard_normal((2, 4, 3)),
    )


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, math.inf])
def test_normalize_of_zeros_has_torchs_gradient(p, torch):
    """A vector of zeros, one with a zero in it, and one shorter than eps."""
    at = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, -4.0], [1e-3, 2e-3, 0.0]])
    weights = GENERATOR.standard_normal(at.shape)
    x, weight = ops.input("x", ("N", 3), "float64"), ops.input("weight", ("N", 3), "float64")
    y = nn.normalize(x, p, eps=0.1)
    theirs = torch.tensor(at, requires_grad=True)
    expected = torch.nn.functional.normalize(theirs, p, eps=0.1)
    (expected * torch.tensor(weights)).sum().backward()
    for level in ("none", "default"):
        run = gc.compile([y, gc.grad((y * weight).sum(), x)], [x, weight], optimize=level)
        value, slope = run(at, weights)
        np.testing.assert_allclose(value, expected.detach(), rtol=1e-12)
        np.testing.assert_allclose(slope, theirs.grad, rtol=1e-12)


def test_second_derivatives_at_zeros_are_finite():
    x = ops.input("x", (2, 3), "float64")
    y = nn.normalize(x, eps=0.1)
    v = np.ones((2, 3))
    (found,) = gc.interpret([gc.hvp((y**2).sum(), x, v)], {x: [[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]]})
    # ‖x/0.1‖² = 100 ‖x‖² near 0, whose Hessian is 200.
    np.testing.assert_allclose(found[0], 200.0)
    assert np.isfinite(found).all()


def test_nan_and_infinity(torch):
    at = np.array([[np.nan, 1.0, 2.0], [1.0, 2.0, 2.0], [np.inf, 1.0, 1.0]])
    x = ops.input("x", ("N", 3), "float64")
    with np.errstate(invalid="ignore"):
        (y,) = gc.interpret([nn.normalize(x)], {x: at})
    np.testing.assert_allclose(y, torch.nn.functional.normalize(torch.tensor(at)))


def test_float32_and_empty():
    x = ops.input("x", ("N", 3, 4))
    ys = [nn.normalize(x), nn.local_response_norm(x, 2), nn.rms_norm(x, 4)]
    assert all(y.dtype == np.float32 for y in ys)
    assert all(y.shape == (0, 3, 4) for y in gc.compile(ys, [x])(np.zeros((0, 3, 4), np.float32)))


def test_errors():
    x = ops.input("x", ("N", 3))
    with pytest.raises(ShapeError, match=r"rms_norm: x has shape \(N, 3\), which does not end in \(4,\)"):
        nn.rms_norm(x, 4)
    with pytest.raises(ShapeError, match=r"weight has shape \(2,\), where \(3,\)"):
        nn.rms_norm(x, 3, np.ones(2))
    with pytest.raises(ShapeError, match=r"local_response_norm: x has shape \(N, 3\)"):
        nn.local_response_norm(x, 2)
    with pytest.raises(GraphError, match="size = 0 is no number of channels"):
        nn.local_response_norm(ops.input("y", (2, 3, 4)), 0)
    with pytest.raises(GraphError, match="p = -1 gives no norm"):
        nn.normalize(x, -1)
    with pytest.raises(GraphError, match="p = nan gives no norm"):
        nn.normalize(x, math.nan)
    with pytest.raises(ShapeError, match="axis 2 does not exist"):
        nn.normalize(x, axis=2)
    for function in (nn.normalize, lambda i: nn.rms_norm(i, 3), lambda i: nn.local_response_norm(i, 1)):
        with pytest.raises(DTypeError, match="x has dtype int64, where a float is needed"):
            function(ops.input("i", (2, 3, 3), "int64"))
