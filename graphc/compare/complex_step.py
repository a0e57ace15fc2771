"""The complex step: derivatives of analytic graphs to full precision from one complex evaluation.

Im f(x + ih·v)/h has no subtraction, so h may be tiny: Squire and Trapp, "Using complex variables to
estimate derivatives of real functions", SIAM Review 40 (1998).
"""

from __future__ import annotations

from graphc.compare.point import Parameter, Point
from graphc.ir.body import with_bodies
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on
from graphc.runtime.interpreter import Array

STEP = 1e-30

NOT_ANALYTIC: dict[str, str] = {
    "abs": "the modulus is not analytic",
    "sign": "the sign is not analytic",
    "floor": "rounding is not analytic",
    "ceil": "rounding is not analytic",
    "round": "rounding is not analytic",
    "trunc": "rounding is not analytic",
    "floor_divide": "rounding is not analytic",
    "remainder": "rounding is not analytic",
    "astype": "a cast to a real dtype drops the imaginary part",
    "erf": "the op has a meaning for real numbers only",
    "cbrt": "the op has a meaning for real numbers only",
    "arctan2": "the op has a meaning for real numbers only",
    "hypot": "the op has a meaning for real numbers only",
    "logaddexp": "the op has a meaning for real numbers only",
}
"""Ops that a complex number may not pass, by name, with the reason."""


def obstacle(point: Point) -> str | None:
    """Why the complex step does not apply: the first op in its way, or None."""
    moving = depends_on(point.order, [p.tensor for p in point.parameters])
    reached = (node for node in point.order if node in moving)
    for node in with_bodies(reached):
        if node.inputs and node.op.name in NOT_ANALYTIC:
            return f"{node.op.name} at {node.location.short}: {NOT_ANALYTIC[node.op.name]}"
    return None


def complex_derivative(point: Point, parameter: Parameter, direction: Array) -> float:
    """The derivative of the point's y along a direction."""
    moved: dict[Tensor, Array] = {parameter.tensor: point.value(parameter) + 1j * STEP * direction}
    (value,) = point.run([point.y], moved, cast=False)
    return float(value.imag) / STEP
