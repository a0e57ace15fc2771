"""Topic 17, transposed and fractionally strided convolution: from few dimensions to many.

It is the adjoint of convolution, its matrix the transpose; equally, a convolution of the input stuffed with
zeros, so that one step is a fraction of a pixel.
Source: X. Qiu, *Neural Networks and Deep Learning*, section 5.4.1 (nndl.github.io); V. Dumoulin and F. Visin
2016; A. Odena, V. Dumoulin and C. Olah 2016 on checkerboards.
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

FILTER = np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4  # at stride 2 it interpolates between pixels


def show(axes, values: np.ndarray, title: str, strong: np.ndarray | None = None, **colours) -> None:
    """Numbers on a coloured grid; those that are not ``strong`` are pale."""
    axes.imshow(values, **colours)
    axes.set_title(title, fontsize=11)
    axes.set_xticks(np.arange(-0.5, values.shape[1]), [])
    axes.set_yticks(np.arange(-0.5, values.shape[0]), [])
    axes.grid(color="white", linewidth=1)
    axes.tick_params(length=0)
    for (i, j), value in np.ndenumerate(values):
        bold = strong is None or strong[i, j]
        look = {"fontsize": 8.5, "weight": "bold"} if bold else {"fontsize": 7, "color": "0.35"}
        axes.text(j, i, f"{value:.3g}", ha="center", va="center", **look)


def plot_stuffing(path: Path, few: np.ndarray, stuffed: np.ndarray, many: np.ndarray) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.4), layout="constrained")
    panels = figure.subplots(1, 4, width_ratios=(3, 7, 3, 5))
    look = {"cmap": "YlOrBr", "vmin": 0, "vmax": 1.5 * few.max()}
    show(panels[0], few, "input: 3 × 3", **look)
    show(panels[1], stuffed, "zeros between the pixels and around", stuffed != 0, **look)
    show(panels[2], FILTER, "filter: 3 × 3", cmap="Blues", vmin=0, vmax=2.5)
    at_input = np.zeros(many.shape, bool)
    at_input[::2, ::2] = True
    show(panels[3], many, "result: 5 × 5, between pixels their mean", at_input, **look)
    figure.savefig(path, dpi=110)


def plot_matrices(path: Path, forward: np.ndarray, backward: np.ndarray) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 5), layout="constrained")
    panels = figure.subplots(1, 2, width_ratios=(forward.shape[1], backward.shape[1]))
    titles = "conv1d, stride 2: 9 → 4", "conv_transpose1d: 4 → 9"
    for axes, matrix, title in zip(panels, (forward, backward), titles, strict=True):
        show(axes, matrix, title, matrix != 0, cmap="Blues", vmin=0, vmax=5)
        axes.set(xlabel="input", ylabel="output")
    figure.savefig(path, dpi=110)


def plot_checkerboard(path: Path, pictures: dict[str, np.ndarray]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.4), layout="constrained")
    for axes, (title, picture) in zip(figure.subplots(1, len(pictures)), pictures.items(), strict=True):
        axes.imshow(picture.clip(0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(f"{title}\n{picture.shape[0]} × {picture.shape[1]}", fontsize=10)
        axes.set_axis_off()
    figure.savefig(path, dpi=110)


def enlarged(kernel: np.ndarray, padding: int, picture: np.ndarray) -> np.ndarray:
    """A transposed convolution of stride 2, scaled to keep the mean brightness."""
    x = gc.input("x", (1, 1, "H", "W"), "float64")
    weights = (4 * kernel / kernel.sum())[None, None]
    y = gc.nn.conv_transpose2d(x, weights, stride=2, padding=padding)
    return gc.compile(y, [x])(picture[None, None])[0, 0]


def main(out: Path) -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((8, 3, 3, 3))
    x, y = gc.input("x", (1, 3, 32, 32), "float64"), gc.input("y", (1, 8, 15, 15), "float64")
    conv = gc.nn.conv2d(x, w, stride=2)
    turned = gc.nn.conv_transpose2d(y, w, stride=2, output_padding=1)
    f = gc.compile(((conv * y).sum(), (x * turned).sum()), [x, y])
    image = gc.datasets.photographs()["china"].transpose(2, 0, 1)[None, :, 60:92, 100:132] / 255.0
    left, right = f(image, rng.standard_normal(y.shape))
    print(f"⟨conv(x), y⟩ = {left:.10f}\n⟨x, convᵀ(y)⟩ = {right:.10f}")

    by_engine = gc.vjp(conv, x, y)
    operations = [n.op.name.replace("_", " ") for n in gc.to_networkx(by_engine).nodes if n.inputs]
    print(f"what reverse mode makes of a convolution: {', '.join(operations)}")
    loss = (conv * y).sum()
    gc.draw({"⟨conv(x), y⟩": loss, "∂/∂x": gc.grad(loss, x)}).save(out / "17_graph.png")

    few = np.array([[4.0, 8, 4], [8, 16, 8], [4, 8, 12]])
    stuffed = np.zeros((7, 7))
    stuffed[1:-1:2, 1:-1:2] = few
    small, wide = gc.input("few", (1, 1, 3, 3), "float64"), gc.input("stuffed", (1, 1, 7, 7), "float64")
    kernel = FILTER[None, None]
    transposed = gc.nn.conv_transpose2d(small, kernel, stride=2, padding=1)
    fractional = gc.nn.conv2d(wide, kernel[..., ::-1, ::-1].copy())
    many, same = gc.compile((transposed, fractional), [small, wide])(few[None, None], stuffed[None, None])
    print(f"stride 2 transposed and stride ½ of the stuffed input differ by {np.abs(many - same).max():.0e}")
    plot_stuffing(out / "17_stuffing.png", few, stuffed, many[0, 0])

    line, short = gc.input("line", (1, 1, 9), "float64"), gc.input("short", (1, 1, 4), "float64")
    taps = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3)
    jacobians = (
        gc.jacobian(gc.nn.conv1d(line, taps, stride=2), line),
        gc.jacobian(gc.nn.conv_transpose1d(short, taps, stride=2), short),
    )
    forward, backward = gc.interpret(jacobians, {line: np.zeros((1, 1, 9)), short: np.zeros((1, 1, 4))})
    forward, backward = forward.reshape(4, 9), backward.reshape(9, 4)
    print(f"the matrices are each other's transposes: {np.array_equal(forward.T, backward)}")
    plot_matrices(out / "17_matrices.png", forward, backward)

    photograph = gc.datasets.photographs()["china"].mean(axis=2) / 255
    little = photograph[40:112:2, 84:180:2]
    tent = np.outer([1.0, 3, 3, 1], [1.0, 3, 3, 1])
    pictures = {
        "small": little,
        "3 × 3, all alike: a checkerboard": enlarged(np.ones((3, 3)), 1, little),
        "4 × 4, all alike: even, for 2 divides 4": enlarged(np.ones((4, 4)), 1, little),
        "4 × 4, linear interpolation": enlarged(tent, 1, little),
    }
    for k in (3, 4):
        values = enlarged(np.ones((k, k)), 1, np.ones((9, 9)))[4:-4, 4:-4]
        print(f"an even surface through {k} × {k} ones: from {values.min():.2f} to {values.max():.2f}")
    plot_checkerboard(out / "17_checkerboard.png", pictures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    main(arguments.out)
