"""The tuner: layers and the algorithms for each enter; the fastest on this machine leave, and their times.

An algorithm whose estimated cost is far from the least is not tried. What was measured once on a machine
of one kind is read from the store, so that a second compilation measures nothing and chooses the same.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from graphc.ops.convolution import trilinear_shapes
from graphc.passes.convolution import Algorithm, Layer
from graphc.tuning.machine import Machine
from graphc.tuning.programs import Build, Call, Program, known
from graphc.tuning.store import Seconds, Store

# How many times the least estimated cost an algorithm may have to be tried.
_FAR = 4.0
# How many times the least time is no clear difference.
_NOISE = 1.05
# An algorithm is timed for so long, and so often at least; one that was so many times slower than the fastest
# is timed no more after the second time.
_SECONDS, _LEAST, _SLOW = 0.15, 5, 1.5
Clock = Callable[[Mapping[str, Call]], Seconds]


def least_seconds(calls: Mapping[str, Call]) -> Seconds:
    """The least time of each call, taken in turns: what else the machine does can only add to it."""
    found = {}
    for name, call in calls.items():
        call()  # brings up threads, workspaces and caches
        found[name] = _timed(call)
    end = time.perf_counter() + _SECONDS * len(calls)
    rounds = 1
    while rounds < _LEAST or time.perf_counter() < end:
        slowest = math.inf if rounds == 1 else _SLOW * min(found.values())
        for name, call in calls.items():
            if found[name] <= slowest:
                found[name] = min(found[name], _timed(call))
        rounds += 1
    return found


def _timed(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@dataclass(frozen=True)
class Measured:
    """One layer: the algorithm that was chosen, the seconds of all that were tried, and whence they come."""

    layer: str
    chosen: str
    seconds: Mapping[str, float]
    from_cache: bool

    def __str__(self) -> str:
        ranked = sorted(self.seconds, key=lambda name: (name != self.chosen, self.seconds[name]))
        times = ", ".join(f"{name} {self.seconds[name] * 1e3:.3g} ms" for name in ranked)
        return f"{self.layer}: {times}{' (measured before)' if self.from_cache else ''}"


class Tuner:
    """The choice by measurement, for ``ConvolutionLowering``; ``measured`` tells of all layers so far.

    ``sizes`` are the symbolic ones, ``build`` compiles a program to be timed by ``clock``, ``settings`` is
    whatever else of the compilation its time depends on. ``progress`` shows a bar (None: on a terminal).
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        machine: Machine,
        settings: Mapping[str, Any],
        build: Build,
        store: Store,
        clock: Clock = least_seconds,
        progress: bool | None = None,
    ) -> None:
        self._sizes, self._build, self._store, self._clock = sizes, build, store, clock
        self._common = {"machine": dict(machine), "settings": dict(settings)}
        self._progress = progress
        self.measured: list[Measured] = []

    def __call__(self, layers: Sequence[Layer]) -> list[Algorithm]:
        tried = [_worth_trying(layer) for layer in layers]
        keys = [self._key(layer) for layer in layers]
        found: list[Seconds | None] = [
            self._read(key, some) if len(some) > 1 else None for key, some in zip(keys, tried, strict=True)
        ]
        missing = [k for k, some in enumerate(tried) if len(some) > 1 and found[k] is None]
        shown = sys.stderr.isatty() if self._progress is None else self._progress
        with tqdm(
            missing, desc="measuring convolutions", unit="layer", disable=not (shown and missing),
            dynamic_ncols=True, file=sys.stderr, leave=False,
        ) as bar:  # fmt: skip
            for k in bar:
                found[k] = self._measure(layers[k], tried[k], keys[k])
        algorithms = []
        for k, (layer, some, seconds) in enumerate(zip(layers, tried, found, strict=True)):
            chosen = _fastest(some, seconds) if seconds else some[0]
            if seconds:
                told = Measured(_described(layer, self._sizes), chosen.name, seconds, k not in missing)
                self.measured.append(told)
            algorithms.append(chosen)
        return algorithms

    def _key(self, layer: Layer) -> dict[str, Any]:
        """All that the times of a layer depend on, in the types of JSON."""
        found = []
        for node in layer.problems.values():
            operands = [[i.dtype.name, known(i.shape, self._sizes)] for i in node.inputs]
            attrs = {k: known(v, self._sizes) for k, v in node.attrs.items()}
            found.append({"op": node.op.name, "operands": operands, **attrs})
        return {**self._common, "convolutions": sorted(found, key=lambda c: c["op"])}

    def _read(self, key: Mapping[str, Any], tried: Sequence[Algorithm]) -> Seconds | None:
        seconds = self._store.read(key)
        names = {a.name for a in tried}
        return seconds if seconds is not None and names == set(seconds) else None

    def _measure(self, layer: Layer, tried: Sequence[Algorithm], key: Mapping[str, Any]) -> Seconds:
        # Of many examples, each algorithm has the batch innermost.
        innermost = all(a.name != "windows" for a in layer.offered)
        program = Program(list(layer.problems.values()), self._sizes, innermost)
        seconds = self._clock({a.name: program.call(a, self._build) for a in tried})
        self._store.write(key, seconds)
        return seconds


def _worth_trying(layer: Layer) -> list[Algorithm]:
    """The algorithms by estimated cost, from the least to what is not far from it."""
    costs = {a: sum(map(a.seconds, layer.problems)) for a in layer.offered}
    ranked = sorted(costs, key=costs.__getitem__)
    return [a for a in ranked if costs[a] <= _FAR * costs[ranked[0]]]


def _fastest(tried: Sequence[Algorithm], seconds: Seconds) -> Algorithm:
    """The algorithm of the least time; that of the least estimated cost where it is as fast but for noise."""
    fastest = min(tried, key=lambda a: seconds[a.name])
    return tried[0] if seconds[tried[0].name] <= _NOISE * seconds[fastest.name] else fastest


def _described(layer: Layer, sizes: Mapping[str, int]) -> str:
    """The shapes of input and filter, and which of the three convolutions there are."""
    shapes = trilinear_shapes(next(iter(layer.problems.values())))
    image, filters = ("×".join(map(str, known(shape, sizes))) for shape in shapes[:2])
    kinds = ", ".join([problem.kind for problem in layer.problems])
    return f"{kinds} of {image} with {filters}"
