"""A budget for the memory: a schedule, its plan and a number of bytes enter; a plan that fits leaves.

First come other tiles, which cost little: of more or fewer rows, and in lanes, which keep fewer parts of
sums. Then values of the forward pass are computed a second time where the backward pass reads them
(``passes.rematerialisation``). Of what fits, the plan with the least work is taken, and as much is kept as
still fits. Where nothing fits, fewer threads take less.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from graphc.codegen.memory import Plan, plan_memory
from graphc.codegen.schedule import Schedule, schedule
from graphc.codegen.tiling.work import step_cost
from graphc.codegen.views import owner
from graphc.errors import GraphError
from graphc.ir.dimension import Dim, element_count, evaluate_dim, symbols_of
from graphc.ir.graph import Graph
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.passes.rematerialisation import Order, Rematerialisation
from graphc.rewrite.cost import SIZE_HINT

_LANES = (None, 8, 4, 2)
_SCALES = (1.0, 0.5, 2.0, 0.25, 4.0, 0.125)
_BEST = 3  # how many ways to tile are tried with values computed again


@dataclass(frozen=True)
class Tiling:
    """How regions are tiled: rows of a tile, as a part of those that are best for speed, and lanes."""

    scale: float = 1.0
    lanes: int | None = None


@dataclass(frozen=True, eq=False)
class Fitting:
    """A schedule and its plan for so many threads; ``repeated`` are the values that are computed twice."""

    schedule: Schedule
    plan: Plan
    bytes: int
    threads: int
    repeated: tuple[Tensor, ...] = ()


class Budget:
    """The search. ``sizes`` are the symbolic sizes at which the bytes are counted."""

    def __init__(self, limit: int, sizes: Mapping[str, int], threads: int, tiled: bool) -> None:
        self.limit, self.sizes, self.threads, self.tiled = limit, sizes, threads, tiled
        self._seen: list[Fitting] = []

    def fitted(self, first: Schedule, plan: Plan) -> Fitting:
        """What fits into the budget; where nothing does, GraphError with the fewest bytes reached."""
        start = self._planned(first, plan)
        if start.bytes <= self.limit:
            return start
        tried: list[tuple[int, Tiling | None]] = [(start.bytes, Tiling() if self.tiled else None)]
        for tiling in self._tilings(first):
            found = self._made(first.graph, None, tiling)
            if found.bytes <= self.limit:
                return found
            tried.append((found.bytes, tiling))
        tried.sort(key=lambda pair: pair[0])
        values = Rematerialisation(self._order(first))
        options = sorted(values.candidates(), key=lambda kept: self._work(values.repeated(kept)))
        for kept in options:
            for _, tiling in islice(tried, _BEST):
                found = self._with(values, kept, tiling)
                if found.bytes <= self.limit:
                    return self._with_more_kept(values, kept, tiling, found)
        for threads in range(self.threads - 1, 0, -1):
            for found in self._seen:
                size = found.plan.footprint.planned(self.sizes, threads)
                if size <= self.limit:
                    return replace(found, bytes=size, threads=threads)
        least = min([found.plan.footprint.planned(self.sizes, 1) for found in self._seen])
        raise GraphError(
            f"the buffers need at least {least:,} bytes in any plan that was found, more than "
            f"memory_budget={self.limit:,}",
            op="compile", location=user_location(),
            remedy=f"allow {least:,} bytes, or make the batch smaller",
        )  # fmt: skip

    def _with_more_kept(
        self, values: Rematerialisation, kept: Collection[Tensor], tiling: Tiling | None, found: Fitting
    ) -> Fitting:
        """As many of the values that cost most to compute again are kept as fit."""
        costly = sorted(values.repeated(kept), key=step_cost, reverse=True)
        low, high = 0, len(costly)  # so many can be kept, and so many cannot
        while high - low > max(1, len(costly) // 32):
            middle = (low + high) // 2
            more = self._with(values, {*kept, *costly[:middle]}, tiling)
            if more.bytes <= self.limit:
                low, found = middle, more
            else:
                high = middle
        return found

    # -- plans ---------------------------------------------------------------------------------------
    def _with(self, values: Rematerialisation, kept: Collection[Tensor], tiling: Tiling | None) -> Fitting:
        graph, order = values.applied(kept)
        return self._made(graph, order, tiling, tuple(values.repeated(kept)))

    def _made(
        self,
        graph: Graph,
        order: Sequence[Tensor] | None,
        tiling: Tiling | None,
        repeated: tuple[Tensor, ...] = (),
    ) -> Fitting:
        if tiling is None:
            made = schedule(graph, order=order)
        else:
            made = schedule(graph, True, order, tiling.scale, tiling.lanes)
        return self._planned(made, plan_memory(made), repeated)

    @staticmethod
    def _tilings(first: Schedule) -> Iterator[Tiling | None]:
        """Other ways to tile the regions, and at last none."""
        if not first.regions:
            return
        has_sums = any(r.part is None for region in first.regions for r in region.results)
        for scale in _SCALES:
            for lanes in _LANES if has_sums else _LANES[:1]:
                if scale != 1.0 or lanes is not None:
                    yield Tiling(scale, lanes)
        yield None

    def _planned(self, made: Schedule, plan: Plan, repeated: tuple[Tensor, ...] = ()) -> Fitting:
        size = plan.footprint.planned(self.sizes, self.threads)
        self._seen.append(Fitting(made, plan, size, self.threads, repeated))
        return self._seen[-1]

    @staticmethod
    def _work(nodes: Sequence[Tensor]) -> float:
        return sum([step_cost(n) for n in nodes])

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


def check_budget(limit: object, sizes: Mapping[str, object]) -> None:
    """GraphError where a budget is no number of bytes, or a size no size."""
    for what, value in (("memory_budget", limit), *[(f"sizes[{n!r}]", v) for n, v in sizes.items()]):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise GraphError(
                f"{what}={value!r} is no positive whole number", op="compile", location=user_location(),
                remedy="give bytes, e.g. memory_budget=500_000_000, and sizes, e.g. sizes={\"N\": 256}",
            )  # fmt: skip
