"""Ablation: a workload enters; what each pass of the compiler gains on it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from graphc.bench.agreement import check
from graphc.bench.clock import Spread, interleaved
from graphc.bench.peers import GRAPHC, arrays_of
from graphc.bench.workload import Workload
from graphc.passes.pipelines import PIPELINES, pass_names, without

PIPELINE = "default"


@dataclass(frozen=True)
class Ablation:
    """One workload: the milliseconds with all passes, and the times without each by the time with all.

    A pass that the rest cannot do without has no ratio but a reason in ``needed``.
    """

    workload: str
    milliseconds: float
    ratios: dict[str, Spread]
    needed: dict[str, str]


@contextmanager
def leaving_out(name: str) -> Iterator[None]:
    """What is compiled inside is compiled without the passes of this name."""
    whole = PIPELINES[PIPELINE]
    PIPELINES[PIPELINE] = without(whole, name)
    try:
        yield
    finally:
        PIPELINES[PIPELINE] = whole


def ablated(workload: Workload, seconds: float, small: bool = False) -> Ablation:
    """Each pass off in turn against all on, checked and then timed in turns in one process.

    Raises DisagreementError where the numbers change.
    """
    data = workload.data(small)
    steps = {"": GRAPHC.prepare(workload, data, workload.rate)}
    expected = arrays_of(steps[""]())
    needed = {}
    for name in pass_names(PIPELINES[PIPELINE]):
        try:
            with leaving_out(name):
                step = GRAPHC.prepare(workload, data, workload.rate)
            found = arrays_of(step())
        except Exception as error:  # whatever the rest of the compiler raises without it
            needed[name] = f"{type(error).__name__}: {error}"
            continue
        check(workload, f"graphc without {name}", found, "graphc", expected, workload.tolerance)
        steps[name] = step
    timings = interleaved(steps, seconds)
    whole = timings.pop("")
    ratios = {name: timing.ratio(whole) for name, timing in timings.items()}
    return Ablation(workload.name, whole.seconds.median * 1e3, ratios, needed)
