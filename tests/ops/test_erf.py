"""erf against SciPy, and at the places where it could go wrong."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ops.erf import erf

special = pytest.importorskip("scipy.special")


def _points() -> np.ndarray:
    grid = np.linspace(-7, 7, 200_001)
    small = np.logspace(-300, 0, 20_001)
    return np.concatenate([grid, small, -small])


# Largest relative error against SciPy's float64, as stated in graphc/ops/erf.py.
@pytest.mark.parametrize(("dtype", "bound"), [("float64", 7e-16), ("float32", 3e-7), ("float16", 5e-4)])
def test_relative_error_is_within_the_stated_bound(dtype: str, bound: float) -> None:
    x = _points().astype(dtype)
    x = x[np.abs(x) >= np.finfo(dtype).tiny]  # below, a subnormal result has fewer digits
    expected = special.erf(x.astype(np.float64))
    value = erf(x)
    assert value.dtype == np.dtype(dtype)
    normal = np.abs(expected) >= np.finfo(dtype).tiny
    error = np.abs(value.astype(np.float64) / expected - 1)[normal].max()
    assert error < bound


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_special_values(dtype: str) -> None:
    value = erf(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e4, -1e4], dtype))
    assert np.isnan(value[0])
    assert value[1:].tolist() == [1, -1, 0, 0, 1, -1]
    assert not np.signbit(value[3])
    assert np.signbit(value[4])


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3)])
def test_shapes(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape)
    np.testing.assert_allclose(erf(x), special.erf(x), rtol=1e-15)
    assert erf(x).shape == shape


def test_strided_input() -> None:
    x = np.random.default_rng(0).standard_normal((6, 8))[::2, ::-3].T
    np.testing.assert_allclose(erf(x), special.erf(x), rtol=1e-15)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "bool"])
def test_integers_become_the_float_of_exp(dtype: str) -> None:
    x = np.array([0, 1], dtype)
    assert erf(x).dtype == np.exp(x).dtype
    np.testing.assert_allclose(erf(x), special.erf([0.0, 1.0]), rtol=1e-3)


def test_complex_step_gives_the_derivative() -> None:
    x = np.linspace(-5, 5, 41)
    slope = np.imag(erf(x + 1e-30j)) / 1e-30
    np.testing.assert_allclose(slope, 2 / np.sqrt(np.pi) * np.exp(-x * x), rtol=1e-14)


def test_is_odd_and_monotonic_across_the_seams() -> None:
    for seam in (0.46875, 4.0):
        x = seam + np.arange(-200, 200) * np.spacing(seam)
        value = erf(x)
        assert np.all(np.diff(value) >= -np.finfo(np.float64).eps)
        assert np.array_equal(erf(-x), -value)
