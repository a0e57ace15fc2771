"""Random graphs of every family of ops, of 5 to 200 steps, compiled: values, gradients and updates.

The interpreter on the graph as written is the oracle, the bound is in units of what rounding does there.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import graphc as gc
from graphc.codegen.tiling import regions, sizes
from graphc.errors import GraphError
from graphc.ir.body import with_bodies
from graphc.ir.traversal import topological_order
from graphc.ops import REGISTRY
from tests.passes.mixed_graphs import Mixed, Random, built, check, mixed_graphs

# Deterministic, and no shrinking: a failing graph is reported as it was drawn, within the time of a run.
ONCE = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "phases": (Phase.generate,),
    "suppress_health_check": list(HealthCheck),
}


@pytest.mark.parametrize("floats", [("float64",), ("float32",), ("float32", "float64")], ids="+".join)
@pytest.mark.parametrize("level", ["exact", "default", "fast"])
def test_levels_and_types(level: str, floats: tuple[str, ...]) -> None:
    @settings(max_examples=10, **ONCE)
    @given(drawn=mixed_graphs(floats=floats))
    def agrees(drawn: Mixed) -> None:
        check(drawn, level, threads=1 + drawn.seed % 2)

    agrees()


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_tiles_of_any_size(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little work: regions, whose last tile may be smaller, or none at all."""
    monkeypatch.setattr(regions, "LEAST", 1.0)
    monkeypatch.setattr(sizes, "_rows_of_a_tile", lambda region, nodes: rows)

    @settings(max_examples=12, **ONCE)
    @given(drawn=mixed_graphs(floats=("float64", "float32"), most=40))
    def agrees(drawn: Mixed) -> None:
        check(drawn, "default", threads=1 + drawn.seed % 2)

    agrees()


@pytest.mark.parametrize("level", ["exact", "default"])
def test_least_memory(level: str) -> None:
    @settings(max_examples=5, **ONCE)
    @given(drawn=mixed_graphs(most=30))
    def agrees(drawn: Mixed) -> None:
        check(drawn, level, memory_budget=_least(drawn, level), threads=2)

    agrees()


def _least(drawn: Mixed, level: str) -> int:
    """The smallest budget that the error for one byte says would do."""
    try:
        gc.compile(
            drawn.outputs, drawn.inputs, updates=drawn.updates, optimize=level, threads=2, memory_budget=1
        )
    except GraphError as error:
        found = re.search(r"allow ([\d,]+) bytes", str(error))
        assert found, error
        return int(found[1].replace(",", ""))
    return 1


# Draws would need the number of the call.
NOT_DRAWN = {"random_normal", "random_uniform"}


def test_what_is_drawn() -> None:
    seen: set[str] = set()
    counts = []
    for seed in range(60):
        drawn = built(Random(np.random.default_rng(seed)), most=120)
        nodes = topological_order([*drawn.outputs, *drawn.updates.values()])
        counts.append(len(nodes))
        seen.update(n.op.name for n in with_bodies(nodes))
    rare = {"isfinite", "isinf", "isnan", "cbrt", "trunc"}
    assert set(REGISTRY) - seen <= NOT_DRAWN | rare
    assert min(counts) >= 5 and max(counts) >= 200


def test_large_graphs() -> None:
    @settings(max_examples=6, **ONCE)
    @given(drawn=mixed_graphs(least=150, most=200))
    def agrees(drawn: Mixed) -> None:
        check(drawn, "default")

    agrees()
