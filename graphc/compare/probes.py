"""Probes: the directions along which the engines are compared, chosen for each parameter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from graphc.compare.point import Parameter, Point
from graphc.runtime.interpreter import Array


@dataclass(frozen=True, eq=False)
class Probe:
    """A parameter with its directions: every unit vector, or random unit directions where it is large."""

    parameter: Parameter
    shape: tuple[int, ...]
    count: int
    exhaustive: bool
    seed: int

    def directions(self) -> Iterator[Array]:
        """Arrays of the parameter's shape and Euclidean length 1."""
        size = int(np.prod(self.shape))
        generator = np.random.default_rng(self.seed)
        for number in range(self.count):
            flat = np.zeros(size)
            if self.exhaustive:
                flat[number] = 1.0
            else:
                flat[:] = generator.choice([-1.0, 1.0], size) / np.sqrt(size)
            yield flat.reshape(self.shape)

    def along(self, gradient: Array) -> Array:
        """The gradient's component along each direction."""
        if self.exhaustive:
            return np.asarray(gradient, np.float64).reshape(-1)
        return np.array([np.vdot(gradient, d) for d in self.directions()])

    @property
    def description(self) -> str:
        if self.exhaustive:
            return "every element"
        return f"{self.count} random direction{'' if self.count == 1 else 's'}"


def probes_of(
    point: Point, elements: int, directions: int, seed: int, budget: int | None = None
) -> list[Probe]:
    """One probe per parameter; up to ``elements`` elements are tested one by one.

    Where nodes times directions exceed the budget, each parameter gets the same small number of them.
    """
    sizes = [int(np.prod(point.value(p).shape)) for p in point.parameters]
    counts = [size if size <= elements else directions for size in sizes]
    if budget is not None and sum(counts) * len(point.order) > budget:
        most = max(1, budget // (len(point.order) * len(counts)))
        counts = [min(count, most) for count in counts]
    return [
        Probe(p, point.value(p).shape, count, count == size, seed + number)
        for number, (p, size, count) in enumerate(zip(point.parameters, sizes, counts, strict=True))
    ]
