"""Rounding noise: outputs and a point enter, the size of float64's rounding in each output leaves.

Where a graph cancels (1 − tanh² far out, 1 + erf on the left) a result is far less exact than its own
size suggests. A fourth difference over many tiny equal steps removes the smooth part and leaves the
noise: R. Hamming's difference table, as in J. Moré and S. Wild, "Estimating computational noise",
SIAM Journal on Scientific Computing 33 (2011). Where a graph is so flat that nothing moves at all, no
difference shows its resolution; random rounding of every value on the way does: D. Parker, *Monte Carlo
Arithmetic*, UCLA 1997.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, sqrt

import numpy as np

from graphc.compare.point import Point
from graphc.ir.body import resolved
from graphc.ir.tensor import Tensor
from graphc.runtime.interpreter import Array

# Wide enough to move a saturated function by some units in the last place, so narrow that fourth
# differences of a curve of scale 1 (1e-24) stay below rounding.
_STEP = 1e-6
_NEAR_STEP = 1e-10
_MUCH = 1e-9
_ORDER = 4
_POINTS = 16
_GAMMA = 1 / sqrt(comb(2 * _ORDER, _ORDER))
_ROUNDED_RUNS = 4
# Families whose ops round; the others move values about, and a loop rounds inside.
_ROUNDING = ("elementwise", "reduction", "linear algebra", "convolution", "loop")
_NO_ROUNDING = 1e-9
_HALF_PLACE = float(np.finfo(np.float64).eps) / 2


def noise_of(point: Point, outputs: Sequence[Tensor], seed: int = 0) -> list[float]:
    """The standard deviation of each output's rounding, the largest over its elements.

    The median over the windows is taken, so that one kink among the points does not pass for noise. A large
    network has kinks between any two points: what looks like much noise is looked at from nearer by, where
    kinks are few and rounding is as large as ever.
    """
    found = _differences(point, outputs, _STEP, seed)
    if any(size > _MUCH for size in found):
        near = _differences(point, outputs, _NEAR_STEP, seed)
        found = [n if 0 < n < f and f > _MUCH else f for f, n in zip(found, near, strict=True)]
    return found


def _differences(point: Point, outputs: Sequence[Tensor], step: float, seed: int) -> list[float]:
    """The noise that fourth differences over equal steps leave."""
    generator = np.random.default_rng(seed)
    directions = {}
    for parameter in point.parameters:
        at = point.value(parameter)
        signs = generator.choice([-1.0, 1.0], at.shape)
        directions[parameter.tensor] = (at, signs * np.maximum(1.0, np.abs(at)))
    rows: list[list[Array]] = [[] for _ in outputs]
    for number in range(1, _POINTS + 1):  # the point itself may be a tie, with a value of its own
        moved = {t: at + number * step * way for t, (at, way) in directions.items()}
        for row, value in zip(rows, point.run(outputs, moved), strict=True):
            row.append(np.asarray(value, np.float64))
    found = []
    for row in rows:
        with np.errstate(all="ignore"):
            differences = np.abs(np.diff(np.stack(row), _ORDER, axis=0)) * _GAMMA
        size = float(np.max(np.median(differences, axis=0), initial=0.0))
        found.append(size if np.isfinite(size) else 0.0)
    return found


def resolution_of(point: Point, seed: int = 0) -> float:
    """The standard deviation of the point's y when every value on the way is rounded at random.

    What differs less than that between two places, differences cannot see.
    """
    generator = np.random.default_rng(seed)
    kept = {*point.sources, *[n for n in point.order if not n.inputs]}
    found = []
    with np.errstate(all="ignore"):
        for _ in range(_ROUNDED_RUNS):
            known = {n: point.base[n] for n in kept}
            for node in point.order:
                if node not in known:
                    attrs = {k: resolved(v, point.sizes) for k, v in node.attrs.items()}
                    value = np.asarray(node.op.evaluate(attrs, *[known[i] for i in node.inputs]))
                    if value.dtype == np.float64 and node.op.family in _ROUNDING:
                        value = value * (1 + _HALF_PLACE * generator.uniform(-1, 1, value.shape))
                    known[node] = value
            found.append(float(known[point.y]) - float(point.base[point.y]))
    size = sqrt(sum([d * d for d in found]) / len(found))
    # Larger than that is no rounding: a comparison came out the other way.
    largest = max([float(np.max(np.abs(v), initial=0.0)) for v in point.base.values() if v.dtype.kind == "f"])
    return size if size <= _NO_ROUNDING * largest else 0.0
