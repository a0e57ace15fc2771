"""Lowering: a scalar graph enters, the one SymPy expression it computes leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from graphc.errors import GraphError, UnsupportedError
from graphc.ir.dimension import format_shape
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops.sources import CONSTANT, DIMENSION
from graphc.symbolic.local import exact_number
from graphc.symbolic.naming import Names
from graphc.symbolic.scalar import body_of, reason_without_form

# SymPy prints and substitutes recursively: measured, expressions of 200 levels overflow the stack.
DEEPEST = 120
LARGEST = 20_000


def to_sympy(y: Tensor, *, budget: int = LARGEST) -> Any:
    """The scalar graph below ``y`` as one SymPy expression of its inputs and parameters.

    Every node must be 0-dimensional. Inputs, parameters and random draws become real symbols of
    their names (``block1/w`` is ``block1_w``, two of one name are told apart by a number; see
    ``symbols``); constants become exact numbers. Shared nodes are written out at every use, so an
    expression of more than ``budget`` terms, or nested too deep for SymPy, is refused.

    >>> import graphc as gc
    >>> x, w = gc.input("x", ()), gc.parameter("w", ())
    >>> gc.symbolic.to_sympy(gc.tanh(w * x + 1))
    tanh(w*x + 1)
    """
    order = topological_order([y])
    require_scalars(order, "to_sympy")
    return expressions([y], Names(order), budget)[0]


def symbols(y: Tensor) -> dict[str, Tensor]:
    """The tensor of each symbol that ``to_sympy(y)`` may contain, as ``from_sympy`` takes them.

    >>> import graphc as gc
    >>> gc.symbolic.symbols(gc.input("x", ()) * gc.parameter("layer/w", ()))
    {'x': <input 'x': float32()>, 'layer_w': <parameter 'layer/w': float32()>}
    """
    order = topological_order([y])
    names = Names(order)
    return {names.symbol[n].name: n for n in order if not n.inputs and n.op not in (CONSTANT, DIMENSION)}


def require_scalars(order: Sequence[Tensor], op: str) -> None:
    """Raise UnsupportedError naming the first node that is no scalar."""
    for node in order:
        if node.shape != ():
            label = f"{node.op.name} {node.name!r}" if node.name else node.op.name
            raise UnsupportedError(
                f"the graph is not scalar: {label} has shape {format_shape(node.shape)}",
                op=op,
                location=node.location,
                remedy="symbolic calculus covers graphs of 0-dimensional tensors; "
                "differentiate tensor graphs with gc.grad",
            )


def expressions(outputs: Sequence[Tensor], names: Names, budget: int) -> list[Any]:
    """One expression for each output, over the symbols of the sources."""
    made: dict[Tensor, Any] = {}
    depth: dict[Tensor, int] = {}
    size: dict[Tensor, int] = {}
    for node in topological_order(outputs):
        size[node] = 1 + sum(size[i] for i in node.inputs)
        if size[node] > budget:
            raise GraphError(
                f"the expression has more than {budget} terms when shared nodes are written out",
                op="to_sympy", location=user_location(),
                remedy="read the derivation's .text(), which names shared nodes, or raise `budget`",
            )  # fmt: skip
        made[node] = _expression(node, [made[i] for i in node.inputs], names)
        depth[node] = _depth(node, [depth[i] for i in node.inputs])
        if depth[node] > DEEPEST:
            raise GraphError(
                f"the expression is nested more than {DEEPEST} levels deep, more than SymPy can handle",
                op="to_sympy", location=user_location(),
                remedy="read the derivation's .text(), which names every node",
            )  # fmt: skip
    return [made[o] for o in outputs]


def _depth(node: Tensor, below: list[int]) -> int:
    # A body adds up to four levels: 1/(1 + exp(−x)).
    return max(below, default=0) + (3 if node.op.name in ("sigmoid", "softplus", "logaddexp") else 1)


def _expression(node: Tensor, operands: list[Any], names: Names) -> Any:
    if node.op is DIMENSION:
        return sympy.sympify(node.attrs["value"])
    if node.op is CONSTANT:
        value = exact_number(node.attrs["value"])
        if value is None:
            scalar = node.attrs["value"].item()
            return sympy.nan if scalar != scalar else sympy.oo * (1 if scalar > 0 else -1)
        return sympy.sympify(bool(value)) if node.dtype.kind == "b" else value
    if not node.inputs:
        return names.symbol[node]
    reason = reason_without_form(node.op)
    if reason is not None:
        raise UnsupportedError(f"has no scalar form: {reason}", op=node.op.name, location=node.location)
    return body_of(node.op, operands, [i.dtype for i in node.inputs], node.dtype)
