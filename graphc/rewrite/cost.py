"""What a graph costs to run, roughly: a graph enters, a number of nanoseconds' order leaves.

Used to hold rules to their promise that they never make a graph dearer. Weights are the measured
time of NumPy's ufuncs per float32 element in cache, in units of one multiplication (0.11 ns).
"""

from __future__ import annotations

from collections.abc import Iterable

from graphc.ir.dimension import element_count, evaluate_dim, symbols_of
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order

_WEIGHTS = {
    "divide": 1.2, "reciprocal": 1.2, "sqrt": 2, "exp": 3.5, "expm1": 8, "log": 4, "log1p": 8, "tanh": 2,
    "sigmoid": 6, "softplus": 15, "power": 20, "sin": 4, "cos": 4, "tan": 6, "erf": 20, "logaddexp": 15,
    "softmax": 8, "log_softmax": 12, "logsumexp": 8,
}  # fmt: skip
_FREE = frozenset(
    [
        "input",
        "parameter",
        "constant",
        "dimension",
        "transpose",
        "reshape",
        "broadcast_to",
        "slice",
        "flip",
        "window",
        "stop_gradient",
    ]
)
# A NumPy call, in multiplications of one element.
_CALL = 4.0
_SIZE_HINT = 64


def node_cost(node: Tensor) -> float:
    """The cost of one node."""
    if node.op.name in _FREE:
        return 0.0
    count = element_count(max((*node.inputs, node), key=lambda n: n.ndim).shape)
    size = evaluate_dim(count, {s.name: _SIZE_HINT for s in symbols_of([count])})
    weight = _WEIGHTS.get(node.op.name, 1.0)
    if node.op.name == "matmul":
        weight *= float(_SIZE_HINT)
    return _CALL + weight * size


def is_costly(node: Tensor) -> bool:
    """Whether the node costs clearly more than moving its elements: a function, a reduction, a product."""
    if node.op.family == "elementwise":
        return _WEIGHTS.get(node.op.name, 1.0) >= 2
    return node.op.family not in ("source", "shape", "random")


def cost(outputs: Iterable[Tensor]) -> float:
    """The cost of all nodes below the outputs."""
    return sum(map(node_cost, topological_order(outputs)))
