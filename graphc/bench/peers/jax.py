"""JAX: value and gradient in one function that XLA compiles."""

from __future__ import annotations

import os
import sys
from typing import Any

from graphc.bench.peers.peer import Peer, Step, stepped
from graphc.bench.workload import Data, Workload


def prepare(workload: Workload, data: Data, rate: float | None) -> Step:
    import jax

    form = workload.forms["jax"]
    tensors = {name: jax.numpy.asarray(a) for name, a in data.items()}
    values = {name: tensors.pop(name) for name in workload.wrt}

    def computed(values: dict[str, Any], others: dict[str, Any]) -> list[Any]:
        if not values:
            return [form(others)]
        value, gradients = jax.value_and_grad(lambda v: form({**v, **others}))(values)
        # JAX sorts the keys of a dict: the results are put back into the workload's order.
        names = workload.wrt
        return [value, *stepped([values[n] for n in names], [gradients[n] for n in names], rate)]

    compiled = jax.jit(computed)
    return lambda: jax.block_until_ready(compiled(values, tensors))


def limit(threads: int) -> None:
    """XLA reads its threads when it is first imported: they are set in the environment before."""
    if "jax" not in sys.modules:
        eigen = "true" if threads > 1 else "false"
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen={eigen}".strip()
        os.environ["PJRT_NPROC"] = os.environ["NPROC"] = str(threads)
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.block_until_ready(jax.numpy.zeros(1) + 1)  # the backend starts here, not in a first call


JAX = Peer("JAX", "jax", "jax", prepare, limit)
