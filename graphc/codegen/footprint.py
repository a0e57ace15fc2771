"""How many bytes: the buffers of a function and the sizes of a call enter; what they take leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from graphc.codegen.packing import most_alive, packed
from graphc.codegen.threads import tile_rows
from graphc.codegen.tiling.sizes import TILE_ROWS
from graphc.ir.dimension import Dim, Shape, element_count, evaluate_dim, symbols_of
from graphc.ir.dtype import DType
from graphc.rewrite.cost import SIZE_HINT

Spans = tuple[tuple[int, int, Dim], ...]
"""Of each buffer the first moment and the last at which it is in use, and its bytes."""


@dataclass(eq=False)
class Buffer:
    """A piece of memory with the shape and dtype of what is first kept there.

    ``first`` and ``last`` are the moments from and to which it is in use: steps, counted as they are
    executed, those of a loop's body as if it ran once.
    """

    number: int
    shape: Shape
    dtype: DType
    first: int
    last: int = -1

    @property
    def bytes(self) -> Dim:
        """Its size."""
        return element_count(self.shape) * self.dtype.itemsize


def spans_of(buffers: Iterable[Buffer]) -> Spans:
    """The buffers as plain data."""
    known: dict[tuple[Shape, int], Dim] = {}
    spans = []
    for buffer in buffers:
        key = (buffer.shape, buffer.dtype.itemsize)
        if key not in known:
            known[key] = buffer.bytes
        spans.append((buffer.first, buffer.last, known[key]))
    return tuple(spans)


def evaluated(spans: Spans, sizes: Mapping[str, int]) -> tuple[tuple[int, int, int], ...]:
    """The spans at these symbolic sizes; the hint for one that is not given."""
    known: dict[Dim, int] = {}
    for _, _, size in spans:
        if size not in known:
            values = {s.name: sizes.get(s.name, SIZE_HINT) for s in symbols_of([size])}
            known[size] = evaluate_dim(size, values)
    return tuple([(first, last, known[size]) for first, last, size in spans])


@lru_cache(maxsize=64)
def layout(spans: tuple[tuple[int, int, int], ...]) -> tuple[int, tuple[int, ...]]:
    """The bytes of all together, and the offset of each."""
    total, offsets = packed(spans)
    return total, tuple(offsets)


@dataclass(frozen=True)
class TileMemory:
    """What a region's threads have of their own: ``spans`` are the buffers of one tile."""

    rows: Dim
    most: int
    spans: Spans

    def tiles(self, sizes: Mapping[str, int]) -> tuple[int, int]:
        """The number of tiles at these sizes, and the rows of one."""
        known = {s.name: sizes.get(s.name, SIZE_HINT) for s in symbols_of([self.rows])}
        rows = evaluate_dim(self.rows, known)
        tile = tile_rows(rows, self.most)
        return (-(-rows // tile) if tile else 0), tile


@dataclass(frozen=True)
class Footprint:
    """The buffers of a function, and those of a thread in each of its regions, which share their memory."""

    spans: Spans
    tiles: tuple[TileMemory, ...]

    def planned(self, sizes: Mapping[str, int], threads: int) -> int:
        """Bytes of all buffers on so many threads."""
        total, _ = layout(evaluated(self.spans, sizes))
        return total + self._on_threads(sizes, threads, lambda spans: layout(spans)[0])

    def alive(self, sizes: Mapping[str, int], threads: int) -> int:
        """The most bytes in use at once: no plan with these values needs fewer."""
        total: int = most_alive(evaluated(self.spans, sizes))
        return total + self._on_threads(sizes, threads, most_alive)

    def _on_threads(self, sizes: Mapping[str, int], threads: int, measure: Callable[..., int]) -> int:
        """Each thread has as much as the largest of the regions that it works for."""
        of_thread = [0] * threads
        for memory in self.tiles:
            count, tile = memory.tiles(sizes)
            size = measure(evaluated(memory.spans, {**sizes, TILE_ROWS: tile}))
            for k in range(min(count, threads)):
                of_thread[k] = max(of_thread[k], size)
        return sum(of_thread)
