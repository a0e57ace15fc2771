"""Thousands of drawn convolutions and poolings have PyTorch's values, gradients and second derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc import ops
from graphc.autodiff import grad, hvp
from graphc.compiler import compile
from graphc.runtime.interpreter import interpret
from tests.nn.convolution_draws import KINDS, Convolution, Draw, draws

torch = pytest.importorskip("torch")

LEVELS = ("none", "exact", "default", "fast")
CHUNKS, CHUNK = 8, 125


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _bent(y: Any, weights: Any) -> Any:
    """A loss that is not linear in y, so that a linear function of the image too has second derivatives."""
    return (weights * (y + y * y / 2)).sum()


def _expected(draw: Draw, arrays: list[np.ndarray], second: bool) -> tuple[list[Any], np.ndarray, list[Any]]:
    """PyTorch's results, gradients and, if asked, Hessian-vector product; the weights and directions."""
    generator = np.random.default_rng(draw.seed + 1)
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    results = draw.theirs(*tensors)
    weights = generator.standard_normal(tuple(results[0].shape))
    loss = _bent(results[0], torch.tensor(weights))
    found = [*results, *torch.autograd.grad(loss, tensors, create_graph=second)]
    directions = [generator.standard_normal(a.shape) for a in arrays] if second else []
    if second:
        first = found[len(results) :]
        along = sum((g * torch.tensor(v)).sum() for g, v in zip(first, directions, strict=True))
        parts = torch.autograd.grad(along, tensors, allow_unused=True)  # an empty batch leaves none
        found += [torch.zeros_like(t) if p is None else p for p, t in zip(parts, tensors, strict=True)]
    return [f.detach().numpy() for f in found], weights, directions


def _check(draw: Draw, level: str | None, second: bool) -> bool:
    """Compare one draw, interpreted and, at a level, compiled too; False where PyTorch refuses it."""
    arrays = draw.arrays()
    try:
        expected, weights, directions = _expected(draw, arrays, second)
    except (RuntimeError, ValueError):
        return False
    inputs = [ops.input(f"x{k}", a.shape, "float64") for k, a in enumerate(arrays)]
    weight = ops.input("weight", weights.shape, "float64")
    along = [ops.input(f"v{k}", a.shape, "float64") for k, a in enumerate(directions)]
    results = draw.ours(*inputs)
    assert results[0].shape == weights.shape, (results[0].shape, weights.shape)
    loss = _bent(results[0], weight)
    outputs = [*results, *grad(loss, inputs)]
    if second:
        outputs += hvp(loss, inputs, along)
    adjoint = isinstance(draw, Convolution)
    if isinstance(draw, Convolution):
        outputs.append(draw.transposed(weight, inputs[1]))
    nodes, values = [*inputs, weight, *along], [*arrays, weights, *directions]
    runs = [interpret(outputs, dict(zip(nodes, values, strict=True)))]
    if level is not None:
        runs.append(compile(outputs, nodes, optimize=level)(*values))
    for run in runs:
        for number, (found, wanted) in enumerate(zip(run, expected, strict=not adjoint)):
            assert found.shape == wanted.shape and found.dtype == wanted.dtype
            scale = 1 + np.abs(wanted).max(initial=0)
            error = np.abs(found - wanted).max(initial=0) / scale
            assert error <= 1e-10, f"output {number} is off by {error:.1e}"
        if isinstance(draw, Convolution):
            _check_adjoint(run[0] - _bias(arrays), weights, draw.image(arrays[0]), run[-1])
    return True


def _bias(arrays: list[np.ndarray]) -> Any:
    return arrays[2].reshape(-1, *[1] * (arrays[1].ndim - 2)) if len(arrays) == 3 else 0.0


def _check_adjoint(forth: np.ndarray, y: np.ndarray, x: np.ndarray, back: np.ndarray) -> None:
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩, to the rounding of sums of such terms."""
    assert back.shape == x.shape
    scale = 1 + np.linalg.norm(forth) * np.linalg.norm(y)
    error = abs((forth * y).sum() - (x * back).sum()) / scale
    assert error <= 1e-12, f"the transpose is no adjoint: off by {error:.1e}"


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("kind", KINDS)
def test_drawn_calls_are_those_of_pytorch(kind: str, chunk: int) -> None:
    stream = draws(kind, chunk)
    counted = refused = 0
    while counted < CHUNK:
        draw = next(stream)
        # One of ten to second order; one of four compiled too, at each level in turn: compiling takes longer
        # than all else, and what it chooses is tested in tests/passes/convolution.
        level = LEVELS[counted // 4 % len(LEVELS)] if counted % 4 == 1 else None
        try:
            accepted = _check(draw, level, counted % 10 == 3)
        except Exception as error:
            raise AssertionError(f'chunk {chunk}, draw {counted}, "{level}": {draw}') from error
        counted += accepted
        refused += not accepted
    assert refused <= CHUNK // 8, f"PyTorch refused {refused} draws: they should be valid"
