"""Topic 11, convolution from signal processing: what is received is the sum of echoes of what was sent.

y_t = Σ_k w_k x_{t−k+1} with w = 1, 1/2, 1/4; the signal is the flow of the Nile. Narrow, wide and of equal
width; and cross-correlation, which does not turn the filter round.
Source: X. Qiu, *Neural Networks and Deep Learning*, section 5.1 (nndl.github.io).
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

WEIGHTS = np.array([1.0, 0.5, 0.25])
MODES = {"valid": "narrow", "same": "equal width", "full": "wide"}
COLOURS = ("#1d4ed8", "#f59e0b", "#c2410c")


def plot(path: Path, years: np.ndarray, flow: np.ndarray, found: dict[str, np.ndarray]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.2, 1))
    axes = figure.add_subplot(grid[0, :])
    times, below = np.arange(len(flow) + 2), np.zeros(len(flow) + 2)
    for delay, (weight, colour) in enumerate(zip(WEIGHTS, COLOURS, strict=True)):
        echo = np.zeros(len(times))
        echo[delay : delay + len(flow)] = weight * flow
        label = f"{weight:g} · x{('ₜ, sent now', 'ₜ₋₁', 'ₜ₋₂')[delay]}"
        axes.bar(times, echo, 0.82, below, color=colour, label=label)
        below += echo
    axes.plot(times, found["full"], "k_", markersize=22, markeredgewidth=2, label="yₜ of gc.convolve")
    axes.set_xticks(times, [*map(str, years), "+1", "+2"], fontsize=8)
    axes.set(title="What is received at t: the present signal and two echoes", ylabel="flow, 10⁸ m³ a year")
    axes.margins(x=0.01)
    axes.legend(ncols=4, loc="upper center", frameon=False)
    axes.set_ylim(0, 1.18 * below.max())

    axes = figure.add_subplot(grid[1, 0])
    begin = {"valid": 2, "same": 1, "full": 0}
    for row, mode in enumerate(MODES):
        places = begin[mode] + np.arange(len(found[mode]))
        whole = (places >= 2) & (places < len(flow))
        axes.scatter(places[whole], np.full(whole.sum(), row), s=95, marker="s", color="#1d4ed8")
        axes.scatter(places[~whole], np.full((~whole).sum(), row), s=95, marker="s", color="#93c5fd")
        axes.text(len(flow) + 2.6, row, f"{len(places)} values", va="center")
    axes.set_yticks(range(3), [*MODES.values()])
    axes.set(title="Three widths: pale places see beyond an end", xlabel="t")
    axes.set(ylim=(-0.6, 2.6), xlim=(-1, len(flow) + 7))
    axes.spines[["top", "right"]].set_visible(False)

    axes = figure.add_subplot(grid[1, 1])
    for name, colour, shift, label in (
        ("pulse, convolved", "#1d4ed8", -0.2, "convolution: 1, ½, ¼ after the pulse"),
        ("pulse, correlated", "#c2410c", 0.2, "cross-correlation: ¼, ½, 1 before it"),
    ):
        axes.bar(np.arange(9) + shift, found[name], 0.38, color=colour, label=label)
    axes.axvline(4, 0, 0.7, color="0.6", linestyle=":", zorder=0)
    axes.set(title="The answer to one pulse at t = 4", xlabel="t", ylim=(0, 1.45))
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main(out: Path) -> None:
    years, flow = (part[:18] for part in gc.datasets.nile())
    flow = flow.astype("float64")
    x = gc.input("x", ("T",), "float64")
    found = {}
    for mode, name in MODES.items():
        found[mode] = gc.compile(gc.convolve(x, WEIGHTS, mode), [x])(flow)
        difference = np.abs(found[mode] - np.convolve(flow, WEIGHTS, mode)).max()
        print(f"{name:<12} {len(flow)} values and 3 weights → {len(found[mode])};", end=" ")
        print(f"differs from numpy.convolve by {difference:.0e}")
    by_hand = [
        sum(w * flow[t - k] for k, w in enumerate(WEIGHTS) if 0 <= t - k < len(flow))
        for t in range(len(flow) + 2)
    ]
    print(f"the sum of echoes written out differs by {np.abs(found['full'] - by_hand).max():.0e}")
    correlated = gc.compile(gc.correlate(x, WEIGHTS, "valid"), [x])(flow)
    turned = gc.compile(gc.correlate(x, WEIGHTS[::-1], "valid"), [x])(flow)
    print(f"cross-correlation differs by up to {np.abs(correlated - found['valid']).max():.0f};", end=" ")
    print(f"with the filter turned round by {np.abs(turned - found['valid']).max():.0e}")
    pulse = np.eye(9)[4]
    # The wide ones have 11 places; less the two at the end, or at the beginning, those of the pulse.
    found["pulse, convolved"] = gc.compile(gc.convolve(x, WEIGHTS, "full"), [x])(pulse)[:9]
    found["pulse, correlated"] = gc.compile(gc.correlate(x, WEIGHTS, "full"), [x])(pulse)[2:]
    plot(out / "11_signal_convolution.png", years, flow, found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
