"""Print graphc's table of conventions into docs/conventions.md; `python tools/write_conventions.py`."""

from __future__ import annotations

import re
from pathlib import Path

from graphc.autodiff.conventions import CONVENTIONS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "conventions.md"
_TABLE = re.compile(r"(?<=<!-- table -->\n).*(?=<!-- end of table -->)", re.DOTALL)


def table() -> str:
    """The conventions as a Markdown table."""
    rows = [[c.name, c.convention, c.text] for c in CONVENTIONS]
    cells = [[cell.replace("|", "\\|").replace("*", "\\*") for cell in row] for row in rows]
    lines = [" | ".join(row) for row in [["of", "is taken as", "because"], ["---"] * 3, *cells]]
    return "".join(f"| {line} |\n" for line in lines)


def page_with_table(text: str) -> str:
    """The page with the table between its two marks."""
    return _TABLE.sub(lambda match: table(), text)


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
