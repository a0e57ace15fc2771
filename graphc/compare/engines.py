"""The engines side by side: a point and probes enter, each engine's derivatives and costs leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from graphc import autodiff, symbolic
from graphc.compare.complex_step import complex_derivative, obstacle
from graphc.compare.finite_differences import central_difference
from graphc.compare.kinks import Kink, KinkWatch
from graphc.compare.noise import noise_of
from graphc.compare.point import Point
from graphc.compare.probes import Probe
from graphc.errors import UnsupportedError
from graphc.ir.build import apply
from graphc.ir.dtype import FLOAT64
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops.sources import INPUT
from graphc.runtime.interpreter import Array


class NotApplicable(Exception):  # noqa: N818  (an answer, not a failure)
    """The engine has no meaning for this graph; the message says why."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a derivative costs: nodes written as a tree and shared, elements computed, seconds."""

    tree: int
    dag: int
    operations: int
    derive_seconds: float
    run_seconds: float


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


Engine = Callable[[Point, Sequence[Probe]], Findings]


def measured(point: Point, outputs: Sequence[Tensor], derive: float, run: float, runs: int = 1) -> Cost:
    """The cost of a graph that is evaluated ``runs`` times."""
    order = topological_order(outputs)
    tree: dict[Tensor, int] = {}
    for node in order:
        tree[node] = 1 + sum(tree[i] for i in node.inputs)
    operations = sum(point.count(n) for n in order if n.inputs)
    return Cost(sum(tree[o] for o in outputs), len(order), operations * runs, derive, run)


def _gradients(point: Point, probes: Sequence[Probe], derive: Callable[..., Any], method: str) -> Findings:
    start = perf_counter()
    gradients = list(derive(point.y, [p.parameter.tensor for p in probes]))
    derived = perf_counter()
    arrays = point.run(gradients)
    run = perf_counter() - derived
    values = {p.parameter.label: p.along(a) for p, a in zip(probes, arrays, strict=True)}
    cost = measured(point, gradients, derived - start, run)
    return Findings(values, cost, method, gradients=tuple(gradients))


def reverse(point: Point, probes: Sequence[Probe]) -> Findings:
    """One reverse sweep."""
    return _gradients(point, probes, autodiff.grad, "one sweep")


def symbolic_calculus(point: Point, probes: Sequence[Probe]) -> Findings:
    """The symbolic engine, where it covers the graph."""
    modes: list[str] = []

    def derive(y: Tensor, wrt: list[Tensor]) -> list[Tensor]:
        try:
            derivation = symbolic.grad(y, wrt)
        except UnsupportedError as error:
            raise NotApplicable(error.message) from error
        modes.append(derivation.mode)
        return list(derivation.result)

    found = _gradients(point, probes, derive, "")
    return replace(found, method=f"composed {modes[0]}")


def forward(point: Point, probes: Sequence[Probe]) -> Findings:
    """One forward sweep for each direction.

    Each parameter has a tangent graph of its own, so that one that is computed from another moves
    along with it.
    """
    start = perf_counter()
    tangents, outputs = [], []
    for number, probe in enumerate(probes):
        w, name = probe.parameter.tensor, f"tangent {number}"
        tangents.append(apply(INPUT, (), name, name=name, shape=w.shape, dtype=FLOAT64))
        outputs.append(autodiff.jvp(point.y, [w], [tangents[-1]]))
    derived = perf_counter()
    values: dict[str, Array] = {}
    for tangent, output, probe in zip(tangents, outputs, probes, strict=True):
        sweeps = [float(point.run([output], {tangent: d})[0]) for d in probe.directions()]
        values[probe.parameter.label] = np.array(sweeps)
    run = perf_counter() - derived
    costs = [measured(point, [o], 0.0, 0.0, p.count) for o, p in zip(outputs, probes, strict=True)]
    whole = measured(point, outputs, derived - start, run)
    cost = replace(whole, operations=sum(c.operations for c in costs))
    return Findings(values, cost, f"{sum(p.count for p in probes)} sweeps")


def central_differences(point: Point, probes: Sequence[Probe]) -> Findings:
    """Central differences with Richardson extrapolation."""
    start = perf_counter()
    watch = KinkWatch(point)
    (noise,) = noise_of(point, [point.y])
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
    cost = measured(point, [point.y], 0.0, perf_counter() - start, evaluations)
    return Findings(values, cost, f"{evaluations} evaluations", errors, crossed, tuple(kinks.values()))


def complex_step(point: Point, probes: Sequence[Probe]) -> Findings:
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
    cost = measured(point, [point.y], 0.0, perf_counter() - start, runs)
    return Findings(values, cost, f"{runs} evaluations")


ENGINES: dict[str, Engine] = {
    "reverse": reverse,
    "symbolic": symbolic_calculus,
    "forward": forward,
    "central differences": central_differences,
    "complex step": complex_step,
}
"""Every engine by name; the first is the one the others are held against."""
