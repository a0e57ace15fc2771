"""Ablation: a workload enters; what each pass of the compiler gains on it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from graphc.bench.agreement import check
from graphc.bench.clock import Spread, Timing, interleaved, joined
from graphc.bench.peers import GRAPHC, arrays_of, source_of
from graphc.bench.workload import Data, Workload
from graphc.passes.pipelines import PIPELINES, pass_names, without

PIPELINE = "default"


@dataclass(frozen=True)
class Ablation:
    """One workload: the milliseconds with all passes, and the times without each by the time with all.

    A pass that the rest cannot do without has no ratio but a reason in ``needed``; those in ``same`` change
    nothing of the program here.
    """

    workload: str
    milliseconds: float
    ratios: dict[str, Spread]
    needed: dict[str, str]
    same: tuple[str, ...]


@contextmanager
def leaving_out(name: str) -> Iterator[None]:
    """What is compiled inside is compiled without the passes of this name."""
    whole = PIPELINES[PIPELINE]
    PIPELINES[PIPELINE] = without(whole, name)
    try:
        yield
    finally:
        PIPELINES[PIPELINE] = whole


def _ratio(workload: Workload, data: Data, name: str, seconds: float) -> Spread:
    """The time without a pass by the time with it.

    Where memory lies counts too, and which was compiled first: both are compiled in either order.
    """
    found: dict[bool, list[Timing]] = {True: [], False: []}
    for order in ((True, False), (False, True)):
        steps = {}
        for whole in order:
            with nullcontext() if whole else leaving_out(name):
                steps[str(whole)] = GRAPHC.prepare(workload, data, workload.rate)
        timings = interleaved(steps, seconds / len(order))
        for whole in order:
            found[whole].append(timings[str(whole)])
    return joined(found[False]).ratio(joined(found[True]))


def ablated(workload: Workload, seconds: float, small: bool = False) -> Ablation:
    """Each pass off in turn against all on: checked and, where the program is another, timed in one process.

    Raises DisagreementError where the numbers change.
    """
    data = workload.data(small)
    whole = GRAPHC.prepare(workload, data, workload.rate)
    expected = arrays_of(whole())
    ratios: dict[str, Spread] = {}
    needed: dict[str, str] = {}
    same: list[str] = []
    for name in pass_names(PIPELINES[PIPELINE]):
        try:
            with leaving_out(name):
                step = GRAPHC.prepare(workload, data, workload.rate)
            found = arrays_of(step())
        except Exception as error:  # whatever the rest of the compiler raises without it
            needed[name] = f"{type(error).__name__}: {error}"
            continue
        check(workload, f"graphc without {name}", found, "graphc", expected, workload.tolerance)
        if source_of(step) == source_of(whole):
            same.append(name)
            continue
        ratios[name] = _ratio(workload, data, name, seconds)
    milliseconds = interleaved({"": whole}, seconds)[""].seconds.median * 1e3
    return Ablation(workload.name, milliseconds, ratios, needed, tuple(same))
