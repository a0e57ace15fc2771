"""The report of a comparison: verdicts of every engine enter; table, dict, page and plot leave."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from graphc.compare.costs import Cost
from graphc.compare.figures import as_svg, write
from graphc.compare.kinks import Kink
from graphc.compare.locating import Fault
from graphc.compare.page import page
from graphc.compare.plot import drawn
from graphc.compare.table import aligned, count, number, seconds, size

Verdict = Literal["reference", "agrees", "disagrees", "kink"]
_SIGNS = {
    "reference": "reference",
    "agrees": "agrees",
    "disagrees": "DISAGREES",
    "kink": "agrees but at kinks",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One engine on one parameter: its largest differences from the reference, and what they mean.

    ``relative`` is relative to ``scale``, the parameter's largest derivative (where that all but cancels,
    a thousandth of the largest of all parameters). ``tolerance`` is the largest absolute difference that
    was allowed, and ``reason`` where that comes from.
    """

    engine: str
    parameter: str
    probed: str
    absolute: float
    relative: float
    scale: float
    tolerance: float
    reason: str
    verdict: Verdict
    is_reference: bool = False


@dataclass(frozen=True, slots=True)
class Precision:
    """The gradient evaluated in the graph's own dtype, against float64."""

    parameter: str
    dtype: str
    absolute: float
    relative: float


@dataclass(frozen=True, eq=False)
class GradientReport:
    """Engines that know nothing of each other, on one gradient at one point.

    ``ok`` says that every engine that applies agrees on every parameter. ``reference`` is the engine the
    others are held against; ``blamed`` are those that differ from it or broke, ``failures`` with what
    they broke on. ``skipped`` gives the reason of each engine that does not apply, ``kinks`` the places
    where the derivative jumps within a difference's step, ``faults`` the ops whose own derivative
    differs, where engines disagree.
    """

    reference: str
    comparisons: tuple[Comparison, ...]
    costs: dict[str, Cost]
    methods: dict[str, str]
    skipped: dict[str, str]
    failures: dict[str, str]
    precision: tuple[Precision, ...]
    kinks: tuple[Kink, ...]
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """Whether no engine disagrees or breaks."""
        return not self.blamed

    @property
    def blamed(self) -> tuple[str, ...]:
        """The engines whose derivatives are not the reference's, or that broke."""
        wrong = [c.engine for c in self.comparisons if c.verdict == "disagrees"]
        return tuple(dict.fromkeys([*wrong, *self.failures]))

    # -- text --------------------------------------------------------------------------------------
    def table(self) -> str:
        """Everything as plain text in aligned columns."""
        parts = [self._headline()]
        parts += [f"{title}\n{aligned(header, rows)}" for title, header, rows in self.sections() if rows]
        notes = self._notes()
        if notes:
            parts.append(aligned(["note", ""], notes))
        return "\n\n".join(parts)

    def _headline(self) -> str:
        if self.ok:
            parameters = sorted({c.parameter for c in self.comparisons})
            return f"{len(self.costs)} engines agree on {', '.join(parameters)}"
        faults: dict[str, list[str]] = {}
        for fault in self.faults:
            faults.setdefault(f"{fault.op} ({fault.location.short})", []).append(fault.engine)
        places = [f"{_listed(engines)} at {place}" for place, engines in faults.items()]
        return f"Engines DISAGREE: {self._sides()}" + (f"; at fault: {', '.join(places)}" if places else "")

    def _sides(self) -> str:
        """Who differs on what, and who stands against them."""
        differing: dict[str, list[str]] = {}
        for c in self.comparisons:
            if c.verdict == "disagrees":
                differing.setdefault(c.engine, []).append(c.parameter)
        by_parameters: dict[str, list[str]] = {}
        for engine, parameters in differing.items():
            by_parameters.setdefault(", ".join(parameters), []).append(engine)
        sides = [f"{_listed(engines)} on {what}" for what, engines in by_parameters.items()]
        sides += [f"{engine} fails" for engine in self.failures]
        others = [e for e in self.costs if e not in self.blamed]
        return "; ".join(sides) + (f"; against {_listed(others)}" if others else "")

    def _notes(self) -> list[list[str]]:
        notes = [["not applicable", f"{name}: {reason}"] for name, reason in self.skipped.items()]
        notes += [["failed", f"{name}: {error}"] for name, error in self.failures.items()]
        notes += [["kink", str(kink)] for kink in self.kinks]
        notes += [["fault", str(fault)] for fault in self.faults]
        if not self.ok and not self.faults:
            text = "no op's own derivative is wrong by itself: the fault is in how they are put together, or"
            notes.append(["fault", f"{text} at an op where differences do not settle"])
        return notes

    def sections(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """The tables: title, header, rows of text."""
        differences = [
            "engine",
            "parameter",
            "probed",
            "abs. diff.",
            "rel. diff.",
            "allowed",
            "verdict",
            "why",
        ]
        compared = [
            [c.engine, c.parameter, c.probed, number(c.absolute), number(c.relative), number(c.tolerance),
             _SIGNS[c.verdict], c.reason]
            for c in self.comparisons
        ]  # fmt: skip
        sizes = [
            [name, count(c.tree), count(c.nodes), count(c.optimised), count(c.operations),
             count(c.multiply_adds), size(c.peak_bytes)]
            for name, c in self.costs.items()
        ]  # fmt: skip
        times = [
            [name, self.methods[name], seconds(c.derive_seconds), seconds(c.compile_seconds),
             seconds(c.run_seconds), count(c.runs), seconds(c.interpreted_seconds)]
            for name, c in self.costs.items()
        ]  # fmt: skip
        precision = [[p.parameter, p.dtype, number(p.absolute), number(p.relative)] for p in self.precision]
        sized = ["engine", "tree", "nodes", "optimised", "operations", "multiply-adds", "peak memory"]
        timed = ["engine", "method", "derive", "compile", "one run", "runs", "interpreted"]
        return [
            (f"Derivatives in float64, held against {self.reference}", differences, compared),
            ("Sizes of what one run computes", sized, sizes),
            ("Times", timed, times),
            ("In the graph's own precision", ["parameter", "dtype", "abs. diff.", "rel. diff."], precision),
        ]

    # -- other forms -------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """The report as plain dicts, lists, numbers and strings; None where a number is not finite."""
        return {
            "ok": self.ok,
            "reference": self.reference,
            "blamed": list(self.blamed),
            "comparisons": _plain(self.comparisons),
            "costs": dict(zip(self.costs, _plain(self.costs.values()), strict=True)),
            "methods": dict(self.methods),
            "skipped": dict(self.skipped),
            "failures": dict(self.failures),
            "precision": _plain(self.precision),
            "kinks": _plain(self.kinks),
            "faults": _plain(self.faults),
        }

    def to_html(self) -> str:
        """One page that needs nothing from elsewhere; with the plot in it where Matplotlib is installed."""
        return page(self._headline(), self.ok, self.sections(), self._notes(), as_svg(lambda: drawn(self)))

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw differences, sizes and times into an image file, whose ending chooses the format.

        Raises UnsupportedError where Matplotlib (the extra ``plot``) is not installed.
        """
        write(lambda: drawn(self), path, "GradientReport.plot", "report.table()")

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return self.to_html()


def _listed(names: Iterable[str]) -> str:
    *first, last = dict.fromkeys(names)
    return f"{', '.join(first)} and {last}" if first else last


def _plain(records: Iterable[Any]) -> list[dict[str, Any]]:
    rows = []
    for record in records:
        row = asdict(record)
        for key, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                row[key] = None
            elif key == "location":
                row[key] = str(record.location)
        rows.append(row)
    return rows
