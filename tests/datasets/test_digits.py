"""The digits: what is promised about images, labels and the split, against independent sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphc.datasets import batches, digits


def test_shapes_types_and_range() -> None:
    train, held_out = digits()
    assert train.images.shape == (1437, 8, 8)
    assert held_out.images.shape == (360, 8, 8)
    assert train.images.dtype == np.float32
    assert train.labels.dtype == np.int64
    assert float(train.images.min()) == 0.0
    assert float(train.images.max()) == 1.0
    np.testing.assert_array_equal(digits(flat=True).train.images, train.images.reshape(-1, 64))


def test_split_is_stratified() -> None:
    train, held_out = digits()
    both = np.bincount(train.labels, minlength=10) + np.bincount(held_out.labels, minlength=10)
    # Counts by class as published for the test part of the UCI set (optdigits.names).
    np.testing.assert_array_equal(both, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    assert np.all(np.abs(np.bincount(held_out.labels) - both * 360 / 1797) < 1)


def test_every_image_is_in_exactly_one_part() -> None:
    sklearn = pytest.importorskip("sklearn.datasets")
    whole = sklearn.load_digits()
    train, held_out = digits(flat=True)
    images = np.concatenate([train.images, held_out.images])
    labels = np.concatenate([train.labels, held_out.labels])
    ours = sorted(zip((images * 16).astype(int).tolist(), labels.tolist(), strict=True))
    theirs = sorted(zip(whole.data.astype(int).tolist(), whole.target.tolist(), strict=True))
    assert ours == theirs


def test_arrays_are_fresh_at_each_call() -> None:
    first = digits()
    first.train.images[:] = 7
    assert float(digits().train.images.max()) == 1.0


def test_licence_is_stated() -> None:
    import graphc.datasets

    text = (Path(graphc.datasets.__file__).parent / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "Alpaydin" in text
    assert "CC BY 4.0" in text


def test_batches_of_the_digits_cover_them() -> None:
    train, _ = digits()
    seen = np.concatenate([labels for _, labels in batches(train, 100, shuffle=True, seed=1)])
    np.testing.assert_array_equal(np.sort(seen), np.sort(train.labels))
