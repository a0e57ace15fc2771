"""The memory plan: a schedule enters; where each value lives, and the blocks that are shared, leave.

Every computed value lives in a block of the function's workspace, except what is returned (fresh
memory at each call) and what may be written straight into its parameter. Two values share a block
when their lifetimes do not overlap; an elementwise step may write over an operand that dies with it.
Sizes may be symbolic: a block is as large as its largest member at the sizes of the call.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field

from graphc.codegen.emitters import EMITTERS
from graphc.codegen.schedule import Schedule, results_of
from graphc.codegen.threads import tile_rows
from graphc.codegen.tiling.region import Region, Result
from graphc.codegen.tiling.sizes import TILE_ROWS
from graphc.codegen.views import is_contiguous, is_view, owner
from graphc.ir.dimension import Dim, Shape, element_count, evaluate_dim, same, same_shape, symbols_of
from graphc.ir.dtype import DType
from graphc.ir.tensor import Tensor

# What a symbolic size is taken for where sizes are compared while planning.
SIZE_HINT = 64


@dataclass(eq=False)
class Block:
    """A piece of the workspace; ``sizes`` are the byte counts of the values it holds in turn."""

    number: int
    hint: int = 0
    sizes: dict[Dim, None] = field(default_factory=dict)
    types: dict[tuple[Shape, DType], None] = field(default_factory=dict)

    def hold(self, shape: Shape, dtype: DType, hint: int) -> None:
        self.types.setdefault((shape, dtype))
        self.sizes.setdefault(element_count(shape) * dtype.itemsize)
        self.hint = max(self.hint, hint)


@dataclass(frozen=True, eq=False)
class Plan:
    """Where each value lives.

    ``block`` maps a computed node to its block; ``fresh`` are the nodes that get new memory at each
    call because they are returned; ``in_parameter`` maps a node to the parameter it is written into;
    ``scratch`` gives a step's extra blocks with their shapes and dtypes; ``overwrites`` the position
    of the operand that a step writes over; ``loops`` the plan of each loop's body, in which the fresh
    nodes are those that may be written straight into the loop's results. ``regions`` has the plan of a
    tile for each region, with blocks of its own, since each thread has them; ``parts`` the array in which
    the tiles leave their parts of a sum.
    """

    blocks: tuple[Block, ...]
    block: dict[Tensor, Block]
    fresh: frozenset[Tensor]
    in_parameter: dict[Tensor, Tensor]
    scratch: dict[Tensor, tuple[tuple[Block, Shape, DType], ...]]
    overwrites: dict[Tensor, int]
    loops: dict[Tensor, Plan] = field(default_factory=dict)
    regions: dict[Region, Plan] = field(default_factory=dict)
    parts: dict[Tensor, tuple[Block, Shape, DType]] = field(default_factory=dict)

    @property
    def block_sizes(self) -> tuple[tuple[Dim, ...], ...]:
        """For each block, the byte counts of the values it holds; it is as large as the largest."""
        return tuple(tuple(b.sizes) for b in self.blocks)

    @property
    def tiles(self) -> tuple[TileMemory, ...]:
        """What each region's threads have of their own."""
        return tuple([TileMemory(r.rows, r.tiles.most, p.block_sizes) for r, p in self.regions.items()])


@dataclass(frozen=True)
class TileMemory:
    """The buffers of a region's threads: ``block_sizes`` are those of one tile."""

    rows: Dim
    most: int
    block_sizes: tuple[tuple[Dim, ...], ...]

    def bytes(self, sizes: Mapping[str, int], threads: int) -> int:
        """Bytes on so many threads at these symbolic sizes."""
        known = {s.name: sizes.get(s.name, SIZE_HINT) for s in symbols_of([self.rows])}
        rows = evaluate_dim(self.rows, known)
        tile = tile_rows(rows, self.most)
        tiles = -(-rows // tile) if tile else 0
        return min(tiles, threads) * total_bytes(self.block_sizes, {**sizes, TILE_ROWS: tile})


def total_bytes(block_sizes: tuple[tuple[Dim, ...], ...], sizes: Mapping[str, int]) -> int:
    """Bytes of a workspace at these symbolic sizes; the planning hint where one is not given."""
    names = {s.name for block in block_sizes for s in symbols_of(block)}
    known = {name: sizes.get(name, SIZE_HINT) for name in names}
    return sum(max(evaluate_dim(s, known) for s in block) for block in block_sizes)


class _Planner:
    """Plans a program, or with ``around``, the planner of what is around it, the body of a loop.

    With ``direct`` it plans a tile; those of its outputs may be written straight into the results.
    """

    def __init__(
        self, schedule: Schedule, around: _Planner | None = None, direct: frozenset[Tensor] | None = None
    ) -> None:
        self.schedule = schedule
        self.direct = direct
        self.is_body = around is not None or direct is not None
        self.blocks: list[Block] = around.blocks if around else []
        self.free: list[tuple[int, int]] = around.free if around else []  # (hint, block number), sorted
        self.loops: dict[Tensor, Plan] = {}
        self.regions: dict[Region, Plan] = {}
        self.parts: dict[Tensor, tuple[Block, Shape, DType]] = {}
        self.block: dict[Tensor, Block] = {}
        self.scratch: dict[Tensor, tuple[tuple[Block, Shape, DType], ...]] = {}
        self.overwrites: dict[Tensor, int] = {}
        self.hints: dict[tuple[Shape, int], int] = {}
        self.owners = {node: owner(node) for node in schedule.order}
        self.last_use = self._last_uses()
        self.fresh = self._returned()
        self.in_parameter = self._written_in_place()

    # -- lifetimes ---------------------------------------------------------------------------------
    def _last_uses(self) -> dict[Tensor, int]:
        last: dict[Tensor, int] = {}
        for position, step in enumerate(self.schedule.steps):
            for result in results_of(step):
                last[result] = position
            for operand in step.inputs:
                last[self.owners[operand]] = position
        end = len(self.schedule.steps)
        for output in self.schedule.graph.outputs:
            last[self.owners[output]] = end
        for _, new in self.schedule.graph.updates:
            last[new] = end
        return last

    def _returned(self) -> frozenset[Tensor]:
        """Computed values that are handed out without a copy: each is behind one output only."""
        computed = {result for step in self.schedule.steps for result in results_of(step)}
        outputs = self.schedule.graph.outputs
        count: dict[Tensor, int] = {}
        for output in outputs:
            count[self.owners[output]] = count.get(self.owners[output], 0) + 1
        updated = {new for _, new in self.schedule.graph.updates}
        fresh = set()
        for output in outputs:
            base = self.owners[output]
            alone = base in computed and count[base] == 1 and base not in updated
            alone = alone and (base is output if self.is_body else output.ndim > 0)
            if self.direct is not None and base not in self.direct:
                alone = False
            if alone and not _overlaps_itself(output):
                fresh.add(base)
        return frozenset(fresh)

    def _written_in_place(self) -> dict[Tensor, Tensor]:
        """New values that may be written straight into their parameter: nothing reads the old one later."""
        where = {r: position for position, step in enumerate(self.schedule.steps) for r in results_of(step)}
        together = {r for step in self.schedule.steps if isinstance(step, Region) for r in step.outputs}
        found = {}
        for parameter, new in self.schedule.graph.updates:
            position = where[new]
            last = self.last_use.get(parameter, -1)
            if last < position or (
                last == position
                and new not in together
                and any(self._may_overwrite(new, k, parameter) for k in range(len(new.inputs)))
            ):
                found[new] = parameter
        return found

    # -- placing -----------------------------------------------------------------------------------
    def plan(self) -> Plan:
        for position, step in enumerate(self.schedule.steps):
            dying = [
                o for o in dict.fromkeys(self.owners[i] for i in step.inputs) if self.last_use[o] == position
            ]
            reused = None
            if isinstance(step, Region):
                self._place_region(step)
                dying += [r for r in step.outputs if self.last_use[r] == position]
            else:
                reused = self._place(step, dying)
            for value in dying:
                held = self.block.get(value)
                if held is not None and held is not reused:
                    self._release(held)
        return Plan(
            tuple(self.blocks), self.block, self.fresh, self.in_parameter, self.scratch, self.overwrites,
            self.loops, self.regions, self.parts,
        )  # fmt: skip

    def _place(self, step: Tensor, dying: list[Tensor]) -> Block | None:
        """Give a step its blocks; that of an operand it writes over, if it does."""
        reused: Block | None = None
        if step not in self.fresh and step not in self.in_parameter:
            reused = self._overwritten(step, dying)
            if reused is None:
                self.block[step] = self._take(step.shape, step.dtype)
            else:
                self.block[step] = reused
                reused.hold(step.shape, step.dtype, self._hint(step.shape, step.dtype))
        wanted = EMITTERS[step.op.name].scratch(step)
        if wanted:
            taken = [(self._take(shape, dtype), shape, dtype) for shape, dtype in wanted]
            self.scratch[step] = tuple(taken)
            for block, _, _ in taken:
                self._release(block)
        if step in self.schedule.loops:
            self._plan_body(step)
        return reused

    def _place_region(self, region: Region) -> None:
        """Give a region's results their blocks, and its sums arrays for their parts."""
        for result in region.results:
            node = result.outside
            if node not in self.fresh and node not in self.in_parameter:
                self.block[node] = self._take(node.shape, node.dtype)
            if result.part is None:
                shape = (region.tiles.count, *node.shape)
                self.parts[node] = (self._take(shape, node.dtype), shape, node.dtype)
        for block, _, _ in [self.parts[r.outside] for r in region.results if r.part is None]:
            self._release(block)
        direct = frozenset([r.inside for r in region.results if _in_one_piece(r)])
        self.regions[region] = _Planner(self.schedule.regions[region], direct=direct).plan()

    def _plan_body(self, step: Tensor) -> None:
        """The body takes its blocks from those that are free while the loop runs, and gives all back."""
        plan = self.loops[step] = _Planner(self.schedule.loops[step], self).plan()
        scratch = [block for taken in plan.scratch.values() for block, _, _ in taken]
        free = {number for _, number in self.free}
        for block in dict.fromkeys([*plan.block.values(), *scratch]):
            if block.number not in free:
                self._release(block)

    def _overwritten(self, step: Tensor, dying: list[Tensor]) -> Block | None:
        for position in EMITTERS[step.op.name].overwrites(step):
            base = self.owners[step.inputs[position]]
            if (
                base in self.block
                and any(base is d for d in dying)
                and self._may_overwrite(step, position, base)
            ):
                self.overwrites[step] = position
                return self.block[base]
        return None

    def _may_overwrite(self, step: Tensor, position: int, base: Tensor) -> bool:
        """Whether the step may write over the operand: same elements in the same order, read nowhere else."""
        operand = step.inputs[position]
        if self.owners[operand] is not base or position not in EMITTERS[step.op.name].overwrites(step):
            return False
        for k, other in enumerate(step.inputs):
            if self.owners[other] is base and not self._aligned(other, base, step):
                return False
            if (
                k != position
                and self.owners[other] is base
                and k not in EMITTERS[step.op.name].overwrites(step)
            ):
                return False
        return base.dtype == step.dtype

    @staticmethod
    def _aligned(operand: Tensor, base: Tensor, step: Tensor) -> bool:
        return (
            same_shape(operand.shape, step.shape)
            and is_contiguous(operand)
            and (operand is base or same_shape([element_count(operand.shape)], [element_count(base.shape)]))
        )

    def _hint(self, shape: Shape, dtype: DType) -> int:
        key = (shape, dtype.itemsize)
        found = self.hints.get(key)
        if found is None:
            count = element_count(shape)
            sizes = {s.name: SIZE_HINT for s in symbols_of([count])}
            found = self.hints[key] = evaluate_dim(count, sizes) * dtype.itemsize
        return found

    def _take(self, shape: Shape, dtype: DType) -> Block:
        """The free block that fits best: not one far too large, nor one that must more than double."""
        hint = self._hint(shape, dtype)
        at = bisect_left(self.free, (hint, -1))
        if at < len(self.free) and self.free[at][0] <= 4 * hint + 4096:
            block = self.blocks[self.free.pop(at)[1]]
        elif self.free and self.free[-1][0] * 2 >= hint:
            block = self.blocks[self.free.pop()[1]]
        else:
            block = Block(len(self.blocks))
            self.blocks.append(block)
        block.hold(shape, dtype, hint)
        return block

    def _release(self, block: Block) -> None:
        insort(self.free, (block.hint, block.number))


def _in_one_piece(result: Result) -> bool:
    """Whether what a tile gives lies in one piece of the result."""
    part = result.part
    return part is None or (part.outer == 1 and all(same(s, 1) for s in result.outside.shape[: part.axis]))


def _overlaps_itself(view: Tensor) -> bool:
    while is_view(view):
        if view.op.name in ("broadcast_to", "window"):
            return True
        view = view.inputs[0]
    return False


def plan_memory(schedule: Schedule) -> Plan:
    """The plan for a schedule."""
    return _Planner(schedule).plan()
