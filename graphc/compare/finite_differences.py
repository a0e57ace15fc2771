"""Central differences with Richardson extrapolation in float64, with their own error estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphc.compare.kinks import Kink, KinkWatch
from graphc.compare.point import Parameter, Point
from graphc.runtime.interpreter import Array

# Extrapolation leaves h⁶: at 2e-3 that is rounding's size for curvatures near 1. The smaller steps are
# for sharper curves and for kinks nearby, at the price of rounding.
STEPS = (2e-3, 1e-4, 1e-6)
_LEVELS = 3
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Difference:
    """A directional derivative by differences: its value, its expected error, and kinks.

    ``crossed`` says that even the step chosen crosses a kink; ``kinks`` are those within any step tried.
    """

    value: float
    error: float
    evaluations: int
    kinks: tuple[Kink, ...]
    crossed: bool


def central_difference(
    point: Point, watch: KinkWatch, parameter: Parameter, direction: Array, noise: float
) -> Difference:
    """The derivative of the point's y along a direction, by the step with the smallest expected error.

    ``noise`` is the rounding of y itself (see ``noise_of``).

    Richardson extrapolation as in Press et al., *Numerical Recipes*, section 5.7 (Ridders). A step
    that crosses a kink is given up for a smaller one.
    """
    best: Difference | None = None
    evaluations = 0
    kinks: list[Kink] = []
    for step in STEPS:
        found = _extrapolated(point, watch, parameter, direction, step, noise)
        evaluations += found.evaluations
        kinks += found.kinks
        if best is None or (found.crossed, found.error) < (best.crossed, best.error):
            best = found
        if not best.crossed and best.error <= 1e-9 * abs(best.value):
            break
    assert best is not None
    return Difference(best.value, best.error, evaluations, _nearest(kinks), best.crossed)


def _extrapolated(
    point: Point, watch: KinkWatch, parameter: Parameter, direction: Array, step: float, noise: float
) -> Difference:
    at = point.value(parameter)
    step *= max(1.0, float(np.max(np.abs(at * (direction != 0)), initial=0.0)))
    kinks: list[Kink] = []
    slopes = []
    largest = 0.0
    for level in range(_LEVELS):
        h = step / 2**level
        sides = []
        for sign in (1, -1):
            outputs = [point.y, *(watch.operands if level == 0 else ())]
            y, *operands = point.run(outputs, {parameter.tensor: at + sign * h * direction})
            sides.append(float(y))
            if level == 0:
                kinks += watch.crossed(parameter, step, operands)
        largest = max(largest, *map(abs, sides))
        slopes.append((sides[0] - sides[1]) / (2 * h))
    once = [(4 * slopes[i + 1] - slopes[i]) / 3 for i in range(_LEVELS - 1)]
    value = (16 * once[1] - once[0]) / 15
    rounding = (_EPSILON * largest + 3 * noise) / (step / 2 ** (_LEVELS - 1))
    return Difference(value, abs(value - once[1]) + rounding, 2 * _LEVELS, _nearest(kinks), bool(kinks))


def _nearest(kinks: list[Kink]) -> tuple[Kink, ...]:
    """Each place once, with its smallest distance."""
    found: dict[object, Kink] = {}
    for kink in kinks:
        key = (kink.op, kink.location, kink.parameter)
        if key not in found or kink.distance < found[key].distance:
            found[key] = kink
    return tuple(found.values())
