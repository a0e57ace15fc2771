"""The handwritten digits of UCI: nothing enters, images and labels leave, split once and for all."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Split(NamedTuple):
    """Images and their labels, in that order, so that a split is itself data for ``gc.fit``."""

    images: Array
    labels: Array


class Digits(NamedTuple):
    """The training and the held-out part of the digits."""

    train: Split
    held_out: Split


def digits(*, flat: bool = False) -> Digits:
    """The 1 797 handwritten digits of 8 × 8 pixels: 1 437 to train on, 360 held out.

    Images are float32 in [0, 1], of shape ``(count, 8, 8)``, or ``(count, 64)`` if ``flat``; labels
    are int64 in 0…9. The split is stratified, shuffled with seed 20240101, and the same for ever.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository (CC BY 4.0); see ``ATTRIBUTION.md`` beside this file.

    >>> import graphc as gc
    >>> train, held_out = gc.datasets.digits()
    >>> train.images.shape, held_out.images.shape
    ((1437, 8, 8), (360, 8, 8))
    """
    with (
        (files("graphc.datasets") / "digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        images = stored["images"].astype(np.float32) / np.float32(16)
        labels = stored["labels"].astype(np.int64)
        order = stored["train"], stored["held_out"]
    if not flat:
        images = images.reshape(-1, 8, 8)
    return Digits(*(Split(images[index], labels[index]) for index in order))
