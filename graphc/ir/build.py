"""Building nodes: an op and its inputs enter, a checked node leaves, or an error with the user's line."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_
from typing import Any

from graphc.errors import GraphError
from graphc.ir.op import Op
from graphc.ir.origin import current_origins, user_location
from graphc.ir.tensor import Tensor


def apply(op: Op, inputs: tuple[Tensor, ...], name: str | None = None, /, **attrs: Any) -> Tensor:
    """The node ``op(*inputs, **attrs)``; its shape and dtype are inferred and checked here."""
    try:
        shape, dtype = op.infer(inputs, attrs)
    except GraphError as error:
        raise error.located(op.name, user_location()) from None
    return Tensor(op, inputs, attrs, shape, dtype, name, current_origins())


def rebuilt(node: Tensor, inputs: tuple[Tensor, ...]) -> Tensor:
    """The node over other inputs; inferred afresh where a shape or dtype changed."""
    if all(map(is_, node.inputs, inputs)):
        assert len(inputs) == len(node.inputs)
        return node
    shape, dtype = node.shape, node.dtype
    for a, b in zip(node.inputs, inputs, strict=True):
        if a is not b and (a.dtype != b.dtype or a.shape != b.shape):
            try:
                shape, dtype = node.op.infer(inputs, node.attrs)
            except GraphError as error:
                raise error.located(node.op.name, node.location) from None
            break
    return Tensor(node.op, inputs, node.attrs, shape, dtype, node.name, node.origins)


def carried_over(node: Tensor, new: Mapping[Tensor, Tensor]) -> Tensor:
    """The node over what its inputs have become: what most passes do to a node they leave alone."""
    old = node.inputs
    if not old:
        return node
    inputs = tuple(map(new.__getitem__, old))
    return node if all(map(is_, old, inputs)) else rebuilt(node, inputs)


def with_origins(node: Tensor, origins: tuple[Any, ...]) -> Tensor:
    """The same node, recorded as coming from these places."""
    return Tensor(node.op, node.inputs, node.attrs, node.shape, node.dtype, node.name, origins)


def with_attrs(node: Tensor, attrs: Mapping[str, Any]) -> Tensor:
    """The node with other attributes, inferred afresh."""
    shape, dtype = node.op.infer(node.inputs, attrs)
    return Tensor(node.op, node.inputs, attrs, shape, dtype, node.name, node.origins)
