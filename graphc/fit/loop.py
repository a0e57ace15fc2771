"""The training loop: a compiled step and data enter, epochs are run, a History leaves.

The loop knows nothing of graphs: it calls a function with batches, averages what comes back, and
keeps what a run must not lose.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from tqdm import tqdm

from graphc.errors import GraphError, NonFiniteError
from graphc.fit.batches import batches, row_count
from graphc.fit.checkpoint import Checkpoint, load_checkpoint, restore_parameters, save_checkpoint
from graphc.fit.early_stopping import EarlyStopping
from graphc.fit.history import History
from graphc.fit.metrics import Mean, call, rows_of, scalars

Array = np.ndarray[Any, Any]
Data: TypeAlias = "Mapping[str, Any] | tuple[Any, ...] | Iterable[Any] | Callable[[int], Iterable[Any]]"
_NON_FINITE_REMEDY = (
    'lower the learning rate, clip the gradients, or compile with debug="nan" to see which node made it; '
    "a checkpoint still holds the parameters after the last sound epoch"
)
Callback: TypeAlias = Callable[[dict[str, float], History], "bool | None"]


class Step(Protocol):
    """What the loop needs of a compiled function: its parameters, its call counter, and the call."""

    calls: int

    @property
    def params(self) -> Mapping[str, Array]: ...
    def __call__(self, *arguments: Any, **named: Any) -> Any: ...


def fit(
    step: Step,
    data: Data,
    *,
    epochs: int,
    batch_size: int | None = None,
    validation: Data | Callable[[], Mapping[str, float]] | None = None,
    evaluate: Callable[..., Any] | None = None,
    metrics: Sequence[str] | None = None,
    shuffle: bool = True,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    early_stopping: EarlyStopping | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = True,
    progress: bool | None = None,
) -> History:
    """Train by calling ``step`` on every batch, ``epochs`` times over the data; return the history.

    ``step`` is a function compiled with ``updates``; it returns the loss, or a tuple or dict of scalars
    with the loss first (or named "loss"). ``metrics`` names the members of a tuple. The history holds
    their means over each epoch, weighted by the rows of the batches.

    ``data`` is a dict of arrays (passed by name), a tuple of arrays (passed by position), or batches
    ready made: a list of dicts or tuples, or a function from the epoch's number (0, 1, …) to them.
    Arrays are cut into batches of ``batch_size`` rows, in an order that follows from ``seed`` and the
    epoch alone.

    ``validation`` is data for ``evaluate``, a function without updates that shares ``step.params``; or a
    function without arguments that returns a dict of numbers. Its results get the prefix ``validation_``.

    Each callback is called after each epoch with its record and the history, and ends the run by
    returning True. ``checkpoint`` is a file that is written, whole or not at all, after every epoch; with
    ``resume`` a run whose file exists goes on from it, to bitwise the same parameters as an
    uninterrupted run. ``progress`` shows a bar on stderr; left out, only if stderr is a terminal.

    Raises NonFiniteError at the first loss that is NaN or infinite, naming epoch and batch.
    """
    if epochs < 0:
        raise GraphError(f"epochs is {epochs}", op="fit", remedy="give 0 or more")
    validate = _validation(validation, evaluate, metrics, batch_size)
    settings = {
        "batch_size": None if batch_size is None else int(batch_size),
        "shuffle": bool(shuffle),
        "seed": int(seed),
    }
    infinite_at_start = _non_finite(step.params)
    history, best = History(), dict[str, Array]()
    if checkpoint is not None and resume and Path(checkpoint).exists():
        history, best = _resumed(step, os.fspath(checkpoint), settings)
    watched = history.epochs.get(early_stopping.monitor, []) if early_stopping else []
    if early_stopping is not None and early_stopping.should_stop(watched):
        history.stopped = _stopped_by(early_stopping)

    shown = sys.stderr.isatty() if progress is None else progress
    total = _batch_count(data, batch_size)
    with tqdm(
        total=None if total is None else total * epochs,
        initial=(total or 0) * len(history),
        disable=not shown,
        unit="batch",
        dynamic_ncols=True,
        file=sys.stderr,
    ) as bar:
        while len(history) < epochs and not history.stopped:
            epoch = len(history)
            bar.set_description(f"epoch {epoch + 1}/{epochs}")
            started = time.perf_counter()
            found = _averages(
                step, _epoch_batches(data, batch_size, shuffle, seed, epoch), metrics, epoch, bar
            )
            record: dict[str, float] = {"epoch": epoch + 1, **found}
            record |= {f"validation_{name}": value for name, value in validate().items()}
            _check_finite(step.params, infinite_at_start, epoch)
            record["seconds"] = time.perf_counter() - started
            history.append(record)
            bar.set_postfix({n: f"{v:.4g}" for n, v in record.items() if n not in ("epoch", "seconds")})
            if early_stopping is not None:
                values = _monitored(history, early_stopping)
                if early_stopping.restore_best and early_stopping.best_epoch(values) == epoch:
                    best = {name: array.copy() for name, array in step.params.items()}
                if early_stopping.should_stop(values):
                    history.stopped = _stopped_by(early_stopping)
            if checkpoint is not None:
                state = Checkpoint(step.params, step.calls, history.epochs, settings, best)
                save_checkpoint(checkpoint, state)
            answers = [callback(record, history) for callback in callbacks]
            if any(answers):
                history.stopped = history.stopped or "a callback asked to stop"
    if best and early_stopping is not None and early_stopping.restore_best:
        restore_parameters(step.params, best, "of the best epoch")
    history.stopped = history.stopped or f"all {epochs} epochs were run"
    return history


# -- data ------------------------------------------------------------------------------------------
def _is_arrays(data: object) -> bool:
    """Whether the data is whole arrays; a tuple of dicts or of tuples is batches ready made."""
    if isinstance(data, Mapping):
        return True
    return isinstance(data, tuple) and not any(isinstance(part, (tuple, Mapping)) for part in data)


def _epoch_batches(data: Any, batch_size: int | None, shuffle: bool, seed: int, epoch: int) -> Iterable[Any]:
    if _is_arrays(data):
        return batches(data, batch_size, shuffle=shuffle, seed=seed, epoch=epoch)
    made = data(epoch) if callable(data) else data
    if not isinstance(made, Iterable):
        raise GraphError(
            f"the data is a {type(made).__name__}",
            op="fit",
            remedy="give a dict or tuple of arrays, a list of batches, or a function epoch -> batches",
        )
    return made


def _batch_count(data: Any, batch_size: int | None) -> int | None:
    if _is_arrays(data):
        return math.ceil(row_count(data) / batch_size) if batch_size else 1
    return len(data) if hasattr(data, "__len__") else None


def _averages(
    step: Step, epoch_batches: Iterable[Any], metrics: Sequence[str] | None, epoch: int, bar: Any
) -> dict[str, float]:
    mean = Mean()
    for place, batch in enumerate(epoch_batches):
        values = scalars(call(step, batch), metrics)
        name, loss = next(iter(values.items()))
        if not math.isfinite(loss):
            raise NonFiniteError(
                f"{name} is {loss} in epoch {epoch + 1}, batch {place + 1}; "
                "the parameters may have been updated with it",
                op="fit",
                remedy=_NON_FINITE_REMEDY,
            )
        mean.add(values, rows_of(batch))
        bar.update()
    if not mean:
        raise GraphError(
            f"there was no batch in epoch {epoch + 1}",
            op="fit",
            remedy="a generator runs once: give a list of batches, or a function epoch -> batches",
        )
    return mean.result()


def _validation(
    validation: Any,
    evaluate: Callable[..., Any] | None,
    metrics: Sequence[str] | None,
    batch_size: int | None,
) -> Callable[[], Mapping[str, float]]:
    if validation is None:
        return dict
    if evaluate is None:
        if callable(validation):
            return lambda: scalars(validation(), metrics)
        raise GraphError(
            "validation data is given without a function to run on it",
            op="fit",
            remedy="give evaluate=gc.compile(outputs, inputs, params=step.params), without updates: running "
            "the step itself would train on the validation data",
        )

    def measured() -> dict[str, float]:
        mean = Mean()
        for batch in _epoch_batches(validation, batch_size, False, 0, 0):
            mean.add(scalars(call(evaluate, batch), metrics), rows_of(batch))
        return mean.result()

    return measured


# -- state -------------------------------------------------------------------------------------------
def _non_finite(parameters: Mapping[str, Array]) -> set[str]:
    return {
        name for name, array in parameters.items() if array.dtype.kind == "f" and not np.isfinite(array).all()
    }


def _check_finite(parameters: Mapping[str, Array], allowed: set[str], epoch: int) -> None:
    """Refuse parameters that an update of this epoch spoiled, before they overwrite the last checkpoint."""
    spoiled = sorted(_non_finite(parameters) - allowed)
    if spoiled:
        raise NonFiniteError(
            f"after epoch {epoch + 1} parameter {spoiled[0]!r} holds NaN or infinity"
            + (f", and {len(spoiled) - 1} more" if len(spoiled) > 1 else ""),
            op="fit",
            remedy=_NON_FINITE_REMEDY,
        )


def _stopped_by(stopping: EarlyStopping) -> str:
    return f"{stopping.monitor} has not improved for {stopping.patience} epochs"


def _monitored(history: History, stopping: EarlyStopping) -> list[float]:
    if stopping.monitor not in history.epochs:
        columns = ", ".join(map(repr, history.epochs))
        raise GraphError(
            f"early stopping monitors {stopping.monitor!r}, but the history has {columns}",
            op="fit",
            remedy="monitor one of these, or give validation data",
        )
    return history.epochs[stopping.monitor]


def _resumed(step: Step, path: str, settings: Mapping[str, Any]) -> tuple[History, dict[str, Array]]:
    """Set the step to the checkpoint's state."""
    stored = load_checkpoint(path)
    differing = [
        f"{k}={stored.settings.get(k)!r} there, {v!r} here"
        for k, v in settings.items()
        if stored.settings.get(k) != v
    ]
    if differing:
        raise GraphError(
            f"checkpoint {path!r} is of a run with other settings: {'; '.join(differing)}",
            op="fit",
            remedy="give the same settings, another path, or resume=False to start afresh",
        )
    restore_parameters(step.params, stored.parameters, path)
    step.calls = stored.calls
    return History(stored.epochs), dict(stored.best)
