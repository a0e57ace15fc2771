"""Draw the pictures of README and documents: `python tools/draw_documents.py`.

The examples that stand beside them are run, so that each picture is of what the page says.
"""

from __future__ import annotations

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


def main() -> None:
    target = ROOT / "docs" / "images"
    target.mkdir(parents=True, exist_ok=True)
    for page, picture in PICTURES:
        drawn(page, picture, target)


if __name__ == "__main__":
    main()
