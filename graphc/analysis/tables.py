"""Tables of places: what is gathered by known indices or weighted by a known matrix, as intervals.

Resampling and the padding by reflection or repetition are made of these.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import sympy

from graphc.analysis.boxes import Interval, irregular
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order

Array = np.ndarray[Any, Any]

_LONGEST_PERIOD = 64


class Table(NamedTuple):
    """For each place q, the first and the last index that it sees; none where first > last."""

    first: Array
    last: Array


class Tables:
    """The tables of a graph's nodes, each made once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Tensor, str], Table | None] = {}

    def of_index(self, index: Tensor) -> Table | None:
        """The table of indices that are known; None for others, and for those of several axes."""
        key = (index, "index")
        if key not in self._found:
            places = known_value(index) if index.ndim == 1 else None
            self._found[key] = None if places is None else Table(places, places)
        return self._found[key]

    def of_matrix(self, matrix: Tensor, along: Literal["rows", "columns"]) -> Table | None:
        """For each row (or column) of a known matrix, where its weights are not 0; None for others."""
        key = (matrix, along)
        if key not in self._found:
            weights = known_value(matrix) if matrix.ndim == 2 else None
            self._found[key] = None if weights is None else _used(weights if along == "rows" else weights.T)
        return self._found[key]


def _used(weights: Array) -> Table:
    used = weights != 0
    some, size = used.any(axis=1), used.shape[1]
    first = np.where(some, used.argmax(axis=1) if size else size, size)
    last = np.where(some, size - 1 - (used[:, ::-1].argmax(axis=1) if size else 0), -1)
    return Table(first, last)


def known_value(node: Tensor) -> Array | None:
    """The value of a node that is computed from constants alone; None for others."""
    order = topological_order([node])
    if any(
        n.op.name in ("input", "parameter")
        or n.op.family == "random"
        or any(not isinstance(v, int) for v in (*n.shape, *_sizes(n)))
        for n in order
    ):
        return None
    values: dict[Tensor, Array] = {}
    for n in order:
        values[n] = np.asarray(n.op.evaluate(n.attrs, *[values[i] for i in n.inputs]))
    return values[node]


def _sizes(node: Tensor) -> list[object]:
    """Symbolic sizes among a node's attributes."""
    return [v for v in node.attrs.values() if isinstance(v, sympy.Expr)]


def looked_up(i: Interval, table: Table, inside: bool) -> Interval | None:
    """What the places of an interval see; None where they see nothing.

    Beyond the table, and where a border bends it as reflection does, it is taken to go on as its regular
    middle does; ``inside`` takes it as it is.
    """
    regular = _regular_part(table) if i.moves and not inside else None
    if regular is None or not isinstance(i.low, int) or not isinstance(i.high, int):
        return _found(i, table)
    start, period, shift = regular
    places = range(i.low, i.high + 1)
    firsts, lasts = [], []
    for q in places if len(places) <= 2 * period else (*places[:period], *places[-period:]):
        turns, place = divmod(q - start, period)
        firsts.append(int(table.first[start + place]) + turns * shift)
        lasts.append(int(table.last[start + place]) + turns * shift)
    slopes = tuple([None if s is None else s * Fraction(shift, period) for s in i.slopes])
    return Interval(min(firsts), max(lasts), slopes)


def _found(i: Interval, table: Table) -> Interval | None:
    low = max(i.low, 0) if isinstance(i.low, int) else 0
    high = i.high if isinstance(i.high, int) else len(table.first) - 1
    first, last = (ends[low : high + 1] for ends in table)
    if not len(first) or first.min() > last.max():
        return None
    bounds = Interval(int(first.min()), int(last.max()), i.slopes)
    return irregular(bounds)


def _regular_part(table: Table) -> tuple[int, int, int] | None:
    """Where the table begins to be regular, after how many places it repeats, and by what it moves then.

    It is regular where at least half of it is.
    """
    count = len(table.first)
    for period in range(1, min(_LONGEST_PERIOD, count // 2) + 1):
        steps = np.stack([ends[period:] - ends[:-period] for ends in table])
        changes = np.flatnonzero((steps[:, 1:] != steps[:, :-1]).any(axis=0)) + 1
        bounds = [0, *changes.tolist(), steps.shape[1]]
        start, stop = max(pairwise(bounds), key=lambda run: run[1] - run[0])
        if 2 * (stop - start) >= count - period and steps[0, start] == steps[1, start]:
            return start, period, int(steps[0, start])
    return None
