"""Kinks and ties: the places where an op's derivative jumps, and how far the point is from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def _in_steps(attrs: Attrs, *operands: Array) -> tuple[Array, Array]:
    """The pieces of all steps of a loop, one after the other."""
    body = attrs["body"]
    inside = [n for n in body.order if n.op.name in PIECES]
    codes: list[Array] = []
    distances: list[Array] = []
    for known in step_values(attrs, *operands) if inside else ():
        for node in inside:
            settings = {k: resolved(v, body.sizes or {}) for k, v in node.attrs.items()}
            code, distance = PIECES[node.op.name](settings, *[known[i] for i in node.inputs])
            codes.append(np.ravel(code).astype(float))
            distances.append(np.ravel(np.broadcast_to(distance, np.shape(code))))
    return np.concatenate(codes or [np.zeros(0)]), np.concatenate(distances or [np.zeros(0)])


PIECES: dict[str, Piece] = {
    **dict.fromkeys(("relu", "abs", "sign"), _at_zero),
    **dict.fromkeys(("floor", "ceil", "trunc"), _at_integers),
    "round": _at_halves,
    **dict.fromkeys(("floor_divide", "remainder"), _at_multiples),
    **dict.fromkeys(("maximum", "minimum"), _at_equality),
    **dict.fromkeys(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"), _at_equality),
    "clip": _at_bounds,
    **dict.fromkeys(("max", "argmax"), _at_ties(np.max)),
    **dict.fromkeys(("min", "argmin"), _at_ties(np.min)),
    **dict.fromkeys(("max_pool", "window_index"), _at_window_ties),
    "scan": _in_steps,
}
"""Pieces by op name; a ``where`` is covered by the comparisons in its condition."""


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
        self._nodes = [n for n in point.order if n.op.name in PIECES and n in moving]
        self.operands: list[Tensor] = [i for n in self._nodes for i in n.inputs]
        self._base = self._pieces([point.base[i] for i in self.operands])

    def _pieces(self, values: Sequence[Array]) -> list[tuple[Array, Array]]:
        found, start = [], 0
        with np.errstate(all="ignore"):
            for node in self._nodes:
                operands = values[start : start + len(node.inputs)]
                start += len(node.inputs)
                attrs = {k: resolved(v, self._point.sizes) for k, v in node.attrs.items()}
                found.append(PIECES[node.op.name](attrs, *operands))
        return found

    def crossed(self, parameter: Parameter, step: float, values: Sequence[Array]) -> list[Kink]:
        """The kinks between the point and where the operands have these values."""
        kinks = []
        for node, (code, distance), (moved, _) in zip(
            self._nodes, self._base, self._pieces(values), strict=True
        ):
            changed = code != moved
            if np.any(changed):
                nearest = float(np.min(np.broadcast_to(distance, changed.shape)[changed]))
                if not np.isfinite(nearest):  # the extreme itself moved: its rival's gap is the distance
                    nearest = float(np.min(distance))
                kinks.append(Kink(parameter.label, node.op.name, node.location, nearest, step))
        return kinks
