"""Timings: summaries of samples, and the order of turns."""

import itertools
import time

import pytest

from graphc.bench.clock import Spread, Timing, interleaved, joined, median_seconds


def test_summary_is_of_the_turns():
    timing = Timing.of([[5.0], [1.0], [1.0, 2.0, 9.0], [4.0], [3.0, 3.0]])
    assert timing.turns == (5.0, 1.0, 2.0, 4.0, 3.0)
    assert timing.seconds == Spread(median=3.0, lower=2.0, upper=4.0)
    assert timing.samples == 8


def test_ratios_are_of_turns_that_ran_together():
    """The machine is four times slower in two of the turns: the ratio is that of every pair."""
    own, other = Timing((1.0, 4.0, 1.0, 4.0), 4), Timing((2.0, 8.0, 2.0, 8.0), 4)
    assert own.ratio(other) == Spread(0.5, 0.5, 0.5)
    assert Timing((1.0, 2.0, 3.0), 3).ratio(Timing((1.0, 1.0, 1.0), 3)) == Spread(2.0, 1.5, 2.5)


def test_timings_are_joined():
    assert joined([Timing((1.0, 2.0), 5), Timing((3.0, 4.0), 6)]) == Timing((1.0, 2.0, 3.0, 4.0), 11)


def test_turns_go_there_and_back():
    order = []
    calls = {name: lambda name=name: (order.append(name), time.sleep(0.003)) for name in "abc"}
    timings = interleaved(calls, seconds=0.1)
    turns = [name for name, _ in itertools.groupby(order)]
    assert "".join(turns[3:]) in ("abcba", "cba")  # after the calls that find the groups' sizes
    assert all(t.samples >= len(t.turns) == 2 for t in timings.values())
    for s in (t.seconds for t in timings.values()):
        assert 0.003 <= s.lower <= s.median <= s.upper
        assert s.median == pytest.approx(0.003, rel=3)


def test_short_calls_are_timed_in_groups():
    count = 0

    def call():
        nonlocal count
        count += 1

    assert median_seconds(call, budget=0.01) < 1e-3
    assert count > 1000


def test_a_clock_of_the_processor_does_not_count_waiting():
    timing = interleaved({"wait": lambda: time.sleep(0.003)}, seconds=0.1, clock=time.process_time)["wait"]
    assert timing.seconds.median < 0.002
