"""Batches: every row once, in an order that seed and epoch decide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.errors import GraphError, ShapeError
from graphc.fit import batches


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 70), st.booleans(), st.integers(0, 5), st.integers(0, 5))
def test_every_row_comes_once_with_its_partners(
    rows: int, size: int, shuffle: bool, seed: int, epoch: int
) -> None:
    data = {"x": np.arange(rows), "y": np.arange(rows) * 10}
    found = list(batches(data, size, shuffle=shuffle, seed=seed, epoch=epoch))
    assert [len(b["x"]) for b in found[:-1]] == [size] * (len(found) - 1)  # type: ignore[call-overload]
    x = np.concatenate([b["x"] for b in found])  # type: ignore[call-overload]
    y = np.concatenate([b["y"] for b in found])  # type: ignore[call-overload]
    assert sorted(x.tolist()) == list(range(rows))
    np.testing.assert_array_equal(y, x * 10)
    if not shuffle:
        np.testing.assert_array_equal(x, np.arange(rows))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        (batch,) = batches((np.arange(50),), shuffle=True, seed=seed, epoch=epoch)
        return list(batch[0])  # type: ignore[index]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)
    assert order(1, 2) != order(2, 1)


@pytest.mark.parametrize(
    ("data", "size", "said"),
    [
        ({}, 1, "no array"),
        ({"x": 3.0}, 1, "single number"),
        ((np.zeros((0, 3)),), 1, "no rows"),
        ((np.zeros(3),), 0, "batch_size is 0"),
        ((np.zeros(3),), 2.5, "batch_size is 2.5"),
        ((np.zeros(3),), True, "batch_size is True"),
    ],
)
def test_mistakes_are_named_at_the_call(data: object, size: object, said: str) -> None:
    with pytest.raises(GraphError, match=said) as caught:
        batches(data, size)  # type: ignore[arg-type]
    assert caught.value.remedy
    assert caught.value.location is not None
    assert caught.value.location.filename == __file__


def test_different_lengths() -> None:
    with pytest.raises(ShapeError, match="'x': 3, 'y': 4"):
        batches({"x": np.zeros(3), "y": np.zeros(4)}, 2)
