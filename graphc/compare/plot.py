"""The picture of a report: differences against what is allowed, sizes, and times of every engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphc.compare.figures import COLOURS, plain

if TYPE_CHECKING:
    from graphc.compare.costs import Cost
    from graphc.compare.report import Comparison, GradientReport

_MARKERS = "osD^vP"
_ROWS = 16  # parameters shown: those nearest to what is allowed, or beyond
_EXACT = -18.0  # where a difference of 0 is drawn, of a logarithmic axis


def drawn(report: GradientReport) -> Any:
    """The figure; raises ImportError where Matplotlib is missing."""
    from matplotlib.figure import Figure

    rows = _parameters(report.comparisons)
    height = 1.9 + 0.28 * max(len(rows), 2 * len(report.costs))
    figure = Figure(figsize=(13, height), layout="constrained")
    differences, sizes, times = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
    _draw_differences(differences, report, rows)
    _bars(sizes, report.costs, {
        "tree": [c.tree for c in report.costs.values()],
        "nodes": [c.nodes for c in report.costs.values()],
        "optimised": [c.optimised for c in report.costs.values()],
    })  # fmt: skip
    sizes.set_title("nodes of the derivative", fontsize=10)
    sizes.set_xlabel("nodes")
    _bars(times, report.costs, {
        "derive": [c.derive_seconds for c in report.costs.values()],
        "compile": [c.compile_seconds for c in report.costs.values()],
        "all runs": [c.run_seconds and c.run_seconds * c.runs for c in report.costs.values()],
    })  # fmt: skip
    times.set_title("time of the gradient, compiled", fontsize=10)
    times.set_xlabel("seconds")
    return figure


def _parameters(comparisons: Sequence[Comparison]) -> list[str]:
    """The parameters in order, of many the worst."""
    worst: dict[str, float] = {}
    for c in comparisons:
        ratio = c.absolute / c.tolerance if c.tolerance else float(c.absolute > 0)
        worst[c.parameter] = max(worst.get(c.parameter, 0.0), ratio if ratio == ratio else math.inf)
    kept = set(sorted(worst, key=worst.__getitem__, reverse=True)[:_ROWS])
    return [p for p in worst if p in kept]


def _draw_differences(axes: Any, report: GradientReport, rows: Sequence[str]) -> None:
    """A row a parameter; a mark an engine, and a tick of its colour where its tolerance ends."""
    engines = [e for e in dict.fromkeys(c.engine for c in report.comparisons) if e != report.reference]
    for number, engine in enumerate(engines):
        own = [c for c in report.comparisons if c.engine == engine and c.parameter in rows]
        # Marks of one row lie beside each other, not over each other.
        shift = 0.5 * (number + 0.5) / len(engines) - 0.25
        y = [rows.index(c.parameter) + shift for c in own]
        colour, marker = COLOURS[number % len(COLOURS)], _MARKERS[number % len(_MARKERS)]
        wrong = ["#c00000" if c.verdict == "disagrees" else colour for c in own]
        axes.scatter(
            [_relative(c, c.absolute) for c in own], y, c=colour, edgecolors=wrong, marker=marker, s=40,
            linewidths=[2.4 if c.verdict == "disagrees" else 0.6 for c in own], label=engine, zorder=3,
        )  # fmt: skip
        axes.scatter([_relative(c, c.tolerance) for c in own], y, c=colour, marker="|", s=60, zorder=2)
    for failure in report.failures:
        axes.scatter([], [], c="#c00000", marker="x", label=f"{failure}: failed")
    axes.set_yticks(range(len(rows)), [plain(r) for r in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    left, right = axes.get_xlim()
    axes.set_xlim(min(left, _EXACT - 0.5), max(right, -9.0))
    axes.set_xlabel(
        f"relative difference from {report.reference}\n( | allowed; none is drawn at $10^{{-18}}$ )"
    )
    axes.set_title("engines agree" if report.ok else "engines DISAGREE (ringed)", fontsize=10)
    powers_of_ten(axes.xaxis)
    axes.grid(axis="x", alpha=0.3)
    if engines or report.failures:
        axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.1), ncols=3, frameon=False)


def _relative(comparison: Comparison, absolute: float) -> float:
    share = absolute / comparison.scale if comparison.scale else absolute
    return min(max(logarithm(share), _EXACT), 20.0) if share == share else 20.0


def powers_of_ten(axis: Any) -> None:
    """Whole exponents on an axis whose values are logarithms already: a tree may be beyond all floats."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"$10^{{{value:.0f}}}$"))


def _bars(axes: Any, costs: dict[str, Cost], series: dict[str, Sequence[float | None]]) -> None:
    """A group of bars an engine, on a logarithmic scale made by hand: a tree may be beyond all floats."""
    logs = {label: [None if not v else logarithm(v) for v in values] for label, values in series.items()}
    known = [v for values in logs.values() for v in values if v is not None]
    start = math.floor(min(known, default=0.0)) if min(known, default=0.0) < 0 else 0.0
    width = 0.8 / len(series)
    for number, (label, values) in enumerate(logs.items()):
        y = [row + (number + 0.5) * width - 0.4 for row in range(len(costs))]
        lengths = [0.0 if v is None else v - start for v in values]
        axes.barh(y, lengths, width * 0.9, left=start, color=COLOURS[number], label=label)
    axes.set_yticks(range(len(costs)), list(costs))
    axes.set_ylim(len(costs) - 0.5, -0.5)
    powers_of_ten(axes.xaxis)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.1), ncols=3, frameon=False)


def logarithm(value: float) -> float:
    """The decimal logarithm, of an int of any length too."""
    if isinstance(value, int) and value > 1 << 1000:
        return (value.bit_length() - 1) * math.log10(2)
    return math.log10(value) if value > 0 else -math.inf
