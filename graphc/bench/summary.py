"""The summary: results enter; graphc's time by the fastest peer's, over all workloads, leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from graphc.bench.clock import Spread
from graphc.bench.runner import Result


@dataclass(frozen=True)
class Row:
    """One workload: graphc's milliseconds, the fastest peer with its own, and their ratio."""

    workload: str
    own: float
    peer: str
    fastest: float
    ratio: Spread


def summary(results: Sequence[Result]) -> list[Row]:
    """A row for each workload that a peer ran too."""
    rows = []
    for result in results:
        fastest = result.fastest
        if fastest is not None:
            own_time, time = (m.timing.seconds.median * 1e3 for m in (result.own, fastest))
            rows.append(Row(result.workload, own_time, fastest.peer, time, fastest.ratio))
    return rows


def geometric_mean(rows: Sequence[Row]) -> float:
    """Of the ratios; ValueError where there are none."""
    if not rows:
        raise ValueError("no workload was run by a peer")
    return math.exp(math.fsum(math.log(row.ratio.median) for row in rows) / len(rows))
