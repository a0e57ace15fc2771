"""Topic 9, vanishing gradients: 20 layers of sigmoids beside 20 layers of ReLUs, diagnosed layer by layer.

Source: X. Qiu, *Neural Networks and Deep Learning*, section 4.6.2 (nndl.github.io).
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

DEPTH, WIDTH = 20, 32


def diagnosed(activation: str, init) -> gc.diagnosis.GradientFlow:
    """The gradient flow of a deep network at its first parameters, on random data."""
    x, t = gc.input("x", ("N", WIDTH)), gc.input("t", ("N", WIDTH))
    layers = [gc.nn.Dense(WIDTH, WIDTH, activation=activation, init=init) for _ in range(DEPTH)]
    loss = gc.nn.mse_loss(gc.nn.Sequential(*layers)(x), t)
    rng = np.random.default_rng(0)
    at = {
        x: rng.standard_normal((64, WIDTH)).astype(np.float32),
        t: rng.random((64, WIDTH)).astype(np.float32),
    }
    return gc.diagnosis.gradient_flow(loss, at)


def plot(path: Path, flows: dict[str, gc.diagnosis.GradientFlow]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for (name, flow), marker in zip(flows.items(), "o^", strict=True):
        norms = [max(layer.parameters.values()) for layer in flow.layers]
        axes.semilogy(range(1, DEPTH + 1), norms, marker=marker, label=f"{name}: first/last {flow.ratio:.1e}")
    axes.set(
        xlabel="layer, from input to output",
        ylabel="norm of the gradient by the weights",
        title=f"Gradients through {DEPTH} layers",
    )
    axes.set_xticks(range(1, DEPTH + 1))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main(out: Path) -> None:
    flows = {
        "sigmoid, Glorot": diagnosed("sigmoid", gc.init.glorot_uniform()),
        "ReLU, He": diagnosed("relu", gc.init.he_normal()),
    }
    for name, flow in flows.items():
        print(f"{name}\n{flow.table()}\n")
    plot(out / "09_vanishing_gradients.png", flows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
