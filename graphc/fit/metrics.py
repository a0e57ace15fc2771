"""Metrics: what a step returned enters, named numbers and their means over an epoch leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import GraphError


def call(function: Callable[..., Any], batch: Any) -> Any:
    if isinstance(batch, Mapping):
        return function(**batch)
    return function(*batch) if isinstance(batch, (tuple, list)) else function(batch)


def rows_of(batch: Any) -> int:
    parts = (
        batch.values()
        if isinstance(batch, Mapping)
        else batch
        if isinstance(batch, (tuple, list))
        else [batch]
    )
    return next((len(part) for part in parts if np.ndim(part)), 1)


def scalars(result: Any, metrics: Sequence[str] | None) -> dict[str, float]:
    """What a step returned, as named numbers, the loss first."""
    if isinstance(result, Mapping):
        named = {str(name): value for name, value in result.items()}
        if "loss" in named:
            named = {"loss": named["loss"], **named}
        if metrics is not None:
            named = {name: named[name] for name in metrics if name in named}
    else:
        members = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        names = (
            list(metrics)
            if metrics is not None
            else ["loss", *(f"output_{i}" for i in range(1, len(members)))]
        )
        if len(names) != len(members):
            raise GraphError(
                f"the step returns {len(members)} values, but metrics names {len(names)}: {names}",
                op="fit",
                remedy="name every value in order, the loss first, or return a dict",
            )
        named = dict(zip(names, members, strict=True))
    for name, value in named.items():
        if np.size(value) != 1:
            raise GraphError(
                f"the step's output {name!r} has shape {np.shape(value)}, but a metric is one number",
                op="fit",
                remedy="return a mean, e.g. loss.mean(); compile arrays you want to see as another function",
            )
    if not named:
        raise GraphError("the step returns no number", op="fit", remedy="let it return the loss")
    return {name: float(np.asarray(value).reshape(())) for name, value in named.items()}


class Mean:
    """Means of named numbers, weighted by rows."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._rows = 0

    def add(self, values: Mapping[str, float], rows: int) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * rows
        self._rows += rows

    def result(self) -> dict[str, float]:
        return {name: total / self._rows for name, total in self._sums.items()}

    def __bool__(self) -> bool:
        return self._rows > 0
