"""Resampling: a tensor (N, C, …) enters; it leaves with other spatial sizes, interpolated.

Each axis on its own: a table says which elements an output is made of and with which weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import numpy as np

from graphc import ops
from graphc.errors import GraphError, UnsupportedError
from graphc.ir.dimension import Dim, Shape, floor_div, format_shape, same, simplified
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.adaptive_pooling import averaged
from graphc.nn.arguments import float_tensor
from graphc.nn.axis_weights import Table, index_range, number, taps_matrix, weighted
from graphc.ops.arguments import one_size, shape_error
from graphc.ops.indexing import taken
from graphc.ops.shape import quotient, strided_part
from graphc.ops.sources import as_tensor

Size: TypeAlias = "int | str | Sequence[int | str] | None"
ScaleFactor: TypeAlias = "float | Sequence[float] | None"

# The interpolating modes and the number of spatial axes that each is for.
_INTERPOLATING = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
_COPYING = ("nearest", "nearest-exact")
_CUBIC = -0.75  # the coefficient of Keys' kernel that PyTorch and OpenCV take


class Resized(NamedTuple):
    """One axis: its size, the new one, and the scale factor where one was given and counts."""

    size: Dim
    out: Dim
    scale: float | None


def interpolate(
    x: object,
    size: Size = None,
    scale_factor: ScaleFactor = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """The spatial axes of ``x``, (N, C, …) with one to three of them, brought to other sizes.

    Give ``size`` or ``scale_factor``, a number for all spatial axes or one for each. With a scale factor the
    new size is ⌊size · factor⌋, and the factor itself says where outputs stand unless
    ``recompute_scale_factor``. ``mode``: "nearest", "nearest-exact" (which counts from the centres of the
    elements), "linear", "bilinear", "trilinear" (by the number of spatial axes), "bicubic" (Keys 1981,
    coefficient −0.75), "area" (`adaptive_avg_pool2d`). ``align_corners`` lets the first and the last
    elements stand on one another.

    The nearest modes take any dtype, the others floats. In these an element that is not finite reaches the
    whole of its line. Sizes may be symbolic; so a factor must then be a binary fraction such as 2 or 0.5.

    Raises GraphError for arguments that do not go together, ShapeError for sizes, DTypeError for integers,
    UnsupportedError for other modes and for other factors of symbolic sizes.

    >>> import graphc as gc
    >>> gc.nn.interpolate(gc.input("x", ("N", 3, "H", "W")), scale_factor=2, mode="bilinear").shape
    (N, 3, 2*H, 2*W)
    """
    x = as_tensor(x)
    _check_mode(x, mode, align_corners)
    axes = _resized_axes(x, size, scale_factor, mode == "area" or bool(recompute_scale_factor))
    if mode not in _COPYING:
        x = float_tensor(x, "interpolate")
    if mode == "area":
        return averaged(x, tuple([step.out for step in axes]))
    # The last axis first: the derivative of enlarging then sums rows of the large image, which is quick.
    for axis in reversed(range(2, x.ndim)):
        step = axes[axis - 2]
        if mode in _COPYING:
            x = _nearest(x, axis, step, exact=mode == "nearest-exact")
        elif mode == "bicubic":
            x = weighted(x, axis, taps_matrix(_cubic_taps(step, bool(align_corners)), step.size))
        elif not same(step.size, step.out):  # else PyTorch copies, whatever the factor
            x = weighted(x, axis, taps_matrix(_linear_taps(step, bool(align_corners)), step.size))
    return x


# -- positions and weights -------------------------------------------------------------------------
def _nearest(x: Tensor, axis: int, step: Resized, exact: bool) -> Tensor:
    """The axis with whole elements repeated, left out or taken, whichever is cheapest."""
    n, out, scale = step
    up = quotient(out, n)
    # PyTorch's kernel for two spatial axes copies and doubles whatever the factor; those for one and three
    # do not, but their derivatives do, and contradict them.
    shortcut = x.ndim == 4 and not exact
    if isinstance(up, int) and (scale is None or scale == up or (up <= 2 and shortcut)):
        return x if up == 1 else ops.repeat(x, up, axis=axis)
    down = quotient(n, out) if scale is None else int(1 / scale) if (1 / scale).is_integer() else None
    if isinstance(down, int):
        start = [down // 2 if a == axis and exact else 0 for a in range(x.ndim)]
        sizes = [out if a == axis else s for a, s in enumerate(x.shape)]
        return strided_part(x, start, sizes, [down if a == axis else 1 for a in range(x.ndim)])
    i = index_range(out)
    if scale is None:
        half = 1 if exact else 0
        position = (2 * i + half) * number(n) // (2 * number(out))
    else:
        place = (i + 0.5) * (1 / scale) if exact else i * (1 / scale)
        # Through float32, as in PyTorch: 2.9999999999 is a rounded 3.
        position = np.minimum(np.floor(place.astype("float32")).astype("int64"), number(n) - 1)
        if shortcut and not isinstance(n, int):  # whether it applies is known only at the call
            position = np.where(number(out) == 2 * number(n), i // 2, position)
            position = np.where(number(out) == number(n), i, position)
    return taken(x, as_tensor(position), axis)


def _source(step: Resized, align_corners: bool) -> Table:
    """Where each output stands on the old axis, in elements."""
    i = index_range(step.out).astype("float64")
    n, out = number(step.size), number(step.out)
    if align_corners:
        return i * ((n - 1) / np.maximum(out - 1, 1))
    ratio = n / out if step.scale is None else 1 / step.scale
    return ratio * (i + 0.5) - 0.5


def _linear_taps(step: Resized, align_corners: bool) -> list[tuple[Table, Table]]:
    """The two elements around each output, weighted by closeness; at the edges one of them alone."""
    last = number(step.size) - 1
    place = np.maximum(_source(step, align_corners), 0.0)
    if step.scale is not None and not isinstance(step.size, int):  # a copy, known only at the call
        place = np.where(number(step.size) == number(step.out), index_range(step.out), place)
    low = np.minimum(np.floor(place), last)
    further = np.minimum(place - low, 1.0)
    return [(low, 1 - further), (np.minimum(low + 1, last), further)]


def _cubic_taps(step: Resized, align_corners: bool) -> list[tuple[Table, Table]]:
    """The four elements around each output, weighted by Keys' kernel; those beyond an edge are the edge."""
    last = number(step.size) - 1
    place = _source(step, align_corners)
    low = np.floor(place)
    taps = []
    for offset in (-1, 0, 1, 2):
        position = low + offset
        distance = np.abs(place - position)
        kernel = _near(distance) if offset in (0, 1) else _far(distance)
        taps.append((np.maximum(np.minimum(position, last), 0), kernel))
    return taps


def _near(t: Table) -> Table:
    """Keys' kernel for 0 ≤ t ≤ 1."""
    return ((_CUBIC + 2) * t - (_CUBIC + 3)) * t * t + 1


def _far(t: Table) -> Table:
    """Keys' kernel for 1 ≤ t ≤ 2."""
    return ((_CUBIC * t - 5 * _CUBIC) * t + 8 * _CUBIC) * t - 4 * _CUBIC


# -- arguments -------------------------------------------------------------------------------------
def _check_mode(x: Tensor, mode: str, align_corners: bool | None) -> None:
    if not 3 <= x.ndim <= 5:
        raise shape_error(
            "interpolate",
            f"x has shape {format_shape(x.shape)}, where (N, C, …) with 1 to 3 spatial axes is needed",
            "reshape x: the first two axes are kept",
        )
    if mode not in (*_COPYING, "area", *_INTERPOLATING):
        raise UnsupportedError(
            f"there is no mode {mode!r}", op="interpolate", location=user_location(),
            remedy=f"use one of {', '.join((*_COPYING, 'area', *_INTERPOLATING))}",
        )  # fmt: skip
    if mode in _INTERPOLATING and _INTERPOLATING[mode] != x.ndim - 2:
        fitting = [name for name, rank in _INTERPOLATING.items() if rank == x.ndim - 2]
        raise shape_error(
            "interpolate",
            f"mode {mode!r} is for {_INTERPOLATING[mode]} spatial axes, x has shape {format_shape(x.shape)}",
            f"use {' or '.join(map(repr, fitting))}",
        )
    if mode not in _INTERPOLATING and align_corners is not None:
        raise _refused(f"align_corners has no meaning for mode {mode!r}", "leave it out")


def _resized_axes(x: Tensor, size: object, scale_factor: object, recompute: bool) -> list[Resized]:
    if (size is None) == (scale_factor is None):
        raise _refused(f"size = {size!r} and scale_factor = {scale_factor!r} are given", "give one of them")
    spatial = x.shape[2:]
    if size is not None:
        sizes = [one_size(s, "interpolate") for s in _for_each(size, spatial, "size")]
        axes = [Resized(n, out, None) for n, out in zip(spatial, sizes, strict=True)]
    else:
        scales = [_checked_scale(s) for s in _for_each(scale_factor, spatial, "scale_factor")]
        axes = [
            Resized(n, _scaled(n, scale), None if recompute else scale)
            for n, scale in zip(spatial, scales, strict=True)
        ]
    if any(same(step.size, 0) or same(step.out, 0) for step in axes):
        raise shape_error(
            "interpolate",
            f"x has shape {format_shape(x.shape)} and would have spatial sizes "
            f"{format_shape([step.out for step in axes])}",
            "spatial sizes are at least 1, before and after",
        )
    return axes


def _for_each(value: object, spatial: Shape, what: str) -> list[object]:
    values = list(value) if isinstance(value, (tuple, list)) else [value] * len(spatial)
    if len(values) != len(spatial):
        raise shape_error(
            "interpolate",
            f"{what} = {value!r} has {len(values)} entries for the spatial sizes {format_shape(spatial)}",
            "give one number, or one for each spatial axis",
        )
    return values


def _checked_scale(value: object) -> float:
    number_like = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number_like or not 0 < float(value) < math.inf:  # type: ignore[arg-type]
        raise _refused(f"the scale factor {value!r} is no positive number", "give e.g. 2 or 0.5")
    return float(value)  # type: ignore[arg-type]


def _scaled(n: Dim, scale: float) -> Dim:
    if isinstance(n, int):
        return int(n * scale)
    exact = Fraction(scale)
    if exact.denominator > 1024:
        raise UnsupportedError(
            f"the symbolic size {n} times {scale!r} has no integer form",
            op="interpolate", location=user_location(),
            remedy="give size=…, declare the size as an int, or scale by a binary fraction such as 1.5",
        )  # fmt: skip
    return floor_div(simplified(n * exact.numerator), exact.denominator)


def _refused(message: str, remedy: str) -> GraphError:
    return GraphError(message, op="interpolate", location=user_location(), remedy=remedy)
