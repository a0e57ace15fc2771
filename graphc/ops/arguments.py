"""What users pass as axes, sizes and counts enters; checked, non-negative numbers leave, or an error."""

from __future__ import annotations

import operator
from typing import TypeAlias

import sympy

from graphc.errors import ShapeError
from graphc.ir.dimension import Dim, Shape, as_dim
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor

Axes: TypeAlias = "int | tuple[int, ...] | list[int] | None"


def shape_error(op: str, message: str, remedy: str) -> ShapeError:
    """The error, with the user's line filled in."""
    return ShapeError(message, op=op, location=user_location(), remedy=remedy)


def integer(value: object, what: str, op: str) -> int:
    """A plain integer argument; a bool, a float or a tensor is none."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__") or isinstance(value, Tensor):
        raise shape_error(
            op,
            f"{what} is an integer, but {value!r} ({type(value).__name__}) was given",
            "give a plain int",
        )
    return operator.index(value)


def one_axis(axis: object, rank: int, op: str) -> int:
    """One axis counted from the front."""
    number = integer(axis, "an axis", op)
    if not -rank <= number < rank:
        known = f"the axes are {-rank} to {rank - 1}" if rank else "a 0-dimensional tensor has no axes"
        raise shape_error(
            op, f"axis {number} does not exist in a tensor of {rank} axes", f"{known}: choose one of them"
        )
    return number % rank


def several_axes(axes: object, rank: int, op: str) -> tuple[int, ...]:
    """Axes counted from the front, in the order given; all of them for None."""
    if axes is None:
        return tuple(range(rank))
    if not isinstance(axes, (tuple, list)):
        return (one_axis(axes, rank, op),)
    chosen = tuple([one_axis(a, rank, op) for a in axes])
    if len(set(chosen)) < len(chosen):
        raise shape_error(op, f"the axes {tuple(axes)} name an axis twice", "name each axis once")
    return chosen


def one_size(value: object, op: str) -> Dim:
    """A size: an int, a name, or an expression of named sizes."""
    if isinstance(value, Tensor):
        raise shape_error(
            op,
            f"a size cannot come from a tensor: {value!r} was given",
            'sizes are known when the graph is declared: use ints, names such as "N", or x.shape',
        )
    try:
        return as_dim(value)
    except ShapeError as error:
        raise error.located(op, user_location()) from None


def whole_shape(value: object, op: str) -> Shape:
    """A shape from a tuple, a list or a single size."""
    if isinstance(value, (tuple, list)):
        return tuple([one_size(v, op) for v in value])
    return (one_size(value, op),)


def position(value: object, what: str, op: str) -> Dim:
    """A signed place along an axis: an int, or an expression of named sizes."""
    if isinstance(value, sympy.Expr):
        return int(value) if value.is_Integer else value
    return integer(value, what, op)
