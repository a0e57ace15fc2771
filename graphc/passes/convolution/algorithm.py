"""An algorithm of convolution: a way to write one of the three convolution ops in simpler ops.

Also what algorithms share: the batch innermost, filters as matrices, padding put on and taken off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.ir.dimension import Dim, Shape, element_count, same, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.convolution import Geometry
from graphc.ops.shape import constant_pad, quotient, reshape, strided_part, transpose
from graphc.passes.convolution.cost import Problem


@dataclass(frozen=True, eq=False)
class Algorithm:
    """``fits`` says whether it can write a node, ``lowered`` writes it, ``seconds`` is what that costs."""

    name: str
    fits: Callable[[Tensor], bool]
    lowered: Callable[[Tensor], Tensor]
    seconds: Callable[[Problem], float]


def is_pointwise(elements: Shape, g: Geometry) -> bool:
    """Whether each place sees one element, and each element one place."""
    return all(same(k, 1) for k in elements) and all(s == 1 for s in g.stride)


def groups_axis(g: Geometry) -> Shape:
    """The axis of the groups; none where there is one group."""
    return () if same(g.groups, 1) else (g.groups,)


def filter_matrix(w: Tensor, g: Geometry) -> Tensor:
    """(O, C/G, …) as (G, O/G, K)."""
    rows = quotient(w.shape[0], g.groups)
    assert rows is not None
    return reshape(w, (*groups_axis(g), rows, simplified(element_count(w.shape[1:]))))


def batch_innermost(x: Tensor) -> Tensor:
    """(N, C, …) as (C, …, N), a view."""
    return transpose(x, (*range(1, x.ndim), 0))


def batch_outermost(x: Tensor) -> Tensor:
    """(C, …, N) as (N, C, …), a view."""
    return transpose(x, (x.ndim - 1, *range(x.ndim - 1)))


def padded(x: Tensor, widths: tuple[tuple[Dim, Dim], ...], first: int) -> Tensor:
    """x with zeros around it along its axes from ``first`` on; x itself where there are none."""
    if all(same(b, 0) and same(a, 0) for b, a in widths):
        return x
    behind = x.ndim - first - len(widths)
    return constant_pad(x, (*((0, 0),) * first, *widths, *((0, 0),) * behind))


def inside(x: Tensor, before: Shape, sizes: Shape, first: int) -> Tensor:
    """The part of x that begins at ``before`` and has these sizes, along its axes from ``first`` on."""
    axes = range(first, first + len(sizes))
    if all(same(b, 0) and same(x.shape[a], n) for a, b, n in zip(axes, before, sizes, strict=True)):
        return x
    start: list[Dim] = [0] * x.ndim
    shape = list(x.shape)
    for a, b, n in zip(axes, before, sizes, strict=True):
        start[a], shape[a] = b, n
    return strided_part(x, start, shape, (1,) * x.ndim)
