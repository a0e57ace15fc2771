"""Random graphs of view ops: a seed enters; inputs, a scalar and arrays leave, the same for the same seed.

Elements are moved, repeated, summed and squared in every arrangement: reshapes that do not nest, windows of
flips of gathers. These are the graphs on which delta elimination has to get its guards right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc
from graphc.ir.printer import text_form
from graphc.ops import shape as shape_ops
from graphc.ops import windows

Array = np.ndarray[Any, Any]
Generator = np.random.Generator
Sizes = tuple[int, ...]

_LEAST_ELEMENTS, _MOST_ELEMENTS = 4, 48
_MOST_AXES = 4
_MOST_SIZE = 12


@dataclass(frozen=True, eq=False)
class ViewGraph:
    """A scalar over a few inputs, and a value for each of them."""

    seed: int
    inputs: tuple[gc.Tensor, ...]  # of floats
    output: gc.Tensor
    values: dict[gc.Tensor, Array]  # also of the integer inputs

    def __str__(self) -> str:
        return f"seed {self.seed}\n{text_form(self.output)}"


class _Drawing:
    """A graph while it is being drawn."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng([20, seed])
        self.values: dict[gc.Tensor, Array] = {}

    def integer(self, low: int, high: int) -> int:
        """A number from low to high, both included."""
        return int(self.generator.integers(low, high + 1))

    def chosen(self, options: Any) -> Any:
        return options[self.integer(0, len(options) - 1)]

    def axis(self, x: gc.Tensor) -> int:
        return self.integer(0, x.ndim - 1)

    def floats(self) -> gc.Tensor:
        """A new input of one to three axes."""
        sizes: Sizes = (99,)
        while math.prod(sizes) > _MOST_ELEMENTS:
            sizes = tuple(self.chosen((1, 2, 2, 3, 3, 4, 4, 6, 5)) for _ in range(self.integer(1, 3)))
        found = gc.input(f"x{len(self.values)}", sizes, "float64")
        self.values[found] = self.generator.uniform(-1.5, 1.5, sizes)
        return found

    def indices(self, sizes: Sizes, n: int) -> gc.Tensor:
        """A new input of indices from −n to n − 1, repeats among them."""
        found = gc.input(f"i{len(self.values)}", sizes, "int64")
        self.values[found] = self.generator.integers(-n, n, sizes)
        return found


# -- steps -----------------------------------------------------------------------------------------
def _factored(draw: _Drawing, count: int) -> Sizes:
    """Sizes whose product is ``count``: its prime factors and ones, in random order and company."""
    left, sizes = count, []
    while left > 1:
        prime = next(p for p in range(2, left + 1) if left % p == 0)
        sizes.append(prime)
        left //= prime
    sizes = list(draw.generator.permutation(sizes)) if sizes else []
    while len(sizes) > 1 and (len(sizes) > 3 or draw.integer(0, 1)):
        k = draw.integer(0, len(sizes) - 2)
        sizes[k : k + 2] = [sizes[k] * sizes[k + 1]]
    if draw.integer(0, 3) == 0:
        sizes.insert(draw.integer(0, len(sizes)), 1)
    return tuple(int(s) for s in sizes) or (1,)


def _reshape(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    return gc.reshape(x, _factored(draw, math.prod(x.shape)))


def _transpose(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    return gc.transpose(x, [int(a) for a in draw.generator.permutation(x.ndim)])


def _reshape_transpose_reshape(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    return _reshape(draw, _transpose(draw, _reshape(draw, x)))


def _slice(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    start, size, step = [], [], []
    for n in x.shape:
        stride = draw.chosen((1, 1, 2, 3, -1, -2))
        first = draw.integer(0, n - 1)
        room = (n - 1 - first if stride > 0 else first) // abs(stride) + 1
        start.append(first)
        size.append(draw.integer(1, room))
        step.append(stride)
    return shape_ops.strided_part(x, start, size, step)


def _subscript(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    index: list[Any] = [slice(None)] * x.ndim
    axis = draw.axis(x)
    n = x.shape[axis]
    index[axis] = draw.chosen(
        (slice(None, None, -1), slice(1, None) if n > 1 else 0, -1, slice(None, None, 2))
    )
    return x[tuple(index)]


def _flip(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    return gc.flip(x, draw.axis(x))


def _pad(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    widths = [(draw.integer(0, 2), draw.integer(0, 1)) for _ in x.shape]
    mode = draw.chosen(("constant", "constant", "edge", "wrap", "reflect", "symmetric"))
    return gc.pad(x, widths, mode)


def _concatenate(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    parts = [x, draw.chosen((x, gc.square(x), gc.flip(x, draw.axis(x))))]
    return gc.concatenate(parts[:: draw.chosen((1, -1))], axis=draw.axis(x))


def _stack(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    return gc.stack([x, gc.tanh(x)], axis=draw.integer(0, x.ndim))


def _broadcast(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    wide = gc.expand_dims(x, draw.integer(0, x.ndim))
    return gc.broadcast_to(wide, [draw.integer(1, 3) if n == 1 else n for n in wide.shape])


def _take(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    axis = draw.axis(x)
    n = x.shape[axis]
    sizes = draw.chosen(((3,), (1,), (4,), (2, 2)))
    if draw.integer(0, 1):
        return gc.take(x, draw.indices(sizes, n), axis)
    return gc.take(x, draw.generator.integers(-n, n, sizes), axis)


def _window(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    axis = draw.axis(x)
    padding = (draw.integer(0, 1), draw.integer(0, 1))
    n = x.shape[axis] + sum(padding)
    size = draw.integer(1, min(n, 3))
    dilation = draw.integer(1, 2) if n >= 2 * size - 1 else 1
    return gc.window(x, size, axis, stride=draw.integer(1, 3), dilation=dilation, padding=(padding,))


def _fold(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    """Windows added up where the last axis is their elements and another their places."""
    if x.ndim < 2:
        return _window(draw, x)
    axis = draw.integer(0, x.ndim - 2)
    stride, dilation = draw.integer(1, 3), draw.integer(1, 2)
    span = windows.effective_size(x.shape[-1], dilation)
    rest = draw.integer(0, stride - 1)
    return gc.fold(x, (x.shape[axis] - 1) * stride + span + rest, axis, stride=stride, dilation=dilation)


def _embed(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    sizes, start, step = [], [], []
    for n in x.shape:
        stride = draw.chosen((1, 2, -1, -2))
        before = draw.integer(0, 1)
        span = abs(stride) * (n - 1)
        sizes.append(before + span + 1 + draw.integer(0, 1))
        start.append(before if stride > 0 else before + span)
        step.append(stride)
    return shape_ops.embed(x, sizes, start, step)


def _diagonal(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    if x.ndim < 2:
        return gc.tril(gc.outer(x, gc.flip(x)))
    return gc.diagonal(x) if draw.integer(0, 1) else gc.triu(x)


def _repeat(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    return draw.chosen((
        lambda: gc.repeat(x, 2, axis=draw.axis(x)),
        lambda: gc.tile(x, [draw.integer(1, 2) for _ in x.shape]),
        lambda: gc.roll(x, draw.integer(-3, 3), axis=draw.axis(x)),
        lambda: gc.roll(x, draw.integer(-3, 3)),
    ))()  # fmt: skip


def _sum(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    if x.ndim < 2:
        return gc.cumsum(x, axis=0)
    return gc.sum(x, axis=draw.axis(x), keepdims=bool(draw.integer(0, 1)))


def _function(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    return draw.chosen((gc.square, gc.tanh, gc.sin))(x)


def _residual(draw: _Drawing, x: gc.Tensor) -> gc.Tensor:
    """The tensor plus, or times, itself the other way round."""
    axis = draw.axis(x)
    other = draw.chosen((lambda: gc.flip(x, axis), lambda: gc.tanh(x), lambda: gc.roll(x, 1, axis)))()
    return x + other if draw.integer(0, 1) else x * other


_STEPS: tuple[Callable[[_Drawing, gc.Tensor], gc.Tensor], ...] = (
    _reshape, _reshape, _reshape_transpose_reshape, _transpose, _slice, _slice, _subscript, _flip, _pad,
    _concatenate, _stack, _broadcast, _take, _take, _window, _window, _fold, _embed, _diagonal, _repeat, _sum,
    _function, _function, _residual,
)  # fmt: skip


def _fits(x: gc.Tensor, source: gc.Tensor) -> bool:
    """Whether a step leaves some of the input, and not too much."""
    least = min(_LEAST_ELEMENTS, math.prod(source.shape))
    most = max(x.shape, default=99) <= _MOST_SIZE and x.ndim <= _MOST_AXES
    return most and least <= math.prod(x.shape) <= _MOST_ELEMENTS


def _joined(draw: _Drawing, x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
    """Sum or product of two branches, one reshaped or cut to the other's number of elements."""
    x, y = gc.reshape(x, (-1,)), gc.reshape(y, (-1,))
    count = min(x.shape[0], y.shape[0])
    first, last = draw.chosen((x[:count], x[-count:][::-1])), y[:count]
    return first * last if draw.integer(0, 1) else gc.tanh(first) + last


def view_graph(seed: int) -> ViewGraph:
    """A graph of 3 to 8 steps on one or two branches, ending in a weighted sum."""
    draw = _Drawing(seed)
    inputs = [draw.floats() for _ in range(draw.integer(1, 2))]
    ends = []
    for x in inputs:
        end, taken = x, 0
        wanted = draw.integer(3, 8) // len(inputs) + 1
        while taken < wanted:
            made = draw.chosen(_STEPS)(draw, end)
            if _fits(made, x):
                end, taken = made, taken + 1
        ends.append(end)
    if len(ends) == 2:
        ends = [_joined(draw, *ends)]
    elif draw.integer(0, 3) == 0:
        ends = [_joined(draw, ends[0], inputs[0])]
    (end,) = ends
    weights = draw.generator.uniform(0.5, 2.0, end.shape) * draw.generator.choice([-1.0, 1.0], end.shape)
    output = gc.sum((gc.square(end) if draw.integer(0, 1) else end) * weights)
    return ViewGraph(seed, tuple(inputs), output, draw.values)
