"""Comparing gradients: a scalar graph, parameters and a point enter, a report of every engine leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc import autodiff
from graphc.compare.engines import ENGINES, Findings, NotApplicable
from graphc.compare.judging import Judge
from graphc.compare.kinks import Kink
from graphc.compare.locating import faults_of, first_line
from graphc.compare.point import Point
from graphc.compare.probes import Probe, probes_of
from graphc.compare.report import GradientReport, Precision
from graphc.errors import DifferentiationError, GraphError, ShapeError
from graphc.ir.dimension import format_shape
from graphc.ir.dtype import FLOAT64, is_float
from graphc.ir.origin import user_location
from graphc.ir.printer import printable
from graphc.ir.tensor import Tensor
from graphc.runtime.interpreter import interpret

REFERENCE = "reverse"
_WITH_RULES = ("reverse", "forward", "symbolic")


def compare_gradients(
    y: Tensor,
    wrt: Tensor | Sequence[Tensor] | Mapping[Any, Tensor],
    at: Mapping[Any, Any] | None = None,
    engines: Sequence[str] | None = None,
    tolerance: float | None = None,
    *,
    elements: int = 64,
    directions: int = 8,
    budget: int | None = 500_000,
    costs: bool = True,
    seed: int = 0,
) -> GradientReport:
    """The gradient of the scalar ``y`` by every engine, compared at one point in float64.

    ``at`` gives values by tensor or by name: every input, and those parameters that shall not start
    from their init. ``engines`` chooses among "reverse" (always run), "symbolic", "forward", "central
    differences" and "complex step". All are held against reverse mode, or where that is at fault
    itself, against an engine that is not. ``tolerance`` replaces the relative tolerance of the exact
    engines; differences bring their own error estimate. A parameter of up to ``elements`` elements is
    tested element by element, a larger one along ``directions`` random directions; of a large graph so
    few that nodes times directions keep to ``budget`` (about half a minute; None: all). Random draws and
    stop_gradient hold their value at the point. With ``costs`` each engine's graph is also compiled and
    timed.

    Raises GraphError for a missing value or an unknown engine, ShapeError where ``y`` is no scalar,
    DifferentiationError where it is no float or has no derivative.

    >>> import graphc as gc, numpy as np
    >>> x, w = gc.input("x", (3,)), gc.parameter("w", (3,), init=0.5)
    >>> report = gc.compare_gradients(gc.sum(gc.tanh(w * x)), w, at={"x": np.ones(3)})
    >>> report.ok, report.reference, report.costs["reverse"].runs
    (True, 'reverse', 1)
    """
    chosen = _checked_engines(engines)
    parameters = _labelled(wrt)
    _check_scalar(y)
    point = Point(y, parameters, at or {})
    probes = probes_of(point, elements, directions, seed, budget)
    findings: dict[str, Findings] = {}
    skipped: dict[str, str] = {}
    failures: dict[str, str] = {}
    for name in chosen:
        try:
            findings[name] = ENGINES[name](point, probes, costs)
        except NotApplicable as reason:
            skipped[name] = str(reason)
        except DifferentiationError:
            raise  # the user asks for what has no derivative
        except Exception as error:
            if name not in _WITH_RULES or len(chosen) == 1:
                raise
            failures[name] = first_line(error)  # a broken rule is a finding, as a wrong one is
    judge = Judge(point, probes, findings, tolerance, seed)
    comparisons = judge.verdicts()
    faults = []
    if failures or any(c.verdict == "disagrees" for c in comparisons):
        suspects = [e for e in _WITH_RULES if e in findings or e in failures]
        faults = faults_of(point, suspects, seed)
        comparisons = judge.verdicts({f.engine for f in faults})
    reference = next(c.engine for c in comparisons if c.is_reference)
    return GradientReport(
        reference,
        tuple(comparisons),
        {name: f.cost for name, f in findings.items()},
        {name: f.method for name, f in findings.items()},
        skipped,
        failures,
        tuple(_own_precision(point, findings[reference], probes)),
        _distinct(findings),
        tuple(faults),
    )


def _distinct(findings: Mapping[str, Findings]) -> tuple[Kink, ...]:
    return tuple({str(k): k for f in findings.values() for k in f.kinks}.values())


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


def _own_precision(point: Point, reference: Findings, probes: Sequence[Probe]) -> list[Precision]:
    """The reverse gradient of the user's own graph, where that is not float64 already."""
    if all(p.parameter.original.dtype == FLOAT64 for p in probes) and point.original.dtype == FLOAT64:
        return []
    try:
        gradients = autodiff.grad(point.original, [p.parameter.original for p in probes])
        arrays = interpret(gradients, {**point.given, **point.draws}, sizes=point.sizes)
        derivatives = [p.along(np.asarray(a, np.float64)) for p, a in zip(probes, arrays, strict=True)]
    except (GraphError, ValueError):
        return []  # a broken rule: the report names it
    found = []
    for probe, derivative in zip(probes, derivatives, strict=True):
        label = probe.parameter.label
        exact = reference.values[label]
        difference = float(np.max(np.abs(derivative - exact), initial=0.0))
        largest = float(np.max(np.abs(exact), initial=0.0))
        relative = difference / largest if largest else (np.inf if difference else 0.0)
        found.append(Precision(label, str(probe.parameter.original.dtype), difference, relative))
    return found
