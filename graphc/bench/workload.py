"""A workload: one computation, declared once in each peer's own terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Data = dict[str, Array]
# A peer's own tensors enter by name, the value leaves as such a tensor.
Form = Callable[[Mapping[str, Any]], Any]
# Arrays enter by name, numbers as floats; a call leaves that gives the value and its gradients.
ByHand = Callable[[Mapping[str, Any]], Callable[[], list[Any]]]

# How far two peers may be apart, as ‖a − b‖ / ‖b‖ in float32: sums of 10⁵ terms in another order differ by
# 10⁻⁶ or so.
TOLERANCE = 1e-4
# The same where there are many kinks: a rounding error puts some of a million elements on the other side of a
# ReLU, or gives a pooling window another maximum. k of n change the gradient by about √(k / n) of its norm,
# however small the error was.
KINKED = 1e-2


@dataclass(frozen=True)
class Workload:
    """A value computed from float32 arrays, mostly a loss, and its gradients.

    ``data(small)`` makes the arrays, from one seed; small ones show that it runs. ``forms`` gives the
    value in each peer's terms, keyed by ``Peer.language``; ``by_hand`` value and gradients in NumPy's,
    with whatever it keeps between calls. Timed is the value with its gradients by the arrays named in
    ``wrt`` (none: the value alone); where ``rate`` is given, a step of training instead: the loss, and each
    of those arrays less ``rate`` times its gradient, as new arrays. ``tolerance`` is how far apart peers may
    be at full size.
    """

    name: str
    title: str
    data: Callable[[bool], Data]
    wrt: tuple[str, ...]
    forms: Mapping[str, Form]
    by_hand: ByHand | None = None
    rate: float | None = None
    tolerance: float = TOLERANCE

    @property
    def languages(self) -> tuple[str, ...]:
        """What it is declared in."""
        return (*self.forms, *(("numpy",) if self.by_hand else ()))


class Draws:
    """Random float32 arrays, the same at each run."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> Array:
        """Normally distributed numbers of mean 0; one alone without a shape."""
        numbers = self._generator.standard_normal(shape, np.float32)
        numbers *= scale  # in place: a workload may have 10⁸ of them
        return numbers

    def one_hot(self, count: int, classes: int) -> Array:
        """Rows with a single 1 each."""
        return np.eye(classes, dtype=np.float32)[self._generator.integers(0, classes, count)]
