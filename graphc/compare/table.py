"""Plain-text tables: a header and rows of text enter, aligned lines leave."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from graphc.ir.printer import printable


def width(text: str) -> int:
    """The number of terminal columns: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell; a column of numbers is set to the right.

    >>> print(aligned(["name", "size"], [["w", "7"], ["bias", "12"]]))
    name  size
    ────  ────
    w        7
    bias    12
    """
    cells = [[printable(c, 160) for c in row] for row in (header, *rows)]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    right = [all(_is_number(row[i]) for row in cells[1:]) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        padded = []
        for cell, wide, to_right in zip(row, widths, right, strict=True):
            space = " " * (wide - width(cell))
            padded.append(space + cell if to_right else cell + space)
        return "  ".join(padded).rstrip()

    return "\n".join([line(cells[0]), line(["─" * w for w in widths]), *map(line, cells[1:])])


def _is_number(cell: str) -> bool:
    try:
        float(cell.removesuffix(" ms").removesuffix(" s").replace(" ", "") if cell != "—" else "0")
    except ValueError:
        return False
    return True
