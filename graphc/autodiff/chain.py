"""The chain rule, link by link: a composition enters, its Jacobians in order leave.

For y = f5(f4(f3(f2(f1(x))))) the derivative is the product of one Jacobian a link. Where a graph
branches, the part between two nodes that every path passes is one link, so any graph is a chain.

Source: X. Qiu, *Neural Networks and Deep Learning*, section 4.4 (nndl.github.io).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import networkx
import numpy as np

from graphc.autodiff.derivatives import grad, jacobian
from graphc.autodiff.reverse import differentiable_paths
from graphc.errors import DifferentiationError
from graphc.ir.dimension import format_shape
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order

Array = np.ndarray[Any, Any]
_LARGEST_IN_LATEX = 8


@dataclass(frozen=True, eq=False)
class Factor:
    """One link: the Jacobian of ``output`` by ``input``, a graph of shape output.shape + input.shape."""

    output: Tensor
    input: Tensor
    label: str
    graph: Tensor


@dataclass(frozen=True, eq=False)
class Chain:
    """The links from ``wrt`` to ``y``; the product of their Jacobians, last first, is the derivative."""

    y: Tensor
    wrt: Tensor
    factors: tuple[Factor, ...]

    @property
    def graphs(self) -> list[Tensor]:
        """The Jacobians in the order in which they are multiplied: that of the last link first."""
        return [f.graph for f in reversed(self.factors)]

    def text(self, values: Sequence[Any] | None = None) -> str:
        """The product as text, and below it each factor's shape, and its value where ``values`` are given.

        ``values`` are the arrays of ``graphs``, in their order. A factor of an output of m elements by an
        input of n is shown as an m × n matrix.
        """
        product = " · ".join(f.label for f in reversed(self.factors))
        total = f"∂{_name(self.y, len(self.factors))}/∂{_name(self.wrt, 0)}"
        lines = [f"{total} = {product}"]
        for f, value in zip(reversed(self.factors), self._matrices(values), strict=True):
            shape = f"{format_shape(f.output.shape)} × {format_shape(f.input.shape)}"
            lines.append(f"  {f.label:<16} {f.output.op.name:<12} {shape}")
            if value is not None:
                lines += [f"    {line}" for line in _matrix_text(value)]
        return "\n".join(lines)

    def latex(self, values: Sequence[Any] | None = None) -> str:
        """The product as LaTeX, in the order of the text; with ``values``, followed by its factors' values.

        A matrix of more than 8 rows or columns is shown by its size.
        """

        def fraction(above: str, below: str) -> str:
            return rf"\frac{{\partial {_latex(above)}}}{{\partial {_latex(below)}}}"

        count = len(self.factors)
        names = [_name(self.wrt, 0), *(_name(f.output, k) for k, f in enumerate(self.factors, 1))]
        parts = [fraction(names[k + 1], names[k]) for k in reversed(range(count))]
        text = rf"{fraction(names[-1], names[0])} = {' '.join(parts)}"
        if values is None:
            return text
        numbers = [_matrix_latex(v) for v in self._matrices(values) if v is not None]
        return rf"{text} = {' '.join(numbers)}"

    def _matrices(self, values: Sequence[Any] | None) -> list[Array | None]:
        """Each factor's value as a matrix, in the order of ``graphs``; None where there is none."""
        if values is None:
            return [None] * len(self.factors)
        if len(values) != len(self.factors):
            raise DifferentiationError(
                f"{len(values)} values are given for {len(self.factors)} factors", op="chain",
                location=user_location(), remedy="evaluate chain.graphs and pass the results in their order",
            )  # fmt: skip
        matrices: list[Array | None] = []
        for factor, value in zip(reversed(self.factors), map(np.asarray, values), strict=True):
            rank = len(factor.output.shape)
            rows = math.prod(value.shape[:rank])
            matrices.append(value.reshape(rows, math.prod(value.shape[rank:])))
        return matrices


def _matrix_text(value: Array) -> list[str]:
    """A matrix in rows of six digits, the middle of a large one left out; one number as itself."""
    if value.size == 1:
        return [f"{value.item():.6g}"]
    options: Any = {"precision": 6, "suppress_small": False, "threshold": 100, "edgeitems": 3}
    return np.array2string(value, max_line_width=100, **options).split("\n")


def _matrix_latex(value: Array) -> str:
    if value.size == 1:
        number = f"{value.item():.4g}"
        return rf"\left({number}\right)"
    if max(value.shape) > _LARGEST_IN_LATEX:
        return rf"\left[{value.shape[0]} \times {value.shape[1]}\right]"
    rows = r" \\ ".join(" & ".join(f"{v:.4g}" for v in row) for row in value)
    return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"


def _name(node: Tensor, number: int) -> str:
    return node.name or f"h{number}"


def _latex(name: str) -> str:
    if len(name) > 1 and name[:-1].isalpha() and name[-1].isdigit():
        return f"{name[:-1]}_{name[-1]}"
    escaped = "".join(rf"\{c}" if c in "_%&#$" else c for c in name if c not in "{}\\^~")
    return escaped if len(escaped) == 1 else rf"\mathrm{{{escaped}}}"


def chain(y: Tensor, wrt: Tensor) -> Chain:
    """The chain of links from ``wrt`` to ``y``.

    >>> import graphc as gc
    >>> x = gc.input("x", ())
    >>> print(gc.autodiff.chain(gc.exp(gc.sin(x).named("h1")).named("y"), x).text())
    ∂y/∂x = ∂y/∂h1 · ∂h1/∂x
      ∂y/∂h1           exp          () × ()
      ∂h1/∂x           sin          () × ()
    """
    order = topological_order([y])
    reached = differentiable_paths(order, [wrt])
    if y not in reached:
        raise DifferentiationError(
            f"{y!r} does not depend on {wrt!r}", op="chain", location=user_location(),
            remedy="choose a tensor below the output; gc.grad gives zeros here",
        )  # fmt: skip
    # Numbers stand for the nodes: networkx compares vertices with ==, which on nodes is elementwise.
    place = {node: number for number, node in enumerate(order)}
    between: networkx.DiGraph[int] = networkx.DiGraph()
    between.add_nodes_from((place[wrt], place[y]))
    for node in order:
        if node in reached and node is not wrt:
            between.add_edges_from(
                (place[operand], place[node]) for operand in node.inputs if operand in reached
            )
    dominators = networkx.immediate_dominators(between, place[wrt])
    links = [y]
    while links[-1] is not wrt:
        links.append(order[dominators[place[links[-1]]]])
    links.reverse()
    factors = []
    for number, (before, after) in enumerate(pairwise(links), 1):
        label = f"∂{_name(after, number)}/∂{_name(before, number - 1)}"
        graph = jacobian(after, before) if after.shape else grad(after, before)
        factors.append(Factor(after, before, label, graph))
    return Chain(y, wrt, tuple(factors))
