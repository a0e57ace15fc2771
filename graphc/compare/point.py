"""The point of comparison: a graph and values enter; the graph in float64 and its evaluation there leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.errors import GraphError
from graphc.ir.body import Body
from graphc.ir.build import apply, rebuilt, with_attrs
from graphc.ir.dimension import evaluate_dim
from graphc.ir.dtype import FLOAT64, is_float
from graphc.ir.origin import inheriting, user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops.elementwise import CAST, STOP_GRADIENT
from graphc.ops.loop import SCAN
from graphc.ops.sources import CONSTANT, INPUT
from graphc.runtime.interpreter import Array, bind_sizes, interpret

At = Mapping[Any, Any]


@dataclass(frozen=True, eq=False)
class Parameter:
    """What is differentiated by: its label in the report, its node in float64, and the user's node."""

    label: str
    tensor: Tensor
    original: Tensor


class Point:
    """A graph in float64, all its sources' values, and what calculus holds fixed there.

    Values of stop_gradient nodes and random draws are taken once: differences must not move what the
    engines hold constant.
    """

    def __init__(self, y: Tensor, parameters: Sequence[tuple[str, Tensor]], at: At) -> None:
        wrt = [t for _, t in parameters]
        order = topological_order([y, *wrt])
        self.original = y
        self.given = source_values(order, at)
        self.sizes = bind_sizes([(t, np.shape(v)) for t, v in self.given.items()])
        double = _in_float64(order)
        self.y = double[y]
        self.parameters = [Parameter(label, double[t], t) for label, t in parameters]
        self.order = topological_order([self.y, *(p.tensor for p in self.parameters)])
        self.sources = {double[t]: np.asarray(v, double[t].dtype) for t, v in self.given.items()}
        self._known = dict(self.sources)
        self._known |= self._draws(order, double)
        self.base = dict(zip(self.order, self.run(self.order), strict=True))
        self._known |= {n: self.base[n] for n in self.order if n.op is STOP_GRADIENT}

    def _draws(self, order: Sequence[Tensor], double: Mapping[Tensor, Tensor]) -> dict[Tensor, Array]:
        draws = [n for n in order if n.op.family == "random"]
        self.draws = dict(zip(draws, interpret(draws, {}, sizes=self.sizes), strict=True))
        return {double[n]: v.astype(np.float64) for n, v in self.draws.items()}

    def run(self, outputs: Sequence[Tensor], moved: At | None = None, *, cast: bool = True) -> list[Array]:
        """The outputs' values, with some nodes moved from the point."""
        values = self._known | dict(moved or {})
        return interpret(outputs, values, sizes=self.sizes, cast=cast)

    def value(self, parameter: Parameter) -> Array:
        """The parameter's value at the point, in float64."""
        return self.base[parameter.tensor]

    def count(self, node: Tensor) -> int:
        """The number of elements of a node."""
        total = 1
        for size in node.shape:
            total *= evaluate_dim(size, self.sizes)
        return total


def source_values(order: Sequence[Tensor], at: At) -> dict[Tensor, Any]:
    """A value for each input and parameter: from ``at`` by tensor or name, else by the parameter's init.

    Inits draw from seed 0. Raises GraphError for an input without a value and for an unknown name.
    """
    sources = [n for n in order if n.op.name in ("input", "parameter")]
    known = {n.name for n in sources}
    for key in at:
        if (isinstance(key, str) and key not in known) or (isinstance(key, Tensor) and key not in set(order)):
            raise GraphError(
                f"a value is given for {key!r}, which the graph does not read",
                op="compare_gradients", location=user_location(),
                remedy=f"its inputs and parameters are {', '.join(sorted(map(repr, known)))}",
            )  # fmt: skip
    generator = np.random.default_rng(0)
    values: dict[Tensor, Any] = {}
    for node in sources:
        if node in at:
            values[node] = np.asarray(at[node], node.dtype)
        elif node.name in {k for k in at if isinstance(k, str)}:
            values[node] = np.asarray(at[node.name], node.dtype)
        elif node.op.name == "parameter":
            values[node] = initial(node, generator)
        else:
            raise GraphError(
                f"no value is given for the input {node.name!r}", op="compare_gradients",
                location=node.location, remedy=f"pass at={{{node.name!r}: array, …}}",
            )  # fmt: skip
    return values


def initial(parameter: Tensor, generator: np.random.Generator) -> Array:
    """A parameter's first value: by its init function, array or number; zeros without one."""
    init = parameter.attrs["init"]
    shape = tuple(evaluate_dim(s, {}) for s in parameter.shape)
    if callable(init):
        return np.asarray(init(shape, parameter.dtype, generator), parameter.dtype)
    return np.broadcast_to(np.asarray(0 if init is None else init, parameter.dtype), shape).copy()


def _in_float64(order: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """Each node as one of a graph in which every float is float64; casts between floats vanish.

    Parameters are inputs there, and no two inputs have one name: so any part of it can be compiled.
    """
    names: set[str] = set()

    def source(node: Tensor) -> Tensor:
        label, number = node.name or node.op.name, 1
        while label in names:
            number += 1
            label = f"{node.name} ({number})"
        names.add(label)
        dtype = FLOAT64 if is_float(node.dtype) else node.dtype
        with inheriting(node.origins):
            return apply(INPUT, (), label, name=label, shape=node.shape, dtype=dtype)

    def change(node: Tensor) -> Tensor:
        if node.op.name in ("input", "parameter"):
            return source(node)
        if node.op is CAST and is_float(node.dtype) and node.inputs[0].dtype == FLOAT64:
            return node.inputs[0]
        if node.op is CONSTANT and is_float(node.dtype) and node.dtype != FLOAT64:
            return with_attrs(node, {**node.attrs, "value": node.attrs["value"].astype(np.float64)})
        declared = node.attrs.get("dtype")
        if declared is not None and is_float(np.dtype(declared)) and declared != FLOAT64:
            return with_attrs(node, {**node.attrs, "dtype": FLOAT64})
        return node

    new: dict[Tensor, Tensor] = {}
    for node in order:
        operands = tuple([new[i] for i in node.inputs])
        if node.op is SCAN:
            with inheriting(node.origins):
                attrs = {**node.attrs, "body": _body_in_float64(node.attrs["body"])}
                new[node] = apply(SCAN, operands, node.name, **attrs)
        else:
            new[node] = change(rebuilt(node, operands))
    return new


def _body_in_float64(body: Body) -> Body:
    double = _in_float64(list(dict.fromkeys([*body.placeholders, *body.order])))

    def moved(nodes: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple([double[n] for n in nodes])

    return Body(
        moved(body.carries), moved(body.xs), moved(body.constants), moved(body.next), moved(body.outputs)
    )
