"""The runner: a workload and peers enter; they are checked against each other, then timed in turns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from graphc.bench.agreement import check, interpreted
from graphc.bench.clock import Timing, interleaved
from graphc.bench.peers import GRAPHC, Peer, Step, arrays_of
from graphc.bench.workload import Data, Workload


@dataclass(frozen=True)
class Measurement:
    """One peer on one workload; ``first_call`` are the seconds to build, compile and run it once."""

    peer: str
    version: str
    first_call: float
    timing: Timing


@dataclass(frozen=True)
class Result:
    """One workload: graphc's measurement first, and how far apart the peers' numbers are."""

    workload: str
    title: str
    measurements: tuple[Measurement, ...]
    apart: float

    @property
    def ratio(self) -> float | None:
        """graphc's median time / the fastest other peer's."""
        own, *others = [m.timing.median for m in self.measurements]
        return own / min(others) if others else None


def _fluent(workload: Workload, peers: Sequence[Peer]) -> list[Peer]:
    """The peers in whose terms the workload is declared."""
    return [p for p in peers if p.language in workload.losses]


def checked(workload: Workload, peers: Sequence[Peer], data: Data, rate: float | None) -> float:
    """How far apart graphc and the peers are; GraphError where they compute something else."""
    own = arrays_of(GRAPHC.prepare(workload, data, rate)())
    return max(
        (check(workload, p.name, arrays_of(p.prepare(workload, data, rate)()), "graphc", own) for p in peers),
        default=0.0,
    )


def checked_small(workload: Workload, peers: Sequence[Peer]) -> float:
    """The same on small data, and against graphc's interpreter, for the gradients and for what is timed."""
    data = workload.data(True)
    apart = 0.0
    for rate in {None, workload.rate}:
        own = arrays_of(GRAPHC.prepare(workload, data, rate)())
        oracle = interpreted(workload, data, rate)
        apart = max(
            apart,
            check(workload, "graphc", own, "its interpreter", oracle),
            checked(workload, _fluent(workload, peers), data, rate),
        )
    return apart


def _started(peer: Peer, workload: Workload, data: Data) -> tuple[Step, float]:
    start = time.perf_counter()
    step = peer.prepare(workload, data, workload.rate)
    step()
    return step, time.perf_counter() - start


def measured(workload: Workload, peers: Sequence[Peer], seconds: float) -> Result:
    """graphc and the peers on a workload: checked on small and on full data, then timed in turns."""
    checked_small(workload, peers)
    data = workload.data(False)
    running = _fluent(workload, (GRAPHC, *peers))
    apart = checked(workload, running[1:], data, None)  # the gradients themselves
    started = {p.name: _started(p, workload, data) for p in running}
    own = arrays_of(started[GRAPHC.name][0]())
    for peer in running[1:]:  # and what is timed
        apart = max(apart, check(workload, peer.name, arrays_of(started[peer.name][0]()), "graphc", own))
    timings = interleaved({name: step for name, (step, _) in started.items()}, seconds)
    return Result(
        workload.name,
        workload.title,
        tuple(Measurement(p.name, p.version, started[p.name][1], timings[p.name]) for p in running),
        apart,
    )
