"""Learning-rate schedules: each function gives a function from the step to the rate, both symbolic.

The step is a 0-dimensional float64 tensor: the number of updates made so far, 0 at the first. Pass a
schedule where an optimiser takes ``lr``, or write your own: any ``step -> rate`` in graphc's functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from graphc import ops
from graphc.errors import GraphError
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor

Schedule: TypeAlias = Callable[[Tensor], Tensor]


def constant(value: float) -> Schedule:
    """The same rate at every step.

    >>> import graphc as gc
    >>> gc.optim.schedules.constant(0.1)(gc.input("step", (), "float64")).shape
    ()
    """
    return lambda step: ops.constant(value, step.dtype)


def step_decay(value: float, step_size: int, gamma: float = 0.1) -> Schedule:
    """value · γ^⌊step / step_size⌋: the rate falls by γ every ``step_size`` steps. Qiu §7.2.3.1.

    >>> import graphc as gc
    >>> gc.optim.schedules.step_decay(0.1, 1000)(gc.input("step", (), "float64")).shape
    ()
    """
    _check_positive(step_size, "step_size", "step_decay")
    return lambda step: ops.power(gamma, ops.floor(step / step_size)) * value


def exponential_decay(value: float, gamma: float) -> Schedule:
    """value · γ^step. Qiu §7.2.3.1.

    >>> import graphc as gc
    >>> gc.optim.schedules.exponential_decay(0.1, 0.999)(gc.input("step", (), "float64")).shape
    ()
    """
    return lambda step: ops.power(gamma, step) * value


def inverse_time_decay(value: float, rate: float) -> Schedule:
    """value / (1 + rate · step). Qiu §7.2.3.1.

    >>> import graphc as gc
    >>> gc.optim.schedules.inverse_time_decay(0.1, 0.01)(gc.input("step", (), "float64")).shape
    ()
    """
    return lambda step: ops.divide(value, step * rate + 1.0)


def cosine_decay(value: float, total_steps: int, minimum: float = 0.0) -> Schedule:
    """From ``value`` to ``minimum`` along half a cosine, and ``minimum`` from ``total_steps`` on.

    Loshchilov and Hutter 2016, without restarts.

    >>> import graphc as gc
    >>> gc.optim.schedules.cosine_decay(0.1, 10_000)(gc.input("step", (), "float64")).shape
    ()
    """
    _check_positive(total_steps, "total_steps", "cosine_decay")

    def rate(step: Tensor) -> Tensor:
        angle = ops.minimum(step, float(total_steps)) * (math.pi / total_steps)
        return (ops.cos(angle) + 1.0) * (0.5 * (value - minimum)) + minimum

    return rate


def inverse_sqrt(value: float, warmup_steps: int) -> Schedule:
    """Linear up to ``value`` at ``warmup_steps``, then value · √(warmup_steps / step).

    The first step counts as 1, so that the rate is never 0. Vaswani et al. 2017.

    >>> import graphc as gc
    >>> gc.optim.schedules.inverse_sqrt(1e-3, 4000)(gc.input("step", (), "float64")).shape
    ()
    """
    _check_positive(warmup_steps, "warmup_steps", "inverse_sqrt")

    def rate(step: Tensor) -> Tensor:
        share = (step + 1.0) / warmup_steps
        return ops.minimum(share, ops.reciprocal(ops.sqrt(share))) * value

    return rate


def linear_warmup(schedule: Schedule | float, warmup_steps: int, start: float = 0.0) -> Schedule:
    """Another schedule (or a fixed rate) times a factor that grows linearly from ``start`` to 1.

    The factor is ``start`` at step 0 and 1 from ``warmup_steps`` on; the other schedule sees the step
    itself. Goyal et al. 2017.

    >>> import graphc as gc
    >>> warm = gc.optim.schedules.linear_warmup(0.1, 500, start=0.1)
    >>> warm(gc.input("step", (), "float64")).shape
    ()
    """
    _check_positive(warmup_steps, "warmup_steps", "linear_warmup")
    inner = schedule if callable(schedule) else constant(schedule)

    def rate(step: Tensor) -> Tensor:
        factor = ops.minimum(step / warmup_steps, 1.0) * (1.0 - start) + start
        return inner(step) * factor

    return rate


def piecewise_constant(boundaries: Sequence[int], values: Sequence[float]) -> Schedule:
    """values[0] before step boundaries[0], values[1] from there, and so on. Qiu §7.2.3.1.

    Raises GraphError where there is not one value more than boundaries, or they do not ascend.

    >>> import graphc as gc
    >>> rate = gc.optim.schedules.piecewise_constant([100, 200], [0.1, 0.01, 0.001])
    >>> rate(gc.input("step", (), "float64")).shape
    ()
    """
    if len(values) != len(boundaries) + 1 or sorted(set(boundaries)) != list(boundaries):
        raise GraphError(
            f"boundaries {list(boundaries)} and values {list(values)} do not fit",
            op="piecewise_constant", location=user_location(),
            remedy="give ascending boundaries, and one value more than boundaries",
        )  # fmt: skip

    def rate(step: Tensor) -> Tensor:
        result = ops.constant(values[0], step.dtype)
        for boundary, value in zip(boundaries, values[1:], strict=True):
            result = ops.where(step >= boundary, value, result)
        return result

    return rate


def _check_positive(value: float, name: str, op: str) -> None:
    if not value > 0:
        raise GraphError(
            f"{name} = {value} is not positive",
            op=op,
            location=user_location(),
            remedy="give a positive number",
        )
