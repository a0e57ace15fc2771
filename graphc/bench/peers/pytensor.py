"""PyTensor in its default mode, whichever compiler that uses here."""

from __future__ import annotations

import os
import sys

from graphc.bench.peers.peer import Peer, Step, stepped
from graphc.bench.workload import Data, Workload


def prepare(workload: Workload, data: Data, rate: float | None) -> Step:
    import pytensor
    import pytensor.tensor as pt

    # Python's floats in a form become constants of this dtype.
    pytensor.config.floatX = next(iter(data.values())).dtype.name
    tensors = {name: pt.TensorType(a.dtype.name, a.shape)(name) for name, a in data.items()}
    values = [tensors[name] for name in workload.wrt]
    value = workload.forms["pytensor"](tensors)
    gradients = pt.grad(value, values) if values else []
    inputs = [pytensor.In(tensor, borrow=True) for tensor in tensors.values()]
    function = pytensor.function(inputs, [value, *stepped(values, gradients, rate)], trust_input=True)
    arrays = list(data.values())
    return lambda: function(*arrays)


def limit(threads: int) -> None:
    """Numba and OpenMP read their threads when they are first imported."""
    if "pytensor" not in sys.modules:
        os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = str(threads)


PYTENSOR = Peer("PyTensor", "pytensor", "pytensor", prepare, limit)
