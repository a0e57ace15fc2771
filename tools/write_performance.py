"""Writes the tables of docs/performance.md from what the benchmark measured.

    graphc bench --peers --memory --json speed.json
    graphc bench --ablation --json ablation.json
    python tools/write_performance.py ablation.json speed.json

The workloads may have been measured in several runs, each with a file of its own behind the first.

Each table stands between two comments, ``<!-- name -->`` and ``<!-- end -->``; nothing else is changed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from graphc.files import write_atomically

DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
_LITTLE = 0.03  # a pass may cost so much before it is named
_MIB = 1 << 20


def main(ablation: str, *speeds: str) -> None:
    """Read the files, write the document."""
    runs = [json.loads(Path(name).read_text(encoding="utf-8")) for name in speeds]
    works = {name: work for run in runs for name, work in run["workloads"].items()}
    without = json.loads(Path(ablation).read_text(encoding="utf-8"))["ablation"]
    text = DOCUMENT.read_text(encoding="utf-8")
    tables = {
        "environment": _environment(runs[0]["environment"]),
        "speed": _speed(works),
        "memory": _memory(works),
        "ablation": _ablation(without),
    }
    for name, table in tables.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = pattern.subn(lambda m, table=table: f"{m[1]}\n{table}\n\n{m[2]}", text)
        if count != 1:
            raise SystemExit(f"{DOCUMENT.name} has {count} places for {name!r}")
    write_atomically(DOCUMENT, lambda file: file.write(text.encode()))


def _environment(found: dict[str, Any]) -> str:
    peers = ", ".join(f"{name} {version}" for name, version in found["peers"].items())
    return (
        f"NumPy {found['numpy']}, BLAS {found['blas']}, {found['processors']} processors, "
        f"{found['threads']} threads for each; {peers}."
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _speed(works: dict[str, Any]) -> str:
    peers = list(dict.fromkeys(p for w in works.values() for p in w["peers"] if p != "graphc"))
    rows = []
    for name, work in works.items():
        ratios = {p: m["graphc_to_it"] for p, m in work["peers"].items()}
        cells = [f"{ratios[p]:.2f}" if p in ratios else "" for p in peers]
        fastest = peers.index(work["fastest_peer"])
        cells[fastest] = f"**{cells[fastest]}**"
        rows.append([name, f"{work['peers']['graphc']['median_ms']:.3g}", *cells])
    mean = geometric_mean([w["graphc_to_fastest_peer"] for w in works.values()])
    return f"{_table(['', 'graphc, ms', *peers], rows)}\n\nGeometric mean beside the fastest: {mean:.2f}."


def _memory(works: dict[str, Any]) -> str:
    peers = list(dict.fromkeys(p for w in works.values() for p in w["peers"] if p != "graphc"))
    rows = []
    for name, work in works.items():
        found = [work["peers"].get(p, {}).get("peak_bytes") for p in ("graphc", *peers)]
        steady = ["" if f is None else f"{f['steady'] / _MIB:.1f}" for f in found]
        rows.append([name, f"{work['planned_bytes'] / _MIB:.1f}", *steady])
    return _table(["", "planned", "graphc", *peers], rows)


def _ablation(works: dict[str, Any]) -> str:
    names = list(dict.fromkeys(n for w in works.values() for n in (*w["without"], *w["needed"], *w["same"])))
    rows = []
    for name in sorted(names, key=lambda n: all(n in w["same"] for w in works.values())):
        cells = []
        for work in works.values():
            if name not in work["without"]:
                cells.append("" if name in work["same"] else "needed")
                continue
            ratio, (_, upper) = work["without"][name], work["quartiles"][name]
            cells.append(f"**{ratio:.2f}**" if upper < 1 - _LITTLE else f"{ratio:.2f}")
        rows.append([name, *cells])
    return _table(["without", *works], rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
