"""The Nile: published facts about the series."""

from __future__ import annotations

import numpy as np

from graphc.datasets import nile


def test_published_facts() -> None:
    years, flow = nile()
    np.testing.assert_array_equal(years, np.arange(1871, 1971))
    assert years.dtype == np.int64 and flow.dtype == np.float32 and flow.shape == (100,)
    assert (flow[0], flow[-1]) == (1120, 740)
    assert abs(float(flow.astype(np.float64).mean()) - 919.35) < 1e-9
    assert (flow.min(), years[flow.argmin()]) == (456, 1913)
    assert (flow.max(), years[flow.argmax()]) == (1370, 1879)


def test_the_change_point_is_1898() -> None:
    """Cobb 1978: the split into two means that leaves the least squared error comes after 1898."""
    years, flow = nile()
    flow = flow.astype(np.float64)
    errors = [flow[:k].var() * k + flow[k:].var() * (100 - k) for k in range(1, 100)]
    last_before = int(np.argmin(errors))
    assert years[last_before] == 1898
    assert flow[: last_before + 1].mean() - flow[last_before + 1 :].mean() > 200
