"""A graph as compiled: named inputs, outputs, and the parameters' new values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order


@dataclass(frozen=True, eq=False)
class Graph:
    """What the compiler passes from step to step; immutable.

    ``inputs`` are the arguments in call order, ``outputs`` the results, ``updates`` pairs of a
    parameter and the node whose value it takes after the call.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    updates: tuple[tuple[Tensor, Tensor], ...] = ()

    @property
    def roots(self) -> tuple[Tensor, ...]:
        """The nodes that must be computed: outputs, then new values."""
        return (*self.outputs, *(new for _, new in self.updates))

    @cached_property
    def nodes(self) -> tuple[Tensor, ...]:
        """All nodes the roots need, inputs before users."""
        return tuple(topological_order(self.roots))

    @cached_property
    def op_names(self) -> frozenset[str]:
        """The names of all ops: a pass that waits for others has nothing to look for."""
        return frozenset([n.op.name for n in self.nodes])

    @cached_property
    def parameters(self) -> tuple[Tensor, ...]:
        """The parameters that are read or updated, in order of first use."""
        found = {n: None for n in self.nodes if n.op.name == "parameter"}
        found.update({p: None for p, _ in self.updates})
        return tuple(found)

    def replaced(self, new: Mapping[Tensor, Tensor]) -> Graph:
        """The graph with its roots looked up in ``new``; inputs and parameters stay what they are.

        The graph itself where nothing changed, with all that is known of it.
        """
        if all(new.get(root, root) is root for root in self.roots):
            return self
        return Graph(
            self.inputs,
            tuple([new.get(o, o) for o in self.outputs]),
            tuple([(p, new.get(v, v)) for p, v in self.updates]),
        )
