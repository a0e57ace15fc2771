"""What a user asks to see enters; labelled outputs, and parameters with their new values, leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from graphc.errors import GraphError
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order

Drawable: TypeAlias = "Tensor | Graph | Mapping[Any, Any] | list[Any] | tuple[Any, ...]"


class Output(NamedTuple):
    """A node that the picture ends in, and what is written there."""

    label: str
    node: Tensor


class Subject(NamedTuple):
    """What is drawn: its ends, and every node they need, inputs before users."""

    outputs: list[Output]
    order: list[Tensor]


def subject_of(outputs: Drawable) -> Subject:
    """The ends and nodes of a tensor, a graph, or nested lists and dicts of tensors.

    A dict's outputs are labelled by their keys, others by their names. Raises GraphError for anything
    that is no tensor.
    """
    ends: list[Output] = []
    if isinstance(outputs, Graph):
        ends = [Output(o.name or "", o) for o in outputs.outputs]
        ends += [Output(f"{p.name} ←", new) for p, new in outputs.updates]
        order = topological_order([*(e.node for e in ends), *outputs.inputs])
    else:
        pending: list[tuple[str, Any]] = [("", outputs)]
        while pending:
            label, value = pending.pop()
            if isinstance(value, Tensor):
                ends.append(Output(label, value))
            elif isinstance(value, Mapping):
                pending.extend([(_joined(label, k), v) for k, v in reversed(list(value.items()))])
            elif isinstance(value, (list, tuple)):
                pending.extend([(label, v) for v in reversed(value)])
            else:
                raise GraphError(
                    f"a tensor is needed, but {type(value).__name__} was given", op="draw",
                    remedy="draw a tensor, a list or dict of tensors, or a Graph",
                )  # fmt: skip
        order = topological_order([e.node for e in ends])
    if not order:
        raise GraphError("there is nothing to draw", op="draw", remedy="give at least one tensor")
    return Subject(_labelled(ends), order)


def _joined(label: str, key: object) -> str:
    own = (key.name or key.op.name) if isinstance(key, Tensor) else str(key)
    return f"{label}/{own}" if label else own


def _labelled(ends: list[Output]) -> list[Output]:
    several = len(ends) > 1
    return [
        Output(e.label or e.node.name or (f"output {i}" if several else "output"), e.node)
        for i, e in enumerate(ends)
    ]
