"""A function of graphc, one of PyTorch and arrays enter; an error leaves where they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import graphc as gc

Array = np.ndarray[Any, Any]


def agree(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    arrays: Sequence[Array],
    *,
    shapes: Sequence[Sequence[int | str]] | None = None,
    second: bool = False,
    compiled: bool = False,
    linear: bool = False,
    tolerance: float = 1e-10,
) -> None:
    """The same value and gradients of Σ weight · sin(y) as PyTorch's, to an absolute tolerance.

    ``shapes`` are the declared ones, which may be symbolic. ``second``: also a product with the Hessian.
    ``compiled``: also the compiled functions give what the interpreter gives. ``linear``: the gradient comes
    from the matrix of PyTorch's forward function, not from its backward one, which need not fit it.
    """
    import torch

    inputs = [
        gc.input(f"x{k}", a.shape if shapes is None else tuple(shapes[k]), a.dtype)
        for k, a in enumerate(arrays)
    ]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, expected = ours(*inputs), theirs(*tensors)
    assert y.dtype.name == str(expected.dtype).removeprefix("torch.")
    generator = np.random.default_rng(11)
    weight = generator.standard_normal(tuple(expected.shape)).astype(y.dtype)
    weights = gc.input("weight", y.shape, y.dtype)
    loss = (gc.sin(y) * weights).sum()
    their_loss = (torch.sin(expected) * torch.tensor(weight)).sum()
    outputs = [y, *gc.grad(loss, inputs)]
    values = {**dict(zip(inputs, arrays, strict=True)), weights: weight}
    their_gradients = torch.autograd.grad(their_loss, tensors, create_graph=second, materialize_grads=True)
    truth = [expected.detach().numpy(), *[g.detach().numpy() for g in their_gradients]]
    if linear:
        truth[1] = _pulled_back(theirs, arrays[0], weight * np.cos(truth[0]))
    if second:
        vectors = [generator.standard_normal(a.shape).astype(a.dtype) for a in arrays]
        directions = [gc.input(f"v{k}", x.shape, x.dtype) for k, x in enumerate(inputs)]
        outputs += gc.hvp(loss, inputs, directions)
        values |= dict(zip(directions, vectors, strict=True))
        product = sum((g * torch.tensor(v)).sum() for g, v in zip(their_gradients, vectors, strict=True))
        curvature = (
            torch.autograd.grad(product, tensors, materialize_grads=True)
            if product.requires_grad
            else [torch.zeros_like(t) for t in tensors]
        )
        truth += [h.numpy() for h in curvature]
    found = gc.interpret(outputs, values)
    for mine, right in zip(found, truth, strict=True):
        assert mine.dtype == right.dtype
        assert mine.shape == right.shape
        np.testing.assert_allclose(mine, right, rtol=tolerance, atol=tolerance)
    if compiled:
        for pipeline in ("none", "default"):
            again = gc.compile(outputs, list(values), optimize=pipeline)(*values.values())
            for mine, right in zip(again, found, strict=True):
                assert mine.dtype == right.dtype
                np.testing.assert_allclose(mine, right, rtol=tolerance, atol=tolerance)


def _pulled_back(function: Callable[..., Any], x: Array, cotangent: Array) -> Array:
    """The transposed matrix of a linear function of each channel, the same for all, times a cotangent."""
    import torch

    space = x.shape[2:]
    units = np.eye(int(np.prod(space))).reshape(-1, 1, *space)
    images = function(torch.tensor(units)).numpy()
    rank = len(space)
    return np.tensordot(
        cotangent, images[:, 0], (range(2, 2 + rank), range(1, 1 + rank))
    ).reshape(x.shape)  # fmt: skip
