"""CasADi, for graphs of numbers."""

from __future__ import annotations

from graphc.bench.peers.peer import Peer, Step, numbers_of, stepped
from graphc.bench.workload import Data, Workload


def prepare(workload: Workload, data: Data, rate: float | None) -> Step:
    import casadi

    symbols = {name: casadi.SX.sym(name) for name in data}
    value = workload.forms["casadi"](symbols)
    values = [symbols[name] for name in workload.wrt]
    gradients = [casadi.gradient(value, v) for v in values]
    function = casadi.Function("f", list(symbols.values()), [value, *stepped(values, gradients, rate)])
    numbers = list(numbers_of(data).values())
    return lambda: [float(result) for result in function(*numbers)]  # of matrices of one element


CASADI = Peer("CasADi", "casadi", "casadi", prepare)
