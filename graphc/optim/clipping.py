"""Gradient clipping: gradients enter as a list, tuple or dict, and leave bounded, in the same structure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from graphc import ops
from graphc.errors import GraphError
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor

Gradients = TypeVar("Gradients", list[Tensor], tuple[Tensor, ...], dict[Tensor, Tensor], dict[str, Tensor])
# Keeps the scale finite where all gradients are 0; PyTorch's number.
NORM_MARGIN = 1e-6


def clip_by_value(gradients: Gradients, limit: float) -> Gradients:
    """Every element limited to [−limit, limit], as ``torch.nn.utils.clip_grad_value_``.

    >>> import graphc as gc
    >>> gc.optim.clip_by_value([gc.input("g", (3,))], 1.0)
    [<clip: float32(3,)>]
    """
    _check_positive(limit, "clip_by_value")
    return _mapped(gradients, lambda g: ops.clip(g, -float(limit), float(limit)))


def clip_by_norm(gradients: Gradients, max_norm: float) -> Gradients:
    """Each gradient scaled down, by itself, to a Euclidean norm of at most ``max_norm``.

    >>> import graphc as gc
    >>> gc.optim.clip_by_norm([gc.input("g", (3,))], 1.0)
    [<multiply: float32(3,)>]
    """
    _check_positive(max_norm, "clip_by_norm")
    return _mapped(gradients, lambda g: g * _scale(global_norm([g]), max_norm).astype(g.dtype))


def clip_by_global_norm(gradients: Gradients, max_norm: float) -> Gradients:
    """All gradients scaled by one factor, min(1, max_norm / (norm + 1e-6)).

    Their direction stays. The norm is that of all together; as ``torch.nn.utils.clip_grad_norm_``.
    Pascanu et al. 2013.

    >>> import graphc as gc
    >>> grads = {"w": gc.input("gw", (3, 2)), "b": gc.input("gb", (2,))}
    >>> gc.optim.clip_by_global_norm(grads, 1.0)
    {'w': <multiply: float32(3, 2)>, 'b': <multiply: float32(2,)>}
    """
    _check_positive(max_norm, "clip_by_global_norm")
    if not len(gradients):
        return gradients
    scale = _scale(global_norm(gradients), max_norm)
    return _mapped(gradients, lambda g: g * scale.astype(g.dtype))


def global_norm(gradients: Iterable[Tensor] | Mapping[Tensor, Tensor] | Mapping[str, Tensor]) -> Tensor:
    """√(Σ of the squares of all elements of all gradients), a 0-dimensional tensor.

    >>> import graphc as gc
    >>> gc.optim.global_norm([gc.input("g", (3,)), gc.input("h", (2, 2))])
    <sqrt: float32()>
    """
    values = list(gradients.values() if isinstance(gradients, Mapping) else gradients)
    if not values:
        raise GraphError(
            "there are no gradients", op="global_norm", location=user_location(), remedy="give at least one"
        )
    total = ops.sum(ops.square(values[0]))
    for gradient in values[1:]:
        total = total + ops.sum(ops.square(gradient))
    return ops.sqrt(total)


def _scale(norm: Tensor, max_norm: float) -> Tensor:
    return ops.minimum(ops.divide(float(max_norm), norm + NORM_MARGIN), 1.0)


def _mapped(gradients: Gradients, change: Callable[[Tensor], Tensor]) -> Gradients:
    if isinstance(gradients, dict):
        return {key: change(g) for key, g in gradients.items()}
    if isinstance(gradients, (list, tuple)):
        return type(gradients)([change(g) for g in gradients])
    raise GraphError(
        f"gradients are a list, tuple or dict, but {type(gradients).__name__} was given",
        op="clip", location=user_location(), remedy="write e.g. [g]",
    )  # fmt: skip


def _check_positive(limit: float, op: str) -> None:
    if not limit > 0:
        raise GraphError(
            f"the limit is {limit}", op=op, location=user_location(), remedy="give a positive number"
        )
