"""The interpreter: a graph and values of its sources enter, values of its outputs leave.

Slow and plain: each node is evaluated by its op's NumPy meaning, in topological order. It is the
oracle that generated code is held against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from graphc.errors import GraphError, ShapeError
from graphc.ir.body import resolved
from graphc.ir.dimension import Dim, evaluate_dim, format_shape
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.runtime.random import draw

Array = np.ndarray[Any, Any]


def bind_sizes(declared: Sequence[tuple[Tensor, tuple[int, ...]]]) -> dict[str, int]:
    """The value of every symbolic size, from pairs of a tensor and the shape of its value.

    Raises ShapeError where a shape does not fit the declared one.
    """
    sizes: dict[str, int] = {}
    for tensor, shape in declared:
        if len(shape) == len(tensor.shape):
            for size, seen in zip(tensor.shape, shape, strict=True):
                if isinstance(size, sympy.Symbol):
                    sizes.setdefault(size.name, seen)
    for tensor, shape in declared:
        if len(shape) != len(tensor.shape) or any(
            evaluate_dim(size, sizes) != seen for size, seen in zip(tensor.shape, shape, strict=True)
        ):
            known = ", ".join(f"{n} = {v}" for n, v in sizes.items())
            raise ShapeError(
                f"{tensor.name!r} is declared {format_shape(tensor.shape)}, the value has shape {shape}"
                + (f" ({known})" if known else ""),
                op=tensor.op.name,
                location=tensor.location,
            )
    return sizes


def interpret(
    outputs: Sequence[Tensor],
    values: Mapping[Tensor, Any],
    *,
    seed: int = 0,
    call: int = 0,
    sizes: Mapping[str, int] | None = None,
    places: Mapping[Tensor, int] | None = None,
    cast: bool = True,
) -> list[Array]:
    """The outputs' values. ``values`` gives every input and parameter, and may give other nodes too.

    ``sizes`` gives symbolic sizes that no value fixes; ``places`` the number of each random draw
    (their topological order if left out); ``cast=False`` leaves dtypes as computed, so that complex
    numbers may flow through a real graph.
    """
    known: dict[Tensor, Array] = {t: np.asarray(v, t.dtype if cast else None) for t, v in values.items()}
    numbers: dict[str, int] = dict(sizes or {})
    numbers.update(bind_sizes([(t, a.shape) for t, a in known.items()]))
    order = topological_order(outputs, stop=known)
    draws = [n for n in order if n.op.family == "random"]
    numbering: Mapping[Tensor, int] = places or {n: i for i, n in enumerate(draws)}

    def number(size: Dim) -> int:
        return evaluate_dim(size, numbers)

    with np.errstate(all="ignore"):
        for node in order:
            if node in known:
                continue
            if node.op.name in ("input", "parameter"):
                raise GraphError(
                    f"no value is given for {node.name!r}", op=node.op.name, location=node.location,
                    remedy="pass one in `values`",
                )  # fmt: skip
            if node.op.family == "random":
                shape = tuple(map(number, node.shape))
                known[node] = draw(node.op.name, shape, node.dtype, seed, numbering[node], call)
                continue
            attrs = {k: resolved(v, numbers) for k, v in node.attrs.items()}
            value = np.asarray(node.op.evaluate(attrs, *(known[i] for i in node.inputs)))
            known[node] = value.astype(node.dtype, copy=False) if cast else value
    return [known[o] for o in outputs]
