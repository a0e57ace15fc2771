"""How much work a step is: a node enters, about how many nanoseconds one thread takes leaves."""

from __future__ import annotations

from graphc.codegen.tiling.growth import element_hint
from graphc.codegen.views import is_view
from graphc.ir.tensor import Tensor

_CALL = 500.0
# Nanoseconds an element, float32, in cache.
_ELEMENT = {
    "exp": 0.4, "log": 0.5, "tanh": 0.25, "sigmoid": 0.7, "divide": 0.15, "erf": 4.0, "power": 3.0,
    "softplus": 2.0,
}  # fmt: skip
_MULTIPLY_ADD = 0.03


def estimated_nanoseconds(node: Tensor) -> float:
    """The time of one node, symbolic sizes taken for a hint."""
    if not node.inputs or is_view(node):
        return 0.0
    elements = max(element_hint(node.shape), *[element_hint(i.shape) for i in node.inputs])
    if node.op.name == "matmul":
        return _CALL + _MULTIPLY_ADD * element_hint(node.shape) * element_hint(node.inputs[0].shape[-1:])
    return _CALL + _ELEMENT.get(node.op.name, 0.2) * elements * (node.dtype.itemsize / 4)
