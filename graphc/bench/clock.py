"""Clocks: calls enter, the times of repeated calls leave."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Call = Callable[[], object]
Clock = Callable[[], float]

_SHORTEST = 2e-3  # seconds: shorter calls are timed in groups, so that the clock's own cost does not count
_TURN = 0.1  # seconds of one turn: many turns spread a disturbance by other processes over all calls


@dataclass(frozen=True)
class Spread:
    """The median of some numbers, and the quartiles that half of them lie between."""

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """The summary of at least two numbers."""
        lower, median, upper = statistics.quantiles(numbers, n=4, method="inclusive")
        return cls(median, lower, upper)


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median of each turn, and how many samples all of them had."""

    turns: tuple[float, ...]
    samples: int

    @classmethod
    def of(cls, turns: Sequence[Sequence[float]]) -> Timing:
        """The summary of the samples of each turn, two turns at least."""
        return cls(tuple(statistics.median(turn) for turn in turns), sum(map(len, turns)))

    @property
    def seconds(self) -> Spread:
        """Over the turns."""
        return Spread.of(self.turns)

    def ratio(self, other: Timing) -> Spread:
        """How many times the other's seconds these are, turn by turn.

        The two calls of a pair ran within a moment: what slows the machine for a while slows both.
        """
        return Spread.of([a / b for a, b in zip(self.turns, other.turns, strict=True)])


def joined(timings: Sequence[Timing]) -> Timing:
    """The turns of all of them."""
    return Timing(tuple([turn for t in timings for turn in t.turns]), sum([t.samples for t in timings]))


def _group(call: Call) -> int:
    """How many calls make one sample."""
    call()
    start = time.perf_counter()
    call()
    return max(1, int(_SHORTEST / max(time.perf_counter() - start, 1e-9)))


def _sample(call: Call, group: int, clock: Clock = time.perf_counter) -> float:
    start = clock()
    for _ in range(group):
        call()
    return (clock() - start) / group


def median_seconds(call: Call, budget: float = 1.0, least: int = 5) -> float:
    """The median of repeated timings of a call; short calls are timed in groups."""
    group = _group(call)
    samples: list[float] = []
    end = time.perf_counter() + budget
    while len(samples) < least or time.perf_counter() < end:
        samples.append(_sample(call, group))
    return statistics.median(samples)


def interleaved(
    calls: Mapping[str, Call], seconds: float, clock: Clock = time.perf_counter
) -> dict[str, Timing]:
    """Each call timed for so many seconds, in turns there and back: a, b, c, c, b, a, a, b, …

    ``clock`` is what a call is timed by; ``time.process_time`` counts the seconds that processors worked.

    A turn begins with a call that is not timed: it brings the call's data back into the cache, and gives
    the threads that another library left spinning time to fall asleep.
    """
    groups = {name: _group(call) for name, call in calls.items()}
    turns: dict[str, list[list[float]]] = {name: [] for name in calls}
    rounds = max(2, 2 * round(seconds / _TURN / 2))
    for number in range(rounds):
        for name in list(calls) if number % 2 == 0 else list(calls)[::-1]:
            _sample(calls[name], groups[name])
            end = time.perf_counter() + seconds / rounds
            samples = [_sample(calls[name], groups[name], clock)]
            while time.perf_counter() < end:
                samples.append(_sample(calls[name], groups[name], clock))
            turns[name].append(samples)
    return {name: Timing.of(found) for name, found in turns.items()}
