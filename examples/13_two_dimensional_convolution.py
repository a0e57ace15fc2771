"""Topic 13, convolution of an image: a real photograph blurred, sharpened, and its edges.

Source: X. Qiu, *Neural Networks and Deep Learning*, section 5.1.2 (nndl.github.io).
"""

import argparse
from pathlib import Path

import numpy as np

import graphc as gc

_WEIGHTS = np.exp(-(np.arange(-4, 5) ** 2) / (2 * 1.5**2))
GAUSSIAN = np.outer(_WEIGHTS, _WEIGHTS) / _WEIGHTS.sum() ** 2
LAPLACIAN = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
SHARPEN = np.array([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]) - LAPLACIAN
SOBEL = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])


def plot(path: Path, pictures: dict[str, tuple[np.ndarray, str, float]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.6), layout="constrained")
    for axes, (title, (picture, colours, limit)) in zip(
        figure.subplots(2, 3).flat, pictures.items(), strict=True
    ):
        low = -limit if colours == "RdBu_r" else 0.0
        axes.imshow(picture, cmap=colours, vmin=low, vmax=limit)
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
    figure.savefig(path, dpi=110)


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    photograph = gc.datasets.photographs()["china"].mean(axis=2) / 255
    image = gc.input("image", ("H", "W"), "float64")

    def padded(kernel: np.ndarray) -> gc.Tensor:
        """The convolution of the picture with its border reflected, of the picture's size."""
        widths = [((k - 1) // 2, k // 2) for k in kernel.shape]
        return gc.convolve(gc.pad(image, widths, "reflect"), kernel, "valid")

    across, down = padded(SOBEL), padded(SOBEL.T)
    outputs = {
        "blurred": padded(GAUSSIAN),
        "sharpened": padded(SHARPEN),
        "across": across,
        "edges": gc.hypot(across, down),
        "laplacian": padded(LAPLACIAN),
    }
    found = gc.compile(outputs, [image])(photograph)
    roughness = gc.compile((gc.convolve(image, LAPLACIAN, "valid") ** 2).mean(), [image])
    for name in ("blurred", "sharpened"):
        ratio = roughness(found[name]) / roughness(photograph)
        print(f"{name}: mean square of the Laplacian {ratio:.3g} times that of the photograph")
    turned = gc.compile(gc.convolve(image, SOBEL, "valid") + gc.correlate(image, SOBEL, "valid"), [image])
    print(f"convolution + correlation with Sobel's filter: {np.abs(turned(photograph)).max():.0e}, it is odd")
    plot(
        out / "13_photograph.png",
        {
            "photograph": (photograph, "gray", 1.0),
            "Gaussian, 9 × 9, σ = 1.5": (found["blurred"], "gray", 1.0),
            "sharpened: the image less its Laplacian": (found["sharpened"], "gray", 1.0),
            "Sobel, across": (found["across"], "RdBu_r", 2.0),
            "Sobel, magnitude": (found["edges"], "gray", 2.0),
            "Laplacian": (found["laplacian"], "RdBu_r", 0.8),
        },
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path())
    main(parser.parse_args().out)
