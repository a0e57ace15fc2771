"""Arrangements that compose of shape ops: tensors enter; stacked, split, tiled, rolled ones leave."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import sympy

from graphc.ir.dimension import (
    Dim,
    Shape,
    as_dim,
    format_shape,
    same,
    same_shape,
    simplified,
)
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import Axes, integer, one_axis, one_size, position, shape_error
from graphc.ops.elementwise import greater_equal, subtract, where
from graphc.ops.indexing import taken
from graphc.ops.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    quotient,
    reshape,
    sequence_of,
    strided_part,
)
from graphc.ops.sources import arange, as_tensor, constant, filled
from graphc.ops.subscript import getitem

Array = np.ndarray[Any, Any]


def stack(tensors: Sequence[object], axis: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis, at this place of the result.

    >>> import graphc as gc
    >>> x = gc.input("x", ("N", 3))
    >>> gc.stack([x, x], axis=1)
    <concatenate: float32(N, 2, 3)>
    """
    nodes = [as_tensor(t) for t in sequence_of(tensors, "stack")]
    for number, node in enumerate(nodes):
        if not same_shape(node.shape, nodes[0].shape):
            raise shape_error(
                "stack",
                f"tensor 0 has shape {format_shape(nodes[0].shape)}, "
                f"tensor {number} {format_shape(node.shape)}",
                "stacked tensors have one shape; gc.concatenate joins along an axis they have",
            )
    place = one_axis(axis, nodes[0].ndim + 1, "stack")
    return concatenate([expand_dims(n, place) for n in nodes], place)


def _along(x: Tensor, axis: int, part: slice) -> Tensor:
    return getitem(x, (*[slice(None)] * axis, part))


def split(x: object, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Parts along an axis: a number of equal ones, or those between given indices.

    Raises ShapeError where the size is not known to divide into equal parts.

    >>> import graphc as gc
    >>> [part.shape for part in gc.split(gc.input("x", (6, 3)), 2)]
    [(3, 3), (3, 3)]
    """
    x = as_tensor(x)
    place = one_axis(axis, x.ndim, "split")
    if not isinstance(indices_or_sections, (tuple, list)):
        count = _sections(indices_or_sections, "split")
        length = quotient(x.shape[place], count)
        if length is None:
            raise shape_error(
                "split",
                f"axis {place} of size {x.shape[place]} is not known to divide into {count} equal parts",
                "use gc.array_split for parts that differ by one, or give the indices at which to cut",
            )
        start = [0] * x.ndim
        parts = []
        for number in range(count):
            first = [*start[:place], simplified(number * length), *start[place + 1 :]]
            size = (*x.shape[:place], length, *x.shape[place + 1 :])
            parts.append(strided_part(x, first, size, [1] * x.ndim))
        return parts
    cuts = [None, *indices_or_sections, None]
    return [_along(x, place, slice(a, b)) for a, b in pairwise(cuts)]


def array_split(x: object, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Parts along an axis, the first ones longer by one element where they cannot be equal.

    >>> import graphc as gc
    >>> [part.shape for part in gc.array_split(gc.input("x", (7, 3)), 3)]
    [(3, 3), (2, 3), (2, 3)]
    """
    x = as_tensor(x)
    place = one_axis(axis, x.ndim, "array_split")
    size = x.shape[place]
    if isinstance(indices_or_sections, (tuple, list)):
        return split(x, indices_or_sections, axis)
    count = _sections(indices_or_sections, "array_split")
    if quotient(size, count) is not None:
        return split(x, count, axis)
    if not isinstance(size, int):
        raise shape_error(
            "array_split", f"axis {place} has the symbolic size {size}", "give the indices at which to cut"
        )
    short, longer = divmod(size, count)
    return split(x, [number * short + min(number, longer) for number in range(1, count)], place)


def _sections(value: object, op: str) -> int:
    count = integer(value, "the number of parts", op)
    if count < 1:
        raise shape_error(op, f"{count} parts were asked for", "ask for at least one")
    return count


def tile(x: object, reps: object) -> Tensor:
    """The tensor repeated as a whole along its axes; further repetitions make axes in front.

    >>> import graphc as gc
    >>> gc.tile(gc.input("x", (2, 3)), (2, 1))
    <reshape: float32(4, 3)>
    """
    x = as_tensor(x)
    times: Shape = tuple(
        [one_size(r, "tile") for r in (reps if isinstance(reps, (tuple, list)) else (reps,))]
    )
    rank = max(x.ndim, len(times))
    times = (1,) * (rank - len(times)) + times
    sizes: Shape = (1,) * (rank - x.ndim) + x.shape
    wide = reshape(x, tuple([d for s in sizes for d in (1, s)]))
    copies = broadcast_to(wide, tuple([d for r, s in zip(times, sizes, strict=True) for d in (r, s)]))
    return reshape(copies, tuple([simplified(r * s) for r, s in zip(times, sizes, strict=True)]))


def repeat(x: object, repeats: object, axis: int | None = None) -> Tensor:
    """Each element repeated along an axis, or all in C order: as often each, or as a list says.

    >>> import graphc as gc
    >>> gc.repeat(gc.input("x", (2, 3)), 2, axis=1)
    <reshape: float32(2, 6)>
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    place = one_axis(axis, x.ndim, "repeat")
    n = x.shape[place]
    if isinstance(repeats, (tuple, list, np.ndarray)) and np.ndim(repeats):
        counts = [integer(r, "a count", "repeat") for r in repeats]
        if not same(n, len(counts)) and len(counts) != 1:
            raise shape_error(
                "repeat",
                f"{len(counts)} counts for axis {place} of size {n}",
                "give one count, or one an element",
            )
        if len(counts) > 1:
            return taken(x, constant(np.repeat(np.arange(len(counts)), counts), "int64"), place)
        repeats = counts[0]
    count = one_size(repeats, "repeat")
    wide = broadcast_to(expand_dims(x, place + 1), (*x.shape[: place + 1], count, *x.shape[place + 1 :]))
    return reshape(wide, (*x.shape[:place], simplified(n * count), *x.shape[place + 1 :]))


def roll(x: object, shift: Dim | Sequence[Dim], axis: Axes = None) -> Tensor:
    """The elements moved along axes, those that leave at one end entering at the other.

    >>> import graphc as gc
    >>> gc.roll(gc.input("x", ("N", 3)), 1, axis=0)
    <concatenate: float32(N, 3)>
    """
    x = as_tensor(x)
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, 0), x.shape)
    axes = [one_axis(a, x.ndim, "roll") for a in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    shifts = list(shift) if isinstance(shift, (tuple, list)) else [shift]
    if len(shifts) == 1:
        shifts *= len(axes)
    elif len(axes) == 1:
        axes *= len(shifts)
    if len(shifts) != len(axes):
        raise shape_error("roll", f"{len(shifts)} shifts for {len(axes)} axes", "give one shift an axis")
    total: dict[int, Dim] = {}
    for a, s in zip(axes, shifts, strict=True):
        total[a] = total.get(a, 0) + position(s, "a shift", "roll")
    for a, amount in total.items():
        n = x.shape[a]
        if same(n, 0):
            continue
        moved = simplified(as_dim(sympy.Mod(amount, n)))
        if same(moved, 0):
            continue
        kept = simplified(n - moved)
        front, back = list(x.shape), list(x.shape)
        front[a], back[a] = moved, kept
        zero, one = [0] * x.ndim, [1] * x.ndim
        first = strided_part(x, [*zero[:a], kept, *zero[a + 1 :]], front, one)
        x = concatenate([first, strided_part(x, zero, back, one)], a)
    return x


def _triangle(x: object, k: int, op: str, lower: bool) -> Tensor:
    x = as_tensor(x)
    if x.ndim == 0:
        raise shape_error(op, "a 0-dimensional tensor has no triangle", "give a matrix or more axes")
    rows = x.shape[-2] if x.ndim > 1 else x.shape[-1]
    shift = integer(k, "k", op)
    row, column = expand_dims(arange(rows), 1), arange(x.shape[-1])
    edge = subtract(column, shift) if shift else column
    inside = greater_equal(row, edge) if lower else greater_equal(edge, row)
    return where(inside, x, filled(0, x.dtype))


def tril(x: object, k: int = 0) -> Tensor:
    """The elements on and below the k-th diagonal of the last two axes, zeros above it.

    >>> import graphc as gc
    >>> gc.tril(gc.input("x", ("N", 3, 3)))
    <where: float32(N, 3, 3)>
    """
    return _triangle(x, k, "tril", lower=True)


def triu(x: object, k: int = 0) -> Tensor:
    """The elements on and above the k-th diagonal of the last two axes, zeros below it.

    >>> import graphc as gc
    >>> gc.triu(gc.input("x", ("N", 3, 3)), k=1)
    <where: float32(N, 3, 3)>
    """
    return _triangle(x, k, "triu", lower=False)
