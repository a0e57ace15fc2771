"""NumPy by hand: a workload's value and gradients as somebody would write them who has the time."""

from __future__ import annotations

from typing import Any

from graphc.bench.peers.peer import Peer, Step, numbers_of, stepped
from graphc.bench.workload import Data, Workload


def prepare(workload: Workload, data: Data, rate: float | None) -> Step:
    assert workload.by_hand is not None
    arrays = numbers_of(data)
    computed = workload.by_hand(arrays)
    if rate is None:
        return computed
    values = [arrays[name] for name in workload.wrt]

    def step() -> list[Any]:
        value, *gradients = computed()
        return [value, *stepped(values, gradients, rate)]

    return step


NUMPY = Peer("NumPy by hand", "numpy", "numpy", prepare)
