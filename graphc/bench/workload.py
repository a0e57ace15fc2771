"""A workload: one computation, declared once in each peer's own terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Data = dict[str, Array]
# A peer's own tensors enter by name, the loss leaves as such a tensor.
Loss = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Workload:
    """A loss of float32 arrays and its gradients.

    ``data(small)`` makes the arrays, from one seed; small ones show that it runs. ``losses`` gives the
    loss in each peer's terms, keyed by ``Peer.language``. Timed is the loss with its gradients by the arrays
    named in ``wrt``; where ``rate`` is given, a step of training instead: the loss, and each of those arrays
    less ``rate`` times its gradient, as new arrays.
    """

    name: str
    title: str
    data: Callable[[bool], Data]
    wrt: tuple[str, ...]
    losses: Mapping[str, Loss]
    rate: float | None = None


class Draws:
    """Random float32 arrays, the same at each run."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> Array:
        """Normally distributed numbers of mean 0."""
        return (self._generator.standard_normal(shape) * scale).astype(np.float32)

    def one_hot(self, count: int, classes: int) -> Array:
        """Rows with a single 1 each."""
        return np.eye(classes, dtype=np.float32)[self._generator.integers(0, classes, count)]
