"""Convolution: an input and a filter enter, every window of the input times the filter leaves.

Three ops make one family. With p a place, r an element of the filter, and the *geometry* (stride s,
dilation d, padding P) fixing which input element i = s·p + d·r − P they meet at, all of them come from the
one trilinear form

    T(x, w, u) = Σ_{n, o, c, p, r}  x[n, c, s·p + d·r − P] · w[o, c, r] · u[n, o, p]

by leaving one argument out: ``convolution`` is ∂T/∂u, ``transposed_convolution`` ∂T/∂x and
``filter_gradient`` ∂T/∂w. So the derivatives of each are the other two, to any order, with the same geometry.

Source: V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep learning*, 2016 (arXiv 1603.07285).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, Shape, format_shape, same, simplified
from graphc.ir.dtype import BOOL, DType, result_dtype
from graphc.ir.op import Attrs, Op
from graphc.ir.tensor import Tensor
from graphc.ops.shape import quotient
from graphc.ops.windows import FOLD, window_count, windows_of

Array = np.ndarray[Any, Any]


class Geometry(NamedTuple):
    """How places, filter elements and input elements meet, for each spatial axis.

    ``padding`` is (before, after) and at least 0; ``groups`` splits the channels into parts that do not
    see each other, up to one each (depthwise).
    """

    stride: tuple[int, ...]
    padding: tuple[tuple[Dim, Dim], ...]
    dilation: tuple[int, ...]
    groups: Dim = 1

    @classmethod
    def of(cls, attrs: Attrs) -> Geometry:
        """The geometry among a node's attributes."""
        return cls(attrs["stride"], attrs["padding"], attrs["dilation"], attrs["groups"])

    def padded(self, sizes: Shape) -> Shape:
        """Sizes of the input with its padding."""
        return tuple([simplified(n + b + a) for n, (b, a) in zip(sizes, self.padding, strict=True)])


# -- rules -----------------------------------------------------------------------------------------
def _check_pair(first: Tensor, second: Tensor, geometry: Geometry, names: tuple[str, str]) -> None:
    rank = len(geometry.stride)
    for x, name in zip((first, second), names, strict=True):
        if x.ndim != rank + 2:
            raise ShapeError(
                f"{name} has shape {format_shape(x.shape)}, where {rank + 2} axes are needed: "
                f"{'examples' if name != 'the filter' else 'output channels'}, channels and {rank} spatial",
                remedy="add the missing axes, or use the convolution of another rank",
            )
        if x.dtype == BOOL:
            raise DTypeError(f"{name} is bool", remedy='convert it with astype("float32")')


def _in_groups(channels: Dim, groups: Dim, what: str, shape: Shape) -> Dim:
    """Channels of one group."""
    found = channels if same(groups, 1) else quotient(channels, groups)
    if found is None:
        raise ShapeError(
            f"{what} of shape {format_shape(shape)} has {channels} channels, "
            f"which do not divide into {groups} groups",
            remedy="choose groups that divide the channels of input and output",
        )
    return found


def _counts(sizes: Shape, filter_sizes: Shape, geometry: Geometry, shape: Shape) -> Shape:
    """The number of places along each spatial axis."""
    counts = []
    for axis, (n, size, stride, dilation) in enumerate(
        zip(geometry.padded(sizes), filter_sizes, geometry.stride, geometry.dilation, strict=True)
    ):
        count = window_count(n, size, stride, dilation)
        if isinstance(count, int) and count <= 0:
            before, after = geometry.padding[axis]
            padded = f", {n} with padding {(before, after)}," if not same(n, sizes[axis]) else ""
            raise ShapeError(
                f"axis {axis + 2} of the input of shape {format_shape(shape)} has size {sizes[axis]}{padded} "
                f"where the filter spans {dilation * (size - 1) + 1} (size {size}, dilation {dilation})",
                remedy="pad more, or take a smaller filter or dilation",
            )
        counts.append(count)
    return tuple(counts)


def _infer_convolution(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    x, w = inputs
    g = Geometry.of(attrs)
    _check_pair(x, w, g, ("the input", "the filter"))
    seen = _in_groups(x.shape[1], g.groups, "the input", x.shape)
    _in_groups(w.shape[0], g.groups, "the filter's output", w.shape)
    if not same(seen, w.shape[1]):
        raise ShapeError(
            f"the input of shape {format_shape(x.shape)} has {seen} channels a group, "
            f"the filter of shape {format_shape(w.shape)} is for {w.shape[1]}",
            remedy="the filter's axis 1 is the input's channels divided by groups",
        )
    counts = _counts(x.shape[2:], w.shape[2:], g, x.shape)
    return (x.shape[0], w.shape[0], *counts), result_dtype(x.dtype, w.dtype)


def _infer_transposed(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    u, w = inputs
    g = Geometry.of(attrs)
    _check_pair(u, w, g, ("the input", "the filter"))
    if not same(u.shape[1], w.shape[0]):
        raise ShapeError(
            f"the input of shape {format_shape(u.shape)} has {u.shape[1]} channels, "
            f"the filter of shape {format_shape(w.shape)} is for {w.shape[0]}",
            remedy="the filter of a transposed convolution is (input channels, output channels / groups, …)",
        )
    _in_groups(u.shape[1], g.groups, "the input", u.shape)
    sizes: Shape = attrs["size"]
    counts = _counts(sizes, w.shape[2:], g, (u.shape[0], u.shape[1], *sizes))
    _check_places(u, counts, sizes)
    return (u.shape[0], simplified(w.shape[1] * g.groups), *sizes), result_dtype(u.dtype, w.dtype)


def _infer_filter(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    x, u = inputs
    g = Geometry.of(attrs)
    _check_pair(x, u, g, ("the input", "the output's cotangent"))
    seen = _in_groups(x.shape[1], g.groups, "the input", x.shape)
    _in_groups(u.shape[1], g.groups, "the cotangent", u.shape)
    if not same(x.shape[0], u.shape[0]):
        raise ShapeError(
            f"input and cotangent, {format_shape(x.shape)} and {format_shape(u.shape)}, differ in examples"
        )
    sizes: Shape = attrs["size"]
    _check_places(u, _counts(x.shape[2:], sizes, g, x.shape), x.shape[2:])
    return (u.shape[1], seen, *sizes), result_dtype(x.dtype, u.dtype)


def _check_places(u: Tensor, counts: Shape, sizes: Shape) -> None:
    for axis, (seen, wanted) in enumerate(zip(u.shape[2:], counts, strict=True)):
        if not same(seen, wanted):
            raise ShapeError(
                f"axis {axis + 2} of {format_shape(u.shape)} has {seen} places, "
                f"where {sizes[axis]} elements have {wanted} windows",
                remedy="give the size from which a convolution of this geometry makes that many",
            )


# -- meanings --------------------------------------------------------------------------------------
def _letters(rank: int) -> tuple[str, str]:
    return "pqr"[:rank], "uvw"[:rank]


def _grouped(x: Array, axis: int, groups: int) -> Array:
    return x.reshape(*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :])


def _windows(attrs: Attrs, x: Array, size: Sequence[int]) -> Array:
    rank = len(size)
    padded = np.pad(x, ((0, 0), (0, 0), *attrs["padding"]))
    axes = tuple(range(2, 2 + rank))
    found = windows_of({**attrs, "axes": axes, "size": tuple(size)}, padded)
    return _grouped(found, 1, attrs["groups"])


def _convolution(attrs: Attrs, x: Array, w: Array) -> Array:
    p, r = _letters(w.ndim - 2)
    windows = _windows(attrs, x, w.shape[2:])
    filters = _grouped(w, 0, attrs["groups"])
    result: Array = np.einsum(f"ngc{p}{r},goc{r}->ngo{p}", windows, filters)
    return result.reshape(x.shape[0], w.shape[0], *result.shape[3:])


def _transposed(attrs: Attrs, u: Array, w: Array) -> Array:
    rank, groups = w.ndim - 2, attrs["groups"]
    p, r = _letters(rank)
    parts = np.einsum(f"ngo{p},goc{r}->ngc{p}{r}", _grouped(u, 1, groups), _grouped(w, 0, groups))
    parts = parts.reshape(u.shape[0], groups * w.shape[1], *parts.shape[3:])
    padded = tuple(n + b + a for n, (b, a) in zip(attrs["size"], attrs["padding"], strict=True))
    whole: Array = FOLD.evaluate({**attrs, "axes": tuple(range(2, 2 + rank)), "shape": padded}, parts)
    inside = [slice(b, b + n) for n, (b, _) in zip(attrs["size"], attrs["padding"], strict=True)]
    return whole[(slice(None), slice(None), *inside)]


def _filter(attrs: Attrs, x: Array, u: Array) -> Array:
    p, r = _letters(x.ndim - 2)
    groups = attrs["groups"]
    result: Array = np.einsum(
        f"ngc{p}{r},ngo{p}->goc{r}", _windows(attrs, x, attrs["size"]), _grouped(u, 1, groups)
    )
    return result.reshape(u.shape[1], x.shape[1] // groups, *attrs["size"])


CONVOLUTION = Op("convolution", "convolution", _infer_convolution, _convolution)
TRANSPOSED_CONVOLUTION = Op("transposed_convolution", "convolution", _infer_transposed, _transposed)
FILTER_GRADIENT = Op("filter_gradient", "convolution", _infer_filter, _filter)

OPS = (CONVOLUTION, TRANSPOSED_CONVOLUTION, FILTER_GRADIENT)


# -- functions -------------------------------------------------------------------------------------
def convolution(x: Tensor, w: Tensor, geometry: Geometry) -> Tensor:
    """Every window of x times the filter: (N, C, …) and (O, C/groups, …) to (N, O, …)."""
    return apply(CONVOLUTION, (x, w), **geometry._asdict())


def transposed_convolution(u: Tensor, w: Tensor, size: Shape, geometry: Geometry) -> Tensor:
    """The adjoint of ``convolution`` in x, onto inputs of these spatial sizes: (N, O, …) to (N, C, …)."""
    return apply(TRANSPOSED_CONVOLUTION, (u, w), size=tuple(size), **geometry._asdict())


def filter_gradient(x: Tensor, u: Tensor, size: Shape, geometry: Geometry) -> Tensor:
    """The adjoint of ``convolution`` in w, onto filters of these spatial sizes."""
    return apply(FILTER_GRADIENT, (x, u), size=tuple(size), **geometry._asdict())


def trilinear_shapes(node: Tensor) -> tuple[Shape, Shape, Shape]:
    """The shapes of x, w and u of the trilinear form, of which the node computes one."""
    first, second = (i.shape for i in node.inputs)
    if node.op is CONVOLUTION:
        return first, second, node.shape
    if node.op is TRANSPOSED_CONVOLUTION:
        return node.shape, second, first
    return first, node.shape, second
