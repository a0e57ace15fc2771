"""Where a number may be taken through an op: a node enters, the operands that may bear its factor leave.

c · f(x) = f(c · x) for what is linear in x, to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphc.ir.dtype import FLOAT32, FLOAT64, DType
from graphc.ir.tensor import Tensor
from graphc.rewrite.pattern import the_number

_OF_FIRST = frozenset(
    ["negative", "sum", "mean", "transpose", "reshape", "broadcast_to", "slice", "flip", "window", "fold",
     "embed", "divide", "take", "scatter_add", "copy"]
)  # fmt: skip
# Beyond these a factor could lose what it scales to underflow or overflow. Half precision has no room at all:
# there the user's factors (the scale of a loss) stay where they are.
_SMALLEST, _LARGEST = 2.0**-40, 2.0**40
_DTYPES = frozenset({FLOAT32, FLOAT64})


def may_move(factor: float, dtype: DType) -> bool:
    """Whether a factor may be taken elsewhere without harm."""
    return dtype in _DTYPES and _SMALLEST <= abs(factor) <= _LARGEST


def scaled_operand(node: Tensor) -> tuple[Tensor, float] | None:
    """x and c where the node is x · c of a movable number c, of x's shape and dtype."""
    if node.op.name != "multiply":
        return None
    for x, other in (node.inputs, node.inputs[::-1]):
        if x.dtype == node.dtype and x.shape == node.shape:
            number = the_number(other)
            if number is not None and may_move(number, node.dtype):
                return x, number
    return None


def bearers(node: Tensor) -> Iterator[tuple[int, ...]]:
    """The choices of operands that bear the node's factor: (0,) or (1,) of a product, (0, 1) of a sum."""
    name, inputs = node.op.name, node.inputs
    if name in _OF_FIRST or (name == "pad" and node.attrs["value"] == 0):
        choices: tuple[tuple[int, ...], ...] = ((0,),)
    elif name in ("multiply", "matmul"):
        choices = ((0,), (1,))
    elif name in ("add", "subtract"):
        choices = ((0, 1),)
    elif name == "concatenate":
        choices = (tuple(range(len(inputs))),)
    else:
        choices = ()
    for choice in choices:
        if all(inputs[k].dtype == node.dtype for k in choice):
            yield choice
