"""The oracle of these tests: PyTorch's value and gradients of the same function at the same numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from graphc import ops
from graphc.autodiff import grad
from graphc.runtime.interpreter import interpret


@pytest.fixture
def against_torch() -> Callable[..., None]:
    torch = pytest.importorskip("torch")

    def check(
        ours: Callable[..., object],
        theirs: Callable[..., object],
        *arrays: np.ndarray,
        rtol: float = 1e-10,
        atol: float = 1e-12,
    ) -> None:
        """Same value, and same gradient in every float array, as PyTorch gives them."""
        inputs = [ops.input(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]
        tensors = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        output, expected = ours(*inputs), theirs(*tensors)
        wrt = [(i, t) for i, t in zip(inputs, tensors, strict=True) if t.requires_grad]
        values = dict(zip(inputs, arrays, strict=True))
        assert output.dtype.name == str(expected.dtype).removeprefix("torch.")
        weights = np.random.default_rng(3).standard_normal(tuple(expected.shape))
        gradients = grad((output * weights).sum(), [i for i, _ in wrt])
        (expected * torch.tensor(weights)).sum().backward()
        value, *found = interpret([output, *gradients], values)
        np.testing.assert_allclose(value, expected.detach().numpy(), rtol, atol)
        for ours_now, (_, tensor) in zip(found, wrt, strict=True):
            theirs_now = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
            np.testing.assert_allclose(ours_now, theirs_now, rtol, atol)

    return check
