"""The runner: a workload and peers enter; they are checked against each other, then timed in turns."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from graphc.bench.agreement import DisagreementError, check, interpreted
from graphc.bench.clock import Clock, Spread, Timing, interleaved
from graphc.bench.memory import Peak
from graphc.bench.peers import GRAPHC, TUNED, Peer, Step, arrays_of, planned_bytes
from graphc.bench.workload import Data, Workload


@dataclass(frozen=True)
class Measurement:
    """One peer on one workload.

    ``first_call`` are the seconds to build, compile and run it once, ``ratio`` graphc's time by its time.
    """

    peer: str
    version: str
    first_call: float
    timing: Timing
    ratio: Spread


@dataclass(frozen=True)
class Failure:
    """A peer that raised an error, or computed other numbers: it is not timed."""

    peer: str
    version: str
    reason: str
    disagrees: bool


@dataclass(frozen=True)
class Result:
    """One workload: graphc's measurement first, and how far apart the peers' numbers are.

    ``planned`` are the bytes of the buffers that graphc planned; ``peaks`` what each peer took, if that
    was asked for.
    """

    workload: str
    title: str
    measurements: tuple[Measurement, ...]
    failures: tuple[Failure, ...]
    apart: float
    tolerance: float
    planned: int
    peaks: dict[str, Peak] = field(default_factory=dict)

    @property
    def own(self) -> Measurement:
        """graphc's."""
        return self.measurements[0]

    @property
    def fastest(self) -> Measurement | None:
        """The other library whose median time is smallest."""
        others = [m for m in self.measurements if m.peer not in (GRAPHC.name, TUNED.name)]
        return min(others, key=lambda m: m.timing.seconds.median, default=None)


def checked_small(workload: Workload, peers: Sequence[Peer]) -> float:
    """How far apart graphc, its interpreter and the peers are on small data: gradients, and what is timed.

    Raises DisagreementError above TOLERANCE.
    """
    data = workload.data(True)
    apart = 0.0
    for rate in {None, workload.rate}:
        own = arrays_of(GRAPHC.prepare(workload, data, rate)())
        oracle = interpreted(workload, data, rate)
        apart = max(apart, check(workload, "graphc", own, "its interpreter", oracle))
        for peer in _speaking(workload, peers):
            found = arrays_of(peer.prepare(workload, data, rate)())
            apart = max(apart, check(workload, peer.name, found, "graphc", own))
    return apart


def measured(
    workload: Workload, peers: Sequence[Peer], seconds: float, clock: Clock = time.perf_counter
) -> Result:
    """graphc and the peers on a workload: checked, then timed in turns by a clock.

    graphc is checked against its interpreter on small data, the peers against graphc on the data that are
    timed: the gradients, and what is timed. A peer that fails is reported and left out.
    """
    checked_small(workload, ())
    data = workload.data(False)
    gradients = arrays_of(GRAPHC.prepare(workload, data, None)())
    own = _start(GRAPHC, workload, data)
    expected = arrays_of(own.step())
    running, failures, apart = [own], [], 0.0
    for peer in _speaking(workload, peers):
        try:
            started = _start(peer, workload, data)
            pairs = [(started.step, expected)]
            if workload.rate is not None:
                pairs.append((peer.prepare(workload, data, None), gradients))
            for step, numbers in pairs:
                found = arrays_of(step())
                apart = max(apart, check(workload, peer.name, found, "graphc", numbers, workload.tolerance))
        except Exception as error:  # whatever another library raises
            reason = f"{type(error).__name__}: {error}"
            failures.append(Failure(peer.name, peer.version, reason, isinstance(error, DisagreementError)))
        else:
            running.append(started)
    timings = interleaved({s.peer.name: s.step for s in running}, seconds, clock)
    own_timing = timings[GRAPHC.name]
    measurements = [
        Measurement(
            s.peer.name, s.peer.version, s.first_call, timings[s.peer.name],
            own_timing.ratio(timings[s.peer.name]),
        )
        for s in running
    ]  # fmt: skip
    return Result(
        workload.name, workload.title, tuple(measurements), tuple(failures), apart, workload.tolerance,
        planned_bytes(own.step),
    )  # fmt: skip


@dataclass(frozen=True)
class _Started:
    peer: Peer
    step: Step
    first_call: float


def _start(peer: Peer, workload: Workload, data: Data) -> _Started:
    start = time.perf_counter()
    step = peer.prepare(workload, data, workload.rate)
    step()
    return _Started(peer, step, time.perf_counter() - start)


def _speaking(workload: Workload, peers: Iterable[Peer]) -> list[Peer]:
    return [peer for peer in peers if peer.speaks(workload)]
