"""Receptive fields: an output and an input enter; which elements of the input an output sees leaves.

Source: A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional networks", Distill, 2019
(doi 10.23915/distill.00021), whose size, effective stride and padding these are for a chain of layers; here
they come from the graph, so that branches, upsampling and dense layers have theirs.
"""

from __future__ import annotations

from fractions import Fraction

from graphc.analysis.boxes import Box, Interval
from graphc.analysis.fields import At, Places, ReceptiveField, ReceptiveFields, places_of
from graphc.analysis.layers import grouped
from graphc.analysis.walk import Walk
from graphc.errors import GraphError
from graphc.ir.dimension import Dim, larger, simplified
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, topological_order
from graphc.ops.arguments import Axes, several_axes

# Where a field's form repeats only after more steps than these, its axis of y is taken as a whole.
_MOST_PERIODS = 256


# -- functions -------------------------------------------------------------------------------------
def receptive_field(y: Tensor, x: Tensor, at: At = None, axis: Axes = None) -> ReceptiveField:
    """Which elements of ``x`` an element of ``y`` can see, through whatever graph lies between.

    ``axis`` are the axes of x asked about: those from 2 on where x has as many, as in (N, C, H, W), else
    all. ``at`` chooses elements of y, with a place or None for each axis; left open, an axis along which the
    field moves counts for any one element, another (examples, channels, classes) for all together. What a
    dilation leaves out is inside the field: it is a box. Sizes may be symbolic.

    Raises GraphError where y does not depend on x; ShapeError for axes and places that do not exist.
    Source: Araujo, Norris and Sim 2019 (distill.pub/2019/computing-receptive-fields).

    >>> import graphc as gc
    >>> x, w = gc.input("x", ("N", 1, 28, 28)), gc.parameter("w", (1, 1, 3, 3))
    >>> y = gc.nn.max_pool2d(gc.nn.conv2d(x, w, padding=1), 2)
    >>> print(gc.nn.receptive_field(gc.nn.conv2d(y, w, dilation=2), x))
    axis of x  size  stride  start
    2 (28)     12    2       -1
    3 (28)     12    2       -1
    """
    _check(y, x)
    axes = several_axes(axis, x.ndim, "receptive_field") if axis is not None else _spatial(x)
    order = topological_order([y])
    return _field(_way(order, y, x), axes, places_of(at, y))


def receptive_fields(y: Tensor, x: Tensor, axis: Axes = None) -> ReceptiveFields:
    """The receptive field on ``x`` of every layer on the way to ``y``: a row a scope.

    Outside scopes a row each for convolutions, poolings, products and reshapes. ``axis`` and errors as in
    `receptive_field`.

    >>> import graphc as gc
    >>> x, w = gc.input("x", ("N", 1, 28, 28)), gc.parameter("w", (1, 1, 5, 5))
    >>> print(gc.nn.receptive_fields(gc.nn.max_pool2d(gc.nn.conv2d(x, w), 2), x))
    layer        output          size  stride  start
    convolution  (N, 1, 24, 24)  5×5   1×1     0, 0
    max_pool     (N, 1, 12, 12)  6×6   2×2     0, 0
    """
    _check(y, x)
    axes = several_axes(axis, x.ndim, "receptive_fields") if axis is not None else _spatial(x)
    order = topological_order([y])
    way = _way(order, y, x)
    rows = []
    groups = grouped(order)
    # A scope's own nodes between the layers inside it, such as activations, are no layer.
    last = {g.scope[:depth]: g for g in groups for depth in range(1, len(g.scope) + 1)}
    for group in groups:
        if group.scope and last[group.scope] is not group:
            continue
        nodes = set(group.nodes)
        output = next((n for n in reversed(way) if n in nodes and n is not x), None)
        if output is not None:
            rows.append((group.name, _field(_way(way, output, x), axes, (None,) * output.ndim)))
    return ReceptiveFields(tuple(rows))


# -- the field of one element ----------------------------------------------------------------------
def _field(way: list[Tensor], axes: tuple[int, ...], at: Places) -> ReceptiveField:
    y, x = way[-1], way[0]
    walk = Walk(way, y, x)
    moving = _moving(walk.all_moving(), axes, y.ndim)
    places = tuple([a for a in moving if at[a] is not None or walk.periods[a] <= _MOST_PERIODS])
    walk.periods = [1] * y.ndim
    fields: list[Box] = []
    step, steps = 0, 1
    while step < steps:  # every form that the field takes
        found = walk.field([step if at[a] is None and a in places else at[a] for a in range(y.ndim)])
        if found is not None:
            fields.append(found)
        step += 1
        steps = min(max([walk.periods[a] for a in places if at[a] is None], default=1), _MOST_PERIODS)
    size: list[Dim] = []
    for a in axes:
        extent: Dim = 0
        for box in fields:
            extent = larger(extent, simplified(box[a].high - box[a].low + 1))
        size.append(extent)
    stride = tuple([_stride(fields[0][a], places) if fields else 0 for a in axes])
    start = tuple([fields[0][a].low if fields else 0 for a in axes])
    return ReceptiveField(y, x, axes, places, tuple(size), stride, start, at, walk)


def _moving(seen: Box | None, axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """The axes of y along which the field moves in some axis that is asked about."""
    if seen is None:
        return ()
    return tuple([a for a in range(rank) if any(seen[b].slopes[a] != 0 for b in axes)])


def _stride(i: Interval, places: tuple[int, ...]) -> int | Fraction | None:
    moving = [i.slopes[a] for a in places if i.slopes[a] != 0]
    if not moving:
        return 0
    if len(moving) > 1 or moving[0] is None:
        return None
    return int(moving[0]) if moving[0].denominator == 1 else moving[0]


# -- arguments -------------------------------------------------------------------------------------
def _check(y: Tensor, x: Tensor) -> None:
    for tensor in (y, x):
        if not isinstance(tensor, Tensor):
            raise GraphError(
                f"a tensor is needed, but {type(tensor).__name__} was given", op="receptive_field",
                location=user_location(), remedy="write gc.nn.receptive_field(output, input)",
            )  # fmt: skip


def _spatial(x: Tensor) -> tuple[int, ...]:
    return tuple(range(2, x.ndim)) if x.ndim > 2 else tuple(range(x.ndim))


def _way(order: list[Tensor], y: Tensor, x: Tensor) -> list[Tensor]:
    """The nodes between x and y, both included, inputs before users."""
    below = set(topological_order([y], stop=[x]))
    after = depends_on(order, [x])
    found = [node for node in order if node in below and node in after]
    if y not in after or x not in below:
        raise GraphError(
            f"{y!r} does not depend on {x!r}", op="receptive_field", location=user_location(),
            remedy="give the output first, then a tensor that it is computed from",
        )  # fmt: skip
    return found
