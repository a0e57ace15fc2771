"""Shape ops: the elements of tensors enter and leave unchanged, in another arrangement.

The ops and the functions that are one op each; what composes of them is in ``arrangement``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from graphc.errors import ShapeError
from graphc.ir.build import apply
from graphc.ir.dimension import (
    Dim,
    Shape,
    broadcast_shapes,
    element_count,
    format_shape,
    same,
    same_shape,
    simplified,
)
from graphc.ir.dtype import DType, result_dtype
from graphc.ir.op import Attrs, Op
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import Axes, one_axis, one_size, several_axes, shape_error, whole_shape
from graphc.ops.sources import as_tensor

Array = np.ndarray[Any, Any]
Typed = tuple[Shape, DType]


# -- rules -----------------------------------------------------------------------------------------
def _infer_reshape(inputs: tuple[Tensor, ...], attrs: Attrs) -> Typed:
    (x,) = inputs
    shape: Shape = attrs["shape"]
    before, after = element_count(x.shape), element_count(shape)
    if not same(before, after):
        raise ShapeError(
            f"shape {format_shape(x.shape)} has {simplified(before)} elements, "
            f"{format_shape(shape)} has {simplified(after)}",
            remedy="give sizes whose product is the same; one of them may be -1",
        )
    return shape, x.dtype


def _infer_transpose(inputs: tuple[Tensor, ...], attrs: Attrs) -> Typed:
    (x,) = inputs
    axes: tuple[int, ...] = attrs["axes"]
    if sorted(axes) != list(range(x.ndim)):
        raise ShapeError(
            f"the axes {axes} are no order of the {x.ndim} axes of {format_shape(x.shape)}",
            remedy="name every axis once",
        )
    return tuple([x.shape[a] for a in axes]), x.dtype


def _infer_broadcast_to(inputs: tuple[Tensor, ...], attrs: Attrs) -> Typed:
    (x,) = inputs
    shape: Shape = attrs["shape"]
    if len(shape) < x.ndim or not same_shape(broadcast_shapes([x.shape, shape]), shape):
        raise ShapeError(
            f"shape {format_shape(x.shape)} does not broadcast to {format_shape(shape)}",
            remedy="only axes of size 1 stretch, and new axes come in front: reshape or sum first",
        )
    return shape, x.dtype


def _infer_concatenate(inputs: tuple[Tensor, ...], attrs: Attrs) -> Typed:
    axis: int = attrs["axis"]
    first = inputs[0].shape
    total: Dim = 0
    for number, x in enumerate(inputs):
        if len(x.shape) != len(first):
            raise ShapeError(
                f"tensor 0 has shape {format_shape(first)}, tensor {number} {format_shape(x.shape)}: "
                "the number of axes differs",
                remedy="reshape them to the same number of axes, or use gc.stack to make a new axis",
            )
        for a, size in enumerate(x.shape):
            if a != axis and not same(size, first[a]):
                raise ShapeError(
                    f"tensor 0 has shape {format_shape(first)}, tensor {number} {format_shape(x.shape)}: "
                    f"sizes {first[a]} and {size} of axis {a} differ",
                    remedy=f"only axis {axis}, along which they are joined, may differ",
                )
        total = total + x.shape[axis]
    dtype = inputs[0].dtype
    if any(x.dtype != dtype for x in inputs):
        dtype = result_dtype(*[x.dtype for x in inputs])
    return (*first[:axis], simplified(total), *first[axis + 1 :]), dtype


def _infer_pad(inputs: tuple[Tensor, ...], attrs: Attrs) -> Typed:
    (x,) = inputs
    return (
        tuple([simplified(s + b + a) for s, (b, a) in zip(x.shape, attrs["widths"], strict=True)]),
        x.dtype,
    )


def _infer_flip(inputs: tuple[Tensor, ...], attrs: Attrs) -> Typed:
    return inputs[0].shape, inputs[0].dtype


def _check_within(shape: Shape, start: Sequence[Dim], size: Sequence[Dim], step: Sequence[int]) -> None:
    """Refuse a strided part that is known to leave its axis."""
    for axis, (n, first, count, stride) in enumerate(zip(shape, start, size, step, strict=True)):
        if isinstance(count, int) and isinstance(first, int) and count > 0:
            last = first + stride * (count - 1)
            if first < 0 or last < 0 or (isinstance(n, int) and (first >= n or last >= n)):
                raise ShapeError(f"elements {first} to {last} leave axis {axis} of size {n}")


def _infer_slice(inputs: tuple[Tensor, ...], attrs: Attrs) -> Typed:
    (x,) = inputs
    _check_within(x.shape, attrs["start"], attrs["size"], attrs["step"])
    return attrs["size"], x.dtype


def _infer_embed(inputs: tuple[Tensor, ...], attrs: Attrs) -> Typed:
    (x,) = inputs
    _check_within(attrs["shape"], attrs["start"], x.shape, attrs["step"])
    return attrs["shape"], x.dtype


# -- meanings --------------------------------------------------------------------------------------
def python_slices(start: Sequence[int], size: Sequence[int], step: Sequence[int]) -> tuple[slice, ...]:
    """Python slices of ``size`` elements from ``start`` by ``step``; a stop below 0 becomes None."""
    parts = []
    for first, count, stride in zip(start, size, step, strict=True):
        stop = first + stride * count
        parts.append(slice(first, None if stop < 0 else stop, stride) if count > 0 else slice(0, 0))
    return tuple(parts)


def _embed(attrs: Attrs, x: Array) -> Array:
    result = np.zeros(attrs["shape"], x.dtype)
    result[python_slices(attrs["start"], x.shape, attrs["step"])] = x
    return result


RESHAPE = Op("reshape", "shape", _infer_reshape, lambda attrs, x: np.reshape(x, attrs["shape"]), is_view=True)
TRANSPOSE = Op(
    "transpose", "shape", _infer_transpose, lambda attrs, x: np.transpose(x, attrs["axes"]), is_view=True
)
BROADCAST_TO = Op(
    "broadcast_to",
    "shape",
    _infer_broadcast_to,
    lambda attrs, x: np.broadcast_to(x, attrs["shape"]),
    is_view=True,
)
CONCATENATE = Op(
    "concatenate", "shape", _infer_concatenate, lambda attrs, *x: np.concatenate(x, axis=attrs["axis"])
)
PAD = Op(
    "pad", "shape", _infer_pad, lambda attrs, x: np.pad(x, attrs["widths"], constant_values=attrs["value"])
)
FLIP = Op("flip", "shape", _infer_flip, lambda attrs, x: np.flip(x, attrs["axes"]), is_view=True)
SLICE = Op(
    "slice",
    "shape",
    _infer_slice,
    lambda attrs, x: x[python_slices(attrs["start"], attrs["size"], attrs["step"])],
    is_view=True,
)
# The adjoint of slice: zeros of `shape`, with x written at start + k·step.
EMBED = Op("embed", "shape", _infer_embed, _embed)

OPS = (RESHAPE, TRANSPOSE, BROADCAST_TO, CONCATENATE, PAD, FLIP, SLICE, EMBED)


# -- functions -------------------------------------------------------------------------------------
@lru_cache(maxsize=4096)
def quotient(total: Dim, part: Dim) -> Dim | None:
    """total / part as a size, or None where it is not known to be an integer."""
    if isinstance(total, int) and isinstance(part, int):
        return total // part if part and total % part == 0 else None
    if same(part, 0):
        return None
    numerator, denominator = sympy.fraction(sympy.cancel(sympy.sympify(total) / part))
    return simplified(numerator) if denominator == 1 else None


def reshape(x: object, shape: object) -> Tensor:
    """The elements in C order under another shape; one size may be -1 and follows from the others.

    Sizes may be symbolic. Raises ShapeError where the numbers of elements differ, or where the size
    for -1 is not an integer for every value of the symbols.

    >>> import graphc as gc
    >>> gc.reshape(gc.input("x", ("N", 28, 28)), (-1, 784))
    <reshape: float32(N, 784)>
    """
    x = as_tensor(x)
    sizes = list(shape) if isinstance(shape, (tuple, list)) else [shape]
    unknown = [i for i, s in enumerate(sizes) if isinstance(s, (int, np.integer)) and s == -1]
    if len(unknown) > 1:
        raise shape_error(
            "reshape", f"the shape {tuple(sizes)} has -1 {len(unknown)} times", "write -1 for one size only"
        )
    if unknown:
        known = [one_size(s, "reshape") for i, s in enumerate(sizes) if i != unknown[0]]
        missing = quotient(element_count(x.shape), element_count(known))
        if missing is None:
            raise shape_error(
                "reshape",
                f"no size for -1 gives {format_shape(x.shape)}, of {simplified(element_count(x.shape))} "
                f"elements, the shape ({', '.join(map(str, sizes))})",
                "the other sizes must divide the number of elements for every value of the symbolic sizes",
            )
        sizes[unknown[0]] = missing
    return apply(RESHAPE, (x,), shape=whole_shape(tuple(sizes), "reshape"))


def transpose(x: object, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in another order; reversed if none is given.

    >>> import graphc as gc
    >>> gc.transpose(gc.input("x", ("N", 3, 4)), (0, 2, 1))
    <transpose: float32(N, 4, 3)>
    """
    x = as_tensor(x)
    order = tuple(range(x.ndim))[::-1] if axes is None else several_axes(tuple(axes), x.ndim, "transpose")
    return apply(TRANSPOSE, (x,), axes=order)


def broadcast_to(x: object, shape: object) -> Tensor:
    """The tensor repeated along axes of size 1 and new axes in front, without a copy.

    >>> import graphc as gc
    >>> gc.broadcast_to(gc.input("b", (3,)), ("N", 3))
    <broadcast_to: float32(N, 3)>
    """
    return apply(BROADCAST_TO, (as_tensor(x),), shape=whole_shape(shape, "broadcast_to"))


def concatenate(tensors: Sequence[object], axis: int | None = 0) -> Tensor:
    """The tensors joined along an axis they have; all other sizes agree. ``axis=None`` joins them flat.

    >>> import graphc as gc
    >>> x = gc.input("x", ("N", 3))
    >>> gc.concatenate([x, x], axis=1)
    <concatenate: float32(N, 6)>
    """
    nodes = tuple([as_tensor(t) for t in sequence_of(tensors, "concatenate")])
    if axis is None:
        return apply(CONCATENATE, tuple([reshape(t, (-1,)) for t in nodes]), axis=0)
    if nodes[0].ndim == 0:
        raise shape_error(
            "concatenate",
            "a 0-dimensional tensor has no axis to join along",
            "use gc.stack, which makes a new axis",
        )
    return apply(CONCATENATE, nodes, axis=one_axis(axis, nodes[0].ndim, "concatenate"))


def sequence_of(tensors: object, op: str) -> list[object]:
    """The tensors of a list or tuple, at least one."""
    if isinstance(tensors, Tensor):
        raise shape_error(
            op, f"a list of tensors is needed, but one tensor, {tensors!r}, was given", "write [a, b, …]"
        )
    found: list[object] = list(tensors)  # type: ignore[call-overload]
    if not found:
        raise shape_error(op, "there are no tensors to join", "give at least one")
    return found


def constant_pad(x: object, widths: Sequence[tuple[Dim, Dim]], value: float = 0) -> Tensor:
    """The tensor between (before, after) elements of one value along each axis; x where there are none."""
    x = as_tensor(x)
    if all(same(b, 0) and same(a, 0) for b, a in widths):
        return x
    return apply(PAD, (x,), widths=tuple([(b, a) for b, a in widths]), value=value)


def flip(x: object, axis: Axes = None) -> Tensor:
    """The elements in reverse order along axes; all of them if none is given.

    >>> import graphc as gc
    >>> gc.flip(gc.input("x", ("N", 3)), axis=1)
    <flip: float32(N, 3)>
    """
    x = as_tensor(x)
    return apply(FLIP, (x,), axes=tuple(sorted(several_axes(axis, x.ndim, "flip"))))


def strided_part(x: Tensor, start: Sequence[Dim], size: Sequence[Dim], step: Sequence[int]) -> Tensor:
    """``size`` elements along each axis, beginning at ``start``, each ``step`` from the last.

    What slices become once their bounds are normalised; a step may be negative.
    """
    return apply(SLICE, (x,), start=tuple(start), size=tuple(size), step=tuple(step))


def embed(x: Tensor, shape: Shape, start: Sequence[Dim], step: Sequence[int]) -> Tensor:
    """Zeros of a shape with x written at start + k·step: the adjoint of ``strided_part``."""
    return apply(EMBED, (x,), shape=tuple(shape), start=tuple(start), step=tuple(step))


def expand_dims(x: object, axis: int | Sequence[int]) -> Tensor:
    """New axes of size 1, at these places of the result.

    >>> import graphc as gc
    >>> gc.expand_dims(gc.input("x", ("N", 3)), 1)
    <reshape: float32(N, 1, 3)>
    """
    x = as_tensor(x)
    places = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    rank = x.ndim + len(places)
    where = set(several_axes(places, rank, "expand_dims"))
    sizes = iter(x.shape)
    return apply(RESHAPE, (x,), shape=tuple([1 if a in where else next(sizes) for a in range(rank)]))


def squeeze(x: object, axis: Axes = None) -> Tensor:
    """The tensor without these axes of size 1; without all that are known to have size 1 for None.

    >>> import graphc as gc
    >>> gc.squeeze(gc.input("x", ("N", 1, 3)))
    <reshape: float32(N, 3)>
    """
    x = as_tensor(x)
    if axis is None:
        gone = {a for a, size in enumerate(x.shape) if same(size, 1)}
    else:
        gone = set(several_axes(axis, x.ndim, "squeeze"))
        for a in sorted(gone):
            if not same(x.shape[a], 1):
                raise shape_error(
                    "squeeze",
                    f"axis {a} of shape {format_shape(x.shape)} has size {x.shape[a]}, not 1",
                    "only axes of size 1 can be dropped: index or reduce the axis",
                )
    return apply(RESHAPE, (x,), shape=tuple([s for a, s in enumerate(x.shape) if a not in gone]))


def moveaxis(x: object, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Axes moved to other places, the rest keeping their order.

    >>> import graphc as gc
    >>> gc.moveaxis(gc.input("x", ("N", 3, 4)), 1, -1)
    <transpose: float32(N, 4, 3)>
    """
    x = as_tensor(x)
    taken = several_axes(source, x.ndim, "moveaxis")
    put = several_axes(destination, x.ndim, "moveaxis")
    if len(taken) != len(put):
        raise shape_error(
            "moveaxis", f"{len(taken)} axes have {len(put)} destinations", "give one destination an axis"
        )
    order = [a for a in range(x.ndim) if a not in taken]
    for place, axis in sorted(zip(put, taken, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


def swapaxes(x: object, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged.

    >>> import graphc as gc
    >>> gc.swapaxes(gc.input("x", ("N", 3, 4)), 0, 2)
    <transpose: float32(4, 3, N)>
    """
    x = as_tensor(x)
    a, b = one_axis(axis1, x.ndim, "swapaxes"), one_axis(axis2, x.ndim, "swapaxes")
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return transpose(x, order)
