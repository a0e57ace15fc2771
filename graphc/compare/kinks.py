"""Kinks and ties: the places where an op's derivative jumps, and how far the point is from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.compare.point import Parameter, Point
from graphc.ir.body import resolved
from graphc.ir.op import Attrs
from graphc.ir.origin import Location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on
from graphc.ops.loop import step_values
from graphc.ops.pooling import window_elements
from graphc.runtime.interpreter import Array

# An op's piece by its operands: a code that changes where the derivative may jump, and the distance.
Piece = Callable[..., tuple[Array, Array]]


def _at_zero(attrs: Attrs, x: Array) -> tuple[Array, Array]:
    return np.sign(x), np.abs(x)


def _at_equality(attrs: Attrs, x: Array, y: Array) -> tuple[Array, Array]:
    difference = np.subtract(x, y, dtype=np.float64)
    return np.sign(difference), np.abs(difference)


def _at_integers(attrs: Attrs, x: Array) -> tuple[Array, Array]:
    return np.floor(x), np.abs(x - np.rint(x))


def _at_halves(attrs: Attrs, x: Array) -> tuple[Array, Array]:
    return _at_integers(attrs, x + 0.5)


def _at_multiples(attrs: Attrs, x: Array, y: Array) -> tuple[Array, Array]:
    return _at_integers(attrs, np.true_divide(x, y))


def _at_bounds(attrs: Attrs, x: Array, low: Array, high: Array) -> tuple[Array, Array]:
    code = np.sign(x - low) + 3 * np.sign(x - high)
    return code, np.minimum(np.abs(x - low), np.abs(x - high))


def _at_ties(largest: Callable[..., Any]) -> Piece:
    def piece(attrs: Attrs, x: Array) -> tuple[Array, Array]:
        axis = attrs["axis"]
        extreme = largest(x, axis=axis, keepdims=True)
        mask = x == extreme
        gap = np.where(mask, np.inf, np.abs(x - extreme))
        tied = np.count_nonzero(mask, axis=axis, keepdims=True) > 1
        return mask, np.where(mask & tied, 0.0, gap)

    return piece


def _at_window_ties(attrs: Attrs, x: Array, *values: Array) -> tuple[Array, Array]:
    """As ties over an axis, with the elements of each window along a last one; padding is no rival."""
    elements, real = window_elements(attrs, x)
    elements = np.where(real, elements.astype(np.float64), -np.inf)
    return _at_ties(np.max)({"axis": -1}, elements)


def _at_casts(attrs: Attrs, x: Array) -> tuple[Array, Array]:
    if attrs["dtype"].kind == "b":
        return _at_zero(attrs, x)
    if attrs["dtype"].kind in "iu":
        return np.trunc(x), np.abs(x - np.rint(x))
    return np.zeros(np.shape(x)), np.full(np.shape(x), np.inf)


def _at_truth(attrs: Attrs, *operands: Array) -> tuple[Array, Array]:
    """Where a number turns false: at zero. What is a truth value already has its kink where it was made."""
    code, distance = np.zeros(()), np.full((), np.inf)
    for x in operands:
        if x.dtype.kind != "b":
            code, distance = 3 * code + np.sign(x), np.minimum(distance, np.abs(x))
    return code, distance


def _at_the_origin(attrs: Attrs, x: Array, y: Array) -> tuple[Array, Array]:
    return np.hypot(x, y) == 0, np.hypot(x, y)


def _at_the_cut(attrs: Attrs, y: Array, x: Array) -> tuple[Array, Array]:
    """The angle jumps by 2π where y changes its sign left of the origin."""
    left = np.less(x, 0) | ((x == 0) & (y == 0))
    return np.where(left, np.sign(y), 2.0), np.where(left, np.abs(y), np.inf)


PIECES: dict[str, Piece] = {
    **dict.fromkeys(("relu", "abs", "sign", "cbrt"), _at_zero),
    **dict.fromkeys(("logical_not", "logical_and", "logical_or", "logical_xor", "any", "all"), _at_truth),
    "astype": _at_casts,
    "hypot": _at_the_origin,
    "arctan2": _at_the_cut,
    **dict.fromkeys(("floor", "ceil", "trunc"), _at_integers),
    "round": _at_halves,
    **dict.fromkeys(("floor_divide", "remainder"), _at_multiples),
    **dict.fromkeys(("maximum", "minimum"), _at_equality),
    **dict.fromkeys(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"), _at_equality),
    "clip": _at_bounds,
    **dict.fromkeys(("max", "argmax"), _at_ties(np.max)),
    **dict.fromkeys(("min", "argmin"), _at_ties(np.min)),
    **dict.fromkeys(("max_pool", "window_index"), _at_window_ties),
}
"""Pieces by op name; a ``where`` is covered by the comparisons in its condition, a loop by its body."""

Place = tuple[Tensor, Array, Array]  # a node, its code, its distance


def _places(node: Tensor, sizes: Mapping[str, int], operands: Sequence[Array]) -> list[Place]:
    """The pieces of a node; of a loop those of each node of its body, all steps one after the other."""
    attrs = {k: resolved(v, sizes) for k, v in node.attrs.items()}
    if node.op.name in PIECES:
        code, distance = PIECES[node.op.name](attrs, *operands)
        return [(node, code, distance)]
    body = attrs["body"]
    inside = [n for n in body.order if _has_pieces(n)]
    codes: dict[Tensor, list[Array]] = {}
    distances: dict[Tensor, list[Array]] = {}
    for known in step_values(attrs, *operands) if inside else ():
        for inner in inside:
            for place, code, distance in _places(inner, body.sizes or {}, [known[i] for i in inner.inputs]):
                codes.setdefault(place, []).append(np.ravel(code).astype(float))
                distances.setdefault(place, []).append(np.ravel(np.broadcast_to(distance, np.shape(code))))
    return [(place, np.concatenate(codes[place]), np.concatenate(distances[place])) for place in codes]


def _has_pieces(node: Tensor) -> bool:
    return node.op.name in PIECES or node.op.family == "loop"


@dataclass(frozen=True, slots=True)
class Kink:
    """A node whose piece changes within a step of the point, moving one parameter."""

    parameter: str
    op: str
    location: Location
    distance: float
    step: float

    def __str__(self) -> str:
        place = "exactly at" if self.distance == 0 else f"{self.distance:.1e} from"
        step = f"step {self.step:.0e} in {self.parameter}"
        return f"{self.op} at {self.location.short} is {place} a kink ({step})"


class KinkWatch:
    """Tells which kinks lie between the point and a place nearby."""

    def __init__(self, point: Point) -> None:
        moving = depends_on(point.order, [p.tensor for p in point.parameters])
        self._point = point
        self._nodes = [n for n in point.order if n in moving and _has_pieces(n)]
        self.operands: list[Tensor] = [i for n in self._nodes for i in n.inputs]
        self._base = self._pieces([point.base[i] for i in self.operands])

    def _pieces(self, values: Sequence[Array]) -> list[Place]:
        found: list[Place] = []
        start = 0
        with np.errstate(all="ignore"):
            for node in self._nodes:
                operands = values[start : start + len(node.inputs)]
                start += len(node.inputs)
                found += _places(node, self._point.sizes, operands)
        return found

    def crossed(self, parameter: Parameter, step: float, values: Sequence[Array]) -> list[Kink]:
        """The kinks between the point and where the operands have these values."""
        kinks = []
        for (node, code, distance), (_, moved, _) in zip(self._base, self._pieces(values), strict=True):
            changed = code != moved
            if np.any(changed):
                nearest = float(np.min(np.broadcast_to(distance, changed.shape)[changed]))
                if not np.isfinite(nearest):  # the extreme itself moved: its rival's gap is the distance
                    nearest = float(np.min(distance))
                kinks.append(Kink(parameter.label, node.op.name, node.location, nearest, step))
        return kinks
