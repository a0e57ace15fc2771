"""Timings: summaries of samples, and the order of turns."""

import itertools
import time

import pytest

from graphc.bench.clock import Timing, interleaved, median_seconds


def test_summary():
    timing = Timing.of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert timing == Timing(median=3.0, lower=2.0, upper=4.0, samples=5)


def test_turns_go_there_and_back():
    order = []
    calls = {name: lambda name=name: (order.append(name), time.sleep(0.003)) for name in "abc"}
    timings = interleaved(calls, seconds=0.1)
    turns = [name for name, _ in itertools.groupby(order)]
    assert "".join(turns[3:]) in ("abcba", "cba")  # after the calls that find the groups' sizes
    assert all(t.samples >= 2 and t.lower <= t.median <= t.upper for t in timings.values())
    assert all(t.median == pytest.approx(0.003, rel=3) and t.median >= 0.003 for t in timings.values())


def test_short_calls_are_timed_in_groups():
    count = 0

    def call():
        nonlocal count
        count += 1

    assert median_seconds(call, budget=0.01) < 1e-3
    assert count > 1000
