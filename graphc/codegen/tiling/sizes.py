"""How many tiles: a grown region enters; their number and the rows of each leave.

The tiles depend on the graph and on the sizes of a call, never on the number of threads, so that neither
does the result. A tile is large enough that calls of NumPy cost little beside it, and reading the values that
each tile needs as a whole too; and no larger than needed for that and for its values to stay in cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from graphc.codegen.tiling.growth import Growth
from graphc.codegen.tiling.parts import Part, needs
from graphc.codegen.tiling.work import step_cost
from graphc.codegen.views import is_view, owner
from graphc.ir.dimension import Dim, floor_div, same, simplified, symbol
from graphc.ir.tensor import Tensor
from graphc.rewrite.cost import SIZE_HINT, elements
from graphc.rewrite.cost_table import TABLE

TILE_ROWS = "rows of a tile"
"""The symbolic size of a tile that may have fewer rows than the others."""

_RUN = 32  # rows of a tile at least where they lie innermost: shorter runs of elements cost more than cache
_CACHE = 1 << 20  # bytes a tile's live values may take
_CALL = 1_000.0  # nanoseconds of a step's call that is not its work
_OVERHEAD = 0.05  # the share of a tile's time that calls may take, and reading what every tile needs


@dataclass(frozen=True)
class Tiles:
    """``count`` tiles at most, of at most ``most`` rows each.

    ``rows`` is how many one has: a number where all have as many, else a symbol, as the last may have fewer.
    """

    count: Dim
    most: int
    rows: Dim


def tiles_of(region: Growth, nodes: Sequence[Tensor], scale: float = 1.0) -> Tiles:
    """The tiles of a region, with about ``scale`` times the rows that are best for speed."""
    rows = region.rows
    most = max(1, int(_rows_of_a_tile(region, nodes) * scale))
    if isinstance(rows, int):
        count = min(rows, 2 * -(-rows // (2 * most)))
        even = next((k for k in range(count, 2 * count) if rows % k == 0), None)
        if even is not None:
            return Tiles(even, rows // even, rows // even)
        return Tiles(count, -(-rows // count), symbol(TILE_ROWS))
    return Tiles(simplified(2 * floor_div(rows + (2 * most - 1), 2 * most)), most, symbol(TILE_ROWS))


def _rows_of_a_tile(region: Growth, nodes: Sequence[Tensor]) -> int:
    rows = region.rows if isinstance(region.rows, int) else SIZE_HINT
    steps = [n for n in nodes if not is_view(n)]
    costs = {n: step_cost(n) for n in steps}
    work = sum(costs.values()) / rows
    width = _widest(region, steps) / rows
    each = len(steps) * _CALL + _bytes_of_wholes(region, steps) / TABLE.bandwidth
    in_cache, for_calls = _CACHE / max(width, 1.0), each / _OVERHEAD / max(work, 1e-3)
    innermost = sum([c for n, c in costs.items() if _is_innermost(region, n)])
    shortest = _RUN if innermost > sum(costs.values()) / 2 else 1
    return max(shortest, int(in_cache), int(for_calls))


def _is_innermost(region: Growth, node: Tensor) -> bool:
    """Whether the rows are the last axis of what a step reads or writes, or the last factor of it."""
    if node in region.split:
        part = region.split[node]
        return node.ndim > 1 and part.axis == node.ndim - 1 and same(part.inner, 1)
    return any(p.axis == i.ndim - 1 for i, p in zip(node.inputs, region.summed[node], strict=True))


def _widest(region: Growth, steps: Sequence[Tensor]) -> int:
    """The most bytes of rows that are alive at once: of members, and of what is read more than once."""
    uses: dict[Tensor, list[int]] = {n: [k] for k, n in enumerate(steps) if n in region.split}
    for k, node in enumerate(steps):
        for operand in _read_by_rows(region, node):
            uses.setdefault(operand, []).append(k)
    change = [0] * (len(steps) + 1)
    for node, at in uses.items():
        size = elements(node.shape) * node.dtype.itemsize
        change[at[0]] += size
        change[at[-1] + 1] -= size
    return max(accumulate(change))


def _bytes_of_wholes(region: Growth, steps: Sequence[Tensor]) -> int:
    """The bytes that every tile reads of values it needs as a whole; none where they stay in cache."""
    wholes: dict[Tensor, int] = {}
    for node in steps:
        for operand, part in zip(node.inputs, _parts_read(region, node), strict=True):
            if part is None:
                value = owner(operand)
                wholes[value] = elements(value.shape) * value.dtype.itemsize
    total = sum(wholes.values())
    return total if total > TABLE.cache else 0


def _read_by_rows(region: Growth, node: Tensor) -> Iterator[Tensor]:
    """The values whose rows a step reads."""
    for operand, part in zip(node.inputs, _parts_read(region, node), strict=True):
        if part is not None:
            yield owner(operand)


def _parts_read(region: Growth, node: Tensor) -> Sequence[Part | None]:
    """What a step reads of each operand."""
    parts = needs(node, region.split[node], region.rows) if node in region.split else region.summed[node]
    assert parts is not None
    return parts
