"""The report of a comparison: verdicts of every engine on every parameter, as table, dict and page."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from graphc.compare.engines import Cost
from graphc.compare.kinks import Kink
from graphc.compare.locating import Fault
from graphc.compare.page import page
from graphc.compare.table import aligned

Verdict = Literal["reference", "agrees", "disagrees", "kink"]
_SIGNS = {
    "reference": "reference",
    "agrees": "agrees",
    "disagrees": "DISAGREES",
    "kink": "agrees but at kinks",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One engine on one parameter: its largest differences from reverse mode, and what they mean.

    ``relative`` is relative to the parameter's largest derivative. ``tolerance`` is the largest
    absolute difference that was allowed, and ``reason`` where that comes from.
    """

    engine: str
    parameter: str
    probed: str
    absolute: float
    relative: float
    tolerance: float
    reason: str
    verdict: Verdict


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

    ``ok`` says that every engine that applies agrees on every parameter. ``skipped`` gives the reason
    of each engine that does not apply, ``kinks`` the places where the derivative jumps within a
    difference's step, ``faults`` the ops whose own derivative differs, where engines disagree.
    """

    comparisons: tuple[Comparison, ...]
    costs: dict[str, Cost]
    methods: dict[str, str]
    skipped: dict[str, str]
    precision: tuple[Precision, ...]
    kinks: tuple[Kink, ...]
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """Whether no engine disagrees."""
        return all(c.verdict != "disagrees" for c in self.comparisons)

    def table(self) -> str:
        """Everything as plain text in aligned columns."""
        parts = [self._headline()]
        parts += [f"{title}\n{aligned(header, rows)}" for title, header, rows in self.sections() if rows]
        notes = self._notes()
        if notes:
            parts.append(aligned(["note", ""], notes))
        return "\n\n".join(parts)

    def _notes(self) -> list[list[str]]:
        notes = [["not applicable", f"{name}: {reason}"] for name, reason in self.skipped.items()]
        notes += [["kink", str(kink)] for kink in self.kinks]
        return notes + [["fault", str(fault)] for fault in self.faults]

    def sections(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """The tables: title, header, rows of text."""
        compared = [
            [c.engine, c.parameter, c.probed, number(c.absolute), number(c.relative), number(c.tolerance),
             _SIGNS[c.verdict], c.reason]
            for c in self.comparisons
        ]  # fmt: skip
        costs = [
            [name, self.methods[name], count(c.tree), count(c.dag), count(c.operations),
             seconds(c.derive_seconds), seconds(c.run_seconds)]
            for name, c in self.costs.items()
        ]  # fmt: skip
        precision = [[p.parameter, p.dtype, number(p.absolute), number(p.relative)] for p in self.precision]
        return [
            (
                "Derivatives in float64, held against reverse mode",
                [
                    "engine",
                    "parameter",
                    "probed",
                    "abs. diff.",
                    "rel. diff.",
                    "allowed",
                    "verdict",
                    "why",
                ],
                compared,
            ),
            ("Costs", ["engine", "method", "tree", "nodes", "elements", "derive", "run"], costs),
            ("In the graph's own precision", ["parameter", "dtype", "abs. diff.", "rel. diff."], precision),
        ]

    def _headline(self) -> str:
        pairs = {f"{c.engine} on {c.parameter}" for c in self.comparisons if c.verdict == "disagrees"}
        wrong = sorted(pairs)
        if wrong:
            culprits = ", ".join(sorted({f"{f.engine} at {f.op}" for f in self.faults}))
            return f"Engines DISAGREE: {', '.join(wrong)}" + (f"; at fault: {culprits}" if culprits else "")
        parameters = {c.parameter for c in self.comparisons}
        return f"{len(self.costs)} engines agree on {', '.join(sorted(parameters))}"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain dicts, lists, numbers and strings."""
        return {
            "ok": self.ok,
            "comparisons": [asdict(c) for c in self.comparisons],
            "costs": {name: asdict(c) for name, c in self.costs.items()},
            "methods": dict(self.methods),
            "skipped": dict(self.skipped),
            "precision": [asdict(p) for p in self.precision],
            "kinks": [{**asdict(k), "location": str(k.location)} for k in self.kinks],
            "faults": [{**asdict(f), "location": str(f.location)} for f in self.faults],
        }

    def to_html(self) -> str:
        """One page that needs nothing from elsewhere."""
        return page(self._headline(), self.ok, self.sections(), self._notes())

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return self.to_html()


def number(value: float) -> str:
    """A difference with two digits."""
    return "0" if value == 0 else f"{value:.1e}"


def seconds(value: float) -> str:
    """A time in the unit that reads best."""
    if value == 0:
        return "—"
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def count(value: int) -> str:
    """A count, grouped by thousands; astronomically large tree sizes as a power of ten."""
    if value < 10**9:
        return f"{value:,}".replace(",", " ")
    # A tree may have more digits than a float can hold, and than str() would print.
    exponent = int((value.bit_length() - 1) * math.log10(2))
    return f"1e{exponent}"
