"""Topic 4, universal approximation: the sup-norm error of one squashing hidden layer against its width.

The hidden weights are drawn at random, the best of three draws; the linear output layer solves least
squares on the points of a grid. The error is measured on a finer one, between those points too.
Source: G. Cybenko 1989; X. Qiu, *Neural Networks and Deep Learning*, section 4.3.1 (nndl.github.io).
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

WIDTHS = (4, 8, 16, 32, 64, 128, 256)
FUNCTIONS = {
    "sin 3πx": (lambda x: np.sin(3 * np.pi * x), 1),
    "|x| + 0.3x": (lambda x: np.abs(x) + 0.3 * x, 1),
    "bump + ½cos 5x": (lambda x: np.exp(-20 * (x - 0.2) ** 2) + 0.5 * np.cos(5 * x), 1),
    "sin 3x · cos 2y + ½xy": (lambda x, y: np.sin(3 * x) * np.cos(2 * y) + 0.5 * x * y, 2),
}


def grid_of(dimension: int, count: int) -> np.ndarray:
    """Points that cover the closed interval or square, so many along each side."""
    grid = np.linspace(-1, 1, count)
    return grid[:, None] if dimension == 1 else np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)


class Network:
    """A linear output over one hidden layer of sigmoids."""

    def __init__(self, dimension: int, width: int) -> None:
        self.dimension, self.width = dimension, width
        x = gc.input("x", ("N", dimension), "float64")
        w = gc.parameter("w", (dimension, width), dtype="float64")
        b = gc.parameter("b", (width,), dtype="float64")
        v, c = gc.parameter("v", (width,), dtype="float64"), gc.parameter("c", (), dtype="float64")
        hidden = gc.sigmoid(x @ w + b)
        self.features = gc.compile(hidden, [x])
        self.predict = gc.compile(hidden @ v + c, [x], params=self.features.params)

    def fit(self, points: np.ndarray, values: np.ndarray, seed: int) -> None:
        """Draw the hidden layer, and solve for the output."""
        rng = np.random.default_rng(seed)
        # Each unit's slope has a random direction and steepness, its middle a random place in the domain.
        direction = rng.standard_normal((self.dimension, self.width))
        steepness = (8.0 if self.dimension == 1 else 2.5) * rng.uniform(0.3, 1, self.width)
        direction *= steepness / np.linalg.norm(direction, axis=0)
        params = self.predict.params
        params["w"] = direction
        params["b"] = -(rng.uniform(-1, 1, (self.width, self.dimension)) * direction.T).sum(1)
        table = np.column_stack([self.features(points), np.ones(len(points))])
        solution, *_ = np.linalg.lstsq(table, values, rcond=1e-12)
        params["v"], params["c"] = solution[:-1], solution[-1]

    def error(self, points: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
        """The largest error over the range, and the network's values."""
        found = self.predict(points)
        return float(np.abs(found - values).max() / np.ptp(values)), found


def plot(path: Path, errors: dict[str, list[float]], fits: dict[int, np.ndarray]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    name, (target, _) = next(iter(FUNCTIONS.items()))
    grid = np.linspace(-1, 1, 2001)
    left.plot(grid, target(grid), color="0.7", linewidth=5, label=name)
    for width, values in fits.items():
        left.plot(grid, values, label=f"{width} hidden units")
    left.set(xlabel="x", title="One function and its approximations")
    left.legend(fontsize=8, loc="lower left")
    for name, values in errors.items():
        right.loglog(WIDTHS, values, marker="o", label=name)
    right.axhline(0.01, color="0.5", linestyle=":")
    right.set_xticks(WIDTHS, map(str, WIDTHS))
    right.minorticks_off()
    right.set(xlabel="hidden units", ylabel="largest error / range", title="Error against width")
    right.legend(fontsize=8)
    right.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main(out: Path) -> None:
    errors: dict[str, list[float]] = {}
    fits: dict[int, np.ndarray] = {}
    networks = {(d, width): Network(d, width) for d in (1, 2) for width in WIDTHS}
    for name, (target, dimension) in FUNCTIONS.items():
        errors[name] = []
        coarse, fine = (grid_of(dimension, n) for n in ((401, 2001) if dimension == 1 else (33, 97)))
        for width in WIDTHS:
            network, runs = networks[dimension, width], []
            for seed in range(3):
                network.fit(coarse, target(*coarse.T), seed)
                runs.append(network.error(fine, target(*fine.T)))
            error, values = min(runs, key=lambda run: run[0])
            errors[name].append(error)
            if len(errors) == 1 and width in (4, 8, 16):
                fits[width] = values
        print(f"{name:<22} " + "  ".join(f"{w}: {e:.1e}" for w, e in zip(WIDTHS, errors[name], strict=True)))
    print(f"largest error at {WIDTHS[-1]} units: {max(e[-1] for e in errors.values()):.2%} of the range")
    plot(out / "04_universal_approximation.png", errors, fits)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
