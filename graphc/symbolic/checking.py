"""The numeric check of a derivation: each step's two sides are evaluated at random points and compared.

The left sides come from elsewhere than the right ones: node values from the ops' NumPy meanings,
derivatives of bodies from differences in 40 digits, total derivatives from Richardson-extrapolated
central differences of the whole graph in float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sympy

from graphc.errors import DifferentiationError
from graphc.ir.dtype import is_float
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops.elementwise import CAST, STOP_GRADIENT
from graphc.ops.sources import CONSTANT, DIMENSION
from graphc.symbolic.local import exact_number
from graphc.symbolic.scalar_derivation import ScalarDerivation, Step

POINTS = 2
_ATTEMPTS = 60
_TOLERANCE = 1e-6  # central differences in float64 reach about 1e-9 here
_CUTS_CHECKED = 400  # nodes; each cut costs its own sweeps
_DIGITS = 40

Values = dict[Tensor, Any]


def checked(derivation: ScalarDerivation, seed: int) -> ScalarDerivation:
    """The derivation with the difference of both sides at each step.

    Raises DifferentiationError naming the first step whose sides differ, or where no point was found
    at which the graph and its derivatives are finite.
    """
    generator = np.random.default_rng(seed)
    worst: list[float | None] = [None] * len(derivation.steps)
    for _ in range(POINTS):
        point = _Point(derivation, _regular_point(derivation, generator))
        for position, step in enumerate(derivation.steps):
            error = point.difference(step)
            if error is None:
                continue
            worst[position] = max(error, worst[position] or 0.0)
            if not error <= _TOLERANCE:
                raise DifferentiationError(
                    f"the step '{step.rule}' for {step.label} does not hold: {step.text()} "
                    f"differs by {error:.1e} relatively at a random point",
                    op=step.op, location=step.location,
                    remedy="compare with gc.compare_gradients and report this as a defect of graphc",
                )  # fmt: skip
    return replace(derivation, errors=tuple(worst))


def evaluate(order: Iterable[Tensor], known: Mapping[Tensor, Any]) -> Values:
    """The nodes' values in float64 by the ops' NumPy meanings; casts between floats are left out."""
    values: Values = dict(known)
    with np.errstate(all="ignore"):
        for node in order:
            if node in values:
                continue
            if node.op is CONSTANT:
                number = exact_number(node.attrs["value"])
                is_exact = number is not None and is_float(node.dtype)
                values[node] = np.float64(number) if is_exact else node.attrs["value"]
            elif node.op is CAST and is_float(node.dtype):
                values[node] = np.asarray(values[node.inputs[0]], np.float64)
            else:
                values[node] = node.op.evaluate(node.attrs, *(values[i] for i in node.inputs))
    return values


def _leaves(order: Iterable[Tensor]) -> list[Tensor]:
    return [n for n in order if not n.inputs and n.op is not CONSTANT]


def _drawn(leaf: Tensor, generator: np.random.Generator, scale: int) -> Any:
    if leaf.op is DIMENSION or leaf.dtype.kind in "iu":
        return np.asarray(generator.integers(1, 6), np.float64 if is_float(leaf.dtype) else leaf.dtype)
    if leaf.dtype.kind == "b":
        return np.asarray(generator.random() < 0.5)
    draws = (
        generator.normal(),
        generator.uniform(0.1, 0.9),
        generator.uniform(1, 3),
        generator.normal() / 10,
    )
    return np.float64(draws[scale % len(draws)])


def _regular_point(derivation: ScalarDerivation, generator: np.random.Generator) -> Values:
    """Values of the sources at which differences of the output settle: finite, away from kinks."""
    order = derivation.order
    for attempt in range(_ATTEMPTS):
        known = {leaf: _drawn(leaf, generator, attempt) for leaf in _leaves(order)}
        values = evaluate(order, known)
        if not np.isfinite(values[derivation.y]):
            continue
        slopes = [central(order, values, w, [derivation.y]) for w in derivation.wrt]
        if all(np.isfinite(s).all() and e <= 1e-6 * max(1.0, np.abs(s).max()) for s, e in slopes):
            return values
    raise DifferentiationError(
        f"no point was found in {_ATTEMPTS} draws at which the graph is finite and smooth",
        op="symbolic.grad", location=derivation.y.location, remedy="leave out check=True",
    )  # fmt: skip


def central(
    order: Sequence[Tensor], values: Values, moved: Tensor, outputs: Sequence[Tensor]
) -> tuple[Any, float]:
    """The outputs' derivatives by one node, and the error that extrapolation estimates."""
    at = float(values.get(moved, 0.0))
    held = {n: values[n] for n in order if not n.inputs or n.op is STOP_GRADIENT}
    step = 2e-3 * max(1.0, abs(at))

    def slope(h: float) -> Any:
        sides = [evaluate(order, held | {moved: np.float64(at + s * h)}) for s in (1, -1)]
        return np.array([(float(sides[0][o]) - float(sides[1][o])) / (2 * h) for o in outputs])

    wide, middle, narrow = (slope(step / 2**k) for k in range(3))
    once, twice = (4 * middle - wide) / 3, (4 * narrow - middle) / 3
    best = (16 * twice - once) / 15
    return best, float(np.max(np.abs(best - twice)))


class _Point:
    """One point of evaluation: values of nodes and lets, and differences for the left sides."""

    def __init__(self, derivation: ScalarDerivation, values: Values) -> None:
        self._derivation = derivation
        names, lets = derivation.names, derivation.lets
        reached = topological_order([*(let.tensor for let in lets), *derivation.gradients])
        self._values = evaluate(reached, values)
        self._symbols: dict[Any, Any] = {names.symbol[n]: _exact(values[n]) for n in derivation.order}
        self._symbols |= {let.symbol: _exact(self._values[let.tensor]) for let in lets}
        self._totals = self._differences()

    def _differences(self) -> dict[Any, float]:
        d = self._derivation
        found: dict[Any, float] = {}
        for w, gradient in zip(d.wrt, d.gradients, strict=True):
            floats = [n for n in d.order if is_float(n.dtype)]
            slopes, _ = central(d.order, self._values, w, floats)
            found |= {d.names.derivative(n, w): s for n, s in zip(floats, slopes, strict=True)}
            self._symbols.setdefault(d.names.derivative(d.y, w), _exact(self._values[gradient]))
        if d.mode == "everywhere" and len(d.order) <= _CUTS_CHECKED:
            for let in d.lets:
                found[let.symbol] = central(d.order, self._values, let.below, [d.y])[0][0]
        return found

    def difference(self, step: Step) -> float | None:
        """The relative difference of a step's sides here; None where a side has no finite value."""
        if step.rule in ("chain rule", "result"):
            left = self._totals.get(step.before)
        elif isinstance(step.before, sympy.Derivative):
            left = self._slope(step.before.expr, step.before.variables[0])
        else:
            left = self._number(step.before)
        right = self._number(step.after)
        if left is None or right is None or not np.isfinite(left) or not np.isfinite(right):
            return None
        return abs(left - right) / max(1.0, abs(left), abs(right))

    def _slope(self, body: Any, read: Any) -> float | None:
        at, step = self._symbols[read], sympy.Float("1e-12", _DIGITS)
        others = {s: self._symbols[s] for s in body.free_symbols if s != read}
        sides = [body.xreplace({**others, read: at + sign * step}) for sign in (1, -1)]
        return _float((sympy.N(sides[0], _DIGITS) - sympy.N(sides[1], _DIGITS)) / (2 * step))

    def _number(self, expression: Any) -> float | None:
        replaced = expression.xreplace({s: self._symbols[s] for s in expression.free_symbols})
        if replaced in (sympy.true, sympy.false):
            return float(bool(replaced))
        return _float(sympy.N(replaced.doit()))


def _exact(value: Any) -> Any:
    scalar = np.asarray(value)[()]
    if isinstance(scalar, np.bool_):
        return sympy.true if scalar else sympy.false
    return sympy.Float(float(scalar), _DIGITS) if np.isfinite(scalar) else sympy.nan


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except TypeError:  # complex, or a symbol without a value: nothing to compare
        return None
