"""Draw the pictures and write the formulas of README and documents: `python tools/draw_documents.py`.

The examples that stand beside them are run, so that each picture is of what the page says.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Page and picture that its examples save.
PICTURES = (
    ("README.md", "network.svg"),
    ("docs/convolution.md", "feature-maps.svg"),
    ("docs/comparison.md", "comparison.svg"),
    ("docs/comparison.md", "disagreement.svg"),
    ("docs/comparison.md", "swell.svg"),
)
# The page whose formulas its own examples write, and the derivations saved with all their steps.
DERIVATIONS = "docs/derivations.md"
PAGES = {
    "back_propagation": "docs/derivations/back-propagation.html",
    "convolution": "docs/derivations/transposed-convolution.html",
}
_BLOCKS = re.compile(
    r"^```python\n(?P<code>.*?)^```$|"
    r"^(?P<mark><!-- formulas: (?P<name>\w+)(?: at (?P<point>\w+))? -->)\n```math\n.*?^```$",
    re.MULTILINE | re.DOTALL,
)


def drawn(page: str, picture: str, target: Path) -> None:
    """Run the page's examples up to the one that saves the picture, and keep it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "page"}
    with tempfile.TemporaryDirectory() as folder:
        here = Path.cwd()
        os.chdir(folder)
        try:
            for example in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
                exec(compile(example, page, "exec"), names)
                if picture in example:
                    break
        finally:
            os.chdir(here)
        shutil.copy(Path(folder) / picture, target / picture)


def derived(page: str) -> tuple[str, dict[str, object]]:
    """The page with every block of formulas written anew by the examples before it, and their names."""
    text = (ROOT / page).read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "page"}

    def written(block: re.Match[str]) -> str:
        if block["code"] is not None:
            lines = text.count("\n", 0, block.start("code"))
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile("\n" * lines + block["code"], page, "exec"), names)
            return block[0]
        at = [names[block["point"]]] if block["point"] else []
        display = names[block["name"]].latex(*at).removeprefix("\\[\n").removesuffix("\n\\]")
        return f"{block['mark']}\n```math\n{display}\n```"

    return _BLOCKS.sub(written, text), names


def main() -> None:
    text, names = derived(DERIVATIONS)
    (ROOT / DERIVATIONS).write_text(text, encoding="utf-8")
    for name, file in PAGES.items():
        (ROOT / file).parent.mkdir(parents=True, exist_ok=True)
        names[name].save(ROOT / file)  # type: ignore[attr-defined]
    target = ROOT / "docs" / "images"
    target.mkdir(parents=True, exist_ok=True)
    for page, picture in PICTURES:
        drawn(page, picture, target)


if __name__ == "__main__":
    main()
