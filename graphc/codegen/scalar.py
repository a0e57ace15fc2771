"""0-dimensional graphs as plain Python arithmetic: a schedule enters, source on floats leaves.

A NumPy call on one number costs about half a microsecond, Python's own arithmetic a tenth of that.
The numbers are computed in double precision and rounded to the graph's dtype at the end. Where
Python raises (overflow, division by zero, log of a negative number) the caller falls back to the
array program, which gives NumPy's infinities and NaNs.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen.names import Namespace, comment, suggested_name
from graphc.codegen.schedule import Schedule
from graphc.codegen.text import literal_source, tuple_source
from graphc.ir.dtype import BOOL, is_float
from graphc.ir.printer import format_type
from graphc.ir.tensor import Tensor

# {0}, {1}, … are the operands; those that occur twice are variables, never longer expressions.
EXPRESSIONS: dict[str, str] = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "floor_divide": "{0} // {1}",
    "remainder": "{0} % {1}",
    "negative": "-{0}",
    "reciprocal": "1.0 / {0}",
    "square": "{0} * {0}",
    "power": "math.pow({0}, {1})",
    "abs": "abs({0})",
    "sign": "float(({0} > 0.0) - ({0} < 0.0)) if {0} == {0} else {0}",
    "floor": "float(math.floor({0}))",
    "ceil": "float(math.ceil({0}))",
    "trunc": "float(math.trunc({0}))",
    "round": "float(round({0}))",
    "exp": "exp({0})",
    "exp2": "math.exp2({0})",
    "expm1": "math.expm1({0})",
    "log": "log({0})",
    "log2": "math.log2({0})",
    "log10": "math.log10({0})",
    "log1p": "math.log1p({0})",
    "sqrt": "sqrt({0})",
    "cbrt": "math.cbrt({0})",
    "sin": "math.sin({0})",
    "cos": "math.cos({0})",
    "tan": "math.tan({0})",
    "arcsin": "math.asin({0})",
    "arccos": "math.acos({0})",
    "arctan": "math.atan({0})",
    "sinh": "math.sinh({0})",
    "cosh": "math.cosh({0})",
    "tanh": "tanh({0})",
    "arcsinh": "math.asinh({0})",
    "arccosh": "math.acosh({0})",
    "arctanh": "math.atanh({0})",
    "arctan2": "math.atan2({0}, {1})",
    "hypot": "math.hypot({0}, {1})",
    "erf": "math.erf({0})",
    "sigmoid": "1.0 / (1.0 + exp(-{0}))",
    "softplus": "math.log1p(exp(-abs({0}))) + ({0} if {0} > 0.0 else 0.0)",
    "relu": "{0} if {0} > 0.0 or {0} != {0} else 0.0",
    "maximum": "{0} if {0} >= {1} or {0} != {0} else {1}",
    "minimum": "{0} if {0} <= {1} or {0} != {0} else {1}",
    "absorbing_multiply": "{0} * {1} if {0} != 0.0 else 0.0",
    "where": "{1} if {0} else {2}",
    "equal": "{0} == {1}",
    "not_equal": "{0} != {1}",
    "less": "{0} < {1}",
    "less_equal": "{0} <= {1}",
    "greater": "{0} > {1}",
    "greater_equal": "{0} >= {1}",
    "logical_and": "{0} and {1}",
    "logical_or": "{0} or {1}",
    "logical_not": "not {0}",
    "isnan": "{0} != {0}",
    "copy": "{0}",
}
# On one number these change nothing.
_IDENTITIES = frozenset(
    [
        "sum",
        "mean",
        "prod",
        "max",
        "min",
        "transpose",
        "reshape",
        "broadcast_to",
        "stop_gradient",
        "flip",
        "slice",
        "logsumexp",
        "copy",
    ]
)
_LONGEST_EXPRESSION = 60


@dataclass(frozen=True, eq=False)
class ScalarProgram:
    """``source`` defines ``compute(params, …)`` on floats, returning a tuple of NumPy scalars."""

    source: str
    arguments: tuple[str, ...]


def write_scalar_program(schedule: Schedule) -> ScalarProgram | None:
    """The program on floats, or None where the graph is not one of 0-dimensional floats."""
    graph = schedule.graph
    nodes = schedule.order
    sources = [n for n in nodes if not n.inputs]
    floats = {n.dtype for n in (*nodes, *graph.inputs, *graph.parameters) if n.dtype != BOOL}
    if len(floats) != 1 or not all(is_float(d) and d.itemsize >= 4 for d in floats):
        return None
    if any(n.ndim for n in (*nodes, *graph.inputs, *graph.parameters)):
        return None
    if any(n.op.name not in ("input", "parameter", "constant") for n in sources):
        return None
    if any(n.dtype == BOOL for n in (*graph.inputs, *graph.parameters)):
        return None
    if any(n.inputs and n.op.name not in EXPRESSIONS and n.op.name not in _IDENTITIES for n in nodes):
        return None
    return _write(schedule)


def _write(schedule: Schedule) -> ScalarProgram:
    graph = schedule.graph
    names = Namespace(("math", "exp", "log", "sqrt", "tanh", "params", "compute", "np", "number"))
    variable = {i: names.unique(i.name or "x") for i in graph.inputs}
    variable |= {p: names.unique(p.name or "w") for p in graph.parameters}
    kept = set(graph.outputs) | {new for _, new in graph.updates}
    uses: dict[Tensor, int] = {}
    for node in schedule.order:
        for operand in node.inputs:
            uses[operand] = uses.get(operand, 0) + 1
    text: dict[Tensor, str] = dict(variable)
    lines: list[str] = []
    for node in schedule.order:
        if node in text:
            continue
        if node.op.name == "constant":
            text[node] = literal_source(node.attrs["value"])
            if text[node].startswith(("np.", "-np.")):
                text[node] = text[node].replace("np.", "math.")
            elif text[node].startswith("-"):
                text[node] = f"({text[node]})"
            continue
        if node.op.name in _IDENTITIES:
            text[node] = text[node.inputs[0]]
            continue
        pattern = EXPRESSIONS[node.op.name]
        for k, operand in enumerate(node.inputs):
            if pattern.count(f"{{{k}}}") > 1 and not text[operand].isidentifier():
                _assign(operand, text, lines, names)
        expression = pattern.format(*(text[i] for i in node.inputs))
        text[node] = f"({expression})"
        if uses.get(node, 0) != 1 or node in kept or node.name or len(expression) > _LONGEST_EXPRESSION:
            _assign(node, text, lines, names)
    rounded = next(n.dtype for n in (*schedule.order, *graph.inputs) if n.dtype != BOOL)
    results = [f"{'bool_' if o.dtype == BOOL else 'number'}({text[o]})" for o in graph.outputs]
    arguments = tuple(variable[i] for i in graph.inputs)
    body = [
        "import math",
        "from math import exp, log, sqrt, tanh",
        "",
        f"from numpy import bool_, {rounded.name} as number",
        "",
        "",
        f"def compute({', '.join(['params', *arguments])}):",
    ]
    for argument in graph.inputs:
        about = f"{variable[argument]}: {comment(argument.name or '')} {format_type(argument)}"
        body.append(f"    # {comment(about)}")
    for k, parameter in enumerate(graph.parameters):
        body.append(f"    {variable[parameter]} = params[{k}].item()  # {comment(parameter.name or '')}")
    body += [f"    {line}" for line in lines]
    position = {p: k for k, p in enumerate(graph.parameters)}
    body += [f"    params[{position[p]}][()] = {text[new]}" for p, new in graph.updates]
    body.append(f"    return {tuple_source(results) if results else '()'}")
    return ScalarProgram("\n".join(body) + "\n", arguments)


def _assign(node: Tensor, text: dict[Tensor, str], lines: list[str], names: Namespace) -> None:
    name = names.unique(suggested_name(node))
    # Every expression of more than one token was put in parentheses when it was made.
    lines.append(f"{name} = {text[node][1:-1] if text[node].startswith('(') else text[node]}")
    text[node] = name
