"""Stages enter, their places leave: columns from left to right, sizes and sheets as the shapes say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from graphc.draw.stages import Stage
from graphc.ir.dimension import Dim

# Inches.
LARGEST, SMALLEST = 1.6, 0.24
STRIP = 0.26
SHEET_STEP = 0.065
BAR = 0.2
JOINT = 0.3
GAP, JOINT_GAP = 0.75, 0.4
ROW_GAP = 0.8
# What a letter takes of a line.
_LETTER = 0.075
# Sheets of a stack: all up to so many channels, then more for more, slowly.
FEW, MANY = 6, 12


class Place(NamedTuple):
    """Where a stage stands: the left edge and the middle of its front, its sizes, and its sheets."""

    left: float
    middle: float
    width: float
    height: float
    sheets: int

    @property
    def depth(self) -> float:
        """How far the last sheet is shifted to the right and up."""
        return SHEET_STEP * (self.sheets - 1)

    @property
    def right(self) -> float:
        return self.left + self.width + self.depth

    @property
    def edge(self) -> float:
        """Where the sheets end at the height of the middle."""
        return self.left + self.width + min(self.depth, SHEET_STEP * int(self.height / 2 / SHEET_STEP))

    @property
    def top(self) -> float:
        return self.middle + self.height / 2 + self.depth

    @property
    def bottom(self) -> float:
        return self.middle - self.height / 2


def sheets_of(channels: Dim) -> int:
    """How many sheets stand for these channels.

    >>> [sheets_of(n) for n in (1, 3, 6, 16, 64, 512)]
    [1, 3, 6, 7, 9, 12]
    """
    if not isinstance(channels, int):
        return FEW
    return max(channels, 1) if channels <= FEW else min(MANY, round(FEW + math.log2(channels / FEW)))


class Arrangement:
    """The column and the place of each stage, one column a depth."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = stages
        sizes = [n for s in stages if s.kind == "maps" for n in s.shape[1:] if isinstance(n, int)]
        self.largest = max(sizes, default=1)
        self.column: dict[Stage, int] = {}
        self.places: dict[Stage, Place] = {}
        self._place()

    def _sizes(self, stage: Stage) -> tuple[float, float, int]:
        """Width, height and number of sheets."""
        if stage.kind == "joint":
            return JOINT, JOINT, 1
        if stage.kind == "vector":
            size = stage.shape[-1] if stage.shape else 1
            height = 0.3 + 0.17 * math.log2(size + 1) if isinstance(size, int) else LARGEST
            return BAR, min(height, 1.25 * LARGEST), 1
        flat = len(stage.shape) == 2
        width = STRIP if flat else self._length(stage.shape[-1])
        return width, self._length(stage.shape[-1 if flat else -2]), sheets_of(stage.shape[0])

    def _length(self, size: Dim) -> float:
        """Small maps are drawn larger than in proportion, so that they can be seen."""
        if not isinstance(size, int):
            return LARGEST
        return max(LARGEST * math.pow(size / self.largest, 0.7), SMALLEST)

    def _place(self) -> None:
        columns: list[list[Stage]] = []
        for stage in self.stages:
            self.column[stage] = 1 + max((self.column[s] for s in stage.sources), default=-1)
        for stage in self.stages:
            if not stage.sources:  # an input stands just before what reads it first
                readers = [self.column[s] for s in self.stages if stage in s.sources]
                self.column[stage] = max(0, min(readers, default=1) - 1)
            while len(columns) <= self.column[stage]:
                columns.append([])
            columns[self.column[stage]].append(stage)
        left = 0.0
        for number, members in enumerate(columns):
            sizes = [self._sizes(s) for s in members]
            if number:
                left += self._gap(members, columns[number - 1])
            middles = self._middles(members, [(h, SHEET_STEP * (n - 1)) for _, h, n in sizes])
            for stage, middle, (width, height, sheets) in zip(members, middles, sizes, strict=True):
                self.places[stage] = Place(left, middle, width, height, sheets)
            left = max(self.places[s].right for s in members)

    def _middles(self, members: list[Stage], sizes: list[tuple[float, float]]) -> list[float]:
        """The heights of the middles; a stage alone in its column goes on at the height of its source."""
        if len(members) == 1:
            before = [self.places[s].middle for s in members[0].sources]
            return [sum(before) / len(before) if before else 0.0]
        top = (sum(h + depth for h, depth in sizes) + ROW_GAP * (len(members) - 1)) / 2
        found = []
        for height, depth in sizes:
            found.append(top - depth - height / 2)
            top -= height + depth + ROW_GAP
        return found

    def _gap(self, members: list[Stage], before: list[Stage]) -> float:
        """Room for what is written between two columns."""
        joint = any(s.kind == "joint" for s in (*members, *before))
        lines = [line for s in members if s.kind != "joint" for line in (s.label, *s.applied)]
        captions = max((len(s.caption) for s in (*members, *before)), default=0)
        narrow = min(self._sizes(s)[0] for s in (*members, *before))
        room = max(_LETTER * max(map(len, lines), default=0) + 0.2, _LETTER * captions - narrow + 0.1)
        return max(JOINT_GAP if joint else GAP, room)
