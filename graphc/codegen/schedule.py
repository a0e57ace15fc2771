"""The order of work: a lowered graph enters, the list of its computing steps leaves.

New values are visited from the shallowest to the deepest. In a training step that gives the order of
back-propagation as one writes it by hand: the gradient of the last layer's weights is taken as soon
as its cotangent exists, and the memory of that layer is free again before the next one is begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from graphc.codegen.tiling.region import Region, region_of
from graphc.codegen.tiling.regions import Run, runs
from graphc.codegen.tiling.sizes import tiles_of
from graphc.codegen.views import is_view, owner
from graphc.ir.build import apply
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order, users
from graphc.passes.ordered_copies import COPY
from graphc.rewrite.cost import elements

# Parts of sums of more bytes than these are kept for a few lanes, not for every tile.
_MOST_PARTS = 64 << 20
_LANES = 8

Step = Tensor | Region
"""What is executed at once: one node, or the nodes of a region in tiles."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """``order`` lists every node, ``steps`` what computes something, in the order of execution.

    ``loops`` gives for each step that is a loop the schedule of its body, ``regions`` for each region that
    of a tile.
    """

    graph: Graph
    order: tuple[Tensor, ...]
    steps: tuple[Step, ...]
    loops: Mapping[Tensor, Schedule]
    regions: Mapping[Region, Schedule] = field(default_factory=dict)


def results_of(step: Step) -> tuple[Tensor, ...]:
    """The values that a step computes for the steps around it."""
    return step.outputs if isinstance(step, Region) else (step,)


def schedule(
    graph: Graph,
    tiled: bool = False,
    order: Sequence[Tensor] | None = None,
    scale: float = 1.0,
    lanes: int | None = None,
) -> Schedule:
    """The graph with each update's value in a node of its own, and the order to compute it in.

    Where it is ``tiled``, steps that share their rows are regions, with ``scale`` times the rows in a tile
    that are best for speed, and in ``lanes``. An ``order`` of all nodes is kept to, in tiles also.
    """
    graph = _with_own_updates(graph)
    keep = order is not None
    if order is None:
        order = _order(graph)
    steps: list[Step] = []
    if tiled:
        read, roots = users(order), {owner(o) for o in graph.roots}
    for run in runs(order, graph.roots) if tiled else [Run(tuple(order))]:
        if run.region is None:
            steps += [n for n in run.nodes if _computes(n)]
        else:
            members = set(run.nodes)
            used = {owner(n) for n in run.nodes if any(u not in members for u in read[n])}
            used |= {n for n in run.nodes if n in roots}
            steps.append(_region(run, used & members, scale, lanes))
    loops = {n: schedule(_body_graph(n)) for n in steps if isinstance(n, Tensor) and n.op.family == "loop"}
    regions = {
        r: schedule(r.body, order=topological_order(r.order) if keep else None)
        for r in steps
        if isinstance(r, Region)
    }
    return Schedule(graph, tuple(order), tuple(steps), loops, regions)


def _order(graph: Graph) -> list[Tensor]:
    depth: dict[Tensor, int] = {}
    for node in graph.nodes:
        depth[node] = 1 + max([depth[i] for i in node.inputs], default=0)
    return topological_order(_roots(graph, depth))


def _computes(node: Tensor) -> bool:
    return bool(node.inputs or node.op.family in ("random", "loop")) and not is_view(node)


def _region(run: Run, used: Set[Tensor], scale: float, lanes: int | None) -> Region:
    """The region of a run, of which ``used`` is read outside."""
    assert run.region is not None
    region = region_of(run.region, run.nodes, used, tiles_of(run.region, run.nodes, scale))
    sums = [r.outside for r in region.results if r.part is None]
    count = region.tiles.count
    parts = sum([elements((count, *n.shape)) * n.dtype.itemsize for n in sums])
    if lanes is None and parts > _MOST_PARTS:
        lanes = _LANES
    few = isinstance(count, int) and lanes is not None and count <= lanes
    return region if not sums or few else replace(region, lanes=lanes)


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
    if not graph.updates:
        return roots
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
    if not graph.updates:
        return graph
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
