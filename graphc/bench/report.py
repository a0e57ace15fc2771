"""The report: rows enter, tables on the console and a JSON file leave."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_info

from graphc.bench.agreement import TOLERANCE
from graphc.bench.runner import Result

# A forced kernel or block size changes what is measured.
_FORCING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def kernel() -> str:
    """The BLAS kernels that run, and on how many threads."""
    found = [
        f"{p['internal_api']} {p.get('version', '?')} {p.get('architecture', '?')} ×{p['num_threads']}"
        for p in threadpool_info()
        if p["user_api"] == "blas"
    ]
    return ", ".join(found) or "unknown"


class Report:
    """Prints each table as it is made, and keeps its figures for the file."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.figures: dict[str, Any] = {}

    def environment(self, threads: int) -> None:
        """The line above all tables: what ran."""
        forced = {name: os.environ[name] for name in _FORCING if name in os.environ}
        self.figures["environment"] = {
            "numpy": np.__version__,
            "python": platform.python_version(),
            "blas": kernel(),
            "processors": os.cpu_count(),
            "threads": threads,
            "forced": forced,
        }
        self.console.print(f"NumPy {np.__version__}, BLAS {kernel()}, {os.cpu_count()} processors")
        for name, value in forced.items():
            self.console.print(f"{name}={value} is set: BLAS may run slower, or faster, than by itself")

    def table(self, key: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """One table; its figures go under ``key``."""
        self.figures[key] = {"title": title, "columns": list(columns), "rows": [list(row) for row in rows]}
        self._print(title, columns, rows)

    def line(self, key: str, text: str, figure: float) -> None:
        """One figure with its text before it."""
        self.figures[key] = figure
        self.console.print(f"{text}: {figure}")

    def workload(self, result: Result) -> None:
        """One workload's table: each peer's time, and by how much graphc's differs."""
        own = result.measurements[0].timing.median
        rows = [
            [
                f"{m.peer} {m.version}",
                m.timing.median * 1e3,
                f"{m.timing.lower * 1e3:.3g}–{m.timing.upper * 1e3:.3g}",
                own / m.timing.median,
                m.first_call,
            ]
            for m in result.measurements
        ]
        columns = ["", "median ms", "quartiles", "graphc's / it", "first call, s"]
        self._print(f"{result.workload}: {result.title}", columns, rows)
        if result.ratio is not None:
            self.console.print(
                f"graphc / fastest peer: {result.ratio:.3g}. "
                f"Loss and gradients differ by {result.apart:.1g} at most (allowed: {TOLERANCE:g})."
            )
        self.figures.setdefault("workloads", {})[result.workload] = {
            "title": result.title,
            "graphc_to_fastest_peer": result.ratio,
            "apart": result.apart,
            "tolerance": TOLERANCE,
            "peers": {
                m.peer: {
                    "version": m.version,
                    "median_ms": m.timing.median * 1e3,
                    "quartiles_ms": [m.timing.lower * 1e3, m.timing.upper * 1e3],
                    "samples": m.timing.samples,
                    "first_call_s": m.first_call,
                }
                for m in result.measurements
            },
        }

    def write(self, path: Path) -> None:
        """All figures as JSON."""
        path.write_text(json.dumps(self.figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _print(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        table = Table(title=title, title_justify="left")
        for k, column in enumerate(columns):
            table.add_column(column, justify="left" if k == 0 else "right")
        for row in rows:
            table.add_row(*(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row))
        self.console.print(table)
