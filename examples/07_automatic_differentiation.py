"""Topic 7, automatic differentiation: forward and reverse mode on one graph, and back-propagation by hand.

A network of two layers is trained on handwritten digits by its gradient written by hand, as back-propagation,
by reverse mode and by forward mode: the three are the same. Then the sweeps and operations of both modes are
counted for functions of n inputs and of m outputs.

Source: X. Qiu, *Neural Networks and Deep Learning*, section 4.5 (nndl.github.io).
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import graphc as gc

HIDDEN, CLASSES, STEPS = 16, 10, 60


def by_hand(x: np.ndarray, y: np.ndarray, w1: np.ndarray, w2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂W₁ and ∂L/∂W₂ of the mean cross entropy, δ by δ."""
    h = np.tanh(x @ w1)
    z = h @ w2
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    delta2 = (p - y) / len(x)
    delta1 = (delta2 @ w2.T) * (1 - h**2)
    return x.T @ delta1, h.T @ delta2


def main(out: Path) -> None:
    images, labels = gc.datasets.digits(flat=True).train
    x, y = gc.input("x", ("N", 64), "float64"), gc.input("y", ("N", CLASSES), "float64")
    w1 = gc.parameter("w1", (64, HIDDEN), dtype="float64")
    w2 = gc.parameter("w2", (HIDDEN, CLASSES), dtype="float64")
    loss = -gc.mean(gc.sum(y * gc.log_softmax(gc.tanh(x @ w1) @ w2), axis=1))
    direction = gc.input("direction", (64, HIDDEN), "float64")
    f = gc.compile(
        {"loss": loss, "gradients": gc.grad(loss, [w1, w2]), "slope": gc.jvp(loss, [w1], [direction])},
        [x, y, direction],
    )
    rng = np.random.default_rng(0)
    f.params["w1"][...] = rng.normal(size=(64, HIDDEN)) / 8
    f.params["w2"][...] = rng.normal(size=(HIDDEN, CLASSES)) / 4
    batch, truth = images[:200].astype(float), np.eye(CLASSES)[labels[:200]]
    losses, largest = [], 0.0
    for _ in range(STEPS):
        moved = rng.normal(size=(64, HIDDEN))
        found = f(batch, truth, moved)
        hand = by_hand(batch, truth, f.params["w1"], f.params["w2"])
        differences = [np.abs(a - b).max() for a, b in zip(found["gradients"], hand, strict=True)]
        differences.append(abs(found["slope"] - np.vdot(hand[0], moved)))
        largest = max(largest, *differences)
        for name, gradient in zip(("w1", "w2"), hand, strict=True):
            f.params[name][...] -= 1.0 * gradient
        losses.append(float(found["loss"]))
    print(f"loss {losses[0]:.3f} → {losses[-1]:.3f} in {STEPS} steps of back-propagation by hand")
    print(f"forward, reverse and by hand differ by at most {largest:.1e}")

    sizes = (1, 2, 4, 8, 16, 32)
    rows = []
    for n in sizes:
        v = gc.input("v", (n,), "float64")
        one = gc.autodiff.sweep_counts(gc.sum(gc.tanh(v * 2.0)), v)
        t = gc.input("t", (1,), "float64")
        many = gc.autodiff.sweep_counts(gc.tanh(gc.broadcast_to(t, (n,)) * np.arange(1.0, n + 1)), t)
        rows.append((one, many))
        if n in (1, 32):
            print(
                f"{n} → 1: {one.forward_sweeps} forward or {one.reverse_sweeps} reverse sweeps;"
                f" 1 → {n}: {many.forward_sweeps} forward or {many.reverse_sweeps} reverse"
            )
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    axes[0].plot(losses)
    axes[0].set(title="digits, back-propagation", xlabel="step", ylabel="loss")
    for ax, number, title in ((axes[1], 0, "n inputs → 1 output"), (axes[2], 1, "1 input → n outputs")):
        for mode in ("forward", "reverse"):
            ax.plot(sizes, [int(getattr(r[number], f"{mode}_operations")) for r in rows], "o-", label=mode)
        ax.set(title=title, xlabel="n", ylabel="operations of the Jacobian", xscale="log", yscale="log")
        ax.legend()
    figure.savefig(out / "07_automatic_differentiation.png", dpi=120)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
