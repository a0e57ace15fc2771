"""The plot: results enter; a picture of graphc's time by each peer's, on every workload, leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphc.bench.runner import Result
from graphc.errors import GraphError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of Okabe and Ito's palette, which colour-blind readers can tell apart; a marker for each peer besides.
_STYLES = {
    "PyTorch": ("#D55E00", "o"),
    "torch.compile": ("#E69F00", "s"),
    "JAX": ("#0072B2", "D"),
    "PyTensor": ("#CC79A7", "^"),
    "autograd": ("#56B4E9", "v"),
    "NumPy by hand": ("#009E73", "P"),
    "CasADi": ("#000000", "X"),
}
_OTHER = ("#777777", "*")


def plot(results: Sequence[Result], path: Path) -> None:
    """Write the picture, in the format that the file's name ends in."""
    picture(results).savefig(path, dpi=150)


def picture(results: Sequence[Result]) -> Figure:
    """Left of 1 graphc is faster; bars are the quartiles of the ratio. GraphError without Matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise GraphError(
            "a plot needs Matplotlib", op="bench", remedy="pip install 'graphc[plot]', or leave out --plot"
        ) from None
    figure = Figure(figsize=(9, 1.6 + 0.36 * len(results)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(0, 1, color="#009E73", alpha=0.08, linewidth=0)
    axes.axvline(1, color="#444444", linewidth=1)
    peers = dict.fromkeys(m.peer for result in results for m in result.measurements[1:])
    for peer in peers:  # for the legend
        colour, marker = _STYLES.get(peer, _OTHER)
        axes.plot([], [], color=colour, marker=marker, linestyle="none", label=peer)
    for row, result in enumerate(results):
        for m in result.measurements[1:]:
            colour, marker = _STYLES.get(m.peer, _OTHER)
            fastest = m is result.fastest
            axes.errorbar(
                m.ratio.median, row,
                xerr=[[_gap(m.ratio.median, m.ratio.lower)], [_gap(m.ratio.upper, m.ratio.median)]],
                color=colour, marker=marker, markersize=9 if fastest else 6, linestyle="none", elinewidth=1,
                markeredgecolor="black" if fastest else colour,
                zorder=3 if fastest else 2,
            )  # fmt: skip
    axes.set_xscale("log")
    ratios = [m.ratio for result in results for m in result.measurements[1:]]
    axes.set_xlim(min([r.lower for r in ratios] + [1]) / 1.4, max([r.upper for r in ratios] + [1]) * 1.4)
    axes.set_ylim(len(results) - 0.5, -0.5)
    axes.set_yticks(range(len(results)), [r.workload for r in results])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("graphc's time / the peer's: left of 1 graphc is faster; black edge: fastest peer")
    if peers:
        figure.legend(loc="outside upper center", ncols=min(len(peers), 7), frameon=False)
    return figure


def _gap(high: float, low: float) -> float:
    """The length of a bar, which Matplotlib wants positive."""
    return max(high - low, 0.0)
