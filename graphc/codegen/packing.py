"""Buffers in one piece of memory: when each is in use and its bytes enter; where each lies leaves.

Two that are in use at once must not overlap, and the piece is to be as small as can be. That is dynamic
storage allocation, which is NP-hard: buffers are placed one after the other, each into the gap that fits it
best, in several orders, and the best stays. Written into standalone files as it stands.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

ALIGNMENT = 64  # bytes of a line of cache, and of the widest vector
Span = tuple[int, int, int]
Bytes = np.ndarray[Any, Any]
Tile = Callable[..., None]  # computes one tile
_CLOSE = 1.01  # times the bound: an order that comes so near is good enough
_ENOUGH = 1.05  # an order is repaired until it comes so near, or so many placements are spent
_PATIENCE = 3000


def arena(size: int) -> Bytes:
    """So many bytes, from an aligned address on."""
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -int(memory.__array_interface__["data"][0]) % ALIGNMENT
    return memory[start : start + size]


def view(memory: Bytes, offset: int, shape: tuple[int, ...], dtype: Any) -> Bytes:
    """An array of this shape and dtype in a piece of memory."""
    count = 1
    for size in shape:
        count *= size
    array: Bytes = memory[offset : offset + count * np.dtype(dtype).itemsize].view(dtype).reshape(shape)
    return array


class ThreadMemory:
    """What threads have of their own; one piece each, which the regions of a program share."""

    def __init__(self) -> None:
        self._free: list[Piece] = []

    def reserve(self, threads: int, make: Callable[..., Tile], rows: int, sizes: Sequence[int]) -> None:
        """See to it that so many threads have the buffers of a tile."""
        pieces = [self.take() for _ in range(threads)]
        for piece in pieces:
            piece.tile(make, rows, sizes)
            self.give_back(piece)

    def take(self) -> "Piece":
        """The piece of a thread, until it is given back."""
        try:
            return self._free.pop()
        except IndexError:
            return Piece()

    def give_back(self, piece: "Piece") -> None:
        """The thread is done with it."""
        self._free.append(piece)


class Piece:
    """The memory of one thread, for one tile at a time, and the functions that compute in it."""

    def __init__(self) -> None:
        self._memory = arena(0)
        self._tiles: dict[tuple[Callable[..., Tile], int], Tile] = {}

    def tile(self, make: Callable[..., Tile], rows: int, sizes: Sequence[int]) -> Tile:
        """The function that ``make`` gives for tiles of so many rows; kept."""
        key = (make, rows)
        if key not in self._tiles:
            tile = make(self, rows, *sizes)
            self._tiles[key] = tile
        return self._tiles[key]

    def memory(self, size: int) -> Bytes:
        """So many bytes at least; where there are not, what was made before is forgotten."""
        if size > len(self._memory):
            self._tiles.clear()
            self._memory = arena(0)  # the smaller one may go before the larger one comes
            self._memory = arena(size)
        return self._memory


def packed(spans: Sequence[Span]) -> tuple[int, list[int]]:
    """The bytes of all together and the offset of each; a span is the first step, the last, and the bytes."""
    sizes = [-(-size // ALIGNMENT) * ALIGNMENT for _, _, size in spans]
    times = Times([(first, last) for first, last, _ in spans])
    lengths = [last - first + 1 for first, last, _ in spans]
    everyone = sorted(range(len(spans)), key=lambda b: (-sizes[b], -lengths[b], spans[b][0]))
    most = most_alive(spans)
    tried = []
    keys: list[Callable[[int], int]] = [
        lambda b: -sizes[b], lambda b: -sizes[b] * lengths[b], lambda b: -lengths[b]
    ]  # fmt: skip
    for key in keys:
        order = sorted(everyone, key=key)
        offsets = times.placed(order, sizes)
        tried.append((_top(offsets, sizes), order, offsets))
        if tried[-1][0] <= _CLOSE * most:
            break
    tried.sort(key=lambda found: found[0])
    total, _, offsets = tried[0]
    patience = _PATIENCE // max(1, len(spans) * len(tried))
    for _, order, places in tried:
        # What ends up above the bound came too late: it is placed earlier, again and again.
        turn = {b: float(k) for k, b in enumerate(order)}
        for _ in range(patience):
            if total <= _ENOUGH * most:
                break
            for b in order:
                if places[b] + sizes[b] > most:
                    turn[b] -= len(order) / 4
            places = times.placed(sorted(order, key=turn.__getitem__), sizes)
            if _top(places, sizes) < total:
                total, offsets = _top(places, sizes), places
    return total, offsets


def _top(offsets: Sequence[int], sizes: Sequence[int]) -> int:
    return max([offset + size for offset, size in zip(offsets, sizes, strict=True)], default=0)


def most_alive(spans: Sequence[Span]) -> int:
    """The most bytes in use at once: no placing needs fewer."""
    changes = []
    for first, last, size in spans:
        size = -(-size // ALIGNMENT) * ALIGNMENT
        changes += [(first, size), (last + 1, -size)]
    alive = most = 0
    for _, change in sorted(changes):
        alive += change
        most = max(most, alive)
    return most


class Times:
    """When buffers are in use, as nodes of a binary tree over the steps.

    The steps of a buffer are a few subtrees side by side. The memory that is taken during some steps is what
    is taken in those subtrees, ``below``, or throughout a subtree around one of them, ``around``.
    """

    def __init__(self, times: Sequence[tuple[int, int]]) -> None:
        moments = sorted({moment for pair in times for moment in pair})
        number = {moment: k for k, moment in enumerate(moments)}
        self._leaves = 1 << max(0, len(moments) - 1).bit_length()
        self._nodes = [self._subtrees(number[first], number[last]) for first, last in times]

    def _subtrees(self, first: int, last: int) -> tuple[list[int], list[int]]:
        """The largest subtrees of the steps, and all nodes above them."""
        low, high = first + self._leaves, last + self._leaves + 1
        subtrees: list[int] = []
        above: dict[int, None] = {}
        while low < high:
            if low & 1:
                subtrees.append(low)
                low += 1
            if high & 1:
                high -= 1
                subtrees.append(high)
            low, high = low >> 1, high >> 1
        for node in subtrees:
            node >>= 1
            while node and node not in above:
                above[node] = None
                node >>= 1
        return subtrees, list(above)

    def placed(self, order: Sequence[int], sizes: Sequence[int]) -> list[int]:
        """The offset of each buffer, where they are placed in this order."""
        offsets = [0] * len(order)
        # For a node, where memory that is taken begins and ends, in turn.
        below: dict[int, list[int]] = {}
        around: dict[int, list[int]] = {}
        for b in order:
            subtrees, above = self._nodes[b]
            taken = [below[n] for n in subtrees if n in below] + [around[n] for n in above if n in around]
            offsets[b] = start = _best_gap(taken, sizes[b])
            for node in subtrees:
                _take(around.setdefault(node, []), start, start + sizes[b])
                _take(below.setdefault(node, []), start, start + sizes[b])
            for node in above:
                _take(below.setdefault(node, []), start, start + sizes[b])
        return offsets


def _best_gap(taken: Sequence[Sequence[int]], size: int) -> int:
    """The offset of the smallest gap of at least this size; the end, where there is none."""
    pieces: Iterable[tuple[int, int]] = [p for t in taken for p in zip(t[::2], t[1::2], strict=True)]
    top, best, least = 0, -1, 0
    for start, end in sorted(pieces):
        gap = start - top
        if gap >= size and (best < 0 or gap < least):
            best, least = top, gap
        if end > top:
            top = end
    return top if best < 0 else best


def _take(bounds: list[int], start: int, end: int) -> None:
    """Add a piece to those that are taken; pieces that touch become one."""
    low, high = bisect_left(bounds, start), bisect_right(bounds, end)
    bounds[low:high] = [start][low & 1 :] + [end][high & 1 :]
