"""Values of nodes: nodes and values of the sources below them enter, arrays leave.

Plain: each node by its op's NumPy meaning, in topological order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from graphc.errors import ShapeError
from graphc.ir.body import resolved
from graphc.ir.dimension import evaluate_dim, format_shape
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order

Array = np.ndarray[Any, Any]


def node_values(outputs: Sequence[Tensor], known: Mapping[Tensor, Array]) -> dict[Tensor, Array]:
    """The values of the outputs and all nodes between them and those whose values are known.

    Symbolic sizes are read off the known values. Raises ShapeError where one does not fit its tensor.
    """
    values = dict(known)
    sizes: dict[str, int] = {}
    for node, value in known.items():
        for size, seen in zip(node.shape, value.shape, strict=False):
            if isinstance(size, sympy.Symbol):
                sizes.setdefault(size.name, seen)
    for node, value in known.items():
        if value.ndim != node.ndim or tuple(evaluate_dim(s, sizes) for s in node.shape) != value.shape:
            raise ShapeError(
                f"{node.name!r} is declared {format_shape(node.shape)}, the value has shape {value.shape}",
                op=node.op.name, location=user_location(), remedy="give a value of the declared shape",
            )  # fmt: skip
    with np.errstate(all="ignore"):
        for node in topological_order(outputs, stop=known):
            if node not in values:
                attrs = {k: resolved(v, sizes) for k, v in node.attrs.items()}
                found = np.asarray(node.op.evaluate(attrs, *(values[i] for i in node.inputs)))
                values[node] = found.astype(node.dtype, copy=False)
    return values
