"""Agreement: the numbers of two peers enter, their distance leaves, or an error that names what differs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import graphc as gc
from graphc.bench.peers.own import declared
from graphc.bench.workload import TOLERANCE, Array, Data, Workload
from graphc.errors import GraphError


class DisagreementError(GraphError):
    """Two peers compute different numbers."""


def distance(a: Array, b: Array) -> float:
    """‖a − b‖ / ‖b‖, in double precision; NaN where a number is not finite in both."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    size = float(np.linalg.norm(b))
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        difference = float(np.linalg.norm(a - b))
    return difference / size if size else difference


def check(
    workload: Workload,
    name: str,
    found: Sequence[Array],
    reference: str,
    expected: Sequence[Array],
    tolerance: float = TOLERANCE,
) -> float:
    """The greatest distance of all results; DisagreementError above ``tolerance`` or for other shapes."""
    greatest = 0.0
    for what, a, b in zip(("the value", *workload.wrt), found, expected, strict=True):
        if a.shape != b.shape:
            raise DisagreementError(
                f"{what} has shape {a.shape} by {name}, {b.shape} by {reference}",
                op="bench",
                remedy=f"make the forms of {workload.name} compute the same",
            )
        apart = distance(a, b)
        if not apart <= tolerance:
            raise DisagreementError(
                f"{name} and {reference} do not compute the same {workload.name}: {what} differs by "
                f"{apart:.2g} of its norm, where {tolerance:g} is allowed",
                op="bench",
                remedy="times of different numbers say nothing: look at the forms first",
            )
        greatest = max(greatest, apart)
    return greatest


def interpreted(workload: Workload, data: Data, rate: float | None) -> list[Array]:
    """The value and results by graphc's interpreter, which computes op by op without the compiler."""
    outputs, inputs = declared(workload, data, rate)
    return gc.interpret(outputs, dict(zip(inputs, data.values(), strict=True)))
