"""Pooling to a given size: a tensor and an output size enter; means or maxima of its windows leave.

The window of output o along an axis of n elements runs from ⌊o·n/out⌋ to ⌈(o + 1)·n/out⌉: windows cover the
axis and may overlap. Names, arguments and meaning are those of ``torch.nn.functional``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.ir.dimension import Dim, Shape, element_count, format_shape, same, simplified
from graphc.ir.dtype import BOOL
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import float_tensor
from graphc.nn.axis_weights import Table, index_range, number, weighted
from graphc.ops.arguments import one_size, shape_error
from graphc.ops.indexing import taken
from graphc.ops.pooling import max_pool, window_index
from graphc.ops.shape import quotient
from graphc.ops.sources import as_tensor

# Windows of at most so many elements along an axis are pooled; of larger ones the elements are gathered.
_LARGEST = 16

OutputSize: TypeAlias = "int | str | Sequence[int | str | None] | None"


# -- means -----------------------------------------------------------------------------------------
def adaptive_avg_pool1d(x: object, output_size: OutputSize) -> Tensor:
    """Means over windows of the last axis, as many as ``output_size``.

    ``x`` is float, (N, C, L) or (C, L). ``output_size`` is one size, or a tuple of one; None keeps an axis.
    Sizes may be symbolic. Where the windows differ in size, an element that is not finite reaches the
    whole of its line. Raises ShapeError for other ranks and sizes below 1.

    >>> import graphc as gc
    >>> gc.nn.adaptive_avg_pool1d(gc.input("x", ("N", 3, 10)), 4).shape
    (N, 3, 4)
    """
    return _adaptive_avg_pool(x, output_size, 1)


def adaptive_avg_pool2d(x: object, output_size: OutputSize) -> Tensor:
    """Means over windows of the last two axes; (N, C, H, W) or (C, H, W). See `adaptive_avg_pool1d`.

    >>> import graphc as gc
    >>> gc.nn.adaptive_avg_pool2d(gc.input("x", ("N", 3, "H", "W")), (4, None)).shape
    (N, 3, 4, W)
    """
    return _adaptive_avg_pool(x, output_size, 2)


def adaptive_avg_pool3d(x: object, output_size: OutputSize) -> Tensor:
    """Means over windows of the last three axes; (N, C, D, H, W) or (C, D, H, W). See `adaptive_avg_pool1d`.

    >>> import graphc as gc
    >>> gc.nn.adaptive_avg_pool3d(gc.input("x", ("N", 3, 4, 8, 8)), 2).shape
    (N, 3, 2, 2, 2)
    """
    return _adaptive_avg_pool(x, output_size, 3)


def global_avg_pool(x: object, keepdims: bool = False) -> Tensor:
    """The mean of each channel: (N, C, …) to (N, C), or to (N, C, 1, …) with ``keepdims``.

    Lin et al. 2014, Network in network. Raises ShapeError where x has no spatial axis.

    >>> import graphc as gc
    >>> gc.nn.global_avg_pool(gc.input("x", ("N", 64, "H", "W")))
    <mean: float32(N, 64)>
    """
    x = _with_spatial_axes(float_tensor(x, "global_avg_pool"), "global_avg_pool")
    return ops.mean(x, axis=tuple(range(2, x.ndim)), keepdims=keepdims)


def _adaptive_avg_pool(x: object, output_size: object, spatial: int) -> Tensor:
    op = f"adaptive_avg_pool{spatial}d"
    x = float_tensor(x, op)
    return averaged(x, _output_sizes(x, output_size, spatial, op))


def averaged(x: Tensor, sizes: Shape) -> Tensor:
    """The last axes of x averaged down, or up, to these sizes."""
    first = x.ndim - len(sizes)
    changed = {axis: out for axis, out in enumerate(sizes, first) if not same(x.shape[axis], out)}
    whole = tuple([axis for axis, out in changed.items() if same(out, 1)])
    if whole:
        x = ops.mean(x, axis=whole, keepdims=True)
    for axis, out in changed.items():
        factor = quotient(x.shape[axis], out)
        if axis in whole:
            continue
        if factor is None:
            x = weighted(x, axis, _averages(x.shape[axis], out))
        else:  # windows of one size that do not overlap
            split = ops.reshape(x, (*x.shape[:axis], out, factor, *x.shape[axis + 1 :]))
            x = ops.mean(split, axis=axis + 1)
    return x


def _bounds(size: Dim, out: Dim) -> tuple[Table, Table]:
    """The first place of each window, and the one after its last."""
    o, n, m = index_range(out), number(size), number(out)
    return o * n // m, -(-(o + 1) * n // m)


def _averages(size: Dim, out: Dim) -> Table:
    """(out, size) weights: 1 / count in a window, 0 outside."""
    start, stop = (bound[:, None] for bound in _bounds(size, out))
    place = index_range(size)
    return ((start <= place) & (place < stop)) / (stop - start)


# -- maxima ----------------------------------------------------------------------------------------
def adaptive_max_pool1d(x: object, output_size: OutputSize, return_indices: bool = False) -> Any:
    """Maxima over windows of the last axis, as many as ``output_size``.

    The first of equal elements gets the gradient. ``x`` is (N, C, L) or (C, L). ``output_size`` is one size,
    or a tuple of one; None keeps an axis. With ``return_indices`` a pair: the maxima, and where each stands,
    int64, counted through the spatial axes in C order. Raises ShapeError for other ranks and sizes below 1,
    UnsupportedError for a symbolic size that is not known to be a multiple of the output's.

    >>> import graphc as gc
    >>> gc.nn.adaptive_max_pool1d(gc.input("x", ("N", 3, 10)), 4).shape
    (N, 3, 4)
    """
    return _adaptive_max_pool(x, output_size, 1, return_indices)


def adaptive_max_pool2d(x: object, output_size: OutputSize, return_indices: bool = False) -> Any:
    """Maxima over windows of the last two axes; (N, C, H, W) or (C, H, W). See `adaptive_max_pool1d`.

    >>> import graphc as gc
    >>> y, place = gc.nn.adaptive_max_pool2d(gc.input("x", ("N", 3, 9, 9)), (4, 1), return_indices=True)
    >>> y.shape, place.dtype
    ((N, 3, 4, 1), dtype('int64'))
    """
    return _adaptive_max_pool(x, output_size, 2, return_indices)


def adaptive_max_pool3d(x: object, output_size: OutputSize, return_indices: bool = False) -> Any:
    """Maxima over windows of the last three axes; (N, C, D, H, W) or (C, D, H, W). See `adaptive_max_pool1d`.

    >>> import graphc as gc
    >>> gc.nn.adaptive_max_pool3d(gc.input("x", ("N", 3, 4, 9, 9)), 2).shape
    (N, 3, 2, 2, 2)
    """
    return _adaptive_max_pool(x, output_size, 3, return_indices)


def global_max_pool(x: object, keepdims: bool = False) -> Tensor:
    """The maximum of each channel: (N, C, …) to (N, C), or to (N, C, 1, …) with ``keepdims``.

    The first of equal maxima gets the gradient. Raises ShapeError where x has no spatial axis.

    >>> import graphc as gc
    >>> gc.nn.global_max_pool(gc.input("x", ("N", 64, "H", "W"))).shape
    (N, 64)
    """
    x = _with_spatial_axes(as_tensor(x), "global_max_pool")
    kept: Shape = (1,) * (x.ndim - 2)
    best, _ = _first_maxima(x, kept, "global_max_pool")
    return ops.reshape(best, (*x.shape[:2], *kept) if keepdims else x.shape[:2])


def _adaptive_max_pool(x: object, output_size: object, spatial: int, return_indices: bool) -> Any:
    op = f"adaptive_max_pool{spatial}d"
    x = as_tensor(x)
    best, places = _first_maxima(x, _output_sizes(x, output_size, spatial, op), op)
    return (best, places) if return_indices else best


def _first_maxima(x: Tensor, sizes: Shape, op: str) -> tuple[Tensor, Tensor]:
    """The maxima of the windows of the last axes, and their places in the plane of these axes."""
    lead, plane = x.shape[: -len(sizes)], x.shape[-len(sizes) :]
    even = [_even_windows(n, out) for n, out in zip(plane, sizes, strict=True)]
    if x.dtype != BOOL and not all(same(out, 1) for out in sizes) and None not in even:
        size, stride = zip(*[w for w in even if w is not None], strict=True)
        best = max_pool(x, size, stride, ((0, 0),) * len(sizes), (1,) * len(sizes))
        return best, window_index(x, best, best.attrs)
    line = ops.reshape(x, (*lead, simplified(element_count(plane))))
    if all(same(out, 1) for out in sizes):
        place = ops.argmax(line, axis=-1, keepdims=True)
    else:
        members = as_tensor(_members(plane, sizes, op))
        windows = taken(line, members, line.ndim - 1)
        # A window's maximum is its place in the window; the table tells the place in the plane.
        count, width = members.shape
        row = ops.arange(count) * number(width)
        place = taken(ops.reshape(members, (-1,)), row + ops.argmax(windows, axis=-1), 0)
    best = ops.take_along_axis(line, place, axis=-1)
    return ops.reshape(best, (*lead, *sizes)), ops.reshape(place, (*lead, *sizes))


def _even_windows(n: Dim, out: Dim) -> tuple[int, int] | None:
    """The size and the stride of the windows of an axis, where all have one and they are small."""
    factor = quotient(n, out)
    if factor is not None:
        return (factor, factor) if isinstance(factor, int) and 0 < factor <= _LARGEST else None
    if not (isinstance(n, int) and isinstance(out, int)) or out < 2:
        return None
    start, stop = _bounds(n, out)
    size, stride = int(stop[0] - start[0]), int(start[1] - start[0])
    even = (stop - start == size).all() and (np.diff(start) == stride).all()
    return (size, stride) if even and 0 < size <= _LARGEST and stride > 0 else None


def _members(plane: Shape, sizes: Shape, op: str) -> Table:
    """(windows, elements) places in the plane, both in C order; a short window repeats its last element.

    A repeated element follows the one it repeats, so the first maximum is never a repetition.
    """
    rank = len(plane)
    place: Table = 0
    for axis, (n, out) in enumerate(zip(plane, sizes, strict=True)):
        shown: list[slice | None] = [None] * (2 * rank)
        shown[axis] = shown[rank + axis] = slice(None)
        place = place * number(n) + _axis_members(n, out, op)[tuple(shown)]
    widths = place.shape[rank:]
    return place.reshape(simplified(element_count(sizes)), simplified(element_count(widths)))


def _axis_members(n: Dim, out: Dim, op: str) -> Table:
    """(out, elements) places along one axis."""
    factor = quotient(n, out)
    if factor is not None:
        return index_range(n).reshape(out, factor)
    if not (isinstance(n, int) and isinstance(out, int)):
        raise UnsupportedError(
            f"an axis of size {n} has windows of unknown sizes for {out} outputs",
            op=op, location=user_location(),
            remedy="declare the size as an int, or pool to 1 or to a size that divides it",
        )  # fmt: skip
    start, stop = _bounds(n, out)
    steps = np.arange((stop - start).max())
    return np.minimum(start[:, None] + steps, stop[:, None] - 1)


# -- arguments -------------------------------------------------------------------------------------
def _output_sizes(x: Tensor, output_size: object, spatial: int, op: str) -> Shape:
    if x.ndim not in (spatial + 1, spatial + 2):
        axes = ", ".join("DHW"[-spatial:]) if spatial > 1 else "L"
        raise shape_error(
            op,
            f"x has shape {format_shape(x.shape)}, where (N, C, {axes}) or (C, {axes}) is needed",
            "use the function for the number of spatial axes, or reshape x",
        )
    entries = list(output_size) if isinstance(output_size, (tuple, list)) else [output_size] * spatial
    if len(entries) != spatial:
        raise shape_error(
            op,
            f"output_size = {output_size!r} has {len(entries)} sizes for {spatial} spatial axes",
            "give one size, or one for each spatial axis; None keeps an axis",
        )
    kept = x.shape[-spatial:]
    sizes = tuple([n if e is None else one_size(e, op) for e, n in zip(entries, kept, strict=True)])
    for n, out in zip(kept, sizes, strict=True):
        if same(n, 0) or same(out, 0):
            raise shape_error(
                op,
                f"x has shape {format_shape(x.shape)} and output_size is {format_shape(sizes)}",
                "spatial sizes and output sizes are at least 1",
            )
    return sizes


def _with_spatial_axes(x: Tensor, op: str) -> Tensor:
    if x.ndim < 3 or any(same(n, 0) for n in x.shape[2:]):
        raise shape_error(
            op,
            f"x has shape {format_shape(x.shape)}, where (N, C, …) with spatial axes is needed",
            "reduce x with gc.mean or gc.max where it has no spatial axes",
        )
    return x
