"""Peak memory, measured in processes of their own."""

import sys
from dataclasses import replace

import pytest

from graphc.bench.memory import peak_of
from graphc.bench.peers import GRAPHC, NUMPY
from graphc.bench.workloads import WORKLOADS

DILATED = WORKLOADS["dilated"]
IMAGE = 8 * 32 * 48 * 48 * 4  # bytes of x, of the result, and of its gradient


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux forgets a peak")
def test_peak_of_a_workload():
    peak = peak_of(DILATED, NUMPY, threads=1, steps=2)
    # The padded images, the result, its gradient and that by x, at least; the data are not counted.
    assert 4 * IMAGE <= peak.steady <= peak.first + IMAGE / 2 <= 8 * IMAGE


def test_a_small_workload_takes_little():
    peak = peak_of(DILATED, GRAPHC, threads=1, small=True)
    assert 0 <= peak.steady < 64 << 20


def test_a_failure_is_told():
    stranger = replace(DILATED, name="nowhere")
    with pytest.raises(RuntimeError, match="KeyError: 'nowhere'"):
        peak_of(stranger, GRAPHC, threads=1, small=True)
