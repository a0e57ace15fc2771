"""docs/conventions.md prints the table that the engines follow."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_prints_the_table() -> None:
    writer = runpy.run_path(str(ROOT / "tools" / "write_conventions.py"))
    text = writer["PAGE"].read_text(encoding="utf-8")
    assert writer["table"]() in text
    assert text == writer["page_with_table"](text), "run python tools/write_conventions.py"
