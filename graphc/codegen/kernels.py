"""Functions that generated code calls; their source is put into standalone files as it stands here.

Each uses NumPy alone.
"""

from collections.abc import Callable, Iterable
from dis import get_instructions
from typing import Any

import numpy as np

from graphc.codegen.packing import ThreadMemory, arena, packed, view
from graphc.codegen.threads import in_tiles, tile_rows
from graphc.ops.erf import erf

_BLOCK = 8192  # elements a pass of erf works on, so that its temporaries stay in cache


def erf_into(x, out):  # type: ignore[no-untyped-def]
    """The error function of x, written to out block by block."""
    if x.size <= _BLOCK or not (x.flags.c_contiguous and x.shape == out.shape):
        out[...] = erf(x)
        return
    source, target = x.reshape(-1), out.reshape(-1)
    for start in range(0, source.size, _BLOCK):
        target[start : start + _BLOCK] = erf(source[start : start + _BLOCK])


def window_view(x, axes, size, stride, dilation):  # type: ignore[no-untyped-def]
    """All windows of x along some axes, their elements along new last axes: a view."""
    shape, strides = list(x.shape), list(x.strides)
    for axis, k, s, d in zip(axes, size, stride, dilation, strict=True):
        shape[axis] = (x.shape[axis] - d * (k - 1) - 1) // s + 1
        strides[axis] = s * x.strides[axis]
        shape.append(k)
        strides.append(d * x.strides[axis])
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)


def fold_blocks_into(y: Any, out: Any, axes: Any, stride: Any, blocks: Any) -> None:
    """Windows of neighbouring elements, added to out by blocks: faster where little of y lies together.

    ``blocks`` (*stride, *out.shape with ⌈n / stride⌉ along ``axes``) holds out's elements by their place in a
    block of ``stride`` elements. Windows are added to it along all blocks at once, and it is copied to out.
    """
    blocks.fill(0)
    windows = y.transpose(*range(out.ndim, y.ndim), *range(out.ndim))
    counts = [-(-k // s) for k, s in zip(windows.shape, stride, strict=False)]
    place = [slice(None)] * blocks.ndim
    for first in np.ndindex(*counts) if y.size else ():
        for axis, (a, b, s) in enumerate(zip(axes, first, stride, strict=True)):
            place[axis] = slice(min(s, windows.shape[axis] - b * s))
            place[len(axes) + a] = slice(b, b + y.shape[a])
        part = blocks[tuple(place)]
        added = windows[tuple([slice(b * s, b * s + s) for b, s in zip(first, stride, strict=True)])]
        np.add(part, added, out=part)
    place = [slice(None)] * out.ndim
    for offsets in np.ndindex(*stride):
        for a, r, s in zip(axes, offsets, stride, strict=True):
            place[a] = slice(r, None, s)
        part = out[tuple(place)]
        np.copyto(part, blocks[offsets][tuple([slice(n) for n in part.shape])])


def fold_into(y: Any, out: Any, axes: Any, stride: Any, dilation: Any, blocks: Any = None) -> None:
    """Every element of every window in y, added to out where the window lies; by ``blocks`` where given."""
    if blocks is not None:
        fold_blocks_into(y, out, axes, stride, blocks)
        return
    out.fill(0)
    if not y.size:
        return
    place = [slice(None)] * out.ndim
    for offsets in np.ndindex(*y.shape[out.ndim :]):
        for axis, r, s, d in zip(axes, offsets, stride, dilation, strict=True):
            place[axis] = slice(r * d, r * d + s * (y.shape[axis] - 1) + 1, s)
        part = out[tuple(place)]
        np.add(part, y[(..., *offsets)], out=part)


def window_parts(n, count, first, stride):  # type: ignore[no-untyped-def]
    """The windows that have their element ``first`` places on inside [0, n), and those elements."""
    low = max(0, -(first // stride))
    high = max(low, min(count, (n - 1 - first) // stride + 1))
    return slice(low, high), slice(low * stride + first, max(0, (high - 1) * stride + first + 1), stride)


def offset_parts(x, out, offsets, stride, padding, dilation):  # type: ignore[no-untyped-def]
    """One element of every window: where in out the windows lie that have it, and where it is in x."""
    to, source = [...], [...]
    each = zip(offsets, stride, padding, dilation, strict=True)
    for axis, (r, s, (before, _), d) in enumerate(each, -len(offsets)):
        places, elements = window_parts(x.shape[axis], out.shape[axis], r * d - before, s)
        to.append(places)
        source.append(elements)
    return tuple(to), tuple(source)


def max_pool_into(x, out, size, stride, padding, dilation):  # type: ignore[no-untyped-def]
    """The largest element of each window over the last axes."""
    out.fill(-np.inf if out.dtype.kind == "f" else np.iinfo(out.dtype).min)
    for offsets in np.ndindex(*size):
        to, source = offset_parts(x, out, offsets, stride, padding, dilation)
        np.maximum(out[to], x[source], out=out[to])


def window_index_into(x, y, out, alive, miss, count, size, stride, padding, dilation):  # type: ignore[no-untyped-def]
    """The place in its plane of the first element of each window that equals the one of y."""
    plane = x.shape[x.ndim - len(size) :]
    steps = [1] * len(size)
    for axis in range(len(size) - 1, 0, -1):
        steps[axis - 1] = steps[axis] * plane[axis]
    undefined = bool(np.not_equal(y, y, out=miss).any())  # only NaN differs from itself
    # Elements that each window has before the first that equals: a sum of masks is several times faster
    # than writing where a mask is true.
    alive.fill(True)
    count.fill(0)
    places = []
    for offsets in np.ndindex(*size):
        to, source = offset_parts(x, out, offsets, stride, padding, dilation)
        np.not_equal(x[source], y[to], out=miss[to])
        if undefined:
            miss[to] &= ~(np.isnan(x[source]) & np.isnan(y[to]))
        np.logical_and(alive[to], miss[to], out=alive[to])
        np.add(count, alive, out=count)
        each = zip(offsets, dilation, padding, steps, strict=True)
        places.append(sum((r * d - before) * step for r, d, (before, _), step in each))
    places.append(places[0])  # where no element equals
    np.take(np.array(places), count, out=out, mode="clip")
    first = np.zeros(out.shape[out.ndim - len(size) :], np.int64)
    for axis, (s, step) in enumerate(zip(stride, steps, strict=True), -len(size)):
        first += (np.arange(first.shape[axis]) * (s * step)).reshape([-1] + [1] * (-1 - axis))
    np.add(out, first, out=out)


def check_index(indices, size, out, where):  # type: ignore[no-untyped-def]
    """Indices brought into [0, size); IndexError where one lies outside [-size, size)."""
    if indices.size and (indices.min() < -size or indices.max() >= size):
        raise IndexError(
            f"an index lies outside [{-size}, {size}): "
            f"indices run from {indices.min()} to {indices.max()}, at {where}"
        )
    if size:
        np.remainder(indices, size, out=out)


def random_generator(seed, place, call):  # type: ignore[no-untyped-def]
    """The generator of the place-th draw of a graph in the call-th call with this seed."""
    return np.random.Generator(np.random.Philox(key=[seed, place], counter=[0, 0, 0, call]))


def check_finite(value, op, where, infinities):  # type: ignore[no-untyped-def]
    """ArithmeticError where a value is not a number, or, if asked, infinite."""
    bad = np.isnan(value).any() or (infinities and np.isinf(value).any())
    if bad:
        kind = "NaN" if np.isnan(value).any() else "an infinity"
        raise ArithmeticError(f"{op} gave {kind} at {where}")


KERNELS: dict[str, Callable[..., Any]] = {
    "erf_into": erf_into,
    "in_tiles": in_tiles,
    "tile_rows": tile_rows,
    "ThreadMemory": ThreadMemory,
    "arena": arena,
    "packed": packed,
    "view": view,
    "window_view": window_view,
    "fold_into": fold_into,
    "fold_blocks_into": fold_blocks_into,
    "window_parts": window_parts,
    "offset_parts": offset_parts,
    "max_pool_into": max_pool_into,
    "window_index_into": window_index_into,
    "check_index": check_index,
    "random_generator": random_generator,
    "check_finite": check_finite,
}


def with_dependencies(names: Iterable[str]) -> list[str]:
    """Kernels and those that they call, each behind what it calls."""
    found: dict[str, None] = {}
    stack = list(reversed(list(names)))
    while stack:
        name = stack[-1]
        called = [i.argval for i in get_instructions(KERNELS[name]) if i.opname == "LOAD_GLOBAL"]
        missing = [n for n in called if n in KERNELS and n not in found]
        if missing:
            stack += missing
        else:
            found.setdefault(stack.pop())
    return list(found)
