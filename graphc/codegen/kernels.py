"""Functions that generated code calls; their source is put into standalone files as it stands here.

Each uses NumPy alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

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


def view(block, shape, dtype):  # type: ignore[no-untyped-def]
    """An array of this shape and dtype at the start of a block of bytes."""
    count = 1
    for size in shape:
        count *= size
    return block[: count * np.dtype(dtype).itemsize].view(dtype).reshape(shape)


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
    "view": view,
    "check_index": check_index,
    "random_generator": random_generator,
    "check_finite": check_finite,
}
