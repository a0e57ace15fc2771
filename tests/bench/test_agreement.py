"""Nothing is timed where the peers' numbers differ."""

from dataclasses import replace

import numpy as np
import pytest

from graphc.bench.agreement import TOLERANCE, check, distance
from graphc.bench.peers import GRAPHC
from graphc.bench.runner import checked_small, measured
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
    with pytest.raises(GraphError, match=("the loss", "x", "filter")[place] + " differs by"):
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


def test_a_wrong_peer_is_not_timed():
    with pytest.raises(GraphError, match="twice and graphc do not compute the same dilated: x differs by"):
        measured(DILATED, [wrong_peer()], seconds=60.0)


def test_a_peer_without_a_form_is_left_out():
    stranger = replace(wrong_peer(), language="another")
    assert checked_small(DILATED, [stranger]) < TOLERANCE
