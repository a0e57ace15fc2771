"""Early stopping, against cases worked out by hand."""

from __future__ import annotations

import math

import pytest

from graphc.errors import GraphError
from graphc.fit import EarlyStopping


@pytest.mark.parametrize(
    ("values", "best", "stop"),
    [
        ([], 0, False),
        ([1.0], 0, False),
        ([3.0, 2.0, 1.0], 2, False),
        ([1.0, 2.0, 3.0], 0, True),
        ([2.0, 2.0, 2.0], 0, True),
        ([2.0, math.nan, 1.0], 2, False),
        ([math.nan, math.nan, 5.0, 6.0], 2, False),
    ],
)
def test_smaller_is_better(values: list[float], best: int, stop: bool) -> None:
    rule = EarlyStopping("loss", patience=2)
    assert (rule.best_epoch(values), rule.should_stop(values)) == (best, stop)


def test_accuracy_is_better_high_unless_told() -> None:
    assert EarlyStopping("validation_accuracy").best_epoch([0.1, 0.9, 0.5]) == 1
    assert EarlyStopping("validation_accuracy", mode="min").best_epoch([0.1, 0.9, 0.5]) == 0


def test_min_delta_is_measured_from_the_best_counted() -> None:
    assert EarlyStopping("loss", min_delta=0.5).best_epoch([2.0, 1.75, 1.4, 1.2]) == 2


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"min_delta": -1.0}, {"mode": "best"}])
def test_rules_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(GraphError, match="no rule"):
        EarlyStopping("loss", **wrong)  # type: ignore[arg-type]
