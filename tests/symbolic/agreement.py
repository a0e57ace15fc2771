"""What the tests of the symbolic engine share: its modes, its gradients of any graph, and their agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import graphc as gc

Array = np.ndarray[Any, Any]

MODES = ("full", "dominators", "everywhere")


def symbolic_gradients(y: gc.Tensor, wrt: Sequence[gc.Tensor], mode: str | None = None) -> list[gc.Tensor]:
    """The gradients of the scalar by each tensor; shapes and dtypes are those of the tensors."""
    derivation = gc.symbolic.grad(y, list(wrt), mode=mode)
    gradients = list(derivation.result)
    assert len(gradients) == len(wrt)
    for gradient, tensor in zip(gradients, wrt, strict=True):
        assert gradient.dtype == tensor.dtype, f"{gradient.dtype} for {tensor!r}"
        assert gradient.ndim == tensor.ndim, f"{gradient!r} for {tensor!r}"
    return gradients


def gradients_in_all_modes(
    y: gc.Tensor,
    wrt: Sequence[gc.Tensor],
    values: Mapping[gc.Tensor, Any],
    sizes: Mapping[str, int] | None = None,
) -> dict[str, list[Array]]:
    """The values of the symbolic gradients by each tensor, by mode."""
    graphs = {mode: symbolic_gradients(y, wrt, mode) for mode in MODES}
    flat = gc.interpret([g for many in graphs.values() for g in many], values, sizes=sizes)
    count = len(wrt)
    return {mode: flat[k * count : (k + 1) * count] for k, mode in enumerate(MODES)}


def weighted(y: gc.Tensor, name: str = "weights") -> tuple[gc.Tensor, gc.Tensor]:
    """The scalar Σ weights·y, and the input that holds the weights: a cotangent without symmetries."""
    weights = gc.input(name, y.shape, y.dtype)
    return gc.sum(weights * y), weights


def assert_equal(found: Any, expected: Any, what: str = "", tolerance: float = 1e-10) -> None:
    """Of one shape, and no further apart than the tolerance times the largest element; NaN is NaN.

    What cancels to 0 exactly in one engine leaves rounding in another: the largest counts as 1e-3 at least.
    """
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    finite = np.abs(expected[np.isfinite(expected)])
    scale = tolerance * max(float(np.max(finite, initial=0.0)), 1e-3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=scale, equal_nan=True, err_msg=what)
