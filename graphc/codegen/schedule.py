"""The order of work: a lowered graph enters, the list of its computing steps leaves.

New values are visited from the shallowest to the deepest. In a training step that gives the order of
back-propagation as one writes it by hand: the gradient of the last layer's weights is taken as soon
as its cotangent exists, and the memory of that layer is free again before the next one is begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphc.codegen.views import is_view, owner
from graphc.ir.build import apply
from graphc.ir.graph import Graph
from graphc.ir.op import Op
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order, users

# A value of its own: what a parameter is set to must not be another parameter's storage.
COPY = Op(
    "copy", "elementwise", lambda inputs, attrs: (inputs[0].shape, inputs[0].dtype), lambda attrs, x: x.copy()
)


@dataclass(frozen=True, eq=False)
class Schedule:
    """``order`` lists every node, ``steps`` those that compute something, in the order of execution.

    ``loops`` gives for each step that is a loop the schedule of its body.
    """

    graph: Graph
    order: tuple[Tensor, ...]
    steps: tuple[Tensor, ...]
    loops: Mapping[Tensor, Schedule]


def schedule(graph: Graph) -> Schedule:
    """The graph with each update's value in a node of its own, and the order to compute it in."""
    graph = _with_own_updates(graph)
    depth: dict[Tensor, int] = {}
    for node in graph.nodes:
        depth[node] = 1 + max([depth[i] for i in node.inputs], default=0)
    order = topological_order(_roots(graph, depth))
    steps = [n for n in order if (n.inputs or n.op.family in ("random", "loop")) and not is_view(n)]
    loops = {n: schedule(_body_graph(n)) for n in steps if n.op.family == "loop"}
    return Schedule(graph, tuple(order), tuple(steps), loops)


def _body_graph(loop: Tensor) -> Graph:
    """A loop's body as a graph: a carry that is not recorded is updated in its place, as parameters are."""
    body, record = loop.attrs["body"], loop.attrs["record"]
    pairs = list(zip(body.carries, body.next, record, strict=True))
    return Graph(
        body.placeholders,
        (*[new for _, new, recorded in pairs if recorded], *body.outputs),
        tuple((carry, new) for carry, new, recorded in pairs if not recorded),
    )


def _roots(graph: Graph, depth: dict[Tensor, int]) -> list[Tensor]:
    """The outputs, then each new value behind everything else that reads the old one.

    So the new value can be written over the old one. A reader that might itself need the new value
    (it lies deeper) is left where it is; the new value then waits in a buffer of its own.
    """
    roots = sorted(graph.outputs, key=depth.__getitem__)
    readers = users(graph.nodes)
    for parameter, new in sorted(graph.updates, key=lambda pair: depth[pair[1]]):
        roots += [r for r in _reading(parameter, readers) if depth[r] <= depth[new] and r is not new]
        roots.append(new)
    return roots


def _reading(parameter: Tensor, readers: dict[Tensor, list[Tensor]]) -> list[Tensor]:
    """The steps that read a parameter, directly or through views."""
    found: list[Tensor] = []
    stack = [parameter]
    while stack:
        for reader in readers.get(stack.pop(), []):
            (stack if is_view(reader) else found).append(reader)
    return found


def _with_own_updates(graph: Graph) -> Graph:
    taken: set[Tensor] = set()
    updates = []
    for parameter, new in graph.updates:
        if new is not parameter:
            if owner(new) is not new or not new.inputs or new in taken:
                with inheriting(new.origins, "update"):
                    new = apply(COPY, (new,))
            taken.add(new)
            updates.append((parameter, new))
    return Graph(graph.inputs, graph.outputs, tuple(updates))
