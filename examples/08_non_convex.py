"""Topic 8, optimisation is non-convex: the loss surface of y = σ(w2 σ(w1 x)), paths on it, and a saddle.

At x = 1, y* = 1 some Hessians have eigenvalues of both signs, so the surface is not convex; but ∂L/∂w2 is
never 0, so no point is critical. A second sample, x = −1 with y* = 0, makes the origin a saddle.
Source: X. Qiu, *Neural Networks and Deep Learning*, section 4.6.1 (nndl.github.io).
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

GRID = np.linspace(-10, 10, 81)
STARTS = ((-8.0, -6.0), (2.0, -8.0), (8.0, -3.0), (-4.0, 1.0))
ONE = np.array([1.0]), np.array([1.0])
TWO = np.array([1.0, -1.0]), np.array([1.0, 0.0])


def compiled() -> gc.Function:
    """Loss, gradient and Hessian of the network by w = (w1, w2), for samples x and targets t."""
    w, x, t = (
        gc.input("w", (2,), "float64"),
        gc.input("x", ("N",), "float64"),
        gc.input("t", ("N",), "float64"),
    )
    loss = ((gc.sigmoid(w[1] * gc.sigmoid(w[0] * x)) - t) ** 2).mean()
    return gc.compile((loss, gc.grad(loss, w), gc.hessian(loss, w)), [w, x, t])


def descent(
    f: gc.Function, start: tuple[float, float], data, rate: float = 4.0, steps: int = 400
) -> np.ndarray:
    """The points that gradient descent visits."""
    path = [np.array(start)]
    for _ in range(steps):
        path.append(path[-1] - rate * f(path[-1], *data)[1])
    return np.array(path)


def critical_point(f: gc.Function, start: tuple[float, float], data) -> np.ndarray:
    """Where Newton's method on the gradient ends."""
    point = np.array(start)
    for _ in range(20):
        _, gradient, hessian = f(point, *data)
        point = point - np.linalg.solve(hessian, gradient)
    return point


def kind(eigenvalues: np.ndarray) -> str:
    if eigenvalues[0] * eigenvalues[-1] < 0:
        return "saddle"
    return "minimum" if eigenvalues[0] > 0 else "maximum" if eigenvalues[-1] < 0 else "degenerate"


def plot(path: Path, surfaces: dict[str, np.ndarray], paths: dict[str, list[np.ndarray]], saddle) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8.5), layout="constrained")
    for row, (title, surface) in enumerate(surfaces.items()):
        w1, w2 = np.meshgrid(GRID, GRID, indexing="ij")
        space = figure.add_subplot(2, 2, 2 * row + 1, projection="3d")
        space.plot_surface(w1, w2, surface, cmap="viridis", linewidth=0, rcount=60, ccount=60)
        space.set(xlabel="w1", ylabel="w2", title=title)
        space.view_init(30, -50)
        plane = figure.add_subplot(2, 2, 2 * row + 2)
        picture = plane.contourf(w1, w2, surface, 24, cmap="viridis")
        figure.colorbar(picture, ax=plane, label="loss")
        for line in paths[title]:
            plane.plot(*line.T, color="white", linewidth=1.5)
            plane.plot(*line[0], "o", color="white", markersize=5)
            plane.plot(*line[-1], "*", color="#ff6b6b", markersize=11)
        if row == 1:
            plane.plot(*saddle, "X", color="black", markeredgecolor="white", markersize=11, label="saddle")
            plane.legend(loc="lower left")
        plane.set(
            xlabel="w1", ylabel="w2", title="gradient descent, from ○ to ★", xlim=(-10, 10), ylim=(-10, 10)
        )
    figure.savefig(path, dpi=110)


def main(out: Path) -> None:
    f = compiled()
    titles = {"x = 1, y* = 1": ONE, "x = ±1, y* = 1, 0": TWO}
    points = [[np.array([a, b]) for b in GRID] for a in GRID]
    results = {title: [[f(p, *data) for p in row] for row in points] for title, data in titles.items()}
    surfaces = {title: np.array([[r[0] for r in row] for row in rows]) for title, rows in results.items()}
    hessians = np.array([[r[2] for r in row] for row in results["x = 1, y* = 1"]])
    low, high = np.moveaxis(np.linalg.eigvalsh(hessians), -1, 0)
    both = (low < -1e-6) & (high > 1e-6)
    i, j = np.unravel_index(np.where(both, np.minimum(-low, high), -1).argmax(), both.shape)
    print(f"x = 1, y* = 1: the Hessian is indefinite at {both.mean():.0%} of the grid's points, most at")
    print(f"  w = ({GRID[i]:.2f}, {GRID[j]:.2f}): eigenvalues {low[i, j]:.4f} and {high[i, j]:.4f}")
    slopes = np.array([[r[1][1] for r in row] for row in results["x = 1, y* = 1"]])
    print(f"  the largest ∂L/∂w2 on the grid is {slopes.max():.1e} < 0: no point is critical")
    saddle = critical_point(f, (0.4, -0.3), TWO)
    _, gradient, hessian = f(saddle, *TWO)
    eigenvalues = np.linalg.eigvalsh(hessian)
    first, second = saddle.round(3) + 0.0  # a coordinate of −1e-17 rounds to −0, and −0 + 0 is 0
    print(f"x = ±1, y* = 1, 0: a {kind(eigenvalues)} at w = ({first:.3f}, {second:.3f}),")
    print(f"  gradient norm {np.linalg.norm(gradient):.1e}, eigenvalues {eigenvalues.round(4)}")
    paths = {title: [descent(f, start, data) for start in STARTS] for title, data in titles.items()}
    plot(out / "08_non_convex.png", surfaces, paths, saddle)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
