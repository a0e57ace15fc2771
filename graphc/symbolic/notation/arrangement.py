"""Ops that rearrange, repeat or sum over axes: a node and its input's value enter, its own value leaves."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from graphc.ir.dimension import Dim, same, same_shape
from graphc.ir.tensor import Tensor
from graphc.symbolic.notation.contraction import (
    Axis,
    Contraction,
    new_axes,
    opaque,
    times_size,
)
from graphc.symbolic.notation.conventions import times_formula
from graphc.symbolic.notation.formula import (
    Call,
    Formula,
)
from graphc.symbolic.notation.rendering import index_of
from graphc.symbolic.notation.sums import formula


def sum_axes(node: Tensor, inputs: list[Contraction]) -> Contraction:
    (value,) = inputs
    over = node.attrs["axis"]
    coefficient, factors = value.coefficient, list(value.factors)
    for place in over:
        axis = value.axes[place]
        if axis is not None and not any(axis in f.axes for f in factors):
            coefficient, factors = times_size(coefficient, factors, axis.size)
    return replace(
        value,
        coefficient=coefficient,
        factors=tuple(factors),
        axes=_reduced(value.axes, over, node),
        by_elements=True,
    )


def _reduced(axes: tuple[Axis | None, ...], over: tuple[int, ...], node: Tensor) -> tuple[Axis | None, ...]:
    if node.attrs["keepdims"]:
        return tuple(None if i in over else a for i, a in enumerate(axes))
    return tuple(a for i, a in enumerate(axes) if i not in over)


def transpose_axes(node: Tensor, inputs: list[Contraction]) -> Contraction:
    (value,) = inputs
    return replace(value, axes=tuple(value.axes[a] for a in node.attrs["axes"]))


def reshape_axes(node: Tensor, inputs: list[Contraction]) -> Contraction | None:
    (value,) = inputs
    before = [n for n in node.inputs[0].shape if not same(n, 1)]
    after = [n for n in node.shape if not same(n, 1)]
    if not same_shape(before, after):
        return _kronecker(value, node) or _upsampled(value, node)
    kept = iter(value.kept)
    return replace(value, axes=tuple(None if same(n, 1) else next(kept) for n in node.shape))


def _kronecker(value: Contraction, node: Tensor) -> Contraction | None:
    """A[i, k] B[j, l] with the axes merged in pairs is the Kronecker product."""
    if len(value.axes) != 4 or len(value.factors) != 2 or len(node.shape) != 2 or value.summed:
        return None
    rows, columns = node.shape
    a, b, c, d = node.inputs[0].shape
    ways: dict[tuple[Axis | None, ...], int] = {
        (value.axes[0], value.axes[2]): 0,
        (value.axes[1], value.axes[3]): 1,
    }
    order = [ways.get(f.axes) for f in value.factors]
    if sorted(map(str, order)) != ["0", "1"] or not (same(rows, a * b) and same(columns, c * d)):
        return None
    if any(f.exponent != 1 for f in value.factors):
        return None
    pair = [value.factors[order.index(0)], value.factors[order.index(1)]]
    found = opaque(Call("kron", tuple(f.atom.formula for f in pair)), node.shape)
    return replace(found, coefficient=value.coefficient, decimal=value.decimal)


def _upsampled(value: Contraction, node: Tensor) -> Contraction | None:
    """Axes that each element is repeated along, merged with those it has: up_2(U).

    Source of the name: Qiu Xipeng, *Neural Networks and Deep Learning*, section 5.3.
    """
    used = {a for f in value.factors for a in f.axes}
    places = [(n, a) for n, a in zip(node.inputs[0].shape, value.axes, strict=True) if not same(n, 1)]
    axes: list[Axis | None] = []
    times: list[Dim] = []
    for size in node.shape:
        if same(size, 1) or not places:
            axes.append(None)
            continue
        n, axis = places.pop(0)
        axes.append(axis)
        if not same(n, size):
            if not places or places[0][1] in used or axis not in used or not same(n * places[0][0], size):
                return None
            times.append(places.pop(0)[0])
    if places or not times or not all(a is None or a in used for a in axes):
        return None
    factors = tuple(f for f in value.factors if f.axes)
    rest = replace(value, coefficient=Fraction(1), factors=factors, axes=tuple(axes))
    alike = all(same(t, times[0]) for t in times)
    below = times_formula(times[:1] if alike else times)
    found = opaque(Call("up", (formula(rest),), (below,)), node.shape)
    scalars = tuple(f for f in value.factors if not f.axes)
    return replace(
        found, coefficient=value.coefficient, decimal=value.decimal, factors=(*scalars, *found.factors)
    )


def broadcast_axes(node: Tensor, inputs: list[Contraction]) -> Contraction:
    (value,) = inputs
    wide = new_axes(node.shape)
    offset = len(wide) - len(value.axes)
    axes = (*wide[:offset], *(w if a is None else a for a, w in zip(value.axes, wide[offset:], strict=True)))
    return replace(value, axes=axes)


def mean_axes(node: Tensor, inputs: list[Contraction]) -> Contraction:
    (value,) = inputs
    scalars = tuple(f for f in value.factors if not f.axes)
    rest = replace(value, coefficient=Fraction(1), factors=tuple(f for f in value.factors if f.axes))
    if not rest.factors:
        return replace(value, axes=_reduced(value.axes, node.attrs["axis"], node))
    body = Call("mean", (formula(rest),), below_axes(node, node.attrs["axis"]))
    found = opaque(body, node.shape)
    return replace(
        found, coefficient=value.coefficient, factors=(*scalars, *found.factors), decimal=value.decimal
    )


def below_axes(node: Tensor, over: Any) -> tuple[Formula, ...]:
    """The indices of axes of the node's input, none if they are all of them."""
    shape = node.inputs[0].shape
    chosen = (over,) if isinstance(over, int) else tuple(over)
    wide = [i for i, n in enumerate(shape) if not same(n, 1)]
    if set(wide) <= set(chosen):
        return ()
    return tuple(index_of(Axis(shape[i], i)) for i in chosen if i in wide)
