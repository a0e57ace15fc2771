"""Topic 14, convolution as feature extractor, in place of full connection: groups of filters on a photograph.

A convolution layer maps D maps of M × N to P maps. It is a dense layer whose matrix is mostly zeros and
repeats few numbers; the script builds that matrix and counts what it saves.
Source: X. Qiu, *Neural Networks and Deep Learning*, section 5.2 (nndl.github.io).
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np

import graphc as gc

BLUR = np.outer([1.0, 2, 1], [1.0, 2, 1]) / 16
ACROSS = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4
DIAGONAL = np.array([[0.0, 1, 2], [-1, 0, 1], [-2, -1, 0]]) / 4
CENTRE = np.array([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]]) / 8
GREY = np.array([0.299, 0.587, 0.114])
# Each filter has a weight for each colour and place: (D, K, L).
FILTERS = {
    "red against green": np.multiply.outer([1.0, -1.0, 0.0], BLUR),
    "yellow against blue": np.multiply.outer([0.5, 0.5, -1.0], BLUR),
    "edges across": np.multiply.outer(GREY, ACROSS),
    "edges down": np.multiply.outer(GREY, ACROSS.T),
    "diagonal edges": np.multiply.outer(GREY, DIAGONAL),
    "spots": np.multiply.outer(GREY, CENTRE),
}


def count(layer: gc.nn.Layer) -> int:
    return sum(int(np.prod(p.shape)) for p in layer.parameters())


def matrix_of(w: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The matrix of a narrow convolution, entry by entry: (D·M·N, P·M'·N')."""
    out, depth, *taps = w.shape
    height, width = (n - k + 1 for n, k in zip(size, taps, strict=True))
    matrix = np.zeros((depth, *size, out, height, width))
    for o, c, k, l, i, j in product(*map(range, (out, depth, *taps, height, width))):
        matrix[c, i + k, j + l, o, i, j] = w[o, c, k, l]
    return matrix.reshape(depth * size[0] * size[1], -1)


def plot_features(path: Path, photograph: np.ndarray, maps: np.ndarray) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.7), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 2.35))
    axes = left.subplots()
    axes.imshow(photograph)
    axes.set_title("input: {} × {} × {}".format(*photograph.shape))
    axes.set_axis_off()
    panels = right.subplots(2, 6, width_ratios=(1, 2.4) * 3)
    for number, (name, weights) in enumerate(FILTERS.items()):
        row, column = divmod(number, 3)
        small, large = panels[row, 2 * column], panels[row, 2 * column + 1]
        # Weights as a colour picture: grey is 0.
        small.imshow(0.5 + weights.transpose(1, 2, 0) / (2.2 * np.abs(weights).max()))
        small.set_title("filter", fontsize=8)
        limit = np.quantile(np.abs(maps[number]), 0.995)
        large.imshow(maps[number], cmap="RdBu_r", vmin=-limit, vmax=limit)
        large.set_title(name, fontsize=10)
        for axes in (small, large):
            axes.set_xticks([])
            axes.set_yticks([])
    right.suptitle("output: {1} × {2} × {0}".format(*maps.shape))
    figure.savefig(path, dpi=110)


def plot_matrix(path: Path, matrix: np.ndarray, counts: dict[str, int]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    left.imshow(np.ma.masked_equal(matrix.T, 0), cmap="turbo", interpolation="nearest", aspect="auto")
    left.set_facecolor("#f1f5f9")
    left.set(
        title="A filter of 3 × 3 on 8 × 8 pixels as a dense layer:\n9 numbers, repeated; all else is 0",
        xlabel="pixel of the input", ylabel="neuron of the output",
    )  # fmt: skip
    names, numbers = list(counts), list(counts.values())
    right.barh(names, numbers, color=["#c2410c", *["#1d4ed8"] * (len(names) - 1)], log=True)
    right.invert_yaxis()
    for place, number in enumerate(numbers):
        right.text(number * 1.3, place, f"{number:,}", va="center")
    right.set_xlim(10, max(numbers) * 300)
    right.set(title="Parameters, 16 maps of 28 × 28 to 32 maps")
    right.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main(out: Path) -> None:
    photograph = gc.datasets.photographs()["flower"]
    images = photograph.transpose(2, 0, 1)[None] / np.float32(255)
    x = gc.input("x", ("N", 3, "H", "W"))
    layer = gc.nn.Conv2d(3, len(FILTERS), 3, name="features")
    f = gc.compile(layer(x), [x])
    f.params["features/weight"] = np.stack(list(FILTERS.values()))
    maps = f(images)[0]
    print(f"{images[0].size:,} numbers → {maps.size:,} by {count(layer)} parameters")

    depthwise = gc.nn.Conv2d(16, 16, 3, padding=1, groups=16)
    counts = {
        "dense": count(gc.nn.Dense(16 * 28 * 28, 32 * 28 * 28)),
        "convolution, 3 × 3": count(gc.nn.Conv2d(16, 32, 3, padding=1)),
        "4 groups": count(gc.nn.Conv2d(16, 32, 3, padding=1, groups=4)),
        "depthwise + pointwise": count(depthwise) + count(gc.nn.Conv2d(16, 32, 1)),
        "depthwise alone": count(depthwise),
    }
    for name, number in counts.items():
        print(f"  {name:<22} {number:>12,} parameters")

    # Full connection with the convolution's matrix: 12 × 12 pixels of the photograph.
    small = gc.input("small", ("N", 3, 12, 12))
    flat = gc.nn.Sequential(gc.nn.Flatten(), gc.nn.Dense(3 * 12 * 12, 6 * 10 * 10, name="dense"))(small)
    dense = gc.compile(flat, [small])
    dense.params["dense/weight"] = matrix_of(f.params["features/weight"], (12, 12))
    patch = images[:, :, 100:112, 150:162]
    difference = np.abs(dense(patch).reshape(1, 6, 10, 10) - f(patch)).max()
    zeros = (dense.params["dense/weight"] == 0).mean()
    print(f"dense layer with the convolution's matrix ({zeros:.0%} zeros): differs by {difference:.0e}")

    plot_features(out / "14_features.png", photograph, maps)
    numbers = np.arange(1.0, 10).reshape(1, 1, 3, 3)
    plot_matrix(out / "14_matrix.png", matrix_of(numbers, (8, 8)), counts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
