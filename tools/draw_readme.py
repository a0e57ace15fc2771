"""Draw the picture on the README's first screen: `python tools/draw_readme.py`.

The README's own example is run, so that the picture is of what stands beside it.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert example is not None
    target = ROOT / "docs" / "images"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        here = Path.cwd()
        os.chdir(folder)
        try:
            exec(compile(example[1], "README.md", "exec"), {"__name__": "readme"})
        finally:
            os.chdir(here)
        shutil.copy(Path(folder) / "network.svg", target / "network.svg")


if __name__ == "__main__":
    main()
