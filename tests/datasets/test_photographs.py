"""The photographs: what is promised of them, against scikit-learn's own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphc.datasets
from graphc.datasets import photographs


def test_shapes_and_types() -> None:
    images = photographs()
    assert list(images) == ["china", "flower"]
    for image in images.values():
        assert image.shape == (213, 320, 3) and image.dtype == np.uint8
        assert int(image.min()) < 10 and int(image.max()) > 245
    photographs()["china"][:] = 7
    assert photographs()["china"].std() > 10


def test_they_are_what_they_show() -> None:
    images = {name: image.astype(float) for name, image in photographs().items()}
    # The sky over the pavilion is pale blue, the dahlia orange on a dark ground.
    red, green, blue = images["china"][:30, 150:].mean(axis=(0, 1))
    assert 200 < red < green < blue
    red, green, blue = images["flower"][90:130, 130:180].mean(axis=(0, 1))
    assert red > 150 and red > green + 50 and green > blue
    assert images["flower"][:30].mean() < 60


def test_they_are_averages_of_scikit_learns() -> None:
    pytest.importorskip("PIL")
    sklearn = pytest.importorskip("sklearn.datasets")
    for name, image in photographs().items():
        whole = sklearn.load_sample_image(f"{name}.jpg").astype(float)
        means = sum(whole[i:426:2, j::2] for i in (0, 1) for j in (0, 1)) / 4
        # JPEG decoders may differ by a level or two.
        assert np.abs(image - means).max() <= 2.5


def test_small_and_attributed() -> None:
    folder = Path(graphc.datasets.__file__).parent
    assert (folder / "photographs.npz").stat().st_size < 350_000
    text = (folder / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "danielbuechele" in text and "vultilion" in text and "CC BY 2.0" in text
