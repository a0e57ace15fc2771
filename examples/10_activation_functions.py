"""Topic 10, activation functions: formula, derivative by both engines, where each saturates, and a plot.

Source: X. Qiu, *Neural Networks and Deep Learning*, section 4.1 (nndl.github.io).
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

GRID = np.linspace(-5, 5, 401)
NAMES = (
    "sigmoid", "tanh", "hard_logistic", "hardtanh", "relu", "leaky_relu", "prelu", "elu", "selu", "softplus",
    "softsign", "swish", "gelu", "gelu, tanh form", "mish", "maxout",
)  # fmt: skip


def graph(name: str, x: gc.Tensor) -> gc.Tensor:
    """The activation of a scalar; those that need more than x get it here."""
    if name == "prelu":
        return gc.nn.prelu(x, gc.constant(np.float64(0.25)))
    if name == "gelu, tanh form":
        return gc.nn.gelu(x, approximate="tanh")
    if name == "maxout":  # max(−x/2 − 1, x/4, x − 1)
        return gc.nn.maxout(x * np.array([-0.5, 0.25, 1.0]) + np.array([-1.0, 0.0, -1.0]), 3)[0]
    return gc.nn.ACTIVATIONS[name].function(x)


def curves(name: str) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Values and derivatives on the grid, and the largest difference of the two engines.

    Maxout is a function of vectors, where symbolic derivatives of scalars do not apply: None.
    """
    x = gc.input("x", (), "float64")
    y = graph(name, x)
    outputs = [y, gc.grad(y, x)]
    if name != "maxout":
        outputs.append(gc.symbolic.grad(y, x).result)
    f = gc.compile(outputs, [x])
    table = np.array([f(np.array(v)) for v in GRID]).T
    difference = None if len(table) == 2 else float(np.abs(table[1] - table[2]).max())
    return table[0], table[1], difference


def plot(path: Path, found: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9), layout="constrained")
    for axes, (name, (values, slopes)) in zip(
        figure.subplots(4, 4, sharex=True).flat, found.items(), strict=True
    ):
        axes.plot(GRID, values, label="value")
        axes.plot(GRID, slopes, "--", label="derivative")
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axes.axvline(0, color="0.8", linewidth=0.8, zorder=0)
        axes.set_ylim(-2, 3)
        axes.set_title(name, fontsize=10)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, dpi=110)


def main(out: Path) -> None:
    found = {}
    for name in NAMES:
        values, slopes, difference = curves(name)
        found[name] = values, slopes
        entry = gc.nn.ACTIVATIONS[name.split(",")[0]]
        engines = "one engine" if difference is None else f"engines differ by {difference:.0e}"
        print(f"{name:<16} {engines:<25} saturates {entry.saturates}")
        print(f"{'':<16} {entry.latex}")
    plot(out / "10_activation_functions.png", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
