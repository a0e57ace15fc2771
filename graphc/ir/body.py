"""The body of a loop: nodes over placeholders for one step enter; a closed piece of graph leaves.

A body reads nothing from outside: what a step needs of the graph around it comes in as a constant, the
same at every step. So the graph around a loop holds one node, however long the loop is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from graphc.ir.dimension import evaluate_dim
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Body:
    """One step of a loop; immutable, and like a node its own identity.

    ``carries``, ``xs`` and ``constants`` are placeholders (inputs) for what comes from the step before,
    for this step's slices of the sequences, and for what is the same at every step; ``next`` are the
    carries' new values, ``outputs`` what the step adds to the stacked results. ``sizes`` gives symbolic
    sizes where the body is evaluated.
    """

    carries: tuple[Tensor, ...]
    xs: tuple[Tensor, ...]
    constants: tuple[Tensor, ...]
    next: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    sizes: Mapping[str, int] | None = None

    def __str__(self) -> str:
        return f"<body of {len(self.order)} nodes>"

    @property
    def placeholders(self) -> tuple[Tensor, ...]:
        """The inputs, in the order of the loop's operands."""
        return (*self.carries, *self.xs, *self.constants)

    @property
    def results(self) -> tuple[Tensor, ...]:
        """The carries' new values, then the outputs."""
        return (*self.next, *self.outputs)

    @cached_property
    def order(self) -> tuple[Tensor, ...]:
        """The nodes, inputs before users."""
        return tuple(topological_order(self.results))

    @property
    def graph(self) -> Graph:
        """The body as a graph of its own, as passes take it."""
        return Graph(self.placeholders, self.results)

    def with_results(self, results: Sequence[Tensor]) -> Body:
        """The body that computes these instead."""
        count = len(self.next)
        return replace(self, next=tuple(results[:count]), outputs=tuple(results[count:]))

    # -- evaluation ----------------------------------------------------------------------------------
    @cached_property
    def _program(self) -> list[tuple[Tensor, dict[str, Any]]]:
        known = set(self.placeholders)
        sizes = self.sizes or {}
        return [
            (n, {k: resolved(v, sizes) for k, v in n.attrs.items()}) for n in self.order if n not in known
        ]

    def evaluate(self, values: Iterable[Array]) -> dict[Tensor, Array]:
        """The values of all nodes, given those of the placeholders; complex values stay complex."""
        known = dict(zip(self.placeholders, values, strict=True))
        for node, attrs in self._program:
            value = np.asarray(node.op.evaluate(attrs, *[known[i] for i in node.inputs]))
            known[node] = value if value.dtype.kind == "c" else value.astype(node.dtype, copy=False)
        return known


def resolved(value: object, sizes: Mapping[str, int]) -> Any:
    """An attribute with every symbolic size replaced by its number."""
    if isinstance(value, sympy.Expr):
        return evaluate_dim(value, sizes)
    if isinstance(value, tuple):
        return tuple(resolved(v, sizes) for v in value)
    if isinstance(value, Body):
        return replace(value, sizes=sizes)
    return value


def bodies_of(node: Tensor) -> Iterator[Body]:
    """The bodies that the node repeats: one for a loop, none for any other."""
    body = node.attrs.get("body")
    if isinstance(body, Body):
        yield body


def with_bodies(nodes: Iterable[Tensor]) -> Iterator[Tensor]:
    """The nodes, each loop followed by the nodes of its body, also those of loops inside."""
    stack = [iter(nodes)]
    while stack:
        for node in stack[-1]:
            yield node
            inner = next(bodies_of(node), None)
            if inner is not None:
                stack.append(iter(inner.order))
                break
        else:
            stack.pop()
