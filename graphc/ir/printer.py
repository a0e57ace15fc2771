"""The readable text form of a graph: one line a node, in topological order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphc.ir.body import Body, bodies_of
from graphc.ir.dimension import format_dim
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order

_SOURCES = {"input", "parameter"}


def printable(text: str, limit: int = 60) -> str:
    """Any text as one line: control characters escaped, long text cut in the middle."""
    line = text
    if not text.isprintable():
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return line if len(line) <= limit else f"{line[: limit - 12]}…{line[-10:]}"


def format_type(node: Tensor) -> str:
    """dtype and shape, e.g. ``float32[N, 784]``."""
    return f"{node.dtype}[{', '.join(map(format_dim, node.shape))}]"


def format_value(value: np.ndarray[Any, Any]) -> str:
    """An array on one line, cut where it is long."""
    if value.size == 1:
        return repr(value.reshape(-1)[0].item())
    if value.size <= 8:
        return np.array2string(value, separator=", ", precision=6).replace("\n", "")
    return f"<{value.size} values>"


def format_attr(value: object) -> str:
    """An attribute on one line."""
    if isinstance(value, np.ndarray):
        return format_value(value)
    if isinstance(value, tuple):
        inner = ", ".join(map(format_attr, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return printable(str(value))


def format_call(node: Tensor, labels: dict[Tensor, str]) -> str:
    """The op with its inputs by label and its attributes."""
    if node.op.name in _SOURCES:
        return node.op.name
    arguments = [labels[i] for i in node.inputs]
    arguments += [f"{k}={format_attr(v)}" for k, v in node.attrs.items() if k != "weak"]
    return f"{node.op.name}({', '.join(arguments)})"


def _placeholders(body: Body) -> str:
    groups = (("carries", body.carries), ("xs", body.xs), ("constants", body.constants))
    return "; ".join(f"{kind} {', '.join(p.name or '' for p in nodes)}" for kind, nodes in groups if nodes)


def node_labels(order: Iterable[Tensor]) -> dict[Tensor, str]:
    """A short label for each node: its name where that is unique, else a number."""
    labels: dict[Tensor, str] = {}
    taken: set[str] = set()
    for number, node in enumerate(order):
        name = printable(node.name) if node.name else ""
        if not name or name in taken:
            name = f"{name}%{number}"
        taken.add(name)
        labels[node] = name
    return labels


def text_form(graph: Graph | Tensor | Sequence[Tensor], *, locations: bool = False) -> str:
    """The graph as text; ``locations`` adds the user's line to each node.

    >>> import graphc as gc
    >>> x = gc.input("x", ("N", 3))
    >>> print(gc.text_form(gc.exp(x).named("y")))
    x : float32[N, 3] = input
    y : float32[N, 3] = exp(x)
    return y
    """
    if isinstance(graph, Graph):
        order: Sequence[Tensor] = graph.nodes
        outputs: Sequence[Tensor] = graph.outputs
        updates = graph.updates
    else:
        outputs = [graph] if isinstance(graph, Tensor) else list(graph)
        order, updates = topological_order(outputs), ()
    labels = node_labels(order)
    lines = []
    for node in order:
        line = f"{labels[node]} : {format_type(node)} = {format_call(node, labels)}"
        lines.append(f"{line}  # {node.location.short}" if locations else line)
        for body in bodies_of(node):
            lines.append(f"  for each of {node.attrs['length']} steps, from {_placeholders(body)}:")
            inner = Graph((), body.results)
            lines += [f"    {text}" for text in text_form(inner, locations=locations).splitlines()]
    for parameter, new in updates:
        lines.append(f"update {labels.get(parameter, parameter.name)} <- {labels[new]}")
    lines.append(f"return {', '.join(labels[o] for o in outputs)}")
    return "\n".join(lines)
