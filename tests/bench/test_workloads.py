"""Each workload's graph computes what its other forms do, on small data."""

import numpy as np
import pytest

from graphc.bench.agreement import check, interpreted
from graphc.bench.peers import GRAPHC, NUMPY, PEERS, PYTORCH, arrays_of
from graphc.bench.workloads import WORKLOADS

# Each workload's gradients, and its step of training if it is one.
TIMED = [(w, rate) for w in WORKLOADS.values() for rate in dict.fromkeys((None, w.rate))]
timed = pytest.mark.parametrize(
    ("workload", "rate"),
    TIMED,
    ids=[f"{w.name}-{'gradients' if rate is None else 'step'}" for w, rate in TIMED],
)
# Those of the other peers that compile a small workload within seconds.
QUICK = [peer for peer in PEERS if peer.name in ("JAX", "autograd", "CasADi")]


@pytest.fixture(params=WORKLOADS)
def workload(request):
    return WORKLOADS[request.param]


def in_double(workload):
    return {name: a.astype(np.float64) for name, a in workload.data(True).items()}


def assert_same(found, expected, workload):
    assert len(found) == len(expected) == 1 + len(workload.wrt)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@timed
def test_equals_pytorch(workload, rate):
    pytest.importorskip("torch")
    data = in_double(workload)
    found = arrays_of(GRAPHC.prepare(workload, data, rate)())
    assert_same(found, arrays_of(PYTORCH.prepare(workload, data, rate)()), workload)


@timed
def test_equals_the_interpreter(workload, rate):
    data = in_double(workload)
    found = arrays_of(GRAPHC.prepare(workload, data, rate)())
    assert_same(found, interpreted(workload, data, rate), workload)


@timed
def test_by_hand_equals_the_interpreter(workload, rate):
    data = in_double(workload)
    found = arrays_of(NUMPY.prepare(workload, data, rate)())
    assert_same(found, interpreted(workload, data, rate), workload)


@pytest.mark.parametrize(
    ("workload", "peer"),
    [(w, peer) for peer in QUICK for w in WORKLOADS.values() if peer.speaks(w)],
    ids=lambda one: one.name,
)
def test_other_peers_agree(workload, peer):
    pytest.importorskip(peer.package)
    data = workload.data(True)
    found = arrays_of(peer.prepare(workload, data, workload.rate)())
    check(workload, peer.name, found, "the interpreter", interpreted(workload, data, workload.rate))


@pytest.mark.parametrize("peer", [GRAPHC, NUMPY], ids=lambda peer: peer.name)
def test_steps_do_not_change_their_data(workload, peer):
    """Every call of a timed step computes the same, in new arrays: nothing is updated in place."""
    data = workload.data(True)
    step = peer.prepare(workload, data, workload.rate)
    first = arrays_of(step())
    kept = [a.copy() for a in first]
    for a, b, c in zip(arrays_of(step()), first, kept, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, c)
    for a, b in zip(data.values(), workload.data(True).values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_declares_what_it_says(workload):
    """Named gradients are of arrays there are, all float32 and of the same names at both sizes."""
    small, full = workload.data(True), workload.data(False)
    assert list(small) == list(full)
    assert set(workload.wrt) <= set(small)
    assert all(a.dtype == np.float32 for a in (*small.values(), *full.values()))
    assert all(a.size <= b.size for a, b in zip(small.values(), full.values(), strict=True))


def test_every_form_belongs_to_a_peer(workload):
    languages = {peer.language for peer in (GRAPHC, *PEERS)}
    assert {"graphc", "torch", "jax"} <= set(workload.languages) <= languages
