"""An exact oracle: a graph and rational numbers enter; its gradient by SymPy, element by element, leaves.

Every element of every input is a SymPy symbol, every node an array of expressions in them; one expression
is left and differentiated by each symbol. Conditions, maxima and jumps are decided at the point, ties as
graphc's conventions have it, and all numbers have 40 digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

import graphc as gc
from graphc.ir.body import resolved
from graphc.ir.dimension import evaluate_dim
from graphc.ir.traversal import topological_order
from graphc.runtime.interpreter import bind_sizes
from tests.symbolic.element_meanings import Point, evaluated

Array = np.ndarray[Any, Any]


def element_gradients(
    y: gc.Tensor,
    wrt: list[gc.Tensor],
    values: Mapping[gc.Tensor, Array],
    sizes: Mapping[str, int] | None = None,
    directions: list[Array] | None = None,
) -> list[Array]:
    """The gradients of the scalar by each tensor at float values, which are taken as exact rationals.

    With directions (one for each tensor), those of the scalar's slope along them: the Hessian's product.
    """
    point = Point()
    known: dict[gc.Tensor, Array] = {}
    for tensor, value in values.items():
        known[tensor] = point.symbols(f"x{len(known)}", value) if value.dtype.kind == "f" else value
    numbers = {**(sizes or {}), **bind_sizes([(t, v.shape) for t, v in values.items()])}
    for node in topological_order([y]):
        if node not in known:
            attrs = {k: resolved(v, numbers) for k, v in node.attrs.items()}
            shape = tuple(evaluate_dim(s, numbers) for s in node.shape)
            known[node] = evaluated(node, attrs, shape, [known[i] for i in node.inputs], point)
            assert known[node].shape == shape, f"the oracle gives {known[node].shape} for {node!r}"
    loss = known[y][()]
    symbols = [s for t in wrt for s in known[t].flat]
    if directions is not None:
        steps = [sympy.Rational(float(v)) for d in directions for v in d.flat]
        loss = sympy.Add(*(v * sympy.diff(loss, s) for v, s in zip(steps, symbols, strict=True)))
    slopes = np.array([sympy.diff(loss, s) for s in symbols] + [None], object)[:-1]
    flat = point.values(slopes).astype(float)
    ends = np.cumsum([known[t].size for t in wrt])[:-1]
    return [part.reshape(known[t].shape) for part, t in zip(np.split(flat, ends), wrt, strict=True)]
