"""The collector rests while a graph is compiled, and is afterwards as it was."""

from __future__ import annotations

import gc as collector

import pytest

import graphc as gc
from graphc.runtime.collector import collector_at_rest


@pytest.fixture(params=[True, False])
def enabled(request):
    before = collector.isenabled()
    (collector.enable if request.param else collector.disable)()
    yield request.param
    (collector.enable if before else collector.disable)()


def test_it_rests_inside_and_is_as_before_behind(enabled):
    with collector_at_rest:
        with collector_at_rest:
            assert not collector.isenabled()
        assert not collector.isenabled()
    assert collector.isenabled() is enabled


def test_no_collection_begins_during_a_compilation_and_all_may_behind(enabled):
    x = gc.input("x", ("N",))
    y = x
    for _ in range(300):
        y = gc.sin(y) * 1.5
    phases = []
    collector.callbacks.append(lambda phase, info: phases.append(phase))
    try:
        before = collector.get_threshold()
        collector.set_threshold(100, 2, 2)
        collector.collect()
        phases.clear()
        gc.compile(y, [x])
        during = list(phases)
    finally:
        collector.set_threshold(*before)
        collector.callbacks.pop()
    # Behind it the first allocations may begin one; thousands are made inside.
    assert len(during) <= 4
    assert collector.isenabled() is enabled


def test_an_error_leaves_it_as_it_was(enabled):
    with pytest.raises(gc.GraphError):
        gc.compile(gc.input("x", (2,)) + 1.0, [])
    assert collector.isenabled() is enabled
