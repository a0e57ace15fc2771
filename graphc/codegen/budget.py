"""A budget for the memory: a schedule, its plan and a number of bytes enter; a plan that fits leaves.

First come tiles of more or fewer rows, which cost little; then values of the forward pass are computed a
second time where the backward pass reads them (``passes.rematerialisation``). Of what fits, the plan with
the least work is taken, and then as much is kept as still fits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from graphc.codegen.footprint import SIZE_HINT
from graphc.codegen.memory import Plan, plan_memory
from graphc.codegen.schedule import Schedule, schedule
from graphc.codegen.tiling.work import estimated_nanoseconds
from graphc.codegen.views import owner
from graphc.errors import GraphError
from graphc.ir.dimension import Dim, element_count, evaluate_dim, symbols_of
from graphc.ir.graph import Graph
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.passes.rematerialisation import Order, Rematerialisation

# Rows of a tile, as a part of those that are best for speed; None: no tiles at all.
_SCALES: tuple[float | None, ...] = (0.5, 2.0, 0.25, 4.0, 0.125, None)
_BEST_SCALES = 2  # how many of these are tried with values computed again


@dataclass(frozen=True, eq=False)
class Fitting:
    """A schedule and its plan; ``repeated`` are the values that are computed twice."""

    schedule: Schedule
    plan: Plan
    bytes: int
    repeated: tuple[Tensor, ...] = ()


class Budget:
    """The search. ``sizes`` are the symbolic sizes at which the bytes are counted."""

    def __init__(self, limit: int, sizes: Mapping[str, int], threads: int, tiled: bool) -> None:
        self.limit, self.sizes, self.threads, self.tiled = limit, sizes, threads, tiled

    def fitted(self, first: Schedule, plan: Plan) -> Fitting:
        """What fits into the budget; where nothing does, GraphError with the fewest bytes that were reached."""
        start = self._planned(first, plan)
        if start.bytes <= self.limit:
            return start
        tried: list[tuple[float | None, Fitting]] = [(1.0 if self.tiled else None, start)]
        for scale in _SCALES if first.regions else ():
            found = self._made(first.graph, None, scale)
            if found.bytes <= self.limit:
                return found
            tried.append((scale, found))
        tried.sort(key=lambda pair: pair[1].bytes)
        least = tried[0][1].bytes
        values = Rematerialisation(self._order(first))
        options = sorted(values.candidates(), key=lambda kept: self._work(values.repeated(kept)))
        for kept in options:
            for scale, _ in islice(tried, _BEST_SCALES):
                found = self._with(values, kept, scale)
                if found.bytes <= self.limit:
                    return self._with_more_kept(values, kept, scale, found)
                least = min(least, found.bytes)
        raise GraphError(
            f"the buffers need at least {least:,} bytes in any plan that was found, more than "
            f"memory_budget={self.limit:,}",
            op="compile", location=user_location(),
            remedy=f"allow {least:,} bytes, make the batch smaller, or use fewer threads",
        )  # fmt: skip

    def _with_more_kept(
        self, values: Rematerialisation, kept: Collection[Tensor], scale: float | None, found: Fitting
    ) -> Fitting:
        """As many of the values that cost most to compute again are kept as fit."""
        costly = sorted(values.repeated(kept), key=estimated_nanoseconds, reverse=True)
        low, high = 0, len(costly)  # so many can be kept, and so many cannot
        while high - low > max(1, len(costly) // 32):
            middle = (low + high) // 2
            more = self._with(values, {*kept, *costly[:middle]}, scale)
            if more.bytes <= self.limit:
                low, found = middle, more
            else:
                high = middle
        return found

    # -- plans ---------------------------------------------------------------------------------------
    def _with(self, values: Rematerialisation, kept: Collection[Tensor], scale: float | None) -> Fitting:
        graph, order = values.applied(kept)
        made = self._made(graph, order, scale)
        return Fitting(made.schedule, made.plan, made.bytes, tuple(values.repeated(kept)))

    def _made(self, graph: Graph, order: Sequence[Tensor] | None, scale: float | None) -> Fitting:
        tiled = self.tiled and scale is not None
        made = schedule(graph, tiled, order, scale or 1.0)
        return self._planned(made, plan_memory(made))

    def _planned(self, made: Schedule, plan: Plan) -> Fitting:
        return Fitting(made, plan, plan.footprint.planned(self.sizes, self.threads))

    @staticmethod
    def _work(nodes: Sequence[Tensor]) -> float:
        return sum([estimated_nanoseconds(n) for n in nodes])

    def _order(self, first: Schedule) -> Order:
        owners = {n: owner(n) for n in first.order}
        known: dict[Dim, int] = {}
        sizes = {n: self._bytes(n, known) for n in first.order}
        return Order(first.graph, first.order, owners, sizes)

    def _bytes(self, node: Tensor, known: dict[Dim, int]) -> int:
        count = element_count(node.shape)
        if count not in known:
            values = {s.name: self.sizes.get(s.name, SIZE_HINT) for s in symbols_of([count])}
            known[count] = evaluate_dim(count, values)
        return known[count] * node.dtype.itemsize
