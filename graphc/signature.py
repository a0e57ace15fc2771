"""The checks of a declaration before it is compiled: names, inputs, sizes, updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import sympy

from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.ir.body import with_bodies
from graphc.ir.dimension import format_shape, same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import Location, user_location
from graphc.ir.structure import Structure
from graphc.ir.tensor import Tensor


def check_signature(graph: Graph) -> None:
    """Raise GraphError at the first thing that does not hold together."""
    for item in graph.inputs:
        if not isinstance(item, Tensor) or item.op.name != "input":
            refuse(
                f"{item!r} stands among the inputs, but is no input",
                "list what gc.input returned; parameters are found by themselves",
            )
    _check_names(graph.inputs, "inputs")
    _check_updates(graph)
    _check_names(graph.parameters, "parameters")
    _check_inputs(graph)


def refuse(message: str, remedy: str, location: Location | None = None) -> NoReturn:
    raise GraphError(message, op="compile", location=location or user_location(), remedy=remedy)


def _check_names(nodes: Sequence[Tensor], what: str) -> None:
    seen: dict[str, Tensor] = {}
    for node in nodes:
        name = node.name or ""
        if name in seen:
            if seen[name] is node:
                refuse(f"{name!r} is listed twice among the {what}", "list it once")
            refuse(
                f"two {what} are named {name!r}; the other was declared at {seen[name].location}",
                "give each a name of its own"
                + (", or declare them under different gc.scope(…)" if what == "parameters" else ""),
                node.location,
            )
        seen[name] = node


def _check_updates(graph: Graph) -> None:
    for parameter, new in graph.updates:
        if not isinstance(parameter, Tensor) or parameter.op.name != "parameter":
            refuse(f"{parameter!r} is updated, but is no parameter", "declare it with gc.parameter")
        if not isinstance(new, Tensor):
            refuse(
                f"the update of {parameter.name!r} is {type(new).__name__}",
                "give a tensor; gc.constant makes one",
            )
        if not same_shape(parameter.shape, new.shape):
            raise ShapeError(
                f"the update of {parameter.name!r} has shape {format_shape(new.shape)}, "
                f"the parameter {format_shape(parameter.shape)}",
                op="compile", location=new.location, remedy="reduce or broadcast the new value to that shape",
            )  # fmt: skip
        if parameter.dtype != new.dtype:
            raise DTypeError(
                f"the update of {parameter.name!r} has dtype {new.dtype}, the parameter {parameter.dtype}",
                op="compile", location=new.location,
                remedy=f"convert it with .astype({parameter.dtype.name!r}), or look for what widened it",
            )  # fmt: skip


def _check_inputs(graph: Graph) -> None:
    listed = set(graph.inputs)
    needed = set()
    used: dict[sympy.Symbol, Tensor] = {}
    for node in with_bodies(graph.nodes):
        for size in (*node.shape, node.attrs.get("value"), node.attrs.get("length")):
            if isinstance(size, sympy.Expr):
                for symbol in size.free_symbols:
                    used.setdefault(symbol, node)
    for node in graph.nodes:
        if node.op.name == "input":
            needed.add(node)
            if node not in listed:
                refuse(
                    f"the outputs need input {node.name!r}, which is not among the inputs",
                    f"list it: inputs=[…, {node.name}]",
                    node.location,
                )
    fixed = {s for i in graph.inputs for s in i.shape if isinstance(s, sympy.Symbol)}
    for symbol, node in used.items():
        if symbol not in fixed:
            refuse(
                f"nothing tells the size {str(symbol)!r} at a call",
                "it must be an axis of its own of some input: list that input",
                node.location,
            )
    told = {s for i in graph.inputs if i in needed for s in i.shape if isinstance(s, sympy.Symbol)}
    for item in graph.inputs:
        if item not in needed and not any(
            s in used and s not in told for s in item.shape if isinstance(s, sympy.Symbol)
        ):
            refuse(
                f"input {item.name!r} is not needed by any output",
                "leave it out of the inputs, or use it",
                item.location,
            )


def output_labels(outputs: Sequence[Tensor], structure: Structure) -> tuple[str, ...]:
    """A name for each output: its key in a dict, its own name, or its place."""
    if structure.kind == "dict" and all(p.kind == "leaf" for p in structure.parts):
        return tuple(map(str, structure.keys))
    return tuple(o.name or f"output{k}" for k, o in enumerate(outputs))
