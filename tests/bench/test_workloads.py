"""Each workload's graph computes what its PyTorch form does, in float64 on small data."""

import numpy as np
import pytest

from graphc.bench.peers import GRAPHC, PEERS, arrays_of
from graphc.bench.workloads import WORKLOADS

TORCH = next(peer for peer in PEERS if peer.name == "PyTorch")


@pytest.fixture(params=WORKLOADS)
def workload(request):
    return WORKLOADS[request.param]


@pytest.mark.parametrize("step", [False, True])
def test_equals_pytorch(workload, step):
    pytest.importorskip("torch")
    if step and workload.rate is None:
        pytest.skip("it is no step of training")
    data = {name: a.astype(np.float64) for name, a in workload.data(True).items()}
    rate = workload.rate if step else None
    found = arrays_of(GRAPHC.prepare(workload, data, rate)())
    expected = arrays_of(TORCH.prepare(workload, data, rate)())
    assert len(found) == len(expected) == 1 + len(workload.wrt)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_steps_do_not_change_their_data(workload):
    """Every call of a timed step computes the same: nothing is updated in place."""
    data = workload.data(True)
    step = GRAPHC.prepare(workload, data, workload.rate)
    first = [a.copy() for a in arrays_of(step())]
    for a, b in zip(arrays_of(step()), first, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(data.values(), workload.data(True).values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_declares_what_it_says(workload):
    """Named gradients are of arrays there are, all float32 and of the same names at both sizes."""
    small, full = workload.data(True), workload.data(False)
    assert list(small) == list(full)
    assert set(workload.wrt) <= set(small)
    assert all(a.dtype == np.float32 for a in (*small.values(), *full.values()))
    assert all(a.size <= b.size for a, b in zip(small.values(), full.values(), strict=True))
