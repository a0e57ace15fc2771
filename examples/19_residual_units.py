"""Topic 19, the residual unit h(x) = x + (h(x) − x): gradients through 100 blocks, plain and residual.

All blocks are two convolutions of 3 × 3 with ReLU, on real digits, at first parameters that are in use.
Source: X. Qiu, *Neural Networks and Deep Learning*, section 5.4.4 (nndl.github.io); K. He and others 2016;
P. Goyal and others 2017, section 5.1, on residual blocks that begin as their shortcut.
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

DEPTH, CHANNELS = 100, 8


def convolution(init, name: str) -> gc.nn.Conv2d:
    return gc.nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, init=init, name=name)


def plain(init, name: str, normalised: bool = False) -> gc.nn.Layer:
    steps = []
    for number in (1, 2):
        steps.append(convolution(init, f"conv{number}"))
        steps += [gc.nn.BatchNorm(CHANNELS, name=f"norm{number}")] if normalised else []
        steps.append(gc.nn.relu)
    return gc.nn.Sequential(*steps, name=name)


def scaled_down(shape, dtype, generator) -> np.ndarray:
    """He's values over √DEPTH, so that what all blocks add together is as large as what one would add."""
    return gc.init.he_normal()(shape, dtype, generator) / np.sqrt(DEPTH, dtype=dtype)


def residual(name: str) -> gc.nn.Layer:
    first, second = convolution(gc.init.he_normal(), "conv1"), convolution(scaled_down, "conv2")
    return gc.nn.Residual(gc.nn.Sequential(gc.nn.relu, first, gc.nn.relu, second), name=name)


KINDS = {
    "plain, Glorot": lambda name: plain(gc.init.glorot_uniform(), name),
    "plain, He": lambda name: plain(gc.init.he_normal(), name),
    "plain, He, batch normalisation": lambda name: plain(gc.init.he_normal(), name, normalised=True),
    "residual, He, the second over √100": residual,
    "residual, beginning as the shortcut": lambda name: gc.nn.ResidualBlock(
        CHANNELS, CHANNELS, zero_init=True, name=name
    ),
}


def gradient_norms(kind: str) -> np.ndarray:
    """‖∂L/∂h‖ for what enters the first block and for what leaves each."""
    train, _ = gc.datasets.digits()
    x, label = gc.input("x", ("N", 1, 8, 8)), gc.input("label", ("N",), "int64")
    h = gc.nn.Conv2d(1, CHANNELS, 3, padding=1, init=gc.init.he_normal(), name="stem")(x)
    outputs = [h]
    for number in range(DEPTH):
        h = KINDS[kind](f"block{number + 1}")(h, training=True)
        outputs.append(h)
    logits = gc.nn.Dense(CHANNELS, 10, name="classes")(gc.nn.GlobalAvgPool()(h))
    loss = gc.nn.cross_entropy(logits, label)
    norms = [gc.sqrt((g.astype("float64") ** 2).sum()) for g in gc.grad(loss, outputs)]
    measure = gc.compile(norms, [x, label], optimize="none")  # for one call
    return np.array(measure(train.images[:64, None], train.labels[:64]))


def plot(path: Path, found: dict[str, np.ndarray]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 5.2), layout="constrained")
    axes = figure.subplots()
    looks = (("#c2410c", "-"), ("#f59e0b", "-"), ("#be185d", "-"), ("#1d4ed8", "-"), ("#0d9488", "--"))
    for (kind, norms), (colour, line) in zip(found.items(), looks, strict=True):
        axes.semilogy(norms / norms[-1], line, color=colour, linewidth=2.2, label=kind)
    axes.axhspan(0.1, 10, color="#dbeafe", zorder=0, label="within a factor of 10")
    axes.set(
        xlabel="block, from input to output", ylabel="norm of the gradient, relative to the last block's",
        title=f"Gradients through {DEPTH} blocks of two convolutions", xlim=(0, DEPTH),
    )  # fmt: skip
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main(out: Path) -> None:
    found = {kind: gradient_norms(kind) for kind in KINDS}
    for kind, norms in found.items():
        largest = norms.max() / norms.min() if norms.min() else np.inf
        print(f"{kind:<36} first / last {norms[0] / norms[-1]:.1e}   largest / smallest {largest:.1e}")
    kept = [kind for kind, norms in found.items() if norms.max() <= 10 * norms.min()]
    only = "the residual ones" if kept == list(KINDS)[3:] else ", ".join(kept)
    print(f"within a factor of 10 stay {only}")

    # The identity's path: the gradient by x is the cotangent itself plus what comes through the inner part.
    x, cotangent = gc.input("x", ("N", 4)), gc.input("∂L/∂y", ("N", 4))
    y = gc.nn.Residual(gc.nn.Dense(4, 4, activation="tanh"))(x)
    by_x = gc.vjp(y, x, cotangent)
    itself = any(part is cotangent for part in by_x.inputs)
    print(f"∂L/∂x = {by_x.op.name}(∂L/∂y itself: {itself}, what comes through f)")
    gc.draw({"y": y, "∂L/∂x": by_x}).save(out / "19_residual_unit.png")
    plot(out / "19_gradient_norms.png", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
