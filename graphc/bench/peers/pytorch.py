"""PyTorch: eager with autograd, and by torch.compile, which compiles value and gradient as one function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.bench.peers.peer import Peer, Step, stepped
from graphc.bench.workload import Data, Workload


def prepare(workload: Workload, data: Data, rate: float | None) -> Step:
    import torch

    tensors = {n: torch.tensor(a).requires_grad_(n in workload.wrt) for n, a in data.items()}
    values = [tensors[name] for name in workload.wrt]
    form = workload.forms["torch"]

    def step() -> list[Any]:
        value = form(tensors)
        gradients: Sequence[Any] = torch.autograd.grad(value, values)
        return [value.detach(), *stepped([v.detach() for v in values], gradients, rate)]

    def value_alone() -> list[Any]:
        with torch.inference_mode():
            return [form(tensors)]

    return step if values else value_alone


def prepare_compiled(workload: Workload, data: Data, rate: float | None) -> Step:
    import torch

    tensors = {name: torch.tensor(a) for name, a in data.items()}
    names, form = list(tensors), workload.forms["torch"]
    places = tuple(names.index(name) for name in workload.wrt)

    def value(*arrays: Any) -> Any:
        return form(dict(zip(names, arrays, strict=True)))

    def computed(*arrays: Any) -> list[Any]:
        if not places:
            return [value(*arrays)]
        gradients, result = torch.func.grad_and_value(value, argnums=places)(*arrays)
        return [result, *stepped([arrays[k] for k in places], gradients, rate)]

    torch.compiler.reset()  # what it compiled for another workload counts against its limit of versions
    compiled, arrays = torch.compile(computed), list(tensors.values())

    def step() -> list[Any]:
        with torch.no_grad():
            results: list[Any] = compiled(*arrays)
        return results

    return step


def limit(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


PYTORCH = Peer("PyTorch", "torch", "torch", prepare, limit)
TORCH_COMPILE = Peer("torch.compile", "torch", "torch", prepare_compiled, limit)
