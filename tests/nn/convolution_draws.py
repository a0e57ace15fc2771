"""Configurations of convolution and pooling: a generator enters, calls of graphc and of PyTorch leave.

A draw holds the sizes and options of one call. ``ours`` makes the call in graphc, ``theirs`` says the same
to PyTorch, which has no asymmetric padding and few names for it: there the image is padded by itself first.
The sizes are made from the number of windows wanted, so that a draw is valid by construction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from graphc import nn

Generator = np.random.Generator
Sides = list[tuple[int, int]]

# The multiplications of one forward pass; a draw of more is drawn anew.
_MOST_WORK = 12_000


# -- drawing ---------------------------------------------------------------------------------------
def _integer(generator: Generator, low: int, high: int) -> int:
    return int(generator.integers(low, high + 1))


def _chosen(generator: Generator, options: Any) -> Any:
    return options[_integer(generator, 0, len(options) - 1)]


def _each(generator: Generator, rank: int, low: int, high: int) -> tuple[int, ...]:
    """One number an axis; a third of the time the same for all."""
    if generator.random() < 1 / 3:
        return (_integer(generator, low, high),) * rank
    return tuple(_integer(generator, low, high) for _ in range(rank))


def _written(generator: Generator, numbers: tuple[int, ...]) -> Any:
    """As a user may write them: one number where all are the same."""
    return numbers[0] if len(set(numbers)) == 1 and generator.random() < 0.5 else numbers


def _leading(generator: Generator, channels: int) -> tuple[int, ...]:
    """Examples and channels; a tenth without an axis of examples, a tenth with no example."""
    batch = _chosen(generator, (None, 0, 1, 1, 1, 2, 2, 2, 3, 3))
    return (channels,) if batch is None else (batch, channels)


def spans(size: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True))


def same_sides(n: int, span: int, stride: int) -> tuple[int, int]:
    """Padding with which ⌈n / stride⌉ windows just fit, the odd element after."""
    total = max((math.ceil(n / stride) - 1) * stride + span - n, 0)
    return total // 2, total - total // 2


class Draw:
    """One call: the shapes of its operands and its options."""

    kind: ClassVar[str]
    rank: int
    shapes: list[tuple[int, ...]]  # of the operands, the image first
    options: dict[str, Any]  # as graphc takes them
    ties = False  # whether the image holds few numbers, each often

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.options, self.shapes = {}, []
        self.rank = _integer(generator, 1, 3)
        self.fill()
        while self.work() > _MOST_WORK:
            self.options, self.shapes = {}, []
            self.fill()
        self.seed = _integer(generator, 0, 2**31)

    def fill(self) -> None:
        raise NotImplementedError

    def work(self) -> int:
        raise NotImplementedError

    def arrays(self) -> list[np.ndarray]:
        generator = np.random.default_rng(self.seed)
        found = [generator.standard_normal(s) for s in self.shapes]
        if self.ties:
            found[0] = np.round(found[0])
        return found

    def ours(self, *inputs: Any) -> Any:
        """The tensors of the call: the first is the result, others are indices."""
        raise NotImplementedError

    def theirs(self, *tensors: Any) -> Any:
        raise NotImplementedError

    def function(self, module: Any) -> Any:
        return getattr(module, f"{self.kind}{self.rank}d")

    def __str__(self) -> str:
        said = ", ".join(f"{k}={v!r}" for k, v in self.options.items())
        shapes = ", ".join(map(str, self.shapes))
        return f"{self.kind}{self.rank}d({shapes}, {said}) [data {self.seed}{', ties' if self.ties else ''}]"


def _surrounded(x: Any, sides: Sides, mode: str = "constant", value: float | None = None) -> Any:
    """The image with padding: PyTorch's ``pad`` counts axes from the last."""
    from torch.nn.functional import pad

    if not any(b or a for b, a in sides):
        return x
    flat = [n for side in reversed(sides) for n in side]
    return pad(x, flat, mode, value) if mode == "constant" else pad(x, flat, mode)


# -- convolution -----------------------------------------------------------------------------------
class _Filtered(Draw):
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def fill_filter(self) -> tuple[int, int]:
        """Kernel, steps, groups and options; the channels of the input and of the output."""
        generator, rank = self.generator, self.rank
        self.size = _each(generator, rank, 1, (7, 7, 4)[rank - 1])
        if rank == 3 and generator.random() < 0.5:  # one long axis
            axis = _integer(generator, 0, 2)
            self.size = tuple(
                _integer(generator, 5, 7) if a == axis else min(k, 2) for a, k in enumerate(self.size)
            )
        self.stride = _each(generator, rank, 1, 4)
        self.dilation = _each(generator, rank, 1, 3)
        depthwise = generator.random() < 0.3
        self.groups = _chosen(generator, (2, 3, 4)) if depthwise else _chosen(generator, (1, 1, 1, 2, 3))
        seen = 1 if depthwise else _integer(generator, 1, 3)
        made = _integer(generator, 1, 3)
        self.options["stride"] = _written(generator, self.stride)
        self.options["dilation"] = _written(generator, self.dilation)
        self.options["groups"] = self.groups
        return seen * self.groups, made * self.groups

    def add_bias(self, channels: int) -> None:
        if self.generator.random() < 0.5:
            self.shapes.append((channels,))


class Convolution(_Filtered):
    kind = "conv"
    sides: Sides
    mode = "zeros"

    def fill(self) -> None:
        generator, rank = self.generator, self.rank
        seen, made = self.fill_filter()
        width = spans(self.size, self.dilation)
        manner = _chosen(generator, ("number", "number", "pairs", "pairs", "valid", "same", "full"))
        match manner:
            case "number":
                padding = _each(generator, rank, 0, 3)
                self.options["padding"] = _written(generator, padding)
                self.sides = [(p, p) for p in padding]
            case "pairs":
                self.sides = [(_integer(generator, 0, 4), _integer(generator, 0, 4)) for _ in range(rank)]
                self.options["padding"] = tuple(self.sides)
            case _:
                self.options["padding"] = manner
                self.sides = [(s - 1, s - 1) if manner == "full" else (0, 0) for s in width]
        sizes = []
        for axis, (span, s, (before, after)) in enumerate(zip(width, self.stride, self.sides, strict=True)):
            if manner == "same":
                n = _integer(generator, 1, 9)
                self.sides[axis] = same_sides(n, span, s)
            else:
                count, rest = _integer(generator, 1, 4), _integer(generator, 0, s - 1)
                n = max((count - 1) * s + span + rest - before - after, 1)
            sizes.append(n)
        self.mode = "zeros"
        if generator.random() < 0.25:
            self.mode = _chosen(generator, ("reflect", "replicate", "circular"))
            self.options["padding_mode"] = self.mode
            # PyTorch repeats an axis but once.
            least = [max(side) + (self.mode == "reflect") for side in self.sides]
            sizes = [max(n, m, 1) for n, m in zip(sizes, least, strict=True)]
            if manner == "same":
                self.sides = [same_sides(n, k, s) for n, k, s in zip(sizes, width, self.stride, strict=True)]
        self.counts = [
            (n + b + a - k) // s + 1
            for n, (b, a), k, s in zip(sizes, self.sides, width, self.stride, strict=True)
        ]
        self.shapes = [(*_leading(generator, seen), *sizes), (made, seen // self.groups, *self.size)]
        self.add_bias(made)

    def work(self) -> int:
        leading = self.shapes[0][: -self.rank - 1]
        return math.prod((*leading, *self.counts, *self.shapes[1]))

    def ours(self, x: Any, w: Any, b: Any = None) -> Any:
        return [self.function(nn)(x, w, b, **self.options)]

    def theirs(self, x: Any, w: Any, b: Any = None) -> Any:
        import torch.nn.functional as functional

        steps = {"stride": self.stride, "dilation": self.dilation, "groups": self.groups}
        named = self.options["padding"]
        # Even spans make PyTorch warn of a copy.
        plain = named == "valid" or (
            named == "same"
            and set(self.stride) == {1}
            and all(k % 2 for k in spans(self.size, self.dilation))
        )
        if self.mode != "zeros":
            x = _surrounded(x, self.sides, self.mode)
            padding: Any = 0
        elif plain:
            padding = named
        elif all(before == after for before, after in self.sides):
            padding = tuple(before for before, _ in self.sides)
        else:
            x, padding = _surrounded(x, self.sides), 0
        return [self.function(functional)(x, w, b, padding=padding, **steps)]

    def image(self, x: np.ndarray) -> np.ndarray:
        """What the filter slides over, but for zeros around it: the image padded by its own elements."""
        if self.mode == "zeros":
            return x
        mode: Any = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[self.mode]
        return np.pad(x, [*[(0, 0)] * (x.ndim - self.rank), *self.sides], mode)

    def transposed(self, y: Any, w: Any) -> Any:
        """The adjoint of the call in ``image``."""
        n, width = self.shapes[0][-self.rank :], spans(self.size, self.dilation)
        sides: Sides = self.sides if self.mode == "zeros" else [(0, 0)] * self.rank
        if self.mode != "zeros":
            n = tuple(m + b + a for m, (b, a) in zip(n, self.sides, strict=True))
        geometry = zip(n, sides, width, self.stride, strict=True)
        rests = tuple((m + b + a - k) % s for m, (b, a), k, s in geometry)
        function = getattr(nn, f"conv_transpose{self.rank}d")
        return function(
            y, w, stride=self.stride, dilation=self.dilation, groups=self.groups,
            padding=tuple(sides), output_padding=rests,
        )  # fmt: skip


class TransposedConvolution(_Filtered):
    kind = "conv_transpose"
    sides: Sides
    extra: tuple[int, ...]

    def fill(self) -> None:
        generator, rank = self.generator, self.rank
        seen, made = self.fill_filter()
        sizes = _each(generator, rank, 1, 4)
        width = spans(self.size, self.dilation)
        self.extra = (0,) * rank
        if generator.random() < 0.5:
            steps = zip(self.stride, self.dilation, strict=True)
            self.extra = tuple(_integer(generator, 0, max(s, d) - 1) for s, d in steps)
        whole = [
            (n - 1) * s + k + more
            for n, s, k, more in zip(sizes, self.stride, width, self.extra, strict=True)
        ]
        if generator.random() < 0.6:
            around = tuple(_integer(generator, 0, min(4, (n - 1) // 2)) for n in whole)
            self.options["padding"] = _written(generator, around)
            self.sides = [(p, p) for p in around]
        else:
            self.sides = []
            for n in whole:
                before = _integer(generator, 0, min(4, n - 1))
                self.sides.append((before, _integer(generator, 0, min(4, n - 1 - before))))
            self.options["padding"] = tuple(self.sides)
        self.options["output_padding"] = _written(generator, self.extra)
        self.shapes = [(*_leading(generator, seen), *sizes), (seen, made // self.groups, *self.size)]
        self.add_bias(made)

    def work(self) -> int:
        return math.prod(self.shapes[0]) * math.prod(self.shapes[1][1:])

    def ours(self, x: Any, w: Any, b: Any = None) -> Any:
        return [self.function(nn)(x, w, b, **self.options)]

    def theirs(self, x: Any, w: Any, b: Any = None) -> Any:
        import torch.nn.functional as functional

        function = self.function(functional)
        steps = {"stride": self.stride, "dilation": self.dilation, "groups": self.groups}
        if all(before == after for before, after in self.sides):
            around = tuple(before for before, _ in self.sides)
            return [function(x, w, b, padding=around, output_padding=self.extra, **steps)]
        whole = function(x, w, **steps)
        # Padding takes away at both ends, output_padding puts zeros behind.
        y = _surrounded(whole, [(0, more) for more in self.extra])
        for axis, (before, after) in enumerate(self.sides, y.ndim - self.rank):
            y = y.narrow(axis, before, y.shape[axis] - before - after)
        return [y if b is None else y + b.reshape(-1, *[1] * self.rank)]


# -- pooling ---------------------------------------------------------------------------------------
class _Pooling(Draw):
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    sides: Sides
    symmetric: bool
    ceil: bool

    def fill_windows(self, *, dilated: bool = False, padded: bool = True, ceil: bool = True) -> None:
        """Window, steps, padding of at most half a window, and an image with 1 to 4 windows an axis."""
        generator, rank = self.generator, self.rank
        sizes = self._windows(dilated, padded, ceil)
        while not self._all_have_elements(sizes):
            sizes = self._windows(dilated, padded, ceil)
        self.options["kernel_size"] = _written(generator, self.size)
        if self.stride != self.size or generator.random() < 0.5:
            self.options["stride"] = _written(generator, self.stride)
        if dilated:
            self.options["dilation"] = _written(generator, self.dilation)
        if padded:
            numbers = tuple(before for before, _ in self.sides)
            self.options["padding"] = (
                _written(generator, numbers) if self.symmetric else self.named or tuple(self.sides)
            )
        if ceil:
            self.options["ceil_mode"] = self.ceil
        self.shapes = [(*_leading(generator, _integer(generator, 1, 3)), *sizes)]
        assert len(sizes) == rank

    def _windows(self, dilated: bool, padded: bool, ceil: bool) -> list[int]:
        generator, rank = self.generator, self.rank
        self.size = _each(generator, rank, 1, (7, 7, 4)[rank - 1])
        self.stride = self.size if generator.random() < 0.25 else _each(generator, rank, 1, 4)
        self.dilation = _each(generator, rank, 1, 3) if dilated else (1,) * rank
        width = spans(self.size, self.dilation)
        self.symmetric = not padded or generator.random() < 0.7
        # PyTorch would count explicit padding as part of the image, from which a last window may begin.
        self.ceil = ceil and self.symmetric and generator.random() < 0.4
        self.named = "same" if not self.symmetric and generator.random() < 0.3 else None
        # Half a window; PyTorch does not count what dilation adds to it, and pads less.
        halves = self.size if self.symmetric else width
        most = [k // 2 if padded else 0 for k in halves]
        self.sides = [(_integer(generator, 0, m), _integer(generator, 0, m)) for m in most]
        if self.symmetric:
            self.sides = [(before, before) for before, _ in self.sides]
        sizes = []
        for axis, (span, s, (before, after)) in enumerate(zip(width, self.stride, self.sides, strict=True)):
            count, rest = _integer(generator, 1, 4), _integer(generator, 0, s - 1)
            sizes.append(max((count - 1) * s + span + rest - before - after, 1))
            if self.named:
                self.sides[axis] = same_sides(sizes[-1], span, s)
        return sizes

    def _all_have_elements(self, sizes: list[int]) -> bool:
        """Whether no window holds padding alone, of which there is no maximum: PyTorch gives −∞ or 0."""
        for n, k, s, d, (before, after) in zip(
            sizes, self.size, self.stride, self.dilation, self.sides, strict=True
        ):
            for place in range(-before, n + after, s):
                if place + d * (k - 1) >= n + after and not self.ceil:
                    break
                if not any(0 <= place + d * r < n for r in range(k)):
                    return False
        return True

    def work(self) -> int:
        return math.prod(self.shapes[0]) * math.prod(self.size)

    @property
    def around(self) -> tuple[int, ...]:
        return tuple(before for before, _ in self.sides)


class MaxPooling(_Pooling):
    kind = "max_pool"

    def fill(self) -> None:
        self.fill_windows(dilated=True)
        self.ties = self.generator.random() < 0.3
        self.indices = self.symmetric and self.generator.random() < 0.5

    def ours(self, x: Any) -> Any:
        found = self.function(nn)(x, **self.options, return_indices=self.indices)
        return list(found) if self.indices else [found]

    def theirs(self, x: Any) -> Any:
        import torch.nn.functional as functional

        padding: Any = self.around
        if not self.symmetric:
            x, padding = _surrounded(x, self.sides, value=-math.inf), 0
        found = self.function(functional)(
            x, self.size, self.stride, padding, self.dilation, self.ceil, return_indices=self.indices
        )
        return list(found) if self.indices else [found]


class AveragePooling(_Pooling):
    kind = "avg_pool"

    def fill(self) -> None:
        self.fill_windows()
        if self.generator.random() < 0.7:
            self.options["count_include_pad"] = bool(self.generator.random() < 0.5)
        if self.generator.random() < 0.3:
            self.options["divisor_override"] = _integer(self.generator, 1, 9)

    def ours(self, x: Any) -> Any:
        return [self.function(nn)(x, **self.options)]

    def theirs(self, x: Any) -> Any:
        import torch

        counted = self.options.get("count_include_pad", True)
        divisor = self.options.get("divisor_override")
        if self.symmetric:
            return [self._averaged(x, self.around, counted, divisor)]
        none = (0,) * self.rank
        total = self._averaged(_surrounded(x, self.sides), none, True, divisor)
        if counted or divisor is not None:
            return [total]
        return [total / self._averaged(_surrounded(torch.ones_like(x), self.sides), none, True, None)]

    def _averaged(self, x: Any, padding: tuple[int, ...], counted: bool, divisor: Any) -> Any:
        import torch.nn.functional as functional

        if self.rank > 1:
            return self.function(functional)(x, self.size, self.stride, padding, self.ceil, counted, divisor)
        # PyTorch's function of one axis takes no divisor.
        found = functional.avg_pool2d(
            x.unsqueeze(-2), (1, *self.size), (1, *self.stride), (0, *padding), self.ceil, counted, divisor
        )
        return found.squeeze(-2)


class PowerPooling(_Pooling):
    kind = "lp_pool"

    def fill(self) -> None:
        self.fill_windows(padded=False)
        self.power = _chosen(self.generator, (1, 1.5, 2, 3, 4))

    def arrays(self) -> list[np.ndarray]:
        return [np.abs(x) + 0.1 for x in super().arrays()]

    def ours(self, x: Any) -> Any:
        return [self.function(nn)(x, self.power, **self.options)]

    def theirs(self, x: Any) -> Any:
        import torch.nn.functional as functional

        size, stride = (self.size, self.stride) if self.rank > 1 else (self.size[0], self.stride[0])
        return [self.function(functional)(x, float(self.power), size, stride, self.ceil)]

    def __str__(self) -> str:
        return f"{super().__str__()} of power {self.power}"


class MaxUnpooling(_Pooling):
    """Unpooling of what a pooling found, times a factor for each channel."""

    kind = "max_unpool"

    def fill(self) -> None:
        self.fill_windows(ceil=False)
        while not self.symmetric:
            self.options = {}
            self.fill_windows(ceil=False)
        n = self.shapes[0][-self.rank :]
        steps = zip(n, self.size, self.stride, self.around, strict=True)
        exact = all((m + 2 * p - k) % s == 0 for m, k, s, p in steps)
        self.output_size = None
        if not exact or self.generator.random() < 0.5:
            # PyTorch takes a whole shape only with examples.
            batched = len(self.shapes[0]) == self.rank + 2
            self.output_size = _chosen(self.generator, (n, self.shapes[0])) if batched else n
        self.shapes.append((*self.shapes[0][: -self.rank], *[1] * self.rank))

    def ours(self, x: Any, factor: Any) -> Any:
        y, where = getattr(nn, f"max_pool{self.rank}d")(x, **self.options, return_indices=True)
        stride = self.options.get("stride")
        around = self.options["padding"]
        size = self.options["kernel_size"]
        return [self.function(nn)(y * factor, where, size, stride, around, self.output_size)]

    def theirs(self, x: Any, factor: Any) -> Any:
        import torch
        import torch.nn.functional as functional

        pooling = getattr(functional, f"max_pool{self.rank}d")
        y, where = pooling(x, self.size, self.stride, self.around, return_indices=True)
        values = y * factor
        found = self.function(functional)(
            values, where, self.size, self.stride, self.around, self.output_size
        )
        if all(s >= k for s, k in zip(self.stride, self.size, strict=True)):
            return [found]
        # A place that several windows name: PyTorch gives the whole cotangent to each of them.
        leading = values.shape[: -self.rank]
        zeros = torch.zeros((*leading, math.prod(found.shape[-self.rank :])), dtype=values.dtype)
        places = where.flatten(-self.rank)
        total = zeros.scatter_add(-1, places, values.flatten(-self.rank))
        shares = zeros.scatter_add(-1, places, torch.ones_like(values).flatten(-self.rank))
        mean = (total / shares.clamp(min=1)).reshape(found.shape)
        torch.testing.assert_close(mean, found, rtol=1e-12, atol=1e-12)
        return [mean]

    def __str__(self) -> str:
        return f"{super().__str__()} to {self.output_size}"


KINDS: dict[str, type[Draw]] = {
    c.kind: c
    for c in (Convolution, TransposedConvolution, MaxPooling, AveragePooling, PowerPooling, MaxUnpooling)
}


def draws(kind: str, seed: int) -> Iterator[Draw]:
    """Draws of one kind without end; the same for the same seed."""
    generator = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    while True:
        yield KINDS[kind](generator)
