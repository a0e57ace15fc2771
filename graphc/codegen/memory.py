"""The memory plan: a schedule enters; where each value lives leaves.

Every computed value lives in a buffer of the function's arena, except what is returned (fresh memory at each
call) and what may be written straight into its parameter. A step may write over an operand that dies with
it; then both live in one buffer. When each buffer is in use is known here, how large it is perhaps only at
the call: ``packing`` finds its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from graphc.codegen.emitters import EMITTERS
from graphc.codegen.footprint import Buffer, Footprint, Spans, TileMemory, evaluated, layout, spans_of
from graphc.codegen.overwriting import Reads, added_up, is_in_one_piece, replaces_rows
from graphc.codegen.schedule import Schedule
from graphc.codegen.tiling.parts import Part
from graphc.codegen.tiling.region import Operand, Region
from graphc.codegen.views import is_view
from graphc.ir.dimension import Shape
from graphc.ir.dtype import DType
from graphc.ir.tensor import Tensor


@dataclass(frozen=True, eq=False)
class Plan:
    """Where each value lives.

    ``buffer`` maps a computed node to its buffer; ``fresh`` are the nodes that get new memory at each
    call because they are returned; ``in_parameter`` maps a node to the parameter it is written into;
    ``scratch`` gives a step's extra buffers; ``overwrites`` the position of the operand that a step writes
    over; ``loops`` the plan of each loop's body, whose buffers are listed with the function's and in which
    the fresh nodes are those that may be written straight into the loop's results. ``regions`` has the plan
    of a tile for each region, with buffers of its own, since each thread has them; ``parts`` the array in
    which the tiles leave their parts of a sum.
    """

    buffers: tuple[Buffer, ...]
    buffer: dict[Tensor, Buffer]
    fresh: frozenset[Tensor]
    in_parameter: dict[Tensor, Tensor]
    scratch: dict[Tensor, tuple[Buffer, ...]]
    overwrites: dict[Tensor, int]
    loops: dict[Tensor, Plan] = field(default_factory=dict)
    regions: dict[Region, Plan] = field(default_factory=dict)
    parts: dict[Tensor, Buffer] = field(default_factory=dict)

    @cached_property
    def spans(self) -> Spans:
        """The buffers as plain data."""
        return spans_of(self.buffers)

    @cached_property
    def layout(self) -> tuple[int, tuple[int, ...]] | None:
        """The bytes of the arena and the offset of each buffer; None where sizes are known only at a call."""
        if not all(isinstance(size, int) for _, _, size in self.spans):
            return None
        return layout(evaluated(self.spans, {}))

    @property
    def footprint(self) -> Footprint:
        """What the buffers take."""
        tiles = [TileMemory(r.rows, r.tiles.most, p.spans) for r, p in self.regions.items()]
        return Footprint(self.spans, tuple(tiles))


@dataclass(eq=False)
class _Arena:
    """The buffers so far, and the moment."""

    buffers: list[Buffer] = field(default_factory=list)
    moment: int = -1

    def take(self, shape: Shape, dtype: DType) -> Buffer:
        buffer = Buffer(len(self.buffers), shape, dtype, self.moment)
        self.buffers.append(buffer)
        return buffer

    def release(self, buffers: Iterable[Buffer]) -> None:
        for buffer in buffers:
            buffer.last = self.moment


class _Planner:
    """Plans a program, or the body of a loop, which takes its buffers from the ``arena`` around.

    With ``direct`` it plans a tile; those of its outputs may be written straight into the results, and those
    that are ``added`` up are needed no longer than that takes.
    """

    def __init__(
        self,
        schedule: Schedule,
        arena: _Arena | None = None,
        direct: frozenset[Tensor] | None = None,
        added: frozenset[Tensor] = frozenset(),
    ) -> None:
        self.schedule = schedule
        self.reads = Reads(schedule, added)
        self.direct = direct
        self.inside = arena is not None
        self.arena = arena or _Arena()
        self.loops: dict[Tensor, Plan] = {}
        self.regions: dict[Region, Plan] = {}
        self.parts: dict[Tensor, Buffer] = {}
        self.buffer: dict[Tensor, Buffer] = {}
        self.scratch: dict[Tensor, tuple[Buffer, ...]] = {}
        self.overwrites: dict[Tensor, int] = {}
        self.fresh = self._returned()
        self.in_parameter = {
            new: parameter
            for parameter, new in schedule.graph.updates
            if self.reads.may_replace(new, parameter)
        }

    def _returned(self) -> frozenset[Tensor]:
        """Computed values that are handed out without a copy: each is behind one output only."""
        outputs, owners = self.schedule.graph.outputs, self.reads.owners
        count: dict[Tensor, int] = {}
        for output in outputs:
            count[owners[output]] = count.get(owners[output], 0) + 1
        updated = {new for _, new in self.schedule.graph.updates}
        fresh = set()
        for output in outputs:
            base = owners[output]
            alone = base in self.reads.made and count[base] == 1 and base not in updated
            alone = alone and (output.ndim > 0 if not self.inside and self.direct is None else base is output)
            if self.direct is not None and base not in self.direct:
                alone = False
            if alone and not _overlaps_itself(output):
                fresh.add(base)
        return frozenset(fresh)

    def plan(self) -> Plan:
        reads = self.reads
        for position, step in enumerate(self.schedule.steps):
            self.arena.moment += 1
            read = dict.fromkeys(reads.owners[i] for i in step.inputs)
            dying = [o for o in read if reads.last_use[o] == position]
            if isinstance(step, Region):
                written = self._place_results(step, dying)
                self._place_region(step)
                dying += [r for r in step.outputs if reads.last_use[r] == position]
            else:
                written = self._place(step, dying)
                if reads.last_use[step] == position:
                    dying.append(step)
            ended = [self.buffer[o] for o in dying if o in self.buffer]
            self.arena.release([b for b in ended if b not in written])
        self.arena.release([b for b in self.buffer.values() if b.last < 0])
        return Plan(
            () if self.inside else tuple(self.arena.buffers), self.buffer, self.fresh, self.in_parameter,
            self.scratch, self.overwrites, self.loops, self.regions, self.parts,
        )  # fmt: skip

    def _has_place(self, node: Tensor) -> bool:
        return node in self.fresh or node in self.in_parameter

    # -- steps -------------------------------------------------------------------------------------
    def _place(self, step: Tensor, dying: list[Tensor]) -> set[Buffer]:
        """Give a step its buffers; that of an operand it writes over, if it does, is given back."""
        reused: Buffer | None = None
        if not self._has_place(step):
            reused = self._overwritten(step, dying)
            self.buffer[step] = reused or self.arena.take(step.shape, step.dtype)
        wanted = EMITTERS[step.op.name].scratch(step)
        if wanted:
            self.scratch[step] = tuple([self.arena.take(shape, dtype) for shape, dtype in wanted])
            self.arena.release(self.scratch[step])
        if step in self.schedule.loops:
            self.loops[step] = _Planner(self.schedule.loops[step], self.arena).plan()
        return {reused} if reused else set()

    def _overwritten(self, step: Tensor, dying: list[Tensor]) -> Buffer | None:
        for position in EMITTERS[step.op.name].overwrites(step):
            base = self.reads.owners[step.inputs[position]]
            if (
                base in self.buffer
                and any(base is d for d in dying)
                and self.reads.may_overwrite(step, position, base)
            ):
                self.overwrites[step] = position
                return self.buffer[base]
        return None

    # -- regions -----------------------------------------------------------------------------------
    def _place_results(self, region: Region, dying: list[Tensor]) -> set[Buffer]:
        """Give a region's results their buffers; those of operands whose rows they replace are given back."""
        rows = self.reads.rows_of(region)
        free: dict[Part | None, list[Operand]] = {}
        for base in dying:
            if base in rows and base in self.buffer:
                free.setdefault(rows[base].part, []).append(rows[base])
        reused = set()
        for result in region.results:
            node = result.outside
            if self._has_place(node):
                continue
            operand = next((o for o in free.get(result.part, []) if replaces_rows(result, o)), None)
            if operand is None:
                self.buffer[node] = self.arena.take(node.shape, node.dtype)
            else:
                free[result.part].remove(operand)
                self.buffer[node] = self.buffer[operand.outside]
                reused.add(self.buffer[node])
        return reused

    def _place_region(self, region: Region) -> None:
        """Give a region's sums arrays for their parts, and plan a tile."""
        for result in region.results:
            if result.part is None:
                node = result.outside
                self.parts[node] = self.arena.take((region.parts, *node.shape), node.dtype)
                self.arena.release([self.parts[node]])
        tile = self.schedule.regions[region]
        replaced = self._replaced(region)
        added = added_up(region)
        reads = Reads(tile)
        direct = [
            r.inside
            for r in region.results
            if is_in_one_piece(r)
            and r.inside not in added
            and (r.inside not in replaced or reads.may_replace(r.inside, replaced[r.inside]))
        ]
        self.regions[region] = _Planner(tile, direct=frozenset(direct), added=added).plan()

    def _replaced(self, region: Region) -> dict[Tensor, Tensor]:
        """For each value of a tile that goes where rows of an operand are, what stands for those rows."""
        found: dict[Tensor, Tensor] = {}
        rows = self.reads.rows_of(region)
        by_buffer = {self.buffer[base]: operand for base, operand in rows.items() if base in self.buffer}
        for result in region.results:
            node = result.outside
            if node in self.in_parameter:
                operand = rows.get(self.in_parameter[node])
            else:
                operand = by_buffer.get(self.buffer[node]) if node in self.buffer else None
            if operand is not None:
                found[result.inside] = operand.inside
        return found


def _overlaps_itself(view: Tensor) -> bool:
    while is_view(view):
        if view.op.name in ("broadcast_to", "window"):
            return True
        view = view.inputs[0]
    return False


def plan_memory(schedule: Schedule) -> Plan:
    """The plan for a schedule."""
    return _Planner(schedule).plan()
