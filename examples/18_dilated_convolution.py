"""Topic 18, dilated convolution: four ways to let a neuron see more, and what each costs.

Larger filters, more layers, pooling in front, and holes in the filter. What is seen is measured, as where the
gradient by the input is not 0, and reported, by `gc.nn.receptive_field`.
Source: X. Qiu, *Neural Networks and Deep Learning*, section 5.4.2 (nndl.github.io); F. Yu and V. Koltun 2016.
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

LENGTH, DEPTH = 127, 6
SIDE = 95


def support(y: gc.Tensor, x: gc.Tensor) -> np.ndarray:
    """Where the gradient of y's middle element by x is not 0; all weights are positive, so none cancel."""
    middle = (0, 0, *(int(n) // 2 for n in y.shape[2:]))
    (slope,) = gc.interpret([gc.grad(y[middle], x)], {x: np.zeros([int(n) for n in x.shape])})
    return slope[0, 0]


def extent(seen: np.ndarray) -> tuple[int, ...]:
    return tuple(int(np.ptp(places)) + 1 for places in np.nonzero(seen))


def stack(x: gc.Tensor, kind: str, depth: int) -> gc.Tensor:
    """So many layers along a line; the last sees all that is asked about."""
    h = x
    for number in range(depth):
        size, dilation = (5, 1) if kind == "larger filters, of 5" else (3, 1)
        if kind == "holes, dilation 1, 2, 4, …":
            dilation = 2**number
        if kind == "pooling in front of each" and number:
            h = gc.nn.avg_pool1d(h, 2)
        h = gc.nn.conv1d(h, np.full((1, 1, size), 1 / size), padding="same", dilation=dilation)
    return h


KINDS = {
    "filters of 3": ("#64748b", 3),
    "larger filters, of 5": ("#f59e0b", 5),
    "pooling in front of each": ("#0d9488", 3),
    "holes, dilation 1, 2, 4, …": ("#1d4ed8", 3),
}


def plot_depth(path: Path, pictures: dict[str, np.ndarray], sizes: dict[str, list[int]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.5, 1))
    for axes, (kind, seen) in zip(left.subplots(4, 1, sharex=True), pictures.items(), strict=True):
        axes.imshow(
            seen > 0, aspect="auto", cmap="Blues", vmin=0, vmax=1.25, extent=(0, LENGTH, DEPTH + 0.5, 0.5)
        )
        axes.set_title(kind, fontsize=10)
        axes.set_yticks(range(1, DEPTH + 1, 2))
        axes.set_ylabel("layers")
    axes.set_xlabel("what the middle neuron sees of the input")
    axes = right.subplots()
    for kind, (colour, _) in KINDS.items():
        axes.plot(range(1, DEPTH + 1), sizes[kind], "o-", color=colour, label=kind)
    axes.set_yscale("log", base=2)
    axes.set(xlabel="layers", ylabel="receptive field", title="Elements seen")
    axes.legend(frameon=False, fontsize=9)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def plot_photograph(path: Path, photograph: np.ndarray, found: dict[str, tuple[np.ndarray, tuple]]) -> None:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(12, 4.7), layout="constrained")
    for axes, (title, (slope, box)) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
        axes.imshow(photograph, cmap="gray", vmin=0, vmax=1.3)
        strength = np.sqrt(slope / slope.max())
        axes.imshow(np.ma.masked_equal(strength, 0), cmap="plasma", alpha=0.85 * (slope > 0), vmin=0, vmax=1)
        rows, columns = box
        corner = (columns.start - 0.5, rows.start - 0.5)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        axes.add_patch(Rectangle(corner, width, height, fill=False, color="white", linewidth=1.8))
        axes.set_title(f"{title}\nsees {height} × {width}", fontsize=10)
        axes.set_axis_off()
    figure.savefig(path, dpi=110)


def main(out: Path) -> None:
    print("a filter of K with dilation D spans K + (K − 1)(D − 1):")
    line = gc.input("line", (1, 1, LENGTH), "float64")
    for size, dilation in ((3, 1), (3, 2), (3, 4), (5, 3)):
        y = gc.nn.conv1d(line, np.ones((1, 1, size)), dilation=dilation)
        (measured,), (reported,) = extent(support(y, line)), gc.nn.receptive_field(y, line).size
        formula = size + (size - 1) * (dilation - 1)
        print(f"  K = {size}, D = {dilation}: {formula}, measured {measured}, reported {reported}")

    pictures: dict[str, np.ndarray] = {}
    sizes: dict[str, list[int]] = {}
    agree = True
    for kind, (_, weights) in KINDS.items():
        seen = []
        for depth in range(1, DEPTH + 1):
            y = stack(line, kind, depth)
            seen.append(support(y, line))
            field = gc.nn.receptive_field(y, line)
            (inside,) = field.box(int(y.shape[2]) // 2)
            places = np.flatnonzero(seen[-1])
            agree &= (inside.start, inside.stop) == (places[0], places[-1] + 1)
            sizes.setdefault(kind, []).append(int(field.size[0]))
        pictures[kind] = np.stack(seen)
        print(f"{kind:<28} {weights * DEPTH} weights in {DEPTH} layers see {sizes[kind]}")

    photograph = gc.datasets.photographs()["flower"].mean(axis=2)[58 : 58 + SIDE, 108 : 108 + SIDE] / 255
    x = gc.input("x", (1, 1, SIDE, SIDE), "float64")
    found = {}
    for title, dilations in (
        ("4 layers of 3 × 3", (1, 1, 1, 1)),
        ("dilation 1, 2, 4, 8", (1, 2, 4, 8)),
        ("dilation 4 four times: a grid, with holes", (4, 4, 4, 4)),
    ):
        h = x
        for dilation in dilations:
            h = gc.nn.conv2d(h, np.full((1, 1, 3, 3), 1 / 9), padding="same", dilation=dilation)
        slope = support(h, x)
        box = gc.nn.receptive_field(h, x).box((SIDE // 2, SIDE // 2))
        agree &= extent(slope) == tuple(part.stop - part.start for part in box)
        found[title] = slope, box
        print(f"{title:<42} sees {extent(slope)}, {np.count_nonzero(slope)} of its pixels")
    print(f"every report is the support of the input gradient: {bool(agree)}")
    plot_depth(out / "18_depth.png", pictures, sizes)
    plot_photograph(out / "18_photograph.png", photograph, found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
