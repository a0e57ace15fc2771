"""What a derivative costs: its graph and a point enter; sizes, operations, bytes and seconds leave.

Sizes are of the derived graph with everything that it reads, the function itself included. Only what is
compared comes from the interpreter; the time to run is that of the compiled function, as users run it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np
import sympy

from graphc.analysis import multiply_adds, operations
from graphc.compare.point import Point
from graphc.compiler import compile
from graphc.errors import GraphError
from graphc.ir.body import with_bodies
from graphc.ir.dimension import Dim, evaluate_dim
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.runtime.interpreter import Array

_RUNS = 5
_SECONDS = 0.25  # for further runs of one function: a slow one is run once or twice, not five times
_COMPILED_UP_TO = 200_000  # nodes; compiling these takes half a minute
LARGEST_TREE = 1 << 4096
"""Where counting a tree ends: about 1e1233 nodes. A deep graph's longer numbers would fill the memory."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one engine's derivative costs.

    ``tree`` counts the nodes written out, each shared one as often as it is read; ``nodes`` counts each
    once, ``optimised`` what the compiler's default passes leave. ``operations`` are the scalar operations
    of one run (a product and the sum it goes into are one), ``multiply_adds`` those of tensor products and
    convolutions alone, ``elements`` all elements computed. ``peak_bytes`` is the workspace that the memory
    plan asks for, and the results. ``run_seconds`` is the median of a few runs of the compiled function;
    the engine needs ``runs`` of them for what was compared. ``interpreted_seconds`` is what the engine
    itself took to evaluate, by the interpreter. None stands for what was not measured.
    """

    tree: int
    nodes: int
    optimised: int | None
    operations: int
    multiply_adds: int
    elements: int
    peak_bytes: int | None
    derive_seconds: float
    compile_seconds: float | None
    run_seconds: float | None
    runs: int
    interpreted_seconds: float


@dataclass(frozen=True, slots=True)
class Compilation:
    """The compiled function's figures."""

    nodes: int
    peak_bytes: int
    compile_seconds: float
    run_seconds: float


def tree_size(outputs: Sequence[Tensor]) -> int:
    """The nodes of the outputs written out as trees, counted without writing them out, to LARGEST_TREE.

    >>> import graphc as gc
    >>> x = gc.input("x", ())
    >>> y = x * x
    >>> tree_size([y * y])
    7
    """
    size: dict[Tensor, int] = {}
    for node in topological_order(outputs):
        size[node] = min(1 + sum([size[i] for i in node.inputs]), LARGEST_TREE)
    return min(sum(size[o] for o in outputs), LARGEST_TREE)


def cost_of(
    point: Point,
    outputs: Sequence[Tensor],
    *,
    derive_seconds: float,
    interpreted_seconds: float,
    runs: int = 1,
    moved: Mapping[Tensor, Array] | None = None,
    compiled: bool = True,
) -> Cost:
    """The cost of a derivative that evaluates the outputs ``runs`` times.

    ``moved`` gives values of inputs that the point does not know; without ``compiled`` nothing is compiled.
    """
    order = topological_order(outputs)
    counted = [n for n in order if n.inputs or n.op.family == "loop"]

    def total(count: Callable[[Tensor], Dim]) -> int:
        return sum([evaluate_dim(count(n), point.sizes) for n in counted])

    found = None
    if compiled and len(order) <= _COMPILED_UP_TO:
        found = compilation(point, outputs, moved or {})
    return Cost(
        tree=tree_size(outputs),
        nodes=len(order),
        optimised=found.nodes if found else None,
        operations=total(operations),
        multiply_adds=total(multiply_adds),
        elements=sum([point.count(n) for n in counted]),
        peak_bytes=found.peak_bytes if found else None,
        derive_seconds=derive_seconds,
        compile_seconds=found.compile_seconds if found else None,
        run_seconds=found.run_seconds if found else None,
        runs=runs,
        interpreted_seconds=interpreted_seconds,
    )


def compilation(point: Point, outputs: Sequence[Tensor], moved: Mapping[Tensor, Array]) -> Compilation | None:
    """The outputs compiled by the default pipeline and run at the point; None where that is refused.

    It is refused where a size is known by a value alone that the compiled function does not read.
    """
    arguments = _arguments(point, outputs, moved)
    start = perf_counter()
    try:
        function = compile(list(outputs), list(arguments))
    except GraphError:
        return None
    compiled = perf_counter() - start
    seconds: list[float] = []
    with np.errstate(all="ignore"):
        results = function(*arguments.values())  # the first call makes its buffers
        while len(seconds) < _RUNS and sum(seconds) < _SECONDS:
            start = perf_counter()
            results = function(*arguments.values())
            seconds.append(perf_counter() - start)
    held = sum(np.asarray(r).nbytes for r in results)
    peak = function.workspace_bytes(**point.sizes) + held
    return Compilation(function.stats["nodes_after_passes"], peak, compiled, median(seconds))


def _arguments(point: Point, outputs: Sequence[Tensor], moved: Mapping[Tensor, Array]) -> dict[Tensor, Array]:
    """The inputs below the outputs, and those that tell a size the graph uses, with their values."""
    order = topological_order(outputs)
    known = {**point.sources, **moved}
    found = {n: known[n] for n in order if n in known}
    told = {s for n in found for s in n.shape if isinstance(s, sympy.Symbol)}
    wanted = _symbols(order) - told
    for node, value in known.items():
        fixes = wanted.intersection(s for s in node.shape if isinstance(s, sympy.Symbol))
        if fixes and node not in found:
            found[node] = value
            wanted -= fixes
    return found


def _symbols(order: Sequence[Tensor]) -> set[sympy.Symbol]:
    sizes: list[Dim] = []
    for node in with_bodies(order):
        sizes += [*node.shape, *[node.attrs[k] for k in ("value", "length") if k in node.attrs]]
    return {s for size in sizes if isinstance(size, sympy.Expr) for s in size.free_symbols}
