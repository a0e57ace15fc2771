"""A peer: one library that computes workloads, and how it is held to a number of threads."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.bench.workload import Array, Data, Workload

# Returns the value and an array for each name in ``wrt``, in whatever type the peer has.
Step = Callable[[], Sequence[Any]]


@dataclass(frozen=True)
class Peer:
    """One library: ``prepare(workload, data, rate)`` makes the step, ``limit(threads)`` comes before it.

    ``package`` is what it is imported as and ``language`` the name its terms have in a workload's forms.
    """

    name: str
    package: str
    language: str
    prepare: Callable[[Workload, Data, float | None], Step]
    limit: Callable[[int], None] = lambda threads: None

    @property
    def is_installed(self) -> bool:
        """Whether its package can be imported."""
        return importlib.util.find_spec(self.package) is not None

    @property
    def version(self) -> str:
        """The installed package's version."""
        return importlib.metadata.version(self.package)

    def speaks(self, workload: Workload) -> bool:
        """Whether the workload is declared in its terms."""
        return self.language in workload.languages


def arrays_of(results: Sequence[Any]) -> list[Array]:
    """The results of a step as NumPy arrays."""
    return [np.asarray(r) for r in results]


def numbers_of(data: Data) -> dict[str, Any]:
    """The arrays, those without axes as Python's floats: what somebody who has numbers would pass."""
    return {name: a if a.ndim else a.item() for name, a in data.items()}


def stepped(values: Sequence[Any], gradients: Sequence[Any], rate: float | None) -> list[Any]:
    """The values after a step of gradient descent, or the gradients where there is no rate."""
    if rate is None:
        return list(gradients)
    return [v - rate * g for v, g in zip(values, gradients, strict=True)]
