"""Strides that divide the filter: the phases of a stride become channels, and the stride is gone.

    x (N, C, s·L) ⇒ (N, C·s, L)        w (O, C, s·q) ⇒ (O, C·s, q)

What is left is a convolution of stride 1 with filters of q elements, for another algorithm. Its windows and
folds run along memory, where a stride would take every s-th element.
"""

from __future__ import annotations

import math
from dataclasses import replace

from graphc.ir.build import apply
from graphc.ir.dimension import Dim, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.convolution import CONVOLUTION, FILTER_GRADIENT, Geometry, trilinear_shapes
from graphc.ops.elementwise import astype
from graphc.ops.shape import reshape, transpose
from graphc.passes.convolution.algorithm import (
    Algorithm,
    batch_innermost,
    batch_outermost,
    inside,
    padded,
)
from graphc.passes.convolution.cost import Problem, copy_seconds


def _joined(x: Tensor, stride: tuple[int, ...], first: int) -> Tensor:
    """Axes of s·L elements from ``first`` on as axes of L, their phases with the channels before them."""
    rank = len(stride)
    lead, behind = x.shape[:first], x.shape[first + rank :]
    lengths = [simplified(n // s) for n, s in zip(x.shape[first : first + rank], stride, strict=True)]
    split = [n for pair in zip(lengths, stride, strict=True) for n in pair]
    x = reshape(x, (*lead, *split, *behind))
    places, phases = range(first, first + 2 * rank, 2), range(first + 1, first + 2 * rank, 2)
    x = transpose(x, (*range(first), *phases, *places, *range(first + 2 * rank, x.ndim)))
    return reshape(x, (*lead[:-1], simplified(lead[-1] * math.prod(stride)), *lengths, *behind))


def _parted(x: Tensor, stride: tuple[int, ...], first: int) -> Tensor:
    """The inverse of ``_joined``."""
    rank = len(stride)
    lead, behind = x.shape[:first], x.shape[first + rank :]
    lengths = x.shape[first : first + rank]
    channels = simplified(lead[-1] // math.prod(stride))
    x = reshape(x, (*lead[:-1], channels, *stride, *lengths, *behind))
    order = [a for k in range(rank) for a in (first + rank + k, first + k)]
    x = transpose(x, (*range(first), *order, *range(first + 2 * rank, x.ndim)))
    whole = [simplified(n * s) for n, s in zip(lengths, stride, strict=True)]
    return reshape(x, (*lead[:-1], channels, *whole, *behind))


def _reached(node: Tensor) -> tuple[int, ...]:
    """The elements of the padded input that windows reach, along each axis."""
    _, w, u = trilinear_shapes(node)
    spatial = zip(u[2:], w[2:], node.attrs["stride"], strict=True)
    return tuple([(_integer(p) - 1) * s + _integer(k) for p, k, s in spatial])


def _integer(size: Dim) -> int:
    assert isinstance(size, int)
    return size


def _input(x: Tensor, node: Tensor, g: Geometry) -> Tensor:
    """x with its padding, cut to what windows reach, its phases as channels."""
    x = padded(batch_innermost(x), g.padding, 1)
    x = inside(x, (0,) * len(g.stride), _reached(node), 1)
    return batch_outermost(_joined(x, g.stride, 1))


def _without_stride(node: Tensor) -> Tensor:
    """The same convolution of the phases."""
    first, second = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    rank = len(g.stride)
    alone = Geometry((1,) * rank, ((0, 0),) * rank, (1,) * rank, g.groups)
    if node.op is CONVOLUTION:
        operands = _input(first, node, g), _joined(second, g.stride, 2)
        return apply(node.op, operands, **alone._asdict())
    if node.op is FILTER_GRADIENT:
        each = tuple([_integer(k) // s for k, s in zip(node.shape[2:], g.stride, strict=True)])
        return apply(node.op, (_input(first, node, g), second), size=each, **alone._asdict())
    lengths = tuple([n // s for n, s in zip(_reached(node), g.stride, strict=True)])
    return apply(node.op, (first, _joined(second, g.stride, 2)), size=lengths, **alone._asdict())


def _lowered(node: Tensor, inner: Algorithm) -> Tensor:
    g = Geometry.of(node.attrs)
    found = inner.lowered(_without_stride(node))
    if node.op is CONVOLUTION:
        return found
    if node.op is FILTER_GRADIENT:
        return _parted(found, g.stride, 2)
    whole = _parted(batch_innermost(found), g.stride, 1)
    beyond = zip(g.padded(node.shape[2:]), _reached(node), strict=True)
    whole = padded(whole, tuple([(0, simplified(n - r)) for n, r in beyond]), 1)
    return batch_outermost(inside(whole, tuple([b for b, _ in g.padding]), node.shape[2:], 1))


def _fits(node: Tensor, inner: Algorithm) -> bool:
    x, w, u = trilinear_shapes(node)
    g = Geometry.of(node.attrs)
    known = (*x[1:], *w, *u[1:], g.groups, *(n for side in g.padding for n in side))
    return (
        all(isinstance(n, int) for n in known)
        and any(s > 1 for s in g.stride)
        and all(d == 1 for d in g.dilation)
        and all(_integer(k) % s == 0 for k, s in zip(w[2:], g.stride, strict=True))
        and inner.fits(_without_stride(node))
    )


def _seconds(p: Problem, inner: Algorithm) -> float:
    count = math.prod(p.stride)
    elements = tuple([k // s for k, s in zip(p.elements, p.stride, strict=True)])
    lengths = tuple([n + k - 1 for n, k in zip(p.places, elements, strict=True)])
    moved = copy_seconds(p.batch * p.channels * count * math.prod(lengths), p.batch, p.itemsize)
    left = replace(
        p, channels=p.channels * count, sizes=lengths, elements=elements, stride=(1,) * len(p.stride)
    )
    return inner.seconds(left) + (0.0 if p.kind == "filter_gradient" else moved)


def by_phases(inner: Algorithm) -> Algorithm:
    """``inner`` on the phases."""
    return Algorithm(
        f"{inner.name}_by_phases",
        lambda node: _fits(node, inner),
        lambda node: _lowered(node, inner),
        lambda problem: _seconds(problem, inner),
    )
