"""Drawn convolutions for tests of algorithms: a seed enters; sizes, arrays and two libraries' calls leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Configuration:
    """One convolution; ``x`` and ``w`` are shapes."""

    x: tuple[int, ...]
    w: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def rank(self) -> int:
        return len(self.stride)

    def ours(self, x: gc.Tensor, w: gc.Tensor) -> gc.Tensor:
        function = (gc.nn.conv1d, gc.nn.conv2d, gc.nn.conv3d)[self.rank - 1]
        options = {"padding": self.padding, "dilation": self.dilation, "groups": self.groups}
        return function(x, w, stride=self.stride, **options)

    def theirs(self, x: Any, w: Any) -> Any:
        from torch.nn import functional

        around = [n for side in reversed(self.padding) for n in side]
        function = (functional.conv1d, functional.conv2d, functional.conv3d)[self.rank - 1]
        padded = functional.pad(x, around)
        return function(padded, w, stride=self.stride, dilation=self.dilation, groups=self.groups)

    def arrays(self, dtype: str = "float64") -> tuple[Array, Array]:
        rng = np.random.default_rng(0)
        return rng.standard_normal(self.x).astype(dtype), rng.standard_normal(self.w).astype(dtype)


def long_filters() -> list[Configuration]:
    """Filters of many elements along few axes: one tile or many, in two factors, in phases."""
    around = ((3, 2),)
    return [
        Configuration((2, 3, 300), (4, 3, 70), (1,), around, (1,), 1),
        Configuration((9, 2, 700), (2, 2, 200), (1,), around, (2,), 1),
        Configuration((1, 4, 1500), (2, 2, 33), (1,), around, (1,), 2),
        Configuration((3, 4, 25, 70), (4, 1, 3, 20), (1, 1), around * 2, (2, 1), 4),
        Configuration((2, 1, 600), (1, 1, 600), (1,), ((0, 0),), (1,), 1),
    ]


def drawn(
    seed: int, count: int, sizes: tuple[int, ...] = (), depthwise: bool = False, phases: int | None = None
) -> list[Configuration]:
    """So many configurations; with ``sizes``, square filters of those, and stride 1.

    With ``phases``, filters of that number of elements (0: of any) times the stride.
    """
    rng = np.random.default_rng(seed)
    found: list[Configuration] = []
    while len(found) < count:
        rank = int(rng.integers(1, 4))
        element = (int(rng.choice(sizes)),) * rank if sizes else tuple(rng.integers(1, 5, rank).tolist())
        stride = (1,) * rank if sizes else tuple(rng.integers(1, 4, rank).tolist())
        dilation = (1,) * rank if phases is not None else tuple(rng.integers(1, 3, rank).tolist())
        if phases is not None:
            stride = (int(rng.integers(2, 4)), *stride[1:])
            element = tuple(s * (phases or int(rng.integers(1, 3))) for s in stride)
        padding = tuple((int(b), int(a)) for b, a in rng.integers(0, 4, (rank, 2)))
        span = [d * (k - 1) + 1 for k, d in zip(element, dilation, strict=True)]
        size = [
            max(int(s * (rng.integers(1, 6) - 1) + k + rng.integers(0, s) - b - a), 1)
            for s, k, (b, a) in zip(stride, span, padding, strict=True)
        ]
        if any(n + b + a < k for n, k, (b, a) in zip(size, span, padding, strict=True)):
            continue
        batch, groups = int(rng.choice([0, 1, 2, 3, 9])), int(rng.choice([1, 1, 2, 3]))
        seen, made = (1 if depthwise else int(rng.integers(1, 4))), int(rng.integers(1, 4))
        w = (made * groups, seen, *element)
        found.append(Configuration((batch, seen * groups, *size), w, stride, padding, dilation, groups))
    return found
