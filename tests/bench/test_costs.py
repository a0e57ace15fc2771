"""Measured constants: each op that the command measures is in the table, all are sane."""

import pytest

from graphc.bench.costs import UFUNCS, call_costs, element_costs
from graphc.rewrite.cost_table import AVX2, AVX512

RENAMED = {"absolute": "abs"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_measured_is_in_the_table(dtype: str) -> None:
    found = element_costs(dtype, seconds=1e-3)
    assert set(UFUNCS) < set(found)
    for table in (AVX2, AVX512):
        known = table.element[4 if dtype == "float32" else 8]
        assert {RENAMED.get(name, name) for name in found} <= set(known)
    assert all(0 < ns < 1000 for ns in found.values())
    assert found["power"] > found["multiply"]


def test_a_call_costs_less_than_a_product_and_more_than_an_element() -> None:
    found = call_costs(seconds=1e-3)
    assert found["product_call"] > found["call"] > 10
    assert found["reduced_row"] > 0 and found["bandwidth"] > 0.1
