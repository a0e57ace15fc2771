"""Every Python example of the README and of docs/ runs, and every shown graphc command too."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphc.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(
    r"(?:^<!-- file: (?P<file>[\w.]+) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)|src=\"(?!https?:)([^\"]+)\"")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, its line in the page, the file it is to be written to."""

    language: str
    code: str
    line: int
    file: str | None


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [
        Block(m["language"], m["code"], text.count("\n", 0, m.start("code")), m["file"])
        for m in _BLOCK.finditer(text)
    ]
    return [b for b in found if b.language == language]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=named)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page are one program, in order."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHC_CACHE", str(tmp_path / "cache"))
    if "graphc[plot]" in page.read_text(encoding="utf-8"):
        pytest.importorskip("matplotlib")
    names: dict[str, object] = {"__name__": "snippet"}
    for block in blocks(page, "python"):
        if block.file:
            Path(block.file).write_text(block.code, encoding="utf-8")
        # Blank lines before it, so that a traceback shows the line of the page.
        exec(compile("\n" * block.line + block.code, str(page), "exec"), names)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "console")], ids=named)
def test_commands_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "python"):
        if block.file:
            Path(block.file).write_text(block.code, encoding="utf-8")
    for block in blocks(page, "console"):
        for line in block.code.splitlines():
            program, *arguments = shlex.split(line, comments=True)
            assert program == "graphc"
            assert main(arguments) == 0, line


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        target = link[0] or link[1]
        assert (page.parent / target).exists(), f"{named(page)} links to {target}, which is not there"


def test_first_screen_of_the_readme() -> None:
    """The promise: a picture, two one-line commands, an example of twelve lines."""
    readme = ROOT / "README.md"
    commands = [line for block in blocks(readme, "sh") for line in block.code.splitlines()][:2]
    assert [c.split()[:2] for c in commands] == [["pip", "install"]] * 2
    assert "graphc demo" in commands[0]
    assert "pytest" in commands[1]
    example = blocks(readme, "python")[0].code.strip().splitlines()
    assert len([line for line in example if line.strip()]) == 12
    first_screen = readme.read_text(encoding="utf-8").split("\n## ")[0]
    assert "docs/images/" in first_screen
