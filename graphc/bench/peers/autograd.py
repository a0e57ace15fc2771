"""HIPS autograd: NumPy that is traced at every call."""

from __future__ import annotations

from typing import Any

from graphc.bench.peers.peer import Peer, Step, numbers_of, stepped
from graphc.bench.workload import Data, Workload


def prepare(workload: Workload, data: Data, rate: float | None) -> Step:
    from autograd import value_and_grad

    form, names = workload.forms["autograd"], workload.wrt
    others = numbers_of(data)
    values = [others.pop(name) for name in names]

    def value(values: list[Any]) -> Any:
        return form({**others, **dict(zip(names, values, strict=True))})

    def step() -> list[Any]:
        result, gradients = differentiated(values)
        return [result, *stepped(values, gradients, rate)]

    differentiated = value_and_grad(value)
    return step if names else lambda: [form(others)]


AUTOGRAD = Peer("autograd", "autograd", "autograd", prepare)
