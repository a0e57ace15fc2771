"""Measuring a function: its compiled form and arguments enter, the time and traffic of each line leaves.

Copies of the function are run, on copies of its parameters: one whose statements are each followed by a
reading of the clock, and one that tells what they touch. The function itself is left as it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from graphc.ir.tensor import Tensor
from graphc.runtime.instrument import Program, parsed, timed, traced
from graphc.runtime.lifetimes import Trace
from graphc.runtime.profile import Profile, Row

if TYPE_CHECKING:
    from graphc.runtime.function import Compiled, Function

_CALIBRATION = 64  # statements that do nothing
_REPEATS = 200


class Twin(Protocol):
    """Makes a function of the same graph from other source, with names that are given to it."""

    def __call__(self, source: str, threads: int, given: Mapping[str, Any]) -> Function:
        """A function that shares nothing with the one it was made from."""


class Recorder:
    """Sums of nanoseconds and turns by statement, one pair a thread, so that threads do not meet."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._own = threading.local()
        self._all: list[tuple[list[int], list[int]]] = []

    def __call__(self) -> tuple[list[int], list[int]]:
        """The sums of the thread that asks."""
        found: tuple[list[int], list[int]] | None = getattr(self._own, "sums", None)
        if found is None:
            found = self._own.sums = ([0] * self.count, [0] * self.count)
            self._all.append(found)
        return found

    def totals(self) -> tuple[list[int], list[int]]:
        """Nanoseconds and turns of each statement, over all threads."""
        seconds, turns = zip(*self._all, strict=True)
        return [sum(s) for s in zip(*seconds, strict=True)], [sum(t) for t in zip(*turns, strict=True)]

    @property
    def given(self) -> dict[str, Any]:
        """What the timed source calls."""
        return {"__record": self, "__clock": time.perf_counter_ns}


def measured(compiled: Compiled, twin: Twin, arguments: Sequence[Any], calls: int, threads: int) -> Profile:
    """The profile of a function at these arguments."""
    program = parsed(compiled.source)
    trace, planned = _traffic(compiled, program, twin, arguments)
    recorder = Recorder(len(program.statements))
    function = twin(timed(program), threads, recorder.given)
    function(*arguments)  # the first call makes the buffers
    clock = _clock_nanoseconds()
    whole, own, turns = [], [], [0]
    for _ in range(calls):
        recorder.clear()
        begin = time.perf_counter_ns()
        function(*arguments)
        call = time.perf_counter_ns() - begin
        times, turns = recorder.totals()
        whole.append(call - _readings_in_turn(program, turns, threads) * clock)
        own.append(_own_times(program, times, turns, clock, threads))
    # The fastest of each: where the machine interrupts a call, it is not the line that takes the time.
    total, lines = max(min(whole), 0.0), [min(each) for each in zip(*own, strict=True)]
    return Profile(
        _rows(compiled, program, lines, turns, trace, planned),
        calls, threads, total / 1e9, (total - _elapsed(program, lines, turns, threads)) / 1e9, clock / 1e9,
        planned, compiled.scalar_source is not None, compiled.source,
    )  # fmt: skip


def _traffic(compiled: Compiled, program: Program, twin: Twin, arguments: Sequence[Any]) -> tuple[Trace, int]:
    """What one call on one thread touches, and the bytes planned for it."""
    trace = Trace([s.access for s in program.statements])
    function = twin(traced(program), 1, {"__trace": trace})
    trace.leave_out([function.params[name] for name in compiled.parameters])
    function(*arguments)
    return trace, function.workspace_bytes(**_sizes(compiled, arguments)) + trace.returned


def _sizes(compiled: Compiled, arguments: Sequence[Any]) -> dict[str, int]:
    """The symbolic sizes of a call."""
    found: dict[str, int] = {}
    for argument, value in zip(compiled.arguments, arguments, strict=True):
        for size, seen in zip(argument.shape, np.shape(value), strict=True):
            if not isinstance(size, int) and size.is_Symbol:
                found[size.name] = seen
    return found


def _own_times(
    program: Program, times: Sequence[int], turns: Sequence[int], clock: float, threads: int
) -> list[float]:
    """Nanoseconds of each statement without the clock's; of a call of tiles, what is outside their own."""
    own = []
    for statement, time_, turn in zip(program.statements, times, turns, strict=True):
        spent = time_
        if statement.tile is not None and turn:
            inside = [s.number for s in program.statements if s.function == statement.tile]
            used = _used(threads, turns[inside[0]] // turn)
            spent = time_ * used - sum([times[k] for k in inside])
        own.append(max(spent - turn * clock, 0.0))
    return own


def _used(threads: int, tiles: int) -> int:
    """On how many threads so many tiles run."""
    return max(1, min(threads, tiles))


def _readings_in_turn(program: Program, turns: Sequence[int], threads: int) -> float:
    """How many readings of the clock come one after the other, those on several threads counted once."""
    count = 0.0
    called = {s.tile: turns[s.number] for s in program.statements if s.tile is not None}
    tiles: dict[str, int] = {}
    for statement in program.statements:
        turn = turns[statement.number]
        if statement.function == "compute":
            count += turn
        elif called[statement.function]:
            each = tiles.setdefault(statement.function, turn // called[statement.function])
            count += turn / _used(threads, each)
    return count


def _elapsed(program: Program, times: Sequence[float], turns: Sequence[int], threads: int) -> float:
    """The time that passes while all lines run, what several threads do at once counted once."""
    elapsed = 0.0
    for statement, time_ in zip(program.statements, times, strict=True):
        if statement.tile is not None and turns[statement.number]:
            inside = [s.number for s in program.statements if s.function == statement.tile]
            used = _used(threads, turns[inside[0]] // turns[statement.number])
            elapsed += (time_ + sum([times[k] for k in inside])) / used
        elif statement.function == "compute":
            elapsed += time_
    return elapsed


def _clock_nanoseconds() -> float:
    """What reading the clock costs, from statements that do nothing."""
    lines = ["def workspace():", "    def compute():", *["        pass"] * _CALIBRATION, "    return compute"]
    program = parsed("\n".join(lines))
    recorder = Recorder(_CALIBRATION)
    namespace: dict[str, Any] = dict(recorder.given)
    exec(timed(program), namespace)
    compute = namespace["workspace"]()
    found = []
    for _ in range(_REPEATS):
        recorder.clear()
        compute()
        found.append(sum(recorder.totals()[0]) / _CALIBRATION)
    return median(found)


def _rows(
    compiled: Compiled, program: Program, times: Sequence[float], turns: Sequence[int], trace: Trace,
    planned: int,
) -> tuple[Row, ...]:  # fmt: skip
    before = compiled.body.first_line
    nodes: dict[int, Tensor] = {line + before: node for line, node in compiled.body.lines.items()}
    alive, whole = trace.alive(), sum(times)
    rows = []
    for k, statement in enumerate(program.statements):
        node = nodes.get(statement.line)
        rows.append(
            Row(
                line=statement.line,
                text=statement.text,
                function=statement.function,
                op="" if node is None else node.op.name,
                origins=() if node is None else node.origins,
                calls=turns[k],
                seconds=times[k] / 1e9,
                share=times[k] / whole if whole else 0.0,
                read=trace.read[k],
                written=trace.written[k],
                operations=trace.operations[k],
                alive=alive[k],
                memory_share=alive[k] / planned if planned else 0.0,
            )
        )
    return tuple(rows)
