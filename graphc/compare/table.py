"""Plain-text tables: a header and rows of text enter, aligned lines leave; and numbers as cells of them."""

from __future__ import annotations

import math
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
    number, _, unit = cell.removeprefix("> ").rpartition(" ")
    try:
        float("0" if cell == "—" else number if unit in _UNITS else cell.removeprefix("> ").replace(" ", ""))
    except ValueError:
        return False
    return True


# -- cells ---------------------------------------------------------------------------------------------
_UNITS = ("s", "ms", "µs", "B", "kB", "MB", "GB")
_MANY = 10**9
_MOST = 1 << 4096


def number(value: float) -> str:
    """A difference with two digits."""
    return "0" if value == 0 else f"{value:.1e}"


def seconds(value: float | None) -> str:
    """A time in the unit that reads best."""
    if not value:
        return "—"
    if value < 1e-3:
        return f"{value * 1e6:.1f} µs"
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def size(value: int | None) -> str:
    """Bytes in the unit that reads best."""
    if value is None:
        return "—"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value} B"


def count(value: int | None) -> str:
    """A count, grouped by thousands; astronomically large tree sizes as a power of ten."""
    if value is None:
        return "—"
    if value < _MANY:
        return f"{value:,}".replace(",", " ")
    # A tree may have more digits than a float can hold, and than str() would print.
    exponent = int((value.bit_length() - 1) * math.log10(2))
    return f"{'> ' if value >= _MOST else ''}1e{exponent}"
