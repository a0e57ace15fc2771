"""Topics 11 and 12, convolution of a signal: the flow of the Nile smoothed, and where it changes.

[1/3, 1/3, 1/3] smooths, [1, −2, 1] finds change; narrow, wide and of equal width.
Source: X. Qiu, *Neural Networks and Deep Learning*, section 5.1 (nndl.github.io).
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

MODES = {"narrow": "valid", "equal width": "same", "wide": "full"}
SMOOTHING = np.full(3, 1 / 3)
CHANGE = np.array([1.0, -2.0, 1.0])
STEP = np.repeat([-0.1, 0.1], 10)  # the mean of ten years less that of the ten before, turned round


def plot(path: Path, years: np.ndarray, flow: np.ndarray, curves: dict[str, np.ndarray]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[3, 2, 2])
    top.plot(years, flow, color="#9aa5b1", linewidth=1, label="measured")
    top.plot(years[1:-1], curves["smooth"], color="#4477aa", linewidth=2, label="filter [1/3, 1/3, 1/3]")
    top.set_ylabel("flow, 10⁸ m³")
    top.legend(loc="upper right", frameon=False)
    middle.bar(years[1:-1], curves["change"], color="#cc7429")
    middle.set_ylabel("filter [1, −2, 1]")
    bottom.plot(years[10:-9], curves["step"], color="#aa3377", linewidth=2)
    bottom.axhline(0, color="#9aa5b1", linewidth=1)
    bottom.set_ylabel("ten years less\nthe ten before")
    bottom.set_xlabel("year")
    top.set_title("The Nile at Aswan: convolutions of one real series")
    figure.savefig(path, dpi=110)


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    years, flow = gc.datasets.nile()
    series, weights = gc.input("series", ("T",), "float64"), gc.input("weights", (3,), "float64")
    outputs = {name: gc.convolve(series, weights, mode) for name, mode in MODES.items()}
    convolved = gc.compile(outputs, [series, weights])
    smooth = convolved(flow.astype(float), SMOOTHING)
    for name, mode in MODES.items():
        same = np.allclose(smooth[name], np.convolve(flow.astype(float), SMOOTHING, mode))
        print(f"{name:11}: {flow.size} values become {smooth[name].size}; numpy.convolve agrees: {same}")
    print(f"variance {flow.astype(float).var():.0f}, smoothed {smooth['narrow'].var():.0f}")
    change = convolved(flow.astype(float), CHANGE)["narrow"]
    line = convolved(np.arange(100.0), CHANGE)["narrow"]
    print(f"[1, −2, 1] of a straight line: {np.abs(line).max():.0f} everywhere")
    step = gc.compile(gc.correlate(series, STEP), [series])(flow.astype(float))
    lowest = int(np.argmin(step))
    print(f"ten years less the ten before fall most at {years[10 + lowest]}: by {-step[lowest]:.0f}")
    plot(out / "12_nile.png", years, flow, {"smooth": smooth["narrow"], "change": change, "step": step})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path())
    main(parser.parse_args().out)
