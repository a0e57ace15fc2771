"""Which steps run in tiles: nodes in order enter; runs of nodes, some of them regions, leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphc.codegen.tiling.growth import WINDOW, Growth, grown, pull_in
from graphc.codegen.tiling.parts import Part
from graphc.codegen.tiling.work import step_cost
from graphc.codegen.views import is_literal, is_view
from graphc.ir.dimension import Dim
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import users
from graphc.rewrite.cost import elements

# A region with less work than this many nanoseconds is not worth waking a thread for.
LEAST = 150_000.0
# How much larger than the hint a size known only at the call may well be: few rows in one tile cost little.
_LARGER = 16
# How many sources and how many steps a region is tried to begin at; the share of the work that is enough.
_SOURCES, _STEPS, _ENOUGH = 4, 3, 0.8


@dataclass(frozen=True, eq=False)
class Run:
    """Nodes that are computed one after the other or, with a region, together in tiles."""

    nodes: tuple[Tensor, ...]
    region: Growth | None = None


def runs(order: Sequence[Tensor], roots: Iterable[Tensor]) -> list[Run]:
    """The nodes as runs, each of which needs only those before it; roots are needed behind all of them."""
    used = users(order)
    for root in roots:
        used.pop(root, None)
    costs = {n: step_cost(n) for n in order}
    done: list[Run] = []
    stack: list[Run | tuple[Tensor, ...]] = [tuple(order)]
    while stack:
        item = stack.pop()
        if isinstance(item, Run):
            done.append(item)
            continue
        region = _best(item, costs)
        if region is None:  # none begins among the first nodes: on with those behind
            done.append(Run(item[:WINDOW]))
            if len(item) > WINDOW:
                stack.append(item[WINDOW:])
            continue
        seen, unseen = item[: region.seen], item[region.seen :]
        pull_in(region, seen, used)
        members = {**region.split, **region.summed}
        stack.append((*[n for n in seen if n in region.after], *unseen))
        stack.append(Run(tuple([n for n in seen if n in members]), region))
        stack.append(tuple([n for n in seen if n not in members and n not in region.after]))
    return [run for run in done if run.nodes]


def _best(nodes: Sequence[Tensor], costs: Mapping[Tensor, float]) -> Growth | None:
    """The region with the most work of those that begin among the first nodes; None where none has enough."""
    first = nodes[:WINDOW]
    total = sum([costs[n] for n in first])
    if total * _LARGER < LEAST:
        return None
    begins: dict[Tensor, int] = {}
    for position, node in enumerate(first):
        for n in (node, *node.inputs):
            begins.setdefault(n, position)
    best, most = None, 0.0
    for seed, part, rows in _seeds(first, costs):
        region = grown(nodes, seed, part, rows, begins[seed])
        work = sum([costs[n] for n in (*region.split, *region.summed)])
        least = LEAST if isinstance(rows, int) else LEAST / _LARGER
        if work > max(most, least):
            best, most = region, work
            if work > _ENOUGH * total:
                break
    return best


def _seeds(nodes: Sequence[Tensor], costs: Mapping[Tensor, float]) -> Iterator[tuple[Tensor, Part, Dim]]:
    """Values at which a region may begin, and the rows: the largest sources, then the costliest steps."""
    here = set(nodes)
    operands = dict.fromkeys(i for n in nodes for i in n.inputs)
    outside = [i for i in operands if (i not in here or not i.inputs) and not is_literal(i)]
    largest = sorted(outside, key=lambda n: -elements(n.shape))[:_SOURCES]
    costliest = sorted([n for n in nodes if n.inputs and not is_view(n)], key=lambda n: -costs[n])[:_STEPS]
    found = [(n, Part(a), size) for n in (*largest, *costliest) for a, size in enumerate(n.shape)]
    # A size that is known only at the call is most often that of the batch.
    yield from [seed for seed in found if not isinstance(seed[2], int)]
    yield from [seed for seed in found if isinstance(seed[2], int) and seed[2] >= 2]
