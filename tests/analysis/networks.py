"""Convolutional networks drawn at random, with positive weights: what an output sees, it depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import graphc as gc


class Drawn(NamedTuple):
    """``exact`` says that every wanted part is without holes, so that boxes are exact at borders too."""

    x: gc.Tensor
    y: gc.Tensor
    exact: bool
    has_maxima: bool
    steps: list[str]


class _Maker:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.rank = 1 + seed % 2
        sizes = self.rng.integers(9, 17, self.rank)
        self.x = gc.input("x", (1, 2, *map(int, sizes)), "float64")
        self.h = self.x
        self.holes = self.maxima = False
        self.steps: list[str] = []

    def pick(self, *of: int) -> tuple[int, ...]:
        return tuple(int(self.rng.choice(of)) for _ in range(self.rank))

    def weights(self, *shape: int) -> Any:
        return self.rng.uniform(0.5, 1.5, shape) / np.sqrt(np.prod(shape))

    def conv(self, h: gc.Tensor, size: tuple[int, ...], **options: Any) -> gc.Tensor:
        function = {1: gc.nn.conv1d, 2: gc.nn.conv2d}[self.rank]
        groups = options.pop("groups", 1)
        return function(h, self.weights(2, h.shape[1] // groups, *size), groups=groups, **options)

    def convolution(self) -> gc.Tensor:
        size, stride, dilation = self.pick(1, 2, 3, 4), self.pick(1, 1, 2, 3), self.pick(1, 1, 2)
        padding = [tuple(self.rng.integers(0, 3, 2).tolist()) for _ in range(self.rank)]
        self.holes |= any((d > 1 and k > 1) or s > k for k, s, d in zip(size, stride, dilation, strict=True))
        return self.conv(
            self.h,
            size,
            stride=stride,
            dilation=dilation,
            padding=tuple(padding),
            groups=int(self.rng.choice([1, 2])),
        )

    def transposed(self) -> gc.Tensor:
        size, stride = self.pick(2, 3, 4), self.pick(1, 2)
        function = {1: gc.nn.conv_transpose1d, 2: gc.nn.conv_transpose2d}[self.rank]
        return function(self.h, self.weights(2, 2, *size), stride=stride, padding=self.pick(0, 1))

    def mean(self) -> gc.Tensor:
        function = {1: gc.nn.avg_pool1d, 2: gc.nn.avg_pool2d}[self.rank]
        return function(self.h, self.pick(2, 3), stride=self.pick(1, 2), padding=self.pick(0, 1))

    def maximum(self) -> gc.Tensor:
        function = {1: gc.nn.max_pool1d, 2: gc.nn.max_pool2d}[self.rank]
        self.maxima = True
        return function(self.h, self.pick(2, 3), stride=self.pick(1, 2), padding=self.pick(0, 1))

    def residual(self) -> gc.Tensor:
        inner = gc.relu(self.conv(self.h, self.pick(1, 3), padding="same"))
        return self.h + self.conv(inner, self.pick(3), padding="same")

    def branches(self) -> gc.Tensor:
        parts = [self.conv(self.h, (k,) * self.rank, padding="same") for k in (1, 3, 5)]
        return gc.concatenate(parts, axis=1)[:, 1:5:2]

    def upsampled(self) -> gc.Tensor:
        return gc.repeat(self.h, 2, axis=2)

    def resized(self) -> gc.Tensor:
        mode = {1: "linear", 2: "bilinear"}[self.rank]
        return gc.nn.interpolate(self.h, size=tuple(int(n) + 3 for n in self.h.shape[2:]), mode=mode)

    def reflected(self) -> gc.Tensor:
        return self.conv(self.h, (3,) * self.rank, padding=1, padding_mode="reflect")

    def dense(self) -> gc.Tensor:
        flat = gc.reshape(self.h, (1, -1))
        return flat @ self.weights(flat.shape[1], 3)


def drawn(seed: int) -> Drawn:
    """A network of two to five layers, whose last may be dense."""
    maker = _Maker(seed)
    kinds: list[Callable[[_Maker], gc.Tensor]] = [
        _Maker.convolution, _Maker.convolution, _Maker.convolution, _Maker.transposed, _Maker.mean,
        _Maker.residual, _Maker.branches, _Maker.upsampled, _Maker.resized, _Maker.reflected,
    ]  # fmt: skip
    if seed % 3 == 0:
        kinds += [_Maker.maximum] * 4
    for _ in range(maker.rng.integers(2, 6)):
        make = kinds[maker.rng.integers(len(kinds))]
        if min(maker.h.shape[2:]) < 9 and make is not _Maker.upsampled:
            break
        maker.h = gc.relu(make(maker))
        maker.steps.append(make.__name__)
    if seed % 5 == 0:
        maker.h = maker.dense()
        maker.steps.append("dense")
    return Drawn(maker.x, maker.h, not maker.holes, maker.maxima, maker.steps)
