"""Write graphc/datasets/photographs.npz from scikit-learn's two sample images, reduced by area averaging.

Run once by a maintainer, `python tools/export_photographs.py`; needs scikit-learn and Pillow, which
decodes JPEG.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_images

FACTOR = 2
TARGET = Path(__file__).resolve().parent.parent / "graphc" / "datasets" / "photographs.npz"


def area_average(image: np.ndarray, factor: int) -> np.ndarray:
    """Means of squares of ``factor`` × ``factor`` pixels, rounded; an incomplete last row is dropped."""
    rows, columns = (size // factor for size in image.shape[:2])
    squares = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, 3)
    return np.rint(squares.mean(axis=(1, 3))).astype(np.uint8)


def row_differences(image: np.ndarray) -> np.ndarray:
    """Each pixel less its left neighbour, modulo 256: a sixth smaller once deflated."""
    return np.diff(image, axis=1, prepend=np.uint8(0))


def main() -> None:
    pictures = load_sample_images()
    names = [Path(name).stem for name in pictures.filenames]
    reduced = [area_average(image, FACTOR) for image in pictures.images]
    np.savez_compressed(
        TARGET, **{name: row_differences(image) for name, image in zip(names, reduced, strict=True)}
    )
    print(f"{TARGET.name}: {', '.join(names)}, {reduced[0].shape}, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
