"""The training loop, on a step written by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.errors import GraphError, NonFiniteError
from graphc.fit import Checkpoint, EarlyStopping, History, fit, load_checkpoint, save_checkpoint

Array = np.ndarray[Any, Any]


class PowerFailureError(Exception):
    """Stands for a machine that goes down."""


class Stateless:
    """What a step without parameters has."""

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.calls = 0


def state(step: Any) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in step.params.items()}


def test_learns_the_line(hand_written_step: Any, line: dict[str, Array]) -> None:
    step = hand_written_step()
    history = fit(step, line, epochs=30, batch_size=16)
    np.testing.assert_allclose(step.params["w"], [1, -2, 0.5], atol=0.05)
    assert history.epochs["epoch"] == list(range(1, 31))
    assert history.epochs["loss"][-1] < 0.01 * history.epochs["loss"][0]
    assert list(history.epochs) == ["epoch", "loss", "worst", "seconds"]
    assert history.stopped == "all 30 epochs were run"


def test_means_are_weighted_by_rows() -> None:
    class Sum(Stateless):
        def __call__(self, x: Array) -> float:
            return float(x.mean())

    x = np.arange(7.0)  # batches of 3, 3 and 1
    history = fit(Sum(), (x,), epochs=1, batch_size=3, shuffle=False)
    assert history.last["loss"] == pytest.approx(x.mean(), abs=1e-15)


@pytest.mark.parametrize(
    ("result", "metrics", "columns"),
    [
        (1.5, None, ["loss"]),
        (np.float32(1.5), None, ["loss"]),
        ((1.5, 2.0), None, ["loss", "output_1"]),
        ([1.5, np.array([2.0])], ["loss", "accuracy"], ["loss", "accuracy"]),
        ({"accuracy": 2.0, "loss": 1.5}, None, ["loss", "accuracy"]),
        ({"accuracy": 2.0, "loss": 1.5, "other": 3.0}, ["loss"], ["loss"]),
    ],
)
def test_results_of_any_structure(result: Any, metrics: Any, columns: list[str]) -> None:
    class Fixed(Stateless):
        def __call__(self, x: Array) -> Any:
            return result

    history = fit(Fixed(), (np.ones(4),), epochs=1, metrics=metrics)
    assert list(history.epochs) == ["epoch", *columns, "seconds"]
    assert history.last["loss"] == 1.5


def test_data_of_every_kind_trains_alike(hand_written_step: Any, line: dict[str, Array]) -> None:
    pieces = [{n: a[i : i + 10] for n, a in line.items()} for i in range(0, 100, 10)]
    kinds: list[Any] = [
        {n: a[:100] for n, a in line.items()},
        (line["x"][:100], line["t"][:100]),
        pieces,
        [(p["x"], p["t"]) for p in pieces],
        tuple((p["x"], p["t"]) for p in pieces),
        lambda epoch: iter(pieces),
    ]
    found = []
    for data in kinds:
        step = hand_written_step()
        fit(step, data, epochs=2, batch_size=10, shuffle=False)
        found.append(state(step))
    assert all(f == found[0] for f in found)


def test_a_generator_is_used_up_after_one_epoch(hand_written_step: Any, line: dict[str, Array]) -> None:
    def once() -> Iterator[dict[str, Array]]:
        yield line

    with pytest.raises(GraphError, match="no batch in epoch 2"):
        fit(hand_written_step(), once(), epochs=2)


def test_validation_uses_evaluate_and_does_not_train(hand_written_step: Any, line: dict[str, Array]) -> None:
    step = hand_written_step()

    def evaluate(x: Array, t: Array) -> float:
        return float(np.mean((x @ step.params["w"] - t) ** 2))

    history = fit(step, line, epochs=3, batch_size=20, validation=line, evaluate=evaluate)
    alone = hand_written_step()
    fit(alone, line, epochs=3, batch_size=20)
    assert state(step) == state(alone)
    assert history.last["validation_loss"] == pytest.approx(evaluate(**line), rel=1e-12)


def test_validation_by_a_function(hand_written_step: Any, line: dict[str, Array]) -> None:
    history = fit(hand_written_step(), line, epochs=2, validation=lambda: {"score": 3.0})
    assert history.epochs["validation_score"] == [3.0, 3.0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"epochs": -1}, "epochs is -1"),
        ({"epochs": 1, "validation": {"x": np.ones(2)}}, "without a function"),
        ({"epochs": 1, "metrics": ["loss"]}, None),
        (
            {"epochs": 1, "early_stopping": EarlyStopping("validation_loss")},
            "but the history has 'epoch', 'loss'",
        ),
    ],
)
def test_mistakes(
    hand_written_step: Any, line: dict[str, Array], arguments: dict[str, Any], said: str | None
) -> None:
    if said is None:
        fit(hand_written_step(), line, **arguments)
        return
    with pytest.raises(GraphError, match=said) as caught:
        fit(hand_written_step(), line, **arguments)
    assert caught.value.remedy


def test_outputs_that_are_no_numbers() -> None:
    class Vector(Stateless):
        def __call__(self, x: Array) -> Any:
            return np.ones(3)

    with pytest.raises(GraphError, match=r"'loss' has shape \(3,\)"):
        fit(Vector(), (np.ones(4),), epochs=1)


def test_callbacks_see_each_epoch_and_can_stop(hand_written_step: Any, line: dict[str, Array]) -> None:
    seen: list[tuple[float, int]] = []

    def watch(record: dict[str, float], history: History) -> bool:
        seen.append((record["epoch"], len(history)))
        return len(history) == 2

    history = fit(hand_written_step(), line, epochs=9, callbacks=[watch, lambda record, history: None])
    assert seen == [(1, 1), (2, 2)]
    assert history.stopped == "a callback asked to stop"


# -- losses that are no number ------------------------------------------------------------------------
def test_divergence_names_epoch_and_batch_and_keeps_the_checkpoint(
    hand_written_step: Any, line: dict[str, Array], tmp_path: Path
) -> None:
    path = tmp_path / "c.npz"
    with pytest.raises(NonFiniteError, match=r"loss is (nan|inf) in epoch \d+, batch \d+"):
        fit(hand_written_step(rate=3.0), line, epochs=500, batch_size=50, checkpoint=path)
    kept = load_checkpoint(path)
    assert all(np.isfinite(a).all() for a in kept.parameters.values())
    assert all(map(math.isfinite, kept.epochs["loss"]))


def test_an_update_that_spoils_the_last_batch_is_not_checkpointed(tmp_path: Path) -> None:
    class Spoils:
        calls = 0

        def __init__(self) -> None:
            self.params = {"w": np.ones(2), "never": np.array(np.inf)}

        def __call__(self, x: Array) -> float:
            self.calls += 1
            if self.calls == 2:
                self.params["w"][0] = np.nan
            return 1.0

    path = tmp_path / "c.npz"
    with pytest.raises(NonFiniteError, match="after epoch 2 parameter 'w'"):
        fit(Spoils(), (np.ones(2),), epochs=3, checkpoint=path)
    assert load_checkpoint(path).epochs["epoch"] == [1]


# -- stopping early -----------------------------------------------------------------------------------
def test_early_stopping_restores_the_best_epoch(hand_written_step: Any, line: dict[str, Array]) -> None:
    scores = iter([5.0, 3.0, 4.0, 6.0, 1.0])
    step, kept = hand_written_step(), {}

    def keep(record: dict[str, float], history: History) -> None:
        kept[len(history)] = state(step)

    history = fit(
        step,
        line,
        epochs=10,
        validation=lambda: {"loss": next(scores)},
        early_stopping=EarlyStopping("validation_loss", patience=2),
        callbacks=[keep],
    )
    assert len(history) == 4
    assert "validation_loss has not improved" in history.stopped
    assert state(step) == kept[2]


# -- going on after an interruption --------------------------------------------------------------------
def interrupted(path: Path, at: int) -> Any:
    def stop(record: dict[str, float], history: History) -> None:
        if len(history) == at:
            raise PowerFailureError

    return stop


@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_resumed_run_ends_bitwise_as_an_uninterrupted_one(
    hand_written_step: Any, line: dict[str, Array], tmp_path: Path, at: int
) -> None:
    path = tmp_path / "folder" / "c.npz"
    settings: dict[str, Any] = {"epochs": 6, "batch_size": 16, "seed": 3}
    whole = hand_written_step()
    expected = fit(whole, line, **settings)
    first = hand_written_step()
    with pytest.raises(PowerFailureError):
        fit(first, line, **settings, checkpoint=path, callbacks=[interrupted(path, at)])
    second = hand_written_step()
    found = fit(second, line, **settings, checkpoint=path)
    assert state(second) == state(whole)
    assert second.calls == whole.calls
    assert found.epochs["loss"] == expected.epochs["loss"]


def test_early_stopping_goes_on_too(hand_written_step: Any, line: dict[str, Array], tmp_path: Path) -> None:
    series = [5.0, 3.0, 4.0, 3.5, 3.2, 1.0]

    def run(step: Any, **more: Any) -> History:
        def score() -> dict[str, float]:
            return {"loss": series[int(step.params["count"]) // 7 - 1]}

        return fit(
            step, line, epochs=6, batch_size=16, validation=score,
            early_stopping=EarlyStopping("validation_loss", patience=3), **more,
        )  # fmt: skip

    whole, first, second, third = (hand_written_step() for _ in range(4))
    expected = run(whole)
    assert len(expected) == 5
    path = tmp_path / "c.npz"
    with pytest.raises(PowerFailureError):
        run(first, checkpoint=path, callbacks=[interrupted(path, 3)])
    assert run(second, checkpoint=path).epochs["loss"] == expected.epochs["loss"]
    assert state(second) == state(whole)
    # Once it has stopped, it stays stopped, and the best parameters come back.
    again = run(third, checkpoint=path)
    assert len(again) == 5
    assert "has not improved" in again.stopped
    assert state(third) == state(whole)


def test_resume_refuses_other_settings_and_other_networks(
    hand_written_step: Any, line: dict[str, Array], tmp_path: Path
) -> None:
    path = tmp_path / "c.npz"
    fit(hand_written_step(), line, epochs=1, batch_size=16, checkpoint=path)
    with pytest.raises(GraphError, match="batch_size=16 there, 8 here"):
        fit(hand_written_step(), line, epochs=2, batch_size=8, checkpoint=path)
    other = hand_written_step(features=4)
    before = state(other)
    with pytest.raises(GraphError, match="another network"):
        fit(other, line, epochs=2, batch_size=16, checkpoint=path)
    assert state(other) == before
    save_checkpoint(
        path, Checkpoint({"v": np.ones(3)}, settings={"batch_size": 16, "shuffle": True, "seed": 0})
    )
    with pytest.raises(GraphError, match=r"lacks 'w'.*it has 'v' besides"):
        fit(hand_written_step(), line, epochs=2, batch_size=16, checkpoint=path)
    fit(hand_written_step(), line, epochs=1, batch_size=8, checkpoint=path, resume=False)
    assert load_checkpoint(path).settings["batch_size"] == 8


# -- the bar -------------------------------------------------------------------------------------------
def test_progress_is_quiet_unless_asked(
    hand_written_step: Any, line: dict[str, Array], capfd: pytest.CaptureFixture[str]
) -> None:
    fit(hand_written_step(), line, epochs=2, batch_size=20)
    assert capfd.readouterr() == ("", "")
    fit(hand_written_step(), line, epochs=2, batch_size=20, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "epoch 2/2" in err
    assert "12/12" in err
    assert "loss=" in err
