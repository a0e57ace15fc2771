"""Peers: a workload's loss and data enter, a call that computes it with its gradients leaves.

Each peer says whether it is installed and how it is held to a number of threads. graphc is one of them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc
from graphc.bench.workload import Array, Data, Workload

# Returns the loss and an array for each name in ``wrt``, in whatever type the peer has.
Step = Callable[[], Sequence[Any]]


@dataclass(frozen=True)
class Peer:
    """One library: ``prepare(workload, data, rate)`` makes the step, ``limit(threads)`` comes before it."""

    name: str
    package: str
    language: str
    prepare: Callable[[Workload, Data, float | None], Step]
    limit: Callable[[int], None] = lambda threads: None

    @property
    def is_installed(self) -> bool:
        """Whether its package can be imported."""
        return importlib.util.find_spec(self.package) is not None

    @property
    def version(self) -> str:
        """The installed package's version."""
        return importlib.metadata.version(self.package)


def arrays_of(results: Sequence[Any]) -> list[Array]:
    """The results of a step as NumPy arrays."""
    return [np.asarray(r) for r in results]


# -- graphc ----------------------------------------------------------------------------------------
def declared(workload: Workload, data: Data, rate: float | None) -> tuple[list[gc.Tensor], list[gc.Tensor]]:
    """The graph of a workload: its outputs and its inputs."""
    tensors = {name: gc.input(name, a.shape, a.dtype.name) for name, a in data.items()}
    loss = workload.losses["graphc"](tensors)
    values = [tensors[name] for name in workload.wrt]
    results = gc.grad(loss, values)
    if rate is not None:
        results = [v - rate * g for v, g in zip(values, results, strict=True)]
    return [loss, *results], list(tensors.values())


def _graphc(workload: Workload, data: Data, rate: float | None) -> Step:
    outputs, inputs = declared(workload, data, rate)
    function, arrays = gc.compile(outputs, inputs), list(data.values())
    return lambda: function(*arrays)


# -- PyTorch ---------------------------------------------------------------------------------------
def _torch(workload: Workload, data: Data, rate: float | None) -> Step:
    import torch

    tensors = {n: torch.tensor(a).requires_grad_(n in workload.wrt) for n, a in data.items()}
    values = [tensors[name] for name in workload.wrt]
    form = workload.losses["torch"]

    def step() -> list[Any]:
        loss = form(tensors)
        results: Sequence[Any] = torch.autograd.grad(loss, values)
        if rate is not None:
            results = [v.detach() - rate * g for v, g in zip(values, results, strict=True)]
        return [loss.detach(), *results]

    return step


def _limit_torch(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


# -- JAX -------------------------------------------------------------------------------------------
def _jax(workload: Workload, data: Data, rate: float | None) -> Step:
    import jax

    form = workload.losses["jax"]
    tensors = {name: jax.numpy.asarray(a) for name, a in data.items()}
    values = {name: tensors.pop(name) for name in workload.wrt}

    def computed(values: dict[str, Any], others: dict[str, Any]) -> list[Any]:
        loss, gradients = jax.value_and_grad(lambda v: form({**v, **others}))(values)
        # JAX sorts the keys of a dict: the results are put back into the workload's order.
        results = [gradients[name] for name in workload.wrt]
        if rate is not None:
            results = [values[name] - rate * g for name, g in zip(workload.wrt, results, strict=True)]
        return [loss, *results]

    compiled = jax.jit(computed)
    return lambda: jax.block_until_ready(compiled(values, tensors))


def _limit_jax(threads: int) -> None:
    """XLA reads its threads when it is first imported: they are set in the environment before."""
    if "jax" not in sys.modules:
        eigen = "true" if threads > 1 else "false"
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen={eigen}".strip()
        os.environ["PJRT_NPROC"] = os.environ["NPROC"] = str(threads)
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.block_until_ready(jax.numpy.zeros(1) + 1)  # the backend starts here, not in a first call


GRAPHC = Peer("graphc", "graphc", "graphc", _graphc)
PEERS: tuple[Peer, ...] = (
    Peer("PyTorch", "torch", "torch", _torch, _limit_torch),
    Peer("JAX", "jax", "jax", _jax, _limit_jax),
)


def installed_peers() -> list[Peer]:
    """The peers that can be measured here."""
    return [peer for peer in PEERS if peer.is_installed]
