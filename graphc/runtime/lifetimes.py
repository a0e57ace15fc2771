"""A traced call: the arrays of each statement enter; bytes moved, operations and memory in use leave.

What is alive is found from addresses, not from names, so that values that share memory, and views, count
once. A value lives from the first write to its bytes to the last read before they are written anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from graphc.runtime.accesses import Access

Array = np.ndarray[Any, Any]
Span = tuple[int, int]
Event = tuple[int, list[Span], list[Span]]


class Trace:
    """Collects what statements touch; called with a statement's number and the arrays of its access."""

    def __init__(self, accesses: Sequence[Access]) -> None:
        self.accesses = accesses
        self.outside: list[Span] = []
        self.returned = 0  # bytes
        self.read = [0] * len(accesses)
        self.written = [0] * len(accesses)
        self.operations = [0] * len(accesses)
        self.events: list[Event] = []

    def __call__(self, number: int, reads: Sequence[Any], writes: Sequence[Any], held: Sequence[Any]) -> None:
        read, written = list(_arrays(reads)), list(_arrays(writes))
        self.read[number] += sum([_touched(a) for a in read])
        self.written[number] += sum([_touched(a) for a in written])
        if self.accesses[number].product:
            self.operations[number] += _multiply_adds(self.accesses[number].equation, read, written)
        if self.accesses[number].returns:
            self.returned += sum([a.nbytes for a in (*_arrays(held), *written)])
        self.events.append((number, self._spans([*read, *_arrays(held)]), self._spans(written)))

    def leave_out(self, arrays: Iterable[Array]) -> None:
        """Count these arrays to no value that is alive: they are there before the call, and after it."""
        self.outside += [byte_bounds(a) for a in arrays if a.size]

    def _spans(self, arrays: Iterable[Array]) -> list[Span]:
        spans = [byte_bounds(a) for a in arrays if a.size]
        return [s for s in spans if not any(low <= s[0] < high for low, high in self.outside)]

    def alive(self) -> list[int]:
        """For each statement, the most bytes of computed values that are in use while it runs."""
        most = [0] * len(self.accesses)
        for (number, _, _), count in zip(self.events, _alive(self.events), strict=True):
            most[number] = max(most[number], count)
        return most


def _arrays(values: Sequence[Any]) -> Iterator[Array]:
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, tuple):
            yield from _arrays(value)


def _touched(array: Array) -> int:
    """The bytes of an array in memory, what repeats or overlaps counted once."""
    if not array.size:
        return 0
    distinct = prod([n for n, stride in zip(array.shape, array.strides, strict=True) if stride])
    low, high = byte_bounds(array)
    return min(int(distinct * array.itemsize), int(high - low))


def _multiply_adds(equation: str | None, operands: Sequence[Array], results: Sequence[Array]) -> int:
    """Multiplications and additions of a product."""
    if equation is None:
        inner = operands[0].shape[-1] if operands[0].ndim else 1
        return 2 * int(inner) * sum([r.size for r in results])
    sizes: dict[str, int] = {}
    for indices, operand in zip(equation.partition("->")[0].split(","), operands, strict=True):
        sizes |= dict(zip(indices.strip(), operand.shape, strict=True))
    return len(operands) * prod(sizes.values())


def _alive(events: Sequence[Event]) -> list[int]:
    """The bytes alive at each event."""
    edges = sorted({edge for _, reads, writes in events for span in (*reads, *writes) for edge in span})
    place = {edge: k for k, edge in enumerate(edges)}
    sizes = [high - low for low, high in pairwise(edges)]
    born, used, is_read = [-1] * len(sizes), [-1] * len(sizes), [False] * len(sizes)
    change = [0] * (len(events) + 1)

    def end(atom: int) -> None:
        change[born[atom]] += sizes[atom]
        change[used[atom] + 1] -= sizes[atom]

    for now, (_, reads, writes) in enumerate(events):
        for low, high in reads:
            for atom in range(place[low], place[high]):
                if born[atom] >= 0:
                    used[atom], is_read[atom] = now, True
        for low, high in writes:
            for atom in range(place[low], place[high]):
                if born[atom] >= 0 and is_read[atom] and used[atom] < now:
                    end(atom)
                    born[atom] = -1
                if born[atom] < 0:
                    born[atom] = now
                used[atom], is_read[atom] = now, False
    for atom, first in enumerate(born):
        if first >= 0:
            end(atom)
    return list(np.cumsum(change[:-1], dtype=np.int64).tolist()) if events else []
