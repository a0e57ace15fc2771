"""Receptive fields as objects: a walk and its figures for each axis enter, answers and tables leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

from graphc.analysis.columns import aligned
from graphc.analysis.walk import Walk
from graphc.errors import ShapeError
from graphc.ir.dimension import Dim, Shape, format_shape, simplified
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import integer, shape_error

# One entry an axis of y: a place, or None for any.
At: TypeAlias = "Sequence[int | None] | None"
Places: TypeAlias = "tuple[int | None, ...]"


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    """The elements of ``x`` that an element of ``y`` sees, along the ``axes`` of x.

    One entry an axis: ``size`` is how many elements the field spans, padding among them; ``start`` where
    the field of the first element of y begins (negative where that sees padding); ``stride`` by how much it
    moves from one element of y to the next: a fraction behind an upsampling, 0 where every element of y
    sees the same, None where it does not move uniformly. Where fields differ in size, as behind a
    transposed convolution, it is the largest. ``places`` are the axes of y along which the field moves.
    """

    y: Tensor
    x: Tensor
    axes: tuple[int, ...]
    places: tuple[int, ...]
    size: tuple[Dim, ...]
    stride: tuple[int | Fraction | None, ...]
    start: tuple[Dim, ...]
    at: Places
    _walk: Walk = field(repr=False)

    def box(self, position: int | Sequence[int] = ()) -> tuple[slice, ...]:
        """The elements of x that one element of y sees, a slice for each of ``axes``; no padding.

        ``position`` has a number for each of ``places``, or for each axis of y; what it leaves open is
        taken as in the field. A slice is empty where nothing is seen. Raises ShapeError for another number of
        numbers and for places outside y.

        >>> import graphc as gc
        >>> x, w = gc.input("x", ("N", 1, 9, 9)), gc.parameter("w", (1, 1, 3, 3))
        >>> gc.nn.receptive_field(gc.nn.conv2d(x, w, padding=1), x).box((0, 4))
        (slice(0, 2, None), slice(3, 6, None))
        """
        given = tuple(position) if isinstance(position, (tuple, list)) else (position,)
        numbers: list[int | None] = [
            0 if n is None and a in self.places else n for a, n in enumerate(self.at)
        ]
        if len(given) == self.y.ndim:
            numbers = list(given)
        elif len(given) == len(self.places):
            for axis, number in zip(self.places, given, strict=True):
                numbers[axis] = number
        elif given:
            raise shape_error(
                "ReceptiveField.box",
                f"{len(given)} numbers are given for a tensor of shape {format_shape(self.y.shape)}, whose "
                f"field moves along the axes {self.places}",
                f"give {len(self.places)} or {self.y.ndim} numbers",
            )
        found = self._walk.field(places_of(numbers, self.y), inside=True)
        if found is None:
            return (slice(0, 0),) * len(self.axes)
        return tuple([slice(found[a].low, simplified(found[a].high + 1)) for a in self.axes])

    def table(self) -> str:
        """The figures as aligned text, a line for each axis."""
        rows: list[tuple[str, ...]] = [("axis of x", "size", "stride", "start")]
        for axis, *figures in zip(self.axes, self.size, self.stride, self.start, strict=True):
            rows.append((f"{axis} ({self.x.shape[axis]})", *map(_short, figures)))
        return aligned(rows)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data; sizes that are symbolic are text."""
        figures = {"axes": self.axes, "size": self.size, "stride": self.stride, "start": self.start}
        return {
            key: [v if v is None or isinstance(v, int) else str(v) for v in values]
            for key, values in figures.items()
        }

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        seen = self.x.name or self.x.op.name
        return f"<receptive field on {seen!r}: size {_by(self.size)}, stride {_by(self.stride)}>"


@dataclass(frozen=True, eq=False)
class ReceptiveFields:
    """The receptive field of each layer on the way from x to y: ``rows`` of a name and a field."""

    rows: tuple[tuple[str, ReceptiveField], ...]

    def table(self) -> str:
        """The figures as aligned text, a line for each layer."""
        lines = [("layer", "output", "size", "stride", "start")]
        for name, found in self.rows:
            figures = (_by(found.size), _by(found.stride), ", ".join(map(_short, found.start)))
            lines.append((name, format_shape(found.y.shape), *figures))
        return aligned(lines)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {name: found.to_dict() for name, found in self.rows}

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<receptive fields of {len(self.rows)} layers>"


# -- arguments -------------------------------------------------------------------------------------
def places_of(at: At, y: Tensor) -> Places:
    """The places asked about, one or None for each axis; ShapeError for those that do not exist."""
    if at is None:
        return (None,) * y.ndim
    numbers = tuple(at)
    if len(numbers) != y.ndim:
        raise shape_error(
            "receptive_field",
            f"at = {at} has {len(numbers)} entries for a tensor of shape {format_shape(y.shape)}",
            "give a place or None for each axis",
        )
    return tuple([None if n is None else _place(n, y.shape, a) for a, n in enumerate(numbers)])


def _place(number: object, shape: Shape, axis: int) -> int:
    place = integer(number, "a place", "receptive_field")
    size = shape[axis]
    if isinstance(size, int) and not -size <= place < size:
        raise ShapeError(
            f"place {place} is outside axis {axis} of shape {format_shape(shape)}",
            op="receptive_field", location=user_location(), remedy=f"use {-size} to {size - 1}",
        )  # fmt: skip
    return place + size if place < 0 and isinstance(size, int) else place


# -- text ------------------------------------------------------------------------------------------
def _short(value: object) -> str:
    return "—" if value is None else str(value)


def _by(values: Sequence[object]) -> str:
    return "×".join(map(_short, values)) or "—"
