"""graphc as one of the peers."""

from __future__ import annotations

from functools import partial

import graphc as gc
from graphc.bench.peers.peer import Peer, Step, numbers_of, stepped
from graphc.bench.workload import Data, Workload


def declared(workload: Workload, data: Data, rate: float | None) -> tuple[list[gc.Tensor], list[gc.Tensor]]:
    """The graph of a workload: its outputs and its inputs."""
    tensors = {name: gc.input(name, a.shape, a.dtype.name) for name, a in data.items()}
    value = workload.forms["graphc"](tensors)
    values = [tensors[name] for name in workload.wrt]
    gradients = gc.grad(value, values) if values else []
    return [value, *stepped(values, gradients, rate)], list(tensors.values())


def prepare(workload: Workload, data: Data, rate: float | None) -> Step:
    return partial(gc.compile(*declared(workload, data, rate)), *numbers_of(data).values())


def _prepare_tuned(workload: Workload, data: Data, rate: float | None) -> Step:
    function = gc.compile(*declared(workload, data, rate), tune=True)
    return partial(function, *numbers_of(data).values())


def planned_bytes(step: Step) -> int:
    """The bytes that graphc planned for the buffers of a step it prepared."""
    return _function_of(step).workspace_bytes()


def source_of(step: Step) -> str:
    """The generated source of a step that graphc prepared."""
    return _function_of(step).source


def _function_of(step: Step) -> gc.Function:
    assert isinstance(step, partial)
    function = step.func
    assert isinstance(function, gc.Function)
    return function


GRAPHC = Peer("graphc", "graphc", "graphc", prepare)
# The same with convolutions by measurement instead of by cost.
TUNED = Peer("graphc tuned", "graphc", "graphc", _prepare_tuned)
