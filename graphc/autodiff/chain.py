"""The chain rule, link by link: a composition enters, its Jacobians in order leave.

For y = f5(f4(f3(f2(f1(x))))) the derivative is the product of one Jacobian a link. Where a graph
branches, the part between two nodes that every path passes is one link, so any graph is a chain.

Source: X. Qiu, *Neural Networks and Deep Learning*, section 4.4 (nndl.github.io).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import networkx

from graphc.autodiff.derivatives import grad, jacobian
from graphc.autodiff.reverse import differentiable_paths
from graphc.errors import DifferentiationError
from graphc.ir.dimension import Dim, element_count, format_shape
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order


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

    def text(self) -> str:
        """The product as text, and below it the shape of each factor."""
        product = " · ".join(f.label for f in reversed(self.factors))
        total = f"∂{_name(self.y, len(self.factors))}/∂{_name(self.wrt, 0)}"
        lines = [f"{total} = {product}"]
        for f in reversed(self.factors):
            shape = f"{format_shape(f.output.shape)} × {format_shape(f.input.shape)}"
            lines.append(f"  {f.label:<16} {f.output.op.name:<12} {shape}")
        return "\n".join(lines)

    def latex(self) -> str:
        """The product as LaTeX, in the order of the text."""

        def fraction(above: str, below: str) -> str:
            return rf"\frac{{\partial {_latex(above)}}}{{\partial {_latex(below)}}}"

        count = len(self.factors)
        names = [_name(self.wrt, 0), *(_name(f.output, k) for k, f in enumerate(self.factors, 1))]
        parts = [fraction(names[k + 1], names[k]) for k in reversed(range(count))]
        return rf"{fraction(names[-1], names[0])} = {' '.join(parts)}"


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


@dataclass(frozen=True)
class SweepCounts:
    """What the whole Jacobian costs by each mode: sweeps over the graph, and nodes the sweeps add."""

    forward_sweeps: Dim
    reverse_sweeps: Dim
    forward_nodes: int
    reverse_nodes: int


def sweep_counts(y: Tensor, wrt: Tensor) -> SweepCounts:
    """The sweeps and nodes of the Jacobian of ``y`` by ``wrt``, forward and reverse.

    For n inputs and one output reverse mode needs one sweep and forward mode n; for one input and m
    outputs it is the other way round. Sizes must be ints.

    >>> import graphc as gc
    >>> x = gc.input("x", (5,))
    >>> counts = gc.autodiff.sweep_counts(gc.tanh(x).sum(), x)
    >>> counts.forward_sweeps, counts.reverse_sweeps
    (5, 1)
    """
    before = set(topological_order([y]))
    nodes = {
        mode: sum(n not in before for n in topological_order([jacobian(y, wrt, mode)]))
        for mode in ("forward", "reverse")
    }
    return SweepCounts(element_count(wrt.shape), element_count(y.shape), nodes["forward"], nodes["reverse"])
