"""The engines side by side: a point and probes enter, each engine's derivatives and costs leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from graphc import autodiff, symbolic
from graphc.compare.complex_step import complex_derivative, obstacle
from graphc.compare.costs import Cost, cost_of
from graphc.compare.finite_differences import central_difference
from graphc.compare.kinks import Kink, KinkWatch
from graphc.compare.noise import noise_of, resolution_of
from graphc.compare.point import Point
from graphc.compare.probes import Probe
from graphc.errors import UnsupportedError
from graphc.ir.build import apply
from graphc.ir.dtype import FLOAT64
from graphc.ir.tensor import Tensor
from graphc.ops.sources import INPUT
from graphc.runtime.interpreter import Array

# Nodes of all parameters' tangent graphs together: deriving these takes some seconds.
_APART_UP_TO = 100_000


class NotApplicable(Exception):  # noqa: N818  (an answer, not a failure)
    """The engine has no meaning for this graph; the message says why."""


@dataclass(frozen=True, eq=False)
class Findings:
    """One engine's derivatives along each probe's directions, by parameter.

    ``errors`` holds the error that the engine itself expects at each direction; empty for the engines
    that are exact up to rounding.
    """

    values: Mapping[str, Array]
    cost: Cost
    method: str
    errors: Mapping[str, Array] = field(default_factory=dict)
    crossed: Mapping[str, Array] = field(default_factory=dict)
    kinks: tuple[Kink, ...] = ()
    gradients: tuple[Tensor, ...] = ()


Engine = Callable[[Point, Sequence[Probe], bool], Findings]


def _gradients(
    point: Point, probes: Sequence[Probe], derive: Callable[..., Any], method: str, compiled: bool
) -> Findings:
    start = perf_counter()
    gradients = list(derive(point.y, [p.parameter.tensor for p in probes]))
    derived = perf_counter()
    arrays = point.run(gradients)
    run = perf_counter() - derived
    values = {p.parameter.label: p.along(a) for p, a in zip(probes, arrays, strict=True)}
    cost = cost_of(
        point, gradients, derive_seconds=derived - start, interpreted_seconds=run, compiled=compiled
    )
    return Findings(values, cost, method, gradients=tuple(gradients))


def reverse(point: Point, probes: Sequence[Probe], compiled: bool = True) -> Findings:
    """One reverse sweep."""
    return _gradients(point, probes, autodiff.grad, "one sweep", compiled)


def symbolic_calculus(point: Point, probes: Sequence[Probe], compiled: bool = True) -> Findings:
    """The symbolic engine, where it covers the graph."""
    modes: list[str] = []

    def derive(y: Tensor, wrt: list[Tensor]) -> list[Tensor]:
        try:
            derivation = symbolic.grad(y, wrt)
        except UnsupportedError as error:
            raise NotApplicable(error.message) from error
        modes.append(derivation.mode)
        return list(derivation.result)

    found = _gradients(point, probes, derive, "", compiled)
    return replace(found, method=f"composed {modes[0]}")


def forward(point: Point, probes: Sequence[Probe], compiled: bool = True) -> Findings:
    """One forward sweep for each direction.

    Each parameter has a tangent graph of its own, so that one that is computed from another moves along
    with it, and no zero tangent meets another parameter's infinite slope. A rule may be wrong only where
    several of its operands move, so the graph of all tangents is asked as well, once for each parameter.
    Where the graphs apart would be too many nodes, it serves alone.
    """
    start = perf_counter()
    wrt = [p.parameter.tensor for p in probes]
    tangents = [
        apply(INPUT, (), name, name=name, shape=w.shape, dtype=FLOAT64)
        for w, name in zip(wrt, [f"direction of {p.parameter.label}" for p in probes], strict=True)
    ]
    joint = autodiff.jvp(point.y, wrt, tangents)
    derived = perf_counter()
    still = {t: np.zeros(p.shape) for t, p in zip(tangents, probes, strict=True)}
    apart = len(probes) > 1 and len(probes) * len(point.order) <= _APART_UP_TO
    values: dict[str, Array] = {}
    for tangent, probe in zip(tangents, probes, strict=True):
        output = autodiff.jvp(point.y, [probe.parameter.tensor], [tangent]) if apart else joint
        sweeps = [float(point.run([output], {**still, tangent: d})[0]) for d in probe.directions()]
        if apart and sweeps:
            together = float(point.run([joint], {**still, tangent: next(probe.directions())})[0])
            if np.isfinite(together):  # 0 · ∞ of another parameter is no fault
                sweeps[0] = together
        values[probe.parameter.label] = np.array(sweeps)
    run = perf_counter() - derived
    runs = sum(p.count for p in probes)
    moved = {t: next(p.directions(), still[t]) for t, p in zip(tangents, probes, strict=True)}
    cost = cost_of(
        point, [joint], derive_seconds=derived - start, interpreted_seconds=run, runs=runs, moved=moved,
        compiled=compiled,
    )  # fmt: skip
    return Findings(values, cost, f"{runs} sweeps")


def central_differences(point: Point, probes: Sequence[Probe], compiled: bool = True) -> Findings:
    """Central differences with Richardson extrapolation."""
    start = perf_counter()
    watch = KinkWatch(point)
    noise = max(*noise_of(point, [point.y]), resolution_of(point))
    values: dict[str, Array] = {}
    errors: dict[str, Array] = {}
    crossed: dict[str, Array] = {}
    kinks: dict[object, Kink] = {}
    evaluations = 0
    for probe in probes:
        found = [central_difference(point, watch, probe.parameter, d, noise) for d in probe.directions()]
        label = probe.parameter.label
        values[label] = np.array([f.value for f in found])
        errors[label] = np.array([f.error for f in found])
        crossed[label] = np.array([f.crossed for f in found], bool)
        for kink in (k for f in found for k in f.kinks):
            key = (kink.op, kink.location, kink.parameter)
            if key not in kinks or kink.distance < kinks[key].distance:
                kinks[key] = kink
        evaluations += sum(f.evaluations for f in found)
    cost = cost_of(
        point, [point.y], derive_seconds=0.0, interpreted_seconds=perf_counter() - start, runs=evaluations,
        compiled=compiled,
    )  # fmt: skip
    return Findings(values, cost, f"{evaluations} evaluations", errors, crossed, tuple(kinks.values()))


def complex_step(point: Point, probes: Sequence[Probe], compiled: bool = True) -> Findings:
    """The complex step, where the graph is analytic."""
    reason = obstacle(point)
    if reason is not None:
        raise NotApplicable(reason)
    start = perf_counter()
    values: dict[str, Array] = {}
    for probe in probes:
        try:
            found = [complex_derivative(point, probe.parameter, d) for d in probe.directions()]
        except (TypeError, np.exceptions.ComplexWarning) as error:
            raise NotApplicable(f"an op has no meaning for complex numbers: {error}") from error
        values[probe.parameter.label] = np.array(found)
    runs = sum(p.count for p in probes)
    cost = cost_of(
        point, [point.y], derive_seconds=0.0, interpreted_seconds=perf_counter() - start, runs=runs,
        compiled=compiled,
    )  # fmt: skip
    return Findings(values, cost, f"{runs} evaluations")


ENGINES: dict[str, Engine] = {
    "reverse": reverse,
    "symbolic": symbolic_calculus,
    "forward": forward,
    "central differences": central_differences,
    "complex step": complex_step,
}
"""Every engine by name, the exact ones first: each is held against the first of them that is not at fault."""

RULE_FREE = ("central differences", "complex step")
"""Those that evaluate the function alone: no wrong derivative rule can mislead them."""
