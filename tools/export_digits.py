"""Write graphc/datasets/digits.npz from scikit-learn's copy of the UCI digits, with the split fixed in it.

Run once by a maintainer, `python tools/export_digits.py`; needs scikit-learn. The split is stored,
not recomputed, so that no later NumPy can change which images are held out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

SEED = 20_240_101
HELD_OUT = 360
TARGET = Path(__file__).resolve().parent.parent / "graphc" / "datasets" / "digits.npz"


def stratified_split(labels: np.ndarray, held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Shuffled indices of the training and held-out images, each class in proportion (largest remainder)."""
    generator = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * held_out / len(labels)
    share = np.floor(exact).astype(int)
    most_missing = np.argsort(share - exact, kind="stable")[: held_out - share.sum()]
    share[most_missing] += 1
    kept, out = [], []
    for label, size in zip(classes, share, strict=True):
        members = generator.permutation(np.flatnonzero(labels == label))
        out.append(members[:size])
        kept.append(members[size:])
    return generator.permutation(np.concatenate(kept)), generator.permutation(np.concatenate(out))


def main() -> None:
    digits = load_digits()
    train, held_out = stratified_split(digits.target, HELD_OUT, SEED)
    np.savez_compressed(
        TARGET,
        images=digits.data.astype(np.uint8),
        labels=digits.target.astype(np.uint8),
        train=train.astype(np.uint16),
        held_out=held_out.astype(np.uint16),
    )
    print(f"{TARGET.name}: {len(train)} to train on, {len(held_out)} held out, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
