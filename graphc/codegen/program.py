"""The generated program: a schedule and a memory plan enter, readable NumPy source leaves.

``workspace(sizes)`` makes the buffers and their views once, and gives the function that works in them:
``compute(params, …)`` is one straight line of statements. Each region is such a pair too, for its tiles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphc.codegen import packing, threads
from graphc.codegen.memory import Plan
from graphc.codegen.module import Line, Module
from graphc.codegen.names import Namespace, comment
from graphc.codegen.schedule import Schedule
from graphc.codegen.text import tuple_lines, tuple_source
from graphc.codegen.tiling.sizes import TILE_ROWS
from graphc.codegen.writer import Writer
from graphc.ir.body import with_bodies
from graphc.ir.dimension import symbols_of
from graphc.ir.printer import format_type
from graphc.ir.tensor import Tensor

_WIDTH = 100
_RESERVED = (
    "np", "params", "seed", "call", "constants", "compute", "workspace", "view", "erf_into",
    "check_index", "check_finite", "random_generator", "window_view", "fold_into", "max_pool_into",
    "window_index_into",
    "in_tiles", "tile_rows", "thread", "lane", "first_row", "end_row", "arena", "memory",
    "memory_bytes", "packed", "places",
    "thread_memory",
    # Names of the modules that standalone files contain.
    *[name for module in (packing, threads) for name in vars(module) if not name.startswith("__")],
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Program:
    """Generated source and what it needs to run.

    ``kernels`` names the functions of ``codegen.kernels`` it calls; ``constants`` are the arrays of
    its ``constants`` list; ``arguments`` and ``parameters`` its inputs and parameters in order, with
    the identifiers they have there; ``symbols`` the symbolic sizes ``workspace`` takes; ``lines``
    maps a line of the source to the node it computes.
    """

    body: str
    kernels: tuple[str, ...]
    constants: tuple[np.ndarray, ...]
    arguments: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, str], ...]
    symbols: tuple[tuple[str, str], ...]
    draws: bool
    lines: dict[int, Tensor]

    @property
    def source(self) -> str:
        """The program as a module that imports its kernels from graphc."""
        imports = f"from graphc.codegen.kernels import {', '.join(self.kernels)}\n" if self.kernels else ""
        return f"import numpy as np\n{imports}{self.body}"

    def without_nodes(self) -> Program:
        """The program without its map to the graph: what can be pickled."""
        return replace(self, lines={})

    @property
    def first_line(self) -> int:
        """How many lines of ``source`` stand before ``body``."""
        return 2 if self.kernels else 1


def write_program(
    schedule: Schedule, plan: Plan, places: Mapping[Tensor, int], nan_checks: str | None = None
) -> Program:
    """The program of a planned schedule; ``places`` numbers its random draws.

    ``nan_checks`` is None, "nan" or "inf": which values stop the program where they first appear.
    """
    graph = schedule.graph
    names = Namespace(_RESERVED)
    # The user's own names come first, so that they stay as they are.
    variables = {node: names.unique(node.name or "x") for node in graph.inputs}
    variables |= {node: names.unique(node.name or "w") for node in graph.parameters}
    found = symbols_of(size for node in (*graph.inputs, *with_bodies(schedule.order)) for size in node.shape)
    symbols = {s.name: names.unique(s.name) for s in found}
    inside = {TILE_ROWS: names.unique("rows")} if schedule.regions else {}
    module = Module(names, symbols | inside, places, nan_checks)
    writer = Writer(module, schedule, plan, variables)
    writer.write_steps()
    # What is returned of a parameter is its value before the call: taken before it is written.
    results = [writer.result(o) for o in graph.outputs]
    writer.write_updates()
    writer.emit(f"return {tuple_source(results) if results else '()'}", None)
    draws = any(n.op.family == "random" for n in schedule.order)
    arguments = [(i.name or "", variables[i]) for i in graph.inputs]
    parameters = [(p.name or "", variables[p]) for p in graph.parameters]
    lines = [*_constants(module), *module.functions]
    lines += _workspace(writer, symbols, draws)
    return Program(
        "\n".join(text for text, _ in lines) + "\n",
        tuple(sorted(module.kernels)),
        tuple(module.constants),
        tuple(arguments),
        tuple(parameters),
        tuple(symbols.items()),
        draws,
        {i: node for i, (_, node) in enumerate(lines, 1) if node is not None},
    )


def _constants(module: Module) -> list[Line]:
    lines: list[Line] = [("", None), *[(text, None) for text in module.constant_lines]]
    return [*lines, ("", None)] if module.constant_lines else lines


def _workspace(writer: Writer, symbols: Mapping[str, str], draws: bool) -> list[Line]:
    """The function that makes the buffers, and in it the function that is called."""
    memory = writer.memory_lines("arena")
    if memory:
        writer.module.kernels.setdefault("arena")
    return [
        ("", None),
        *([("", None)] if writer.module.functions else []),
        (f"def workspace({', '.join(symbols.values())}):", None),
        ('    """The buffers of calls with these sizes, and the function that computes in them."""', None),
        *[(f"    {text}", None) for text in (*memory, *writer.setup)],
        ("", None),
        *[(f"    {text}", node) for text, node in _compute(writer, draws)],
        ("    return compute", None),
    ]


def _compute(writer: Writer, draws: bool) -> list[Line]:
    """The function that is called."""
    graph, variables = writer.schedule.graph, writer.variables
    arguments = [variables[i] for i in graph.inputs]
    extra = ["seed", "call"] if draws else []
    lines: list[Line] = [(f"def compute({', '.join(['params', *extra, *arguments])}):", None)]
    lines += [(f"    {text}", None) for text in _types([*graph.inputs, *graph.parameters], variables)]
    if graph.parameters:
        taken = tuple_lines("", [variables[p] for p in graph.parameters], " = params")
        lines += [(f"    {text}", None) for text in taken]
    return lines + [(f"    {text}", node) for text, node in writer.statements]


def _types(given: Sequence[Tensor], variables: Mapping[Tensor, str]) -> list[str]:
    """Comments with the type of each variable that is given, and the user's name where it reads otherwise."""
    lines: list[str] = []
    for node in given:
        variable, name = variables[node], node.name or ""
        named = "" if re.sub(r"\W", "_", name) == variable else f" ({name})"
        text = comment(f"{variable}{named} {format_type(node)}")
        if lines and len(lines[-1]) + len(text) < _WIDTH:
            lines[-1] += f"; {text}"
        else:
            lines.append(f"# {text}")
    return lines
