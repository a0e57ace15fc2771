"""Nodes without inputs: what users declare, constants, sizes, index ranges and random draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import sympy

from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, Shape, as_dim, as_shape, format_shape, symbols_of
from graphc.ir.dtype import FLOAT32, INT64, SUPPORTED, DType, as_dtype
from graphc.ir.op import Attrs, Op
from graphc.ir.origin import current_scope, qualified, user_location
from graphc.ir.tensor import Tensor

TensorLike: TypeAlias = "Tensor | np.ndarray[Any, Any] | np.generic | float | bool | list[Any] | sympy.Expr"
Initializer: TypeAlias = "Callable[[tuple[int, ...], DType, np.random.Generator], np.ndarray[Any, Any]]"


def _declared(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    return attrs["shape"], attrs["dtype"]


def _no_value(attrs: Attrs) -> np.ndarray[Any, Any]:
    raise GraphError(f"{attrs['name']!r} has a value only where the graph is run")


INPUT = Op("input", "source", _declared, _no_value)
PARAMETER = Op("parameter", "source", _declared, _no_value)
CONSTANT = Op(
    "constant",
    "source",
    lambda inputs, attrs: (attrs["value"].shape, attrs["value"].dtype),
    lambda attrs: attrs["value"],
)
# The value of a symbolic size, as a 0-dimensional tensor.
DIMENSION = Op(
    "dimension",
    "source",
    lambda inputs, attrs: ((), attrs["dtype"]),
    lambda attrs: np.asarray(attrs["value"], attrs["dtype"]),
)
ARANGE = Op(
    "arange",
    "source",
    lambda inputs, attrs: ((attrs["size"],), attrs["dtype"]),
    lambda attrs: np.arange(attrs["size"], dtype=attrs["dtype"]),
)


def _drawn(attrs: Attrs) -> np.ndarray[Any, Any]:
    raise GraphError("a random draw has a value only where the graph is run")


# Two draws are never equal: these nodes are never merged. The runtime gives them their numbers.
RANDOM_UNIFORM = Op("random_uniform", "random", _declared, _drawn)
RANDOM_NORMAL = Op("random_normal", "random", _declared, _drawn)

OPS = (INPUT, PARAMETER, CONSTANT, DIMENSION, ARANGE, RANDOM_UNIFORM, RANDOM_NORMAL)


def _check_name(name: object, op: str) -> str:
    if not isinstance(name, str) or not name:
        raise GraphError(
            f"a name is a non-empty string, but {name!r} was given",
            op=op,
            location=user_location(),
            remedy=f'write e.g. gc.{op}("x", …)',
        )
    return name


def _declared_shape(shape: object, op: str) -> Shape:
    if isinstance(shape, (Tensor, np.ndarray)):
        raise ShapeError(
            f"a shape cannot come from a tensor: {type(shape).__name__} was given",
            op=op,
            location=user_location(),
            remedy='shapes are known when the graph is declared: use ints, names such as "N", or x.shape',
        )
    try:
        return as_shape(shape)
    except ShapeError as error:
        raise error.located(op, user_location()) from None


def _checked_dtype(dtype: object, op: str) -> DType:
    try:
        return as_dtype(dtype)
    except DTypeError as error:
        raise error.located(op, user_location()) from None


def input(name: str, shape: object = (), dtype: object = "float32") -> Tensor:
    """Declare an argument of the graph.

    ``shape`` holds ints and names of symbolic sizes: ``("N", 784)`` takes any number of rows, and
    every ``"N"`` in the graph is the same number. Under an open scope the name keeps its own form:
    inputs are arguments, not parts of a layer.

    >>> import graphc as gc
    >>> gc.input("x", ("N", 784))
    <input 'x': float32(N, 784)>
    """
    _check_name(name, "input")
    return apply(
        INPUT, (), name, name=name,
        shape=_declared_shape(shape, "input"), dtype=_checked_dtype(dtype, "input"),
    )  # fmt: skip


def parameter(
    name: str,
    shape: object = None,
    *,
    init: Initializer | float | None = None,
    dtype: object = None,
    trainable: bool = True,
    value: object = None,
) -> Tensor:
    """Declare a parameter: a value that lives in ``f.params`` between calls.

    Give either ``shape`` with ``init`` (a number, or a function ``(shape, dtype, generator) ->
    array``, see ``gc.init``; zeros if left out), or ``value``, an array to start from. ``dtype`` is
    float32 unless given, or that of ``value``. Under open scopes the name becomes ``scope/name``.
    ``trainable=False`` keeps it out of ``gc.parameters`` (running statistics, frozen weights).

    >>> import graphc as gc
    >>> gc.parameter("b", (10,))
    <parameter 'b': float32(10,)>
    """
    _check_name(name, "parameter")

    def refuse(message: str, remedy: str) -> GraphError:
        return GraphError(message, op="parameter", location=user_location(), remedy=remedy)

    if value is not None:
        if init is not None:
            raise refuse(f"{name!r} has both a value and an init", "give one of them")
        start = _checked_array(value, dtype, "parameter")
        if shape is not None and _declared_shape(shape, "parameter") != start.shape:
            raise refuse(
                f"{name!r} is declared {shape} but its value has shape {start.shape}", "leave out the shape"
            )
        declared: Shape = start.shape
        chosen = start.dtype
        init = start  # type: ignore[assignment]
    else:
        if shape is None:
            raise refuse(f"{name!r} has neither a shape nor a value", "give shape=(…) or value=array")
        declared = _declared_shape(shape, "parameter")
        if symbols_of(declared):
            raise ShapeError(
                f"{name!r} has the symbolic shape {format_shape(declared)}",
                op="parameter",
                location=user_location(),
                remedy="the sizes of a parameter must be ints, since its array is made before the first call",
            )
        chosen = _checked_dtype("float32" if dtype is None else dtype, "parameter")
    full = qualified(name)
    return apply(
        PARAMETER, (), full, name=full, shape=declared, dtype=chosen, init=init, trainable=bool(trainable)
    )


def _checked_array(value: object, dtype: object, op: str) -> np.ndarray[Any, Any]:
    """A read-only array of a supported dtype, copied so that later writes cannot change the graph."""
    if isinstance(value, Tensor):
        raise GraphError(
            f"an array is needed, but the symbolic {value!r} was given", op=op, location=user_location(),
            remedy="use the tensor itself, or compile and call it to get an array",
        )  # fmt: skip
    try:
        array = np.array(value, dtype=None if dtype is None else _checked_dtype(dtype, op))
    except (ValueError, TypeError) as error:
        raise GraphError(
            f"{type(value).__name__} is no array: {error}", op=op, location=user_location(),
            remedy="give numbers, a nested list of numbers, or a NumPy array",
        ) from None  # fmt: skip
    if array.dtype not in SUPPORTED:
        raise DTypeError(
            f"values of dtype {array.dtype} are not supported", op=op, location=user_location(),
            remedy="convert to a real number dtype first",
        )  # fmt: skip
    array.flags.writeable = False
    return array


def constant(value: object, dtype: object = None, name: str | None = None) -> Tensor:
    """A fixed array as a node. A bare Python number stays weak: it takes the dtype of its partner.

    >>> import graphc as gc
    >>> (gc.constant(2.0) * gc.input("x", (3,))).dtype
    dtype('float32')
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, sympy.Expr):
        return dimension_value(value, INT64 if dtype is None else dtype)
    weak = (
        dtype is None
        and isinstance(value, (int, float))
        and not isinstance(value, (bool, np.generic))  # np.float64 is a float, and strong
    )
    return apply(CONSTANT, (), name, value=_checked_array(value, dtype, "constant"), weak=weak)


def dimension_value(size: Dim, dtype: object = INT64) -> Tensor:
    """The value of a size as a 0-dimensional tensor: a constant where the size is an int."""
    chosen = as_dtype(dtype)
    size = as_dim(size)
    if isinstance(size, int):
        return apply(CONSTANT, (), value=_checked_array(size, chosen, "dimension"), weak=False)
    return apply(DIMENSION, (), value=size, dtype=chosen)


def filled(value: float, dtype: DType) -> Tensor:
    """A 0-dimensional constant of exactly this dtype, for the rules of other engines."""
    return apply(CONSTANT, (), value=_checked_array(value, dtype, "constant"), weak=False)


def arange(size: Dim | str, dtype: object = "int64") -> Tensor:
    """The integers 0, 1, …, size − 1; the size may be symbolic.

    >>> import graphc as gc
    >>> gc.arange("N")
    <arange: int64(N,)>
    """
    return apply(ARANGE, (), size=_declared_shape(size, "arange")[0], dtype=_checked_dtype(dtype, "arange"))


def _random(op: Op, shape: object, dtype: object) -> Tensor:
    chosen = _checked_dtype(dtype, op.name)
    if chosen not in (FLOAT32, np.dtype(np.float64)):
        raise DTypeError(
            f"draws of dtype {chosen} are not supported", op=op.name, location=user_location(),
            remedy='draw "float32" or "float64" and convert with astype',
        )  # fmt: skip
    return apply(op, (), shape=_declared_shape(shape, op.name), dtype=chosen)


def random_uniform(shape: object, dtype: object = "float32") -> Tensor:
    """Draws from [0, 1), new ones at every call; which ones follows from the function's ``seed``.

    >>> import graphc as gc
    >>> gc.random_uniform(("N", 3))
    <random_uniform: float32(N, 3)>
    """
    return _random(RANDOM_UNIFORM, shape, dtype)


def random_normal(shape: object, dtype: object = "float32") -> Tensor:
    """Draws from the standard normal distribution, new ones at every call, from the ``seed``.

    >>> import graphc as gc
    >>> gc.random_normal(("N", 3), "float64")
    <random_normal: float64(N, 3)>
    """
    return _random(RANDOM_NORMAL, shape, dtype)


def as_tensor(value: object) -> Tensor:
    """A tensor from a tensor, an array, a number, a nested list, or a symbolic size."""
    return value if isinstance(value, Tensor) else constant(value)


__all__ = ["arange", "constant", "current_scope", "input", "parameter", "random_normal", "random_uniform"]
