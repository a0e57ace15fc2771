"""The formulas of docs/derivations.md are what its examples write now."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_documents", ROOT / "tools" / "draw_documents.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_formulas_and_pages_are_up_to_date(tool: ModuleType) -> None:
    text, names = tool.derived(tool.DERIVATIONS)
    assert text == (ROOT / tool.DERIVATIONS).read_text(encoding="utf-8"), "run tools/draw_documents.py"
    assert text.count("```math\n\\begin{aligned}") == text.count("<!-- formulas:") >= 7
    for name, file in tool.PAGES.items():
        kept = (ROOT / file).read_text(encoding="utf-8")
        formulas = re.compile(r"<math.*?</math>", re.DOTALL)
        assert formulas.findall(names[name].to_html()) == formulas.findall(kept), (
            "run tools/draw_documents.py"
        )
