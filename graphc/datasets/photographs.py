"""Two photographs: nothing enters, colour images leave."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def photographs() -> dict[str, Array]:
    """Two real photographs, ``"china"`` (a pavilion) and ``"flower"`` (a dahlia), to filter and to look at.

    Each is uint8, (213, 320, 3): rows from the top, columns, and red, green and blue from 0 to 255.
    For a convolution, ``image.transpose(2, 0, 1)[None] / 255`` is (1, 3, 213, 320).

    Source: the sample images of scikit-learn, halved (CC BY 2.0); see ``ATTRIBUTION.md`` beside this
    file.

    >>> import graphc as gc
    >>> {name: image.shape for name, image in gc.datasets.photographs().items()}
    {'china': (213, 320, 3), 'flower': (213, 320, 3)}
    """
    with (
        (files("graphc.datasets") / "photographs.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        # Stored as differences along a row, modulo 256, which deflate to less; sums undo them.
        return {name: np.add.accumulate(stored[name], axis=1, dtype=np.uint8) for name in sorted(stored)}
