"""Topic 15, pooling reduces neurons: mean and maximum, overlapping, strided and global, with derivatives.

Source: X. Qiu, *Neural Networks and Deep Learning*, section 5.2.2 (nndl.github.io).
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

KINDS = {
    "maximum of 4 × 4": gc.nn.MaxPool2d(4),
    "mean of 4 × 4": gc.nn.AvgPool2d(4),
    "maximum of 7 × 7, overlapping, stride 4": gc.nn.MaxPool2d(7, 4, padding=3),
    "maximum of 16 × 16": gc.nn.MaxPool2d(16),
    "mean of 16 × 16": gc.nn.AvgPool2d(16),
}


def plot(path: Path, photograph: np.ndarray, pooled: dict[str, np.ndarray]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.8), layout="constrained")
    pictures = {"photograph": photograph.transpose(2, 0, 1) / 255, **pooled}
    for axes, (title, picture) in zip(figure.subplots(2, 3).flat, pictures.items(), strict=True):
        axes.imshow(picture.transpose(1, 2, 0), interpolation="nearest")
        axes.set_title("{0}\n{2} × {3}, {1} maps".format(title, *picture.shape), fontsize=10)
        axes.set_axis_off()
    figure.savefig(path, dpi=110)


def plot_gradients(path: Path, patch: np.ndarray, gradients: dict[str, np.ndarray]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.7), layout="constrained")
    first, *others = figure.subplots(1, 4)
    first.imshow(patch, cmap="gray")
    first.set_title("8 × 8 pixels", fontsize=10)
    for axes, (title, values) in zip(others, gradients.items(), strict=True):
        axes.imshow(values, cmap="Oranges", vmin=0, vmax=2.5)
        axes.set_title(title, fontsize=10)
        for (i, j), value in np.ndenumerate(values):
            if value:
                colour = "white" if value > 1.5 else "black"
                text = f"{value:.2g}".lstrip("0")
                axes.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
    for axes in (first, *others):
        axes.set_xticks(np.arange(1.5, 7, 2), [])
        axes.set_yticks(np.arange(1.5, 7, 2), [])
        axes.tick_params(length=0)
        axes.grid(color="#1d4ed8", linewidth=1.2)
    figure.savefig(path, dpi=110)


def main(out: Path) -> None:
    photograph = gc.datasets.photographs()["flower"]
    images = photograph.transpose(2, 0, 1)[None] / np.float64(255)
    x = gc.input("x", ("N", 3, "H", "W"), "float64")
    outputs = {name: layer(x) for name, layer in KINDS.items()}
    outputs |= {"global mean": gc.nn.GlobalAvgPool()(x), "global maximum": gc.max(x, axis=(2, 3))}
    pooled = gc.compile(outputs, [x])(images)
    for name, values in pooled.items():
        print(f"{name:<40} {images.size:,} neurons → {values.size:,}")
    red, green, blue = pooled["global mean"][0]
    print(f"the photograph's mean colour: red {red:.2f}, green {green:.2f}, blue {blue:.2f}")

    # Where the gradient of the sum of all results goes: to the largest of each window, or to all alike.
    patch = images[:, :1, 128:136, 84:92]
    small = gc.input("small", (1, 1, 8, 8), "float64")
    layers = {
        "maximum: to the winner alone": gc.nn.MaxPool2d(2),
        "mean: to all alike": gc.nn.AvgPool2d(2),
        "maximum of 3 × 3, stride 2: some win twice": gc.nn.MaxPool2d(3, 2, padding=1),
    }
    graphs = {name: gc.grad(layer(small).sum(), small) for name, layer in layers.items()}
    gradients = gc.compile(graphs, [small])(patch)

    # Derivatives of any order: Σ max(x³) has 3x², 6x and 6 at each window's winner, 0 elsewhere.
    value = gc.nn.MaxPool2d(2)(small**3).sum()
    orders = []
    for _ in range(3):
        value = gc.grad(value, small).sum()
        orders.append(value)
    found = gc.compile(orders, [small])(patch)
    winners = patch.reshape(4, 2, 4, 2).max(axis=(1, 3))
    expected = [(3 * winners**2).sum(), (6 * winners).sum(), 6.0 * winners.size]
    for order, (ours, formula) in enumerate(zip(found, expected, strict=True), 1):
        print(f"derivative {order} of Σ max(x³): {float(ours):.6f}, by hand {formula:.6f}")
    plot(out / "15_pooling.png", photograph, {name: pooled[name][0] for name in KINDS})
    plot_gradients(out / "15_pooling_gradients.png", patch[0, 0], {n: g[0, 0] for n, g in gradients.items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
