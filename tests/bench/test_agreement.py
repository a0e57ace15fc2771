"""Nothing is timed where the peers' numbers differ."""

from dataclasses import replace

import numpy as np
import pytest

from graphc.bench.agreement import check, distance
from graphc.bench.peers import GRAPHC
from graphc.bench.runner import checked_small, measured
from graphc.bench.workload import TOLERANCE
from graphc.bench.workloads import WORKLOADS
from graphc.errors import GraphError

DILATED = WORKLOADS["dilated"]
VALUES = [np.float32(2.0), np.arange(6, dtype=np.float32), np.ones(3, np.float32)]


def test_distance_is_relative_to_the_norm():
    assert distance(np.array([3.0, 4.5]), np.array([3.0, 4.0])) == pytest.approx(0.1)
    assert distance(np.array([0.5]), np.zeros(1)) == 0.5
    assert np.isnan(distance(np.array([np.nan, 1.0]), np.ones(2)))
    assert np.isnan(distance(np.array([np.inf]), np.array([np.inf])))


def test_the_same_numbers_pass():
    near = [v * np.float32(1 + 1e-6) for v in VALUES]
    assert 0 < check(DILATED, "a", near, "b", VALUES) < 2e-6 < TOLERANCE


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("factor", [1.001, np.nan])
def test_other_numbers_are_refused_by_name(place, factor):
    found = list(VALUES)
    found[place] = found[place] * np.float32(factor)
    with pytest.raises(GraphError, match=("the value", "x", "filter")[place] + " differs by"):
        check(DILATED, "a", found, "b", VALUES)


def test_other_shapes_are_refused():
    with pytest.raises(GraphError, match=r"filter has shape \(3, 1\) by a, \(3,\) by b"):
        check(DILATED, "a", [*VALUES[:2], np.ones((3, 1), np.float32)], "b", VALUES)


def wrong_peer():
    """graphc, but with gradients twice as large."""

    def prepare(workload, data, rate):
        step = GRAPHC.prepare(workload, data, rate)
        return lambda: [r * (1 + (k > 0)) for k, r in enumerate(step())]

    return replace(GRAPHC, name="twice", prepare=prepare)


def broken_peer():
    """A library that does not know an op."""

    def prepare(workload, data, rate):
        raise NotImplementedError("no such op")

    return replace(GRAPHC, name="broken", prepare=prepare)


SMALL = replace(DILATED, data=lambda _: DILATED.data(True))


def test_a_wrong_peer_is_reported_and_not_timed():
    result = measured(SMALL, [wrong_peer(), replace(GRAPHC, name="same")], seconds=0.02)
    assert [m.peer for m in result.measurements] == ["graphc", "same"]
    (failure,) = result.failures
    assert failure.peer == "twice" and failure.disagrees
    assert "twice and graphc do not compute the same dilated: x differs by" in failure.reason


def test_a_wrong_step_is_seen_in_its_gradients():
    """A step of training hides an error of its gradients behind the values: these are compared too."""
    whole = WORKLOADS["mlp_small"]
    step = replace(whole, data=lambda _: whole.data(True), rate=1e-6, tolerance=TOLERANCE)
    (failure,) = measured(step, [wrong_gradients()], seconds=0.02).failures
    assert "weight1 differs by" in failure.reason and failure.disagrees


def wrong_gradients():
    """graphc, but with gradients 1 % too large."""

    def prepare(workload, data, rate):
        if rate is not None:
            return GRAPHC.prepare(workload, data, rate * 1.01)
        step = GRAPHC.prepare(workload, data, None)
        return lambda: [r * (1 + 0.01 * (k > 0)) for k, r in enumerate(step())]

    return replace(GRAPHC, name="a bit more", prepare=prepare)


def test_a_broken_peer_is_reported():
    result = measured(SMALL, [broken_peer()], seconds=0.02)
    assert [m.peer for m in result.measurements] == ["graphc"]
    (failure,) = result.failures
    assert (failure.peer, failure.reason, failure.disagrees) == (
        "broken", "NotImplementedError: no such op", False,
    )  # fmt: skip
    assert result.fastest is None


def test_small_workloads_must_agree():
    with pytest.raises(GraphError, match="twice and graphc do not compute the same dilated: x differs by"):
        checked_small(DILATED, [wrong_peer()])


def test_a_peer_without_a_form_is_left_out():
    stranger = replace(wrong_peer(), language="another")
    assert checked_small(DILATED, [stranger]) < TOLERANCE
