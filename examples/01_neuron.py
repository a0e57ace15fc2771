"""Topic 1, a neuron: its activation rule, its topology, and a learning algorithm, gradient descent.

One neuron learns to tell two clouds of points apart; the script draws it and the line that it found.
Source: X. Qiu, *Neural Networks and Deep Learning*, sections 3.2 and 4.1 (nndl.github.io).
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc


def separable_points() -> tuple[np.ndarray, np.ndarray]:
    """Points of the plane, and on which side of the line 2a − b + 0.3 = 0 they lie."""
    points = np.random.default_rng(0).standard_normal((300, 2)).astype(np.float32)
    margin = points @ np.array([2.0, -1.0], np.float32) + np.float32(0.3)
    keep = np.abs(margin) > 0.2
    return points[keep], (margin[keep] > 0).astype(np.float32)[:, None]


def plot(path: Path, points: np.ndarray, label: np.ndarray, weight: np.ndarray, bias: float) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    for side, colour, marker in ((0, "#c2410c", "o"), (1, "#1d4ed8", "^")):
        chosen = points[label[:, 0] == side]
        axes.scatter(*chosen.T, s=16, c=colour, marker=marker, label=f"class {side}")
    first = np.array([-3.0, 3.0])
    axes.plot(first, -(weight[0] * first + bias) / weight[1], "k", label="w·x + b = 0")
    axes.set(xlim=(-3, 3), ylim=(-3, 3), xlabel="x₁", ylabel="x₂", title="What one neuron learned")
    axes.legend(frameon=True)
    figure.savefig(path, dpi=120)


def main(out: Path) -> None:
    points, label = separable_points()
    x, t = gc.input("x", ("N", 2)), gc.input("t", ("N", 1))
    y = gc.nn.Dense(2, 1, activation="sigmoid", name="neuron")(x)
    loss = gc.nn.binary_cross_entropy(y, t)
    step = gc.compile(loss, [x, t], updates=gc.optim.SGD(2.0).updates(loss, gc.parameters(loss)))
    losses = [float(step(points, label)) for _ in range(500)]
    predict = gc.compile(y, [x], params=step.params)
    accuracy = float(((predict(points) > 0.5) == (label > 0.5)).mean())
    weight, bias = step.params["neuron/weight"][:, 0], float(step.params["neuron/bias"][0])
    print(f"loss {losses[0]:.3f} → {losses[-1]:.3f} in {len(losses)} steps")
    print(f"accuracy {accuracy:.1%} on {len(points)} points")
    print(f"w = ({weight[0]:.2f}, {weight[1]:.2f}), b = {bias:.2f}: the direction of (2, −1)")
    gc.draw(y, view="neurons").save(out / "01_neuron.png")
    gc.draw(y, direction="LR").save(out / "01_neuron_operations.png")
    plot(out / "01_neuron_line.png", points, label, weight, bias)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
