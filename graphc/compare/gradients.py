"""Comparing gradients: a scalar graph, parameters and a point enter, a report of every engine leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc import autodiff
from graphc.compare.engines import ENGINES, Findings, NotApplicable
from graphc.compare.locating import faults_of
from graphc.compare.noise import noise_of
from graphc.compare.point import Point
from graphc.compare.probes import Probe, probes_of
from graphc.compare.report import Comparison, GradientReport, Precision, Verdict
from graphc.errors import DifferentiationError, GraphError, ShapeError
from graphc.ir.dimension import format_shape
from graphc.ir.dtype import FLOAT64, is_float
from graphc.ir.origin import user_location
from graphc.ir.printer import printable
from graphc.ir.tensor import Tensor
from graphc.runtime.interpreter import Array, interpret

# Rounding of a few hundred dependent operations, with room; a wrong rule is off by far more.
TOLERANCE = 1e-10
NOISE = 30  # standard deviations: engines round in different places
REFERENCE = "reverse"


def compare_gradients(
    y: Tensor,
    wrt: Tensor | Sequence[Tensor] | Mapping[Any, Tensor],
    at: Mapping[Any, Any] | None = None,
    engines: Sequence[str] | None = None,
    tolerance: float | None = None,
    *,
    elements: int = 64,
    directions: int = 8,
    seed: int = 0,
) -> GradientReport:
    """The gradient of the scalar ``y`` by every engine, compared at one point in float64.

    ``at`` gives values by tensor or by name: every input, and those parameters that shall not start
    from their init. ``engines`` chooses among "reverse" (always run: the others are held against
    it), "symbolic", "forward", "central differences" and "complex step". ``tolerance`` replaces
    the relative tolerance of the exact engines; differences bring their own error estimate. A
    parameter of up to ``elements`` elements is tested element by element, a larger one along
    ``directions`` random directions. Random draws and stop_gradient hold their value at the point.

    Raises GraphError for a missing value or an unknown engine, ShapeError where ``y`` is no scalar,
    DifferentiationError where it is no float.

    >>> import graphc as gc, numpy as np
    >>> x, w = gc.input("x", (3,)), gc.parameter("w", (3,), init=0.5)
    >>> report = gc.compare_gradients(gc.sum(gc.tanh(w * x)), w, at={"x": np.ones(3)})
    >>> report.ok, "symbolic" in report.costs
    (True, True)
    """
    chosen = _checked_engines(engines)
    parameters = _labelled(wrt)
    _check_scalar(y)
    point = Point(y, parameters, at or {})
    probes = probes_of(point, elements, directions, seed)
    findings: dict[str, Findings] = {}
    skipped: dict[str, str] = {}
    for name in chosen:
        try:
            findings[name] = ENGINES[name](point, probes)
        except NotApplicable as reason:
            skipped[name] = str(reason)
    sizes = noise_of(point, findings[REFERENCE].gradients, seed)
    noise = {p.parameter.label: size for p, size in zip(probes, sizes, strict=True)}
    comparisons = _compared(findings, probes, noise, tolerance)
    disagreeing = {c.engine for c in comparisons if c.verdict == "disagrees"}
    suspects = [e for e in (REFERENCE, "forward", "symbolic") if e in findings]
    kinks = {str(k): k for f in findings.values() for k in f.kinks}
    return GradientReport(
        tuple(comparisons),
        {name: f.cost for name, f in findings.items()},
        {name: f.method for name, f in findings.items()},
        skipped,
        tuple(_own_precision(point, findings, probes)),
        tuple(kinks.values()),
        tuple(faults_of(point, suspects, seed)) if disagreeing else (),
    )


def _checked_engines(engines: Sequence[str] | None) -> list[str]:
    chosen = list(ENGINES if engines is None else engines)
    for name in chosen:
        if name not in ENGINES:
            raise GraphError(
                f"there is no engine {name!r}", op="compare_gradients", location=user_location(),
                remedy=f"choose among {', '.join(map(repr, ENGINES))}",
            )  # fmt: skip
    return [REFERENCE, *(n for n in chosen if n != REFERENCE)]


def _check_scalar(y: Tensor) -> None:
    if y.shape != ():
        raise ShapeError(
            f"a scalar is needed, but y has shape {format_shape(y.shape)}",
            op="compare_gradients", location=user_location(), remedy="reduce it, e.g. y.sum()",
        )  # fmt: skip
    if not is_float(y.dtype):
        raise DifferentiationError(
            f"y has dtype {y.dtype}, which carries no derivative", op="compare_gradients",
            location=user_location(),
        )  # fmt: skip


def _labelled(wrt: Any) -> list[tuple[str, Tensor]]:
    """Each tensor with a label of its own: its name or dict key, numbered where two are alike."""
    if isinstance(wrt, Mapping):
        pairs = [(str(key), tensor) for key, tensor in wrt.items()]
    else:
        tensors = [wrt] if isinstance(wrt, Tensor) else list(wrt)
        pairs = [(t.name or t.op.name, t) for t in tensors]
    labels: dict[str, Tensor] = {}
    for text, tensor in pairs:
        label, number = printable(text), 1
        while label in labels:
            number += 1
            label = f"{printable(text)} ({number})"
        labels[label] = tensor
    return list(labels.items())


def _compared(
    findings: Mapping[str, Findings],
    probes: Sequence[Probe],
    noise: Mapping[str, float],
    tolerance: float | None,
) -> list[Comparison]:
    reference = findings[REFERENCE]
    largest = max((_largest(v) for v in reference.values.values()), default=0.0)
    found = []
    for name, engine in findings.items():
        for probe in probes:
            label = probe.parameter.label
            expected = reference.values[label]
            # Rounding is relative to what was summed on the way, so a parameter whose gradient
            # cancels is granted a thousandth of the largest gradient as its scale.
            scale = max(_largest(expected), 1e-3 * largest)
            allowed, reason = _allowed(engine, label, scale, noise[label], tolerance)
            difference = np.abs(engine.values[label] - expected)
            wrong = ~(difference <= allowed)
            crossed = _crossed(findings, name, label, wrong)
            verdict: Verdict = "reference" if name == REFERENCE else "agrees"
            if np.any(wrong & ~crossed):
                verdict = "disagrees"
            elif np.any(wrong):
                verdict, reason = "kink", "the derivative jumps within the step there"
            found.append(
                Comparison(
                    name, label, probe.description, _largest(difference),
                    _largest(difference) / scale if scale else 0.0, _largest(allowed), reason, verdict,
                )
            )  # fmt: skip
    return found


def _allowed(
    engine: Findings, label: str, scale: float, noise: float, tolerance: float | None
) -> tuple[Array, str]:
    if tolerance is not None:
        exact, reason = tolerance * scale, f"{tolerance:.0e} of the largest derivative, as asked"
    elif NOISE * noise > TOLERANCE * scale:
        exact, reason = NOISE * noise, f"{NOISE} × the gradient's own rounding, as measured"
    else:
        exact, reason = TOLERANCE * scale, f"{TOLERANCE:.0e} of the largest derivative: rounding"
    allowed = np.full(engine.values[label].shape, exact)
    if label in engine.errors:
        return 10 * engine.errors[label] + allowed, "10 × Richardson's own estimate and rounding"
    return allowed, reason


def _crossed(findings: Mapping[str, Findings], name: str, label: str, wrong: Array) -> Array:
    """Where a kink excuses the engine: differences and complex step there follow no convention."""
    differences = findings.get("central differences")
    if name in ("central differences", "complex step") and differences is not None:
        return np.asarray(differences.crossed[label])
    return np.zeros_like(wrong)


def _largest(values: Array) -> float:
    return float(np.max(np.abs(values), initial=0.0))


def _own_precision(
    point: Point, findings: Mapping[str, Findings], probes: Sequence[Probe]
) -> list[Precision]:
    """The reverse gradient of the user's own graph, where that is not float64 already."""
    if all(p.parameter.original.dtype == FLOAT64 for p in probes) and point.original.dtype == FLOAT64:
        return []
    gradients = autodiff.grad(point.original, [p.parameter.original for p in probes])
    arrays = interpret(gradients, {**point.given, **point.draws}, sizes=point.sizes)
    found = []
    for probe, array in zip(probes, arrays, strict=True):
        label = probe.parameter.label
        exact = findings[REFERENCE].values[label]
        difference = _largest(probe.along(np.asarray(array, np.float64)) - exact)
        largest = _largest(exact)
        relative = difference / largest if largest else (np.inf if difference else 0.0)
        found.append(Precision(label, str(probe.parameter.original.dtype), difference, relative))
    return found
