"""Depthwise convolution: each channel by itself, as shifted parts times the filter's elements, added up.

No windows are copied, and there is no product of matrices with one row. It names no layout: its parts and
sums move with the tensor's own transposes.
"""

from __future__ import annotations

import math
from functools import reduce
from itertools import product

from graphc.ir.dimension import Dim, same, simplified
from graphc.ir.tensor import Tensor
from graphc.ops import add, concatenate, multiply
from graphc.ops import sum as sum_over
from graphc.ops.convolution import CONVOLUTION, FILTER_GRADIENT, Geometry, trilinear_shapes
from graphc.ops.elementwise import astype
from graphc.ops.shape import constant_pad, embed, reshape, strided_part
from graphc.passes.convolution.algorithm import Algorithm, padded
from graphc.passes.convolution.cost import Problem, copy_seconds, ufunc_seconds

# Filters of more elements are windows.
_MOST_ELEMENTS = 49
Element = tuple[int, ...]


def _elements(sizes: tuple[Dim, ...]) -> list[Element]:
    """The filter's elements in C order."""
    return list(product(*[range(int(k)) for k in sizes]))


def _shifted(x: Tensor, start: tuple[Dim, ...], sizes: tuple[Dim, ...], stride: tuple[int, ...]) -> Tensor:
    """The part of x that begins at ``start`` in its last axes."""
    lead = x.ndim - len(sizes)
    return strided_part(x, (*(0,) * lead, *start), (*x.shape[:lead], *sizes), (*(1,) * lead, *stride))


def _factors(w: Tensor, channels: Dim, element: Element) -> Tensor:
    """One element of every filter, (C, M, 1, …) for M results a channel."""
    part = strided_part(w, (0, 0, *element), (*w.shape[:2], *(1,) * len(element)), (1,) * w.ndim)
    return reshape(part, (channels, *_results(w.shape[0], channels), *(1,) * len(element)))


def _results(count: Dim, channels: Dim) -> tuple[int, ...]:
    """The axis of a channel's results; none where there is one."""
    each = int(count) // int(channels)
    return () if each == 1 else (each,)


def _beside_results(x: Tensor, results: tuple[int, ...]) -> Tensor:
    """(N, C, …) with an axis to broadcast over a channel's results."""
    return reshape(x, (*x.shape[:2], 1, *x.shape[2:])) if results else x


def _lowered(node: Tensor) -> Tensor:
    first, second = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    if node.op is CONVOLUTION:
        return _convolution(first, second, node, g)
    if node.op is FILTER_GRADIENT:
        return _filter_gradient(first, second, node, g)
    return _transposed(first, second, node, g)


def _convolution(x: Tensor, w: Tensor, node: Tensor, g: Geometry) -> Tensor:
    channels, places = x.shape[1], node.shape[2:]
    x = _beside_results(padded(x, g.padding, 2), _results(w.shape[0], channels))
    terms = [
        multiply(_shifted(x, _places_of(r, g), places, g.stride), _factors(w, channels, r))
        for r in _elements(w.shape[2:])
    ]
    return reshape(reduce(add, terms), node.shape)


def _transposed(u: Tensor, w: Tensor, node: Tensor, g: Geometry) -> Tensor:
    """A convolution with the filter turned round, of u with zeros between and around its elements."""
    channels, sizes = node.shape[1], node.shape[2:]
    reach = tuple([d * (int(k) - 1) for d, k in zip(g.dilation, w.shape[2:], strict=True)])
    if any(s != 1 for s in g.stride):
        apart = [simplified(s * (p - 1) + 1) for s, p in zip(g.stride, u.shape[2:], strict=True)]
        u = embed(u, (*u.shape[:2], *apart), (0,) * u.ndim, (1, 1, *g.stride))
    widths: list[tuple[Dim, Dim]] = [(0, 0), (0, 0)]
    for span, n, p, (before, _) in zip(reach, sizes, u.shape[2:], g.padding, strict=True):
        widths.append((span, 0 if _is_less(n + before, p) else simplified(n + before - p)))
    u = constant_pad(u, widths)
    results = _results(w.shape[0], channels)
    u = reshape(u, (u.shape[0], channels, *results, *u.shape[2:]))
    terms = []
    for r in _elements(w.shape[2:]):
        start = [
            simplified(before + span - d * e)
            for (before, _), span, d, e in zip(g.padding, reach, g.dilation, r, strict=True)
        ]
        part = _shifted(u, tuple(start), sizes, (1,) * len(sizes))
        terms.append(multiply(part, _factors(w, channels, r)))
    total = reduce(add, terms)
    return sum_over(total, axis=2) if results else total


def _is_less(a: Dim, b: Dim) -> bool:
    difference = simplified(a - b)
    return isinstance(difference, int) and difference < 0


def _filter_gradient(x: Tensor, u: Tensor, node: Tensor, g: Geometry) -> Tensor:
    channels, places = x.shape[1], u.shape[2:]
    results = _results(u.shape[1], channels)
    x = _beside_results(padded(x, g.padding, 2), results)
    u = reshape(u, (u.shape[0], channels, *results, *places))
    over = (0, *range(u.ndim - len(places), u.ndim))
    sums = [
        reshape(sum_over(multiply(_shifted(x, _places_of(r, g), places, g.stride), u), axis=over), (-1, 1))
        for r in _elements(node.shape[2:])
    ]
    return reshape(concatenate(sums, axis=1), node.shape)


def _places_of(element: Element, g: Geometry) -> tuple[int, ...]:
    """Where in the padded input the first window has an element of the filter."""
    return tuple([d * r for d, r in zip(g.dilation, element, strict=True)])


def _fits(node: Tensor) -> bool:
    x, w, u = trilinear_shapes(node)
    known = all(isinstance(n, int) for n in (x[1], *w, *x[2:], *u[2:], node.attrs["groups"]))
    known = known and all(isinstance(n, int) for side in node.attrs["padding"] for n in side)
    if not known or not same(node.attrs["groups"], x[1]) or same(x[1], 0):
        return False
    return math.prod(int(k) for k in w[2:]) <= _MOST_ELEMENTS and not any(same(k, 0) for k in w)


def _seconds(p: Problem) -> float:
    elements = math.prod(p.elements)
    back = p.kind == "transposed_convolution"
    size = p.batch * (p.channels * math.prod(p.sizes) if back else p.results * math.prod(p.places))
    run = p.places[-1]
    laid_out = copy_seconds(p.batch * p.channels * math.prod(p.sizes), run, p.itemsize)
    return laid_out + ufunc_seconds(2.0 * elements * size, run, p.itemsize, 2 * elements)


DEPTHWISE = Algorithm("depthwise", _fits, _lowered, _seconds)
