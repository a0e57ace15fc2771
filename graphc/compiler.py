"""The compiler, as a story: outputs → verify → passes → schedule → memory plan → source → function."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphc.codegen.budget import Budget, check_budget
from graphc.codegen.memory import plan_memory
from graphc.codegen.program import write_program
from graphc.codegen.scalar import write_scalar_program
from graphc.codegen.schedule import schedule
from graphc.codegen.threads import processors
from graphc.errors import GraphError
from graphc.ir.body import with_bodies
from graphc.ir.dimension import Dim, element_count
from graphc.ir.graph import Graph
from graphc.ir.origin import user_location
from graphc.ir.structure import flatten
from graphc.ir.tensor import Tensor
from graphc.ir.verifier import Verifier
from graphc.passes.convolution import ConvolutionLowering
from graphc.passes.pipelines import PIPELINES, TILED, replaced, run
from graphc.passes.report import explain
from graphc.rewrite.cost import work
from graphc.runtime.collector import collector_at_rest
from graphc.runtime.entry import Argument
from graphc.runtime.function import Compiled, Function
from graphc.runtime.parameters import Parameters
from graphc.signature import check_signature, output_labels
from graphc.tuning import Store, Tuner, cache_folder, machine


def compile(
    outputs: Any,
    inputs: Sequence[Tensor] = (),
    *,
    updates: Mapping[Tensor, Tensor] | None = None,
    params: Parameters | None = None,
    seed: int = 0,
    optimize: str = "default",
    threads: int | None = None,
    memory_budget: int | None = None,
    sizes: Mapping[str, int] | None = None,
    tune: bool = False,
    debug: str | None = None,
) -> Function:
    """Compile a graph to a function of NumPy arrays.

    ``outputs`` is a tensor, or a tuple, list or dict of tensors: the form of the result. ``inputs``
    are the arguments in order. Parameters below the outputs need no listing: they are initialised
    from ``seed`` into ``f.params``, or shared with another function by ``params=f.params``.
    ``updates`` maps parameters to the values they take after each call. ``optimize`` names a
    pipeline: "none", "exact", "default" or "fast". ``threads`` is how many threads a call may use
    (None: ``GRAPHC_THREADS``, else all processors); with "default" and "fast" it does not change a bit of
    the result. ``memory_budget`` is how many bytes the buffers of a call may take, all threads' too, not
    counting arguments, parameters and results: values are then computed again where that saves memory.
    ``sizes`` are the symbolic sizes at which memory is counted (64 for one not given). ``tune=True``
    chooses the algorithm of each convolution by measurement instead of by estimated cost: small programs of
    these sizes are timed on this machine, which takes seconds the first time and is kept in the user's cache
    (moved by ``GRAPHC_CACHE``, not kept if that is "off"); ``f.stats["tuned"]`` tells what was measured.
    With "none" and "exact" there is one algorithm, and nothing to measure. ``debug="nan"`` stops where the
    first NaN appears, "inf" also at infinities.

    Raises GraphError where the declaration does not hold together: an input missing or not needed,
    two of one name, a size that no input fixes, an update of the wrong type; and where no plan fits into
    the memory budget.

    >>> import numpy as np, graphc as gc
    >>> x = gc.input("x", ("N", 2))
    >>> f = gc.compile(gc.exp(x).sum(axis=1), [x])
    >>> f(np.zeros((3, 2), np.float32))
    array([2., 2., 2.], dtype=float32)
    """
    if optimize not in PIPELINES or debug not in (None, "nan", "inf"):
        what, options = (
            ("optimize", PIPELINES) if optimize not in PIPELINES else ("debug", (None, "nan", "inf"))
        )
        raise GraphError(
            f"{what}={locals()[what]!r} is unknown", op="compile", location=user_location(),
            remedy=f"choose one of {', '.join(map(repr, options))}",
        )  # fmt: skip
    with collector_at_rest:
        return _compiled(
            outputs,
            inputs,
            updates or {},
            params,
            seed,
            optimize,
            threads,
            memory_budget,
            sizes or {},
            tune,
            debug,
        )


def _compiled(
    outputs: Any,
    inputs: Sequence[Tensor],
    updates: Mapping[Tensor, Tensor],
    params: Parameters | None,
    seed: int,
    optimize: str,
    threads: int | None,
    memory_budget: int | None,
    sizes: Mapping[str, int],
    tune: bool,
    debug: str | None,
) -> Function:
    clock = _Clock()
    leaves, structure = flatten(outputs, "compile")
    declared = Graph(tuple(inputs), tuple(leaves), tuple(updates.items()))
    check_signature(declared)
    verifier = Verifier()
    verifier.verify(declared, "declaration")
    clock.lap("verify")
    passes, tuner = PIPELINES[optimize], None
    if tune:
        tuner = _tuner(optimize, threads, sizes)
        passes = replaced(passes, ConvolutionLowering(tuner))
    graph, records = run(declared, passes, verifier)
    clock.lap("passes")
    places = {n: k for k, n in enumerate(n for n in declared.nodes if n.op.family == "random")}
    tiled = debug is None and optimize in TILED
    plan = schedule(graph, tiled)
    scalar = write_scalar_program(plan) if debug is None else None
    memory = plan_memory(plan)
    used = _thread_count(threads) or processors()
    repeated: tuple[Tensor, ...] = ()
    if memory_budget is not None:
        check_budget(memory_budget, sizes)
        fitting = Budget(memory_budget, sizes, used, tiled).fitted(plan, memory)
        plan, memory, repeated = fitting.schedule, fitting.plan, fitting.repeated
        if fitting.threads < used:
            threads = used = fitting.threads
        verifier.verify(plan.graph, "rematerialisation")
    clock.lap("plan")
    program = write_program(plan, memory, places, debug)
    clock.lap("source")
    store = Parameters() if params is None else params
    store.declare(declared.parameters, seed)
    done = work(plan.order)
    stats: dict[str, Any] = {
        "nodes": len(declared.nodes),
        "nodes_after_passes": len(graph.nodes),
        "steps": len(plan.steps),
        "buffers": len(memory.buffers),
        "planned_bytes": memory.footprint.planned(sizes, used),
        "live_bytes": memory.footprint.alive(sizes, used),
        "computed_again": len(repeated),
        "regions": len(plan.regions),
        "operations": done.operations,
        "bytes": done.bytes,
        "estimated seconds": done.seconds,
        "tuned": tuple(tuner.measured) if tuner else (),
        "seconds": clock.seconds,
    }
    compiled = Compiled(
        source=program.source,
        scalar_source=scalar.source if scalar else None,
        body=program,
        arguments=tuple(
            Argument(i.name or "", v, i.shape, i.dtype, i.location)
            for i, (_, v) in zip(inputs, program.arguments, strict=True)
        ),
        structure=structure,
        labels=output_labels(leaves, structure),
        footprint=memory.footprint,
        sizes=_symbolic_sizes(with_bodies(plan.order)),
        parameters=tuple(name for name, _ in program.parameters),
        updates=bool(plan.graph.updates),
        seed=seed,
        threads=_thread_count(threads),
        blas=_blas(with_bodies(plan.order), tiled),
        stats=stats,
        explanation=lambda: explain(records, stats),
    )
    function = Function(compiled, store)
    clock.lap("load")
    return function


def _tuner(optimize: str, threads: int | None, sizes: Mapping[str, int]) -> Tuner:
    """The choice of convolutions by measurement, of programs compiled as this one is."""
    used = _thread_count(threads) or processors()
    return Tuner(
        sizes,
        machine(used),
        {"optimize": optimize},
        lambda outputs, inputs: compile(list(outputs), inputs, optimize=optimize, threads=used),
        Store(cache_folder()),
    )


def _symbolic_sizes(nodes: Iterable[Tensor]) -> tuple[Dim, ...]:
    sizes = dict.fromkeys(s for n in nodes for s in n.shape if not isinstance(s, int) and not s.is_Symbol)
    return tuple(sizes)


# Products of fewer multiplications run on one thread anyway.
_SMALL_PRODUCT = 1 << 17


def _blas(nodes: Iterable[Tensor], tiled: bool) -> str:
    """How matrix products run: "freely" where there is none that BLAS would spread over threads."""
    for node in nodes:
        if node.op.family == "linear algebra":
            count = element_count([*node.shape, *node.inputs[0].shape[-1:]])
            if not isinstance(count, int) or count > _SMALL_PRODUCT:
                return "one" if tiled else "some"
    return "freely"


def _thread_count(threads: int | None) -> int | None:
    wanted = os.environ.get("GRAPHC_THREADS", "") if threads is None else threads
    if wanted == "":
        return None
    try:
        count = int(wanted)
    except ValueError:
        count = 0
    if count < 1:
        raise GraphError(
            f"threads={wanted!r} is no positive number", op="compile", location=user_location(),
            remedy="give at least 1, or leave it out",
        )  # fmt: skip
    return count


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self._last = now - self._last, now
