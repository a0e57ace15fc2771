"""The compiled function: generated source and its arrays enter, a callable object leaves."""

from __future__ import annotations

import itertools
import linecache
import os
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from graphc.codegen.footprint import Footprint
from graphc.codegen.program import Program
from graphc.codegen.standalone import standalone_source, write_standalone
from graphc.codegen.threads import blas, processors
from graphc.errors import GraphError, NonFiniteError, ShapeError
from graphc.ir.dimension import Dim, evaluate_dim
from graphc.ir.origin import user_location
from graphc.ir.structure import Structure
from graphc.runtime.entry import Argument, entry_source, refuse_shapes, scalar_entry_source
from graphc.runtime.parameters import Parameters
from graphc.runtime.profile import Profile
from graphc.runtime.profiler import measured

Array = np.ndarray[Any, Any]
# Sizes whose workspaces are kept: a training set's full and last batch, validation, and some more.
_KEPT_SIZES = 8
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Compiled:
    """What a function is made of: plain data, so that it can be pickled.

    ``sizes`` are the symbolic sizes of all arrays of the program, checked not to be negative where
    new sizes arrive; ``labels`` name the outputs. ``threads`` is how many it may use (None: all). ``blas``
    says how matrix products run: on "one" thread each, so that no bit of a result hangs on their number, on
    "some" threads, as many as it may use, or "freely".
    """

    source: str
    scalar_source: str | None
    body: Program
    arguments: tuple[Argument, ...]
    structure: Structure
    labels: tuple[str, ...]
    footprint: Footprint
    sizes: tuple[Dim, ...]
    parameters: tuple[str, ...]
    updates: bool
    seed: int
    threads: int | None
    blas: str
    stats: Mapping[str, Any]
    explanation: Callable[[], str]


class Function:
    """A compiled graph. Call it with arrays, by position or by input name.

    The result has the structure of the compiled outputs, and its arrays are new at each call.
    ``params`` holds the parameters; calls of a function with updates write them in place. A function
    may be called from several threads at once, is deterministic for its ``seed`` and number of
    ``calls``, and can be pickled.

    >>> import numpy as np, graphc as gc
    >>> x = gc.input("x", ("N",))
    >>> f = gc.compile((x * x).sum(), [x])
    >>> float(f(np.array([1, 2, 3], np.float32)))
    14.0
    """

    def __init__(
        self,
        compiled: Compiled,
        params: Parameters,
        calls: int = 0,
        given: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """``given`` are further names for the generated source, which that of a profile needs."""
        self._compiled = compiled
        self._given = given
        self.params = params
        self.calls = calls
        self._pool: dict[tuple[int, ...], list[Callable[..., Any]]] = {}
        self._count = len(compiled.arguments)
        self._build = _builder(compiled.structure)
        self._entry = self._load()

    # -- calling -----------------------------------------------------------------------------------
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != self._count:
            args = self._ordered(args, kwargs)
        return self._build(self._entry(*args))

    def _ordered(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments by position; an error that names what is missing or too much."""
        names = [a.name for a in self._compiled.arguments]

        def refuse(message: str) -> GraphError:
            return GraphError(
                message,
                op="call",
                location=user_location(),
                remedy=f"the arguments are {', '.join(names) or 'none'}",
            )

        if len(args) > len(names):
            raise refuse(f"{len(args)} arguments are given where {len(names)} are declared")
        values = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                raise refuse(f"there is no argument {name!r}")
            if name in values:
                raise refuse(f"argument {name!r} is given twice")
            values[name] = value
        missing = [n for n in names if n not in values]
        if missing:
            raise refuse(f"argument {missing[0]!r} is missing")
        return tuple(values[n] for n in names)

    # -- loading -----------------------------------------------------------------------------------
    def _load(self) -> Callable[..., Any]:
        compiled = self._compiled
        program = compiled.body
        namespace: dict[str, Any] = {"constants": list(program.constants), **self._given}
        _execute(compiled.source, namespace, "compute")
        if "in_tiles" in namespace:
            namespace["in_tiles"] = partial(namespace["in_tiles"], threads=compiled.threads)
        if "check_finite" in namespace:
            namespace["check_finite"] = _check_finite
        self._workspace = namespace["workspace"]
        store = [self.params[name] for name in compiled.parameters]
        common: dict[str, Any] = {
            "ndarray": np.ndarray,
            "errstate": np.errstate,
            "dtypes": [a.dtype for a in compiled.arguments],
            "arguments": compiled.arguments,
            "refuse_shapes": partial(refuse_shapes, compiled.arguments),
            "pool": self._pool,
            "new_workspace": self._new_workspace,
            "give_back": self._give_back,
            "seed": compiled.seed,
            "next_call": self._next_call,
            "params": store,
        }
        _execute(entry_source(compiled.arguments, program.symbols, program.draws), common, "entry")
        entry: Callable[..., Any] = common["entry"]
        if compiled.scalar_source is not None:
            scalar: dict[str, Any] = {}
            _execute(compiled.scalar_source, scalar, "scalar")
            given = ("params", "arguments", "dtypes")
            scalar |= {name: common[name] for name in given} | {"array_entry": entry}
            _execute(scalar_entry_source(compiled.arguments), scalar, "entry")
            entry = scalar["entry"]
        if compiled.blas == "one":
            entry = _with_one_blas_thread(entry)
        elif compiled.blas == "some" and compiled.threads is not None:
            entry = _with_threads(entry, compiled.threads)
        if compiled.updates:
            entry = _one_at_a_time(_with_own_arguments(entry, store), self.params)
        return entry

    def _next_call(self) -> int:
        with self.params.lock:
            self.calls += 1
            return self.calls - 1

    def _new_workspace(self, sizes: tuple[int, ...]) -> Callable[..., Any]:
        """The program with buffers of its own, for these sizes."""
        known = dict(zip([s for s, _ in self._compiled.body.symbols], sizes, strict=True))
        for size in self._compiled.sizes:
            if evaluate_dim(size, known) < 0:
                values = ", ".join(f"{n} = {v}" for n, v in known.items())
                raise ShapeError(
                    f"with {values} the size {size} of an array of the graph is {evaluate_dim(size, known)}",
                    op="call", remedy="call with larger arrays",
                )  # fmt: skip
        with np.errstate(all="ignore"):
            compute: Callable[..., Any] = self._workspace(*sizes)
        return compute

    def _give_back(self, sizes: tuple[int, ...], compute: Callable[..., Any]) -> None:
        free = self._pool.get(sizes)
        if free is None:
            while len(self._pool) >= _KEPT_SIZES:
                self._pool.pop(next(iter(self._pool)), None)
            free = self._pool.setdefault(sizes, [])
        free.append(compute)

    # -- looking inside ------------------------------------------------------------------------------
    @property
    def source(self) -> str:
        """The generated source: Python arithmetic for a graph of numbers, else NumPy statements."""
        return self._compiled.scalar_source or self._compiled.source

    @property
    def stats(self) -> Mapping[str, Any]:
        """Figures of the compilation: nodes before and after the passes, steps, buffers, seconds by stage.

        ``planned_bytes`` are those of the buffers of a call, all threads' too, symbolic sizes taken for 64;
        ``live_bytes`` the most that are in use at once: no placing of the same values needs fewer.
        ``computed_again`` is how many values are computed twice for a memory budget.
        """
        return self._compiled.stats

    def workspace_bytes(self, **sizes: int) -> int:
        """Bytes of a call's buffers, all threads' too, at these symbolic sizes (64 for one not given)."""
        compiled = self._compiled
        return compiled.footprint.planned(sizes, compiled.threads or processors())

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the arguments, in order."""
        return tuple(a.name for a in self._compiled.arguments)

    def explain(self) -> str:
        """What each pass did: nodes before and after, rules that fired, and the difference as text."""
        return self._compiled.explanation()

    def profile(self, *args: Any, calls: int = 10, threads: int = 1, **kwargs: Any) -> Profile:
        """Where the time of a call goes: by line of the generated source, by line and scope of the user's.

        The arguments are those of a call. Copies of the function are called ``calls`` times with them, on
        ``threads`` threads, and on copies of the parameters: neither ``params`` nor ``calls`` changes. An
        argument that is itself called ``calls`` or ``threads`` is given by position. Raises GraphError where
        either is no positive number, and what a call raises.

        >>> import numpy as np, graphc as gc
        >>> x = gc.input("x", ("N", 64))
        >>> f = gc.compile(gc.exp(x @ x.T).sum(), [x])
        >>> report = f.profile(np.zeros((64, 64), np.float32))
        >>> round(sum(row.share for row in report.rows), 6)
        1.0
        """
        for name, value in (("calls", calls), ("threads", threads)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise GraphError(
                    f"{name}={value!r} is no positive number", op="profile", location=user_location(),
                    remedy=f"give at least 1; an argument of the function called {name!r} goes by position",
                )  # fmt: skip
        return measured(self._compiled, self._twin, self._ordered(args, kwargs), calls, threads)

    def _twin(self, source: str, threads: int, given: Mapping[str, Any]) -> Function:
        """The function with its array program in another text, on copies of the parameters."""
        with self.params.lock:
            params = deepcopy(self.params)
        compiled = replace(
            self._compiled, source=source, scalar_source=None, threads=threads,
            blas="one" if threads == 1 else self._compiled.blas,
        )  # fmt: skip
        return Function(compiled, params, self.calls, given)

    def save(
        self, path: str | os.PathLike[str], *, example: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> None:
        """Write the function as one file that needs NumPy alone, its parameters in an ``.npz`` beside it.

        ``example`` holds arguments, in order or by name, that running the file as a script calls it with.
        """
        compiled = self._compiled
        if os.path.splitext(path)[1] != ".py":  # noqa: PTH122  (a PathLike may be no Path)
            raise GraphError(
                f"the file {os.fspath(path)!r} does not end in .py",
                op="save",
                remedy='save as e.g. "step.py"',
            )
        given: tuple[Any, ...] = ()
        if isinstance(example, Mapping):
            given = self._ordered((), dict(example))
        elif example is not None:
            given = self._ordered(tuple(example), {})
        arrays = [a.admit(v) for a, v in zip(compiled.arguments, given, strict=False)]
        source = standalone_source(
            compiled.body, compiled.arguments, name="call", calls=self.calls, seed=compiled.seed,
            examples=len(arrays), labels=compiled.labels, one_blas_thread=compiled.blas == "one",
            updates=compiled.updates,
        )  # fmt: skip
        values = {name: self.params[name] for name in compiled.parameters}
        write_standalone(path, source, values, compiled.body.constants, arrays)

    def __repr__(self) -> str:
        arguments = ", ".join(self.inputs)
        return f"<compiled function ({arguments}) -> {', '.join(self._compiled.labels)}>"

    def __getstate__(self) -> dict[str, Any]:
        text = self.explain()
        compiled = {**self._compiled.__dict__, "explanation": partial(str, text)}
        compiled["body"] = self._compiled.body.without_nodes()
        return {"compiled": Compiled(**compiled), "params": self.params, "calls": self.calls}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["compiled"], state["params"], state["calls"])  # type: ignore[misc]


def _builder(structure: Structure) -> Callable[[tuple[Any, ...]], Any]:
    """How the tuple of results becomes the structure of the outputs; the common forms directly."""
    flat = all(p.kind == "leaf" for p in structure.parts)
    if structure.kind == "leaf":
        return lambda results: results[0]
    if structure.kind == "tuple" and flat:
        return lambda results: results
    if structure.kind == "list" and flat:
        return list
    return structure.unflatten


def _execute(source: str, namespace: dict[str, Any], what: str) -> None:
    """Run generated source under a name that tracebacks and debuggers can show its lines by."""
    filename = f"<graphc {what} {next(_numbers)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), namespace)


def _check_finite(value: Array, op: str, where: str, infinities: bool) -> None:
    if np.isnan(value).any():
        kind = "NaN"
    elif infinities and np.isinf(value).any():
        kind = "an infinity"
    else:
        return
    raise NonFiniteError(
        f"gave {kind} at {where}", op=op, remedy="look at its operands' ranges: log and sqrt of what may be "
        "negative, division by what may be zero, exp of what may be large",
    )  # fmt: skip


def _with_threads(entry: Callable[..., Any], threads: int) -> Callable[..., Any]:
    controller = ThreadpoolController()

    def limited(*args: Any) -> Any:
        with controller.limit(limits=threads):
            return entry(*args)

    return limited


def _with_one_blas_thread(entry: Callable[..., Any]) -> Callable[..., Any]:
    def limited(*args: Any) -> Any:
        with blas:
            return entry(*args)

    return limited


def _with_own_arguments(entry: Callable[..., Any], store: Sequence[Array]) -> Callable[..., Any]:
    """An argument that is a parameter, or a view of one, is copied: the call may write over it."""
    written = {id(a) for p in store for a in (p, p.base) if a is not None}

    def own(value: Any) -> Any:
        if isinstance(value, np.ndarray) and (id(value) in written or id(value.base) in written):
            return value.copy()
        return value

    return lambda *args: entry(*map(own, args))


def _one_at_a_time(entry: Callable[..., Any], params: Parameters) -> Callable[..., Any]:
    lock = params.lock

    def locked(*args: Any) -> Any:
        with lock:
            return entry(*args)

    return locked
