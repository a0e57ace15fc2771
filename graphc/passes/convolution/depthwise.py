"""Depthwise convolution: each channel by itself, as shifted parts times the filter's elements, added up.

No windows are copied, and there is no product of matrices with one row. The batch is innermost.
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
from graphc.ops.shape import embed, reshape, strided_part
from graphc.passes.convolution.algorithm import Algorithm, batch_innermost, batch_outermost, padded
from graphc.passes.convolution.cost import Problem, copy_seconds, ufunc_seconds

# Filters of more elements are windows.
_MOST_ELEMENTS = 49
Element = tuple[int, ...]


def _elements(sizes: tuple[Dim, ...]) -> list[Element]:
    """The filter's elements in C order."""
    return list(product(*[range(int(k)) for k in sizes]))


def _shifted(x: Tensor, start: tuple[Dim, ...], sizes: tuple[Dim, ...], stride: tuple[int, ...]) -> Tensor:
    """The part of x (…, N) that begins at ``start`` in its spatial axes."""
    lead = x.ndim - len(sizes) - 1
    size = (*x.shape[:lead], *sizes, x.shape[-1])
    return strided_part(x, (*(0,) * lead, *start, 0), size, (*(1,) * lead, *stride, 1))


def _factors(w: Tensor, channels: Dim, element: Element) -> Tensor:
    """One element of every filter, (C, M, 1, …) for M results a channel."""
    part = strided_part(w, (0, 0, *element), (*w.shape[:2], *(1,) * len(element)), (1,) * w.ndim)
    return reshape(part, (channels, *_results(w.shape[0], channels), *(1,) * (len(element) + 1)))


def _results(count: Dim, channels: Dim) -> tuple[int, ...]:
    """The axis of a channel's results; none where there is one."""
    each = int(count) // int(channels)
    return () if each == 1 else (each,)


def _lowered(node: Tensor) -> Tensor:
    first, second = (astype(i, node.dtype) for i in node.inputs)
    g = Geometry.of(node.attrs)
    if node.op is CONVOLUTION:
        return _convolution(first, second, node, g)
    if node.op is FILTER_GRADIENT:
        return _filter_gradient(first, second, node, g)
    return _transposed(first, second, node, g)


def _input(x: Tensor, results: tuple[int, ...], g: Geometry) -> Tensor:
    """x as (C, …, N) with its padding, and with an axis to broadcast over a channel's results."""
    x = padded(batch_innermost(x), g.padding, 1)
    return reshape(x, (x.shape[0], 1, *x.shape[1:])) if results else x


def _convolution(x: Tensor, w: Tensor, node: Tensor, g: Geometry) -> Tensor:
    channels, places = x.shape[1], node.shape[2:]
    x = _input(x, _results(w.shape[0], channels), g)
    terms = [
        multiply(_shifted(x, _places_of(r, g), places, g.stride), _factors(w, channels, r))
        for r in _elements(w.shape[2:])
    ]
    return batch_outermost(reshape(reduce(add, terms), (*node.shape[1:], node.shape[0])))


def _transposed(u: Tensor, w: Tensor, node: Tensor, g: Geometry) -> Tensor:
    """A convolution with the filter turned round, of u with zeros between and around its elements."""
    channels, sizes = node.shape[1], node.shape[2:]
    reach = tuple([d * (int(k) - 1) for d, k in zip(g.dilation, w.shape[2:], strict=True)])
    u = batch_innermost(u)
    if any(s != 1 for s in g.stride):
        apart = [simplified(s * (p - 1) + 1) for s, p in zip(g.stride, u.shape[1:-1], strict=True)]
        u = embed(u, (u.shape[0], *apart, u.shape[-1]), (0,) * u.ndim, (1, *g.stride, 1))
    widths = []
    for span, n, p, (before, _) in zip(reach, sizes, u.shape[1:-1], g.padding, strict=True):
        widths.append((span, 0 if _is_less(n + before, p) else simplified(n + before - p)))
    u = padded(u, tuple(widths), 1)
    results = _results(w.shape[0], channels)
    u = reshape(u, (channels, *results, *u.shape[1:]))
    terms = []
    for r in _elements(w.shape[2:]):
        start = [
            simplified(before + span - d * e)
            for (before, _), span, d, e in zip(g.padding, reach, g.dilation, r, strict=True)
        ]
        terms.append(multiply(_shifted(u, tuple(start), sizes, (1,) * len(sizes)), _factors(w, channels, r)))
    total = reduce(add, terms)
    return batch_outermost(sum_over(total, axis=1) if results else total)


def _is_less(a: Dim, b: Dim) -> bool:
    difference = simplified(a - b)
    return isinstance(difference, int) and difference < 0


def _filter_gradient(x: Tensor, u: Tensor, node: Tensor, g: Geometry) -> Tensor:
    channels, places = x.shape[1], u.shape[2:]
    results = _results(u.shape[1], channels)
    x = _input(x, results, g)
    u = reshape(batch_innermost(u), (channels, *results, *places, u.shape[0]))
    over = tuple(range(1 + len(results), u.ndim))
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
    run = p.batch * p.places[-1]
    laid_out = copy_seconds(p.batch * p.channels * math.prod(p.sizes), run, p.itemsize)
    return laid_out + ufunc_seconds(2.0 * elements * size, run, p.itemsize, 2 * elements)


DEPTHWISE = Algorithm("depthwise", _fits, _lowered, _seconds)
