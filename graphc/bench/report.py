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

from graphc.bench.ablation import Ablation
from graphc.bench.clock import Spread
from graphc.bench.peers import Peer
from graphc.bench.runner import Result
from graphc.bench.summary import geometric_mean, summary

# A forced kernel or block size changes what is measured.
_FORCING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_MIB = 1 << 20
_ABREAST = 6  # workloads side by side in a table


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

    def environment(self, threads: int, peers: Sequence[Peer] = (), clock: str = "wall") -> None:
        """The lines above all tables: what ran, and what may have changed its speed."""
        forced = {name: os.environ[name] for name in _FORCING if name in os.environ}
        self.figures["environment"] = {
            "numpy": np.__version__,
            "python": platform.python_version(),
            "blas": kernel(),
            "processors": os.cpu_count(),
            "threads": threads,
            "clock": clock,
            "forced": forced,
            "peers": {peer.name: peer.version for peer in peers},
        }
        self.console.print(f"NumPy {np.__version__}, BLAS {kernel()}, {os.cpu_count()} processors")
        self.console.print(f"Threads of each library: {threads}")
        if clock != "wall":
            self.console.print(f"Times are seconds of the {clock}: of all threads together")
        running = min(
            (p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"), default=threads
        )
        if running != threads:
            self.console.print(f"BLAS runs on {running} threads, where {threads} were asked for")
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
        """One workload's table: each peer's time, the ratio, and memory where it was asked for."""
        columns = ["", "ms", "graphc's / it", "first call, s"]
        if result.peaks:
            columns += ["first, MiB", "steady, MiB"]
        rows: list[list[Any]] = []
        for m in result.measurements:
            ratio = "" if m is result.own else _with_quartiles(m.ratio)
            rows.append(
                [f"{m.peer} {m.version}", _with_quartiles(m.timing.seconds, 1e3), ratio, m.first_call]
            )
            if result.peaks:
                peak = result.peaks.get(m.peer)
                rows[-1] += ["", ""] if peak is None else [peak.first / _MIB, peak.steady / _MIB]
        self._print(f"{result.workload}: {result.title}", columns, rows)
        for failure in result.failures:
            words = "computes other numbers" if failure.disagrees else "fails"
            self.console.print(f"{failure.peer} {failure.version} {words}: {failure.reason}", markup=False)
        planned = f"graphc planned {result.planned / _MIB:.3g} MiB."
        if result.fastest is not None:
            planned += (
                f" Value and gradients differ by {result.apart:.1g} at most (allowed: {result.tolerance:g})."
            )
        self.console.print(planned)
        self.figures.setdefault("workloads", {})[result.workload] = _figures(result)

    def summary(self, results: Sequence[Result]) -> None:
        """The table of all workloads: graphc beside the fastest peer of each."""
        rows = summary(results)
        if not rows:
            return
        mean = geometric_mean(rows)
        self.table(
            "summary", "All workloads: graphc beside the fastest peer",
            ["", "graphc, ms", "fastest", "its ms", "graphc's / its", "quartiles"],
            [[r.workload, r.own, r.peer, r.fastest, r.ratio.median, _range(r.ratio)] for r in rows],
        )  # fmt: skip
        self.line("geometric_mean", f"geometric mean of {len(rows)} ratios", round(mean, 4))

    def ablation(self, results: Sequence[Ablation]) -> None:
        """The tables of what each pass gains: passes by rows, some workloads by columns."""
        names = list(dict.fromkeys(name for r in results for name in (*r.ratios, *r.needed, *r.same)))
        title = "Time without a pass / with all: above 1 it gains"
        for start in range(0, len(results), _ABREAST):
            shown = results[start : start + _ABREAST]
            rows: list[list[Any]] = [["all passes, ms", *(r.milliseconds for r in shown)]]
            for name in names:
                rows.append([f"without {name}", *(_without(r, name) for r in shown)])
            self._print(title, ["", *(r.workload for r in shown)], rows)
        self.figures["ablation"] = {
            r.workload: {
                "all_ms": r.milliseconds,
                "without": {n: s.median for n, s in r.ratios.items()},
                "quartiles": {n: [s.lower, s.upper] for n, s in r.ratios.items()},
                "needed": r.needed,
                "same": r.same,
            }
            for r in results
        }

    def write(self, path: Path) -> None:
        """All figures as JSON."""
        path.write_text(json.dumps(self.figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _print(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        table = Table(title=title, title_justify="left")
        for k, column in enumerate(columns):
            table.add_column(column, justify="left" if k == 0 else "right")
        for row in rows:
            table.add_row(*(_number(v) if isinstance(v, float) else str(v) for v in row))
        self.console.print(table)


def _without(result: Ablation, name: str) -> float | str:
    """The ratio; nothing where the program is the same."""
    if name in result.same:
        return ""
    return result.ratios[name].median if name in result.ratios else "needed"


def _number(value: float) -> str:
    """Three digits, but never a power of ten for what fits without."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def _range(spread: Spread, factor: float = 1.0) -> str:
    return f"{_number(spread.lower * factor)}–{_number(spread.upper * factor)}"


def _with_quartiles(spread: Spread, factor: float = 1.0) -> str:
    return f"{_number(spread.median * factor)} ({_range(spread, factor)})"


def _figures(result: Result) -> dict[str, Any]:
    """All of a result, for the file."""
    fastest = result.fastest
    return {
        "title": result.title,
        "fastest_peer": None if fastest is None else fastest.peer,
        "graphc_to_fastest_peer": None if fastest is None else fastest.ratio.median,
        "quartiles": None if fastest is None else [fastest.ratio.lower, fastest.ratio.upper],
        "apart": result.apart,
        "tolerance": result.tolerance,
        "planned_bytes": result.planned,
        "peers": {
            m.peer: {
                "version": m.version,
                "median_ms": m.timing.seconds.median * 1e3,
                "quartiles_ms": [m.timing.seconds.lower * 1e3, m.timing.seconds.upper * 1e3],
                "samples": m.timing.samples,
                "graphc_to_it": m.ratio.median,
                "graphc_to_it_quartiles": [m.ratio.lower, m.ratio.upper],
                "first_call_s": m.first_call,
                **(
                    {"peak_bytes": {"first_call": p.first, "steady": p.steady}}
                    if (p := result.peaks.get(m.peer))
                    else {}
                ),
            }
            for m in result.measurements
        },
        "failures": {
            f.peer: {"version": f.version, "reason": f.reason, "disagrees": f.disagrees}
            for f in result.failures
        },
    }
