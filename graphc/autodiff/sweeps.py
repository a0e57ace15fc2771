"""What a Jacobian costs by each mode: an output and an input enter, sweeps and operations leave.

Source: A. Griewank, A. Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 4.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.analysis.operations import operations
from graphc.autodiff.derivatives import jacobian
from graphc.ir.dimension import Dim, element_count, simplified
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order


@dataclass(frozen=True)
class SweepCounts:
    """What the whole Jacobian costs by each mode.

    ``sweeps`` over the graph, ``nodes`` that they add to it, and the scalar ``operations`` of those
    nodes; sizes that are symbolic make symbolic counts.
    """

    forward_sweeps: Dim
    reverse_sweeps: Dim
    forward_nodes: int
    reverse_nodes: int
    forward_operations: Dim
    reverse_operations: Dim


def sweep_counts(y: Tensor, wrt: Tensor) -> SweepCounts:
    """The sweeps, nodes and operations of the Jacobian of ``y`` by ``wrt``, forward and reverse.

    For n inputs and one output reverse mode needs one sweep and forward mode n; for one input and m
    outputs it is the other way round. The sweeps of one mode run together as one batch, so it is the
    operations that grow with their number, not the nodes.

    >>> import graphc as gc
    >>> x = gc.input("x", (5,))
    >>> counts = gc.autodiff.sweep_counts(gc.tanh(x).sum(), x)
    >>> counts.forward_sweeps, counts.reverse_sweeps
    (5, 1)
    >>> counts.forward_operations > counts.reverse_operations
    True
    """
    forward_nodes, forward = _added(y, jacobian(y, wrt, "forward"))
    reverse_nodes, reverse = _added(y, jacobian(y, wrt, "reverse"))
    return SweepCounts(
        element_count(wrt.shape), element_count(y.shape), forward_nodes, reverse_nodes, forward, reverse
    )


def _added(y: Tensor, derivative: Tensor) -> tuple[int, Dim]:
    """The nodes that are not below y already, and their operations."""
    before = set(topological_order([y]))
    added = [node for node in topological_order([derivative]) if node not in before]
    total: Dim = 0
    for node in added:
        total = total + operations(node)
    return len(added), simplified(total)
