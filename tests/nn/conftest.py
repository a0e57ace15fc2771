"""The oracle of these tests: PyTorch's value and gradients of the same function at the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from graphc import ops
from graphc.autodiff import grad, hvp
from graphc.compiler import compile
from graphc.ir.traversal import topological_order
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


@pytest.fixture
def against_torch_to_second_order() -> Callable[..., None]:
    torch = pytest.importorskip("torch")

    def check(
        ours: Callable[..., object],
        theirs: Callable[..., object],
        *arrays: np.ndarray,
        shapes: Sequence[tuple[object, ...]] | None = None,
        rtol: float = 1e-9,
        atol: float = 1e-10,
    ) -> None:
        """Value, gradients and one Hessian-vector product as PyTorch's: interpreted and compiled, either way.

        ``shapes`` declares the inputs with symbolic sizes, else they have those of the arrays.
        """
        generator = np.random.default_rng(11)
        declared = [a.shape for a in arrays] if shapes is None else shapes
        inputs = [
            ops.input(f"x{i}", s, a.dtype) for i, (s, a) in enumerate(zip(declared, arrays, strict=True))
        ]
        tensors = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        expected = theirs(*tensors)
        weights = generator.standard_normal(tuple(expected.shape))
        directions = [generator.standard_normal(a.shape) for a in arrays if a.dtype.kind == "f"]

        output = ours(*inputs)
        weight = ops.input("weight", output.shape, "float64")
        wrt = [i for i in inputs if i.dtype.kind == "f"]
        vector = [ops.input(f"v{k}", node.shape, "float64") for k, node in enumerate(wrt)]
        loss = (output * weight).sum()
        outputs = [output, *grad(loss, wrt), *hvp(loss, wrt, vector)]
        all_inputs, values = [*inputs, weight, *vector], [*arrays, weights, *directions]

        own = [t for t in tensors if t.requires_grad]
        first = torch.autograd.grad((expected * torch.tensor(weights)).sum(), own, create_graph=True)
        along = sum((g * torch.tensor(d)).sum() for g, d in zip(first, directions, strict=True))
        second = torch.autograd.grad(along, own, allow_unused=True)
        wanted = [
            expected,
            *first,
            *(torch.zeros_like(t) if s is None else s for s, t in zip(second, own, strict=True)),
        ]
        runs = [interpret(outputs, dict(zip(all_inputs, values, strict=True)))]
        # A bias has no second derivative: its direction enters nothing.
        below = {id(node) for node in topological_order(outputs)}
        needed = [(i, v) for i, v in zip(all_inputs, values, strict=True) if id(i) in below]
        for level in ("none", "default"):
            run = compile(outputs, [i for i, _ in needed], optimize=level)
            runs.append(run(*(v for _, v in needed)))
        for run in runs:
            for found, want in zip(run, wanted, strict=True):
                np.testing.assert_allclose(found, want.detach().numpy(), rtol, atol)

    return check
