"""NumPy's own functions on graphc tensors: a call such as ``np.exp(x)`` enters, graphc's node leaves.

Plugs the functions of this package into the sockets of ``ir.operators``: Python's operators and methods
into OPERATORS, NumPy's functions and ufuncs into NUMPY_FUNCTIONS.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import DTypeError, UnsupportedError
from graphc.ir.dimension import element_count, simplified
from graphc.ir.dtype import BOOL
from graphc.ir.operators import NUMPY_FUNCTIONS, OPERATORS
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops import (
    arrangement,
    creation,
    elementwise,
    indexing,
    linear_algebra,
    padding,
    reductions,
    shape,
    signal,
    subscript,
)
from graphc.ops.sources import as_tensor

Function = Callable[..., Any]


def _bitwise(function: Function, sign: str) -> Function:
    """``&``, ``|``, ``^`` and ``~``: logic on bools; on integers NumPy would work bit by bit."""

    def checked(*operands: object) -> Tensor:
        for operand in map(as_tensor, operands):
            if operand.dtype != BOOL:
                raise DTypeError(
                    f"an operand has dtype {operand.dtype}, and graphc has no bitwise operations",
                    op=sign, location=user_location(),
                    remedy=f"compare first, or use gc.{function.__name__} for the truth of numbers",
                )  # fmt: skip
        return function(*operands)  # type: ignore[no-any-return]

    return checked


_AND = _bitwise(elementwise.logical_and, "&")
_OR = _bitwise(elementwise.logical_or, "|")
_XOR = _bitwise(elementwise.logical_xor, "^")
_NOT = _bitwise(elementwise.logical_not, "~")


def _round(x: object, decimals: int = 0) -> Tensor:
    if decimals != 0:
        raise UnsupportedError(
            f"rounding to {decimals} decimals is not supported", op="round", location=user_location(),
            remedy="scale, round, and scale back: gc.round(x * 100) / 100",
        )  # fmt: skip
    return elementwise.round(x)


def _where(condition: object, x: object = None, y: object = None) -> Tensor:
    if x is None or y is None:
        raise UnsupportedError(
            "with a condition alone numpy.where gives a result whose size depends on values",
            op="where", location=user_location(), remedy="give both values: np.where(condition, x, y)",
        )  # fmt: skip
    return elementwise.where(condition, x, y)


# Python's operators, indexing and methods of a tensor.
_OPERATORS: dict[str, Function] = {
    **{
        f.__name__: f
        for f in (
            elementwise.add, elementwise.subtract, elementwise.multiply, elementwise.divide,
            elementwise.floor_divide, elementwise.remainder, elementwise.power, elementwise.negative,
            elementwise.abs, elementwise.equal, elementwise.not_equal, elementwise.less,
            elementwise.less_equal, elementwise.greater, elementwise.greater_equal, elementwise.astype,
            elementwise.clip, linear_algebra.matmul, linear_algebra.dot, linear_algebra.diagonal,
            linear_algebra.trace, reductions.sum, reductions.mean, reductions.prod, reductions.max,
            reductions.min, reductions.var, reductions.std, reductions.any, reductions.all,
            reductions.argmax, reductions.argmin, reductions.cumsum, shape.reshape, shape.transpose,
            shape.squeeze, shape.swapaxes, arrangement.repeat, indexing.take, subscript.getitem,
        )
    },
    "logical_and": _AND,
    "logical_or": _OR,
    "logical_xor": _XOR,
    "logical_not": _NOT,
    "round": _round,
    "element_count": lambda sizes: simplified(element_count(sizes)),
}  # fmt: skip

_UFUNCS: dict[np.ufunc, Function] = {
    op.ufunc: getattr(elementwise, op.name)
    for op in elementwise.OPS
    if op.ufunc is not None and hasattr(elementwise, op.name)
}
_UFUNCS |= {
    np.matmul: linear_algebra.matmul,
    np.positive: as_tensor,
    np.bitwise_and: _AND,
    np.bitwise_or: _OR,
    np.bitwise_xor: _XOR,
    np.invert: _NOT,
}

# NumPy's function: graphc's, and NumPy's argument names where graphc's differ.
_FUNCTIONS: dict[Any, tuple[Function, dict[str, str]]] = {
    np.sum: (reductions.sum, {"a": "x"}),
    np.mean: (reductions.mean, {"a": "x"}),
    np.prod: (reductions.prod, {"a": "x"}),
    np.max: (reductions.max, {"a": "x"}),
    np.min: (reductions.min, {"a": "x"}),
    np.amax: (reductions.max, {"a": "x"}),
    np.amin: (reductions.min, {"a": "x"}),
    np.any: (reductions.any, {"a": "x"}),
    np.all: (reductions.all, {"a": "x"}),
    np.argmax: (reductions.argmax, {"a": "x"}),
    np.argmin: (reductions.argmin, {"a": "x"}),
    np.cumsum: (reductions.cumsum, {"a": "x"}),
    np.var: (reductions.var, {"a": "x"}),
    np.std: (reductions.std, {"a": "x"}),
    np.clip: (elementwise.clip, {"a": "x", "a_min": "low", "a_max": "high", "min": "low", "max": "high"}),
    np.round: (_round, {"a": "x"}),
    np.around: (_round, {"a": "x"}),
    np.where: (_where, {}),
    np.dot: (linear_algebra.dot, {"a": "x", "b": "y"}),
    np.inner: (linear_algebra.inner, {"a": "x", "b": "y"}),
    np.vdot: (linear_algebra.vdot, {"a": "x", "b": "y"}),
    np.outer: (linear_algebra.outer, {"a": "x", "b": "y"}),
    np.kron: (linear_algebra.kron, {"a": "x", "b": "y"}),
    np.tensordot: (linear_algebra.tensordot, {"a": "x", "b": "y"}),
    np.trace: (linear_algebra.trace, {"a": "x"}),
    np.diagonal: (linear_algebra.diagonal, {"a": "x"}),
    np.reshape: (shape.reshape, {"a": "x"}),
    np.ravel: (lambda x: shape.reshape(x, (-1,)), {"a": "x"}),
    np.transpose: (shape.transpose, {"a": "x"}),
    np.broadcast_to: (shape.broadcast_to, {"array": "x"}),
    np.concatenate: (shape.concatenate, {"arrays": "tensors"}),
    np.flip: (shape.flip, {"m": "x"}),
    np.expand_dims: (shape.expand_dims, {"a": "x"}),
    np.squeeze: (shape.squeeze, {"a": "x"}),
    np.moveaxis: (shape.moveaxis, {"a": "x"}),
    np.swapaxes: (shape.swapaxes, {"a": "x"}),
    np.stack: (arrangement.stack, {"arrays": "tensors"}),
    np.split: (arrangement.split, {"ary": "x"}),
    np.array_split: (arrangement.array_split, {"ary": "x"}),
    np.tile: (arrangement.tile, {"A": "x"}),
    np.repeat: (arrangement.repeat, {"a": "x"}),
    np.roll: (arrangement.roll, {"a": "x"}),
    np.pad: (padding.pad, {"array": "x"}),
    np.tril: (arrangement.tril, {"m": "x"}),
    np.triu: (arrangement.triu, {"m": "x"}),
    np.take: (indexing.take, {"a": "x"}),
    np.convolve: (signal.convolve, {}),
    np.correlate: (signal.correlate, {}),
    np.take_along_axis: (indexing.take_along_axis, {"arr": "x"}),
    np.zeros_like: (creation.zeros_like, {"a": "x"}),
    np.ones_like: (creation.ones_like, {"a": "x"}),
    np.full_like: (creation.full_like, {"a": "x", "fill_value": "value"}),
    np.shape: (lambda x: x.shape, {"a": "x"}),
    np.ndim: (lambda x: x.ndim, {"a": "x"}),
    np.size: (lambda x: x.size, {"a": "x"}),
}


def _signature(function: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except ValueError:  # NumPy's functions written in C have none
        return None


def _answer(numpy_function: Any, function: Function, names: dict[str, str]) -> Function:
    """graphc's function under NumPy's signature; arguments left at their defaults are not passed on.

    ``np.sum(x, 0, None, None, True)`` binds axis 0 and keepdims; an argument that graphc's function has
    no counterpart for, such as ``out=``, is refused by name.
    """
    signature = _signature(numpy_function)
    known = inspect.signature(function).parameters

    def call(*args: Any, **kwargs: Any) -> Any:
        given = dict(kwargs)
        if signature is not None:
            bound = signature.bind(*args, **kwargs)
            defaults = {n: p.default for n, p in signature.parameters.items()}
            given = {
                n: v for n, v in bound.arguments.items() if v is not defaults[n] and v is not np._NoValue
            }
            given.update(given.pop("kwargs", {}))
            args = ()
        renamed = {names.get(n, n): v for n, v in given.items()}
        _refuse_unknown(numpy_function, [n for n in given if names.get(n, n) not in known])
        return function(*args, **renamed)

    return call


def _refuse_unknown(numpy_function: Any, unknown: list[str]) -> None:
    if unknown:
        raise UnsupportedError(
            f"the argument {unknown[0]}= of numpy.{numpy_function.__name__} "
            "has no meaning on a symbolic tensor",
            op=numpy_function.__name__, location=user_location(),
            remedy="leave it out; nodes are immutable, so a result is always a new tensor",
        )  # fmt: skip


def _ufunc_answer(ufunc: np.ufunc, function: Function) -> Function:
    def call(*inputs: Any, **kwargs: Any) -> Any:
        _refuse_unknown(ufunc, list(kwargs))
        return function(*inputs)

    return call


def _einsum(*operands: Any, **options: Any) -> Tensor:
    options.pop("optimize", None)  # how to contract is the compiler's choice
    _refuse_unknown(np.einsum, list(options))
    if not isinstance(operands[0], str):
        raise UnsupportedError(
            "the form with lists of axis numbers is not supported", op="einsum", location=user_location(),
            remedy='write the equation as a string, e.g. np.einsum("ij,jk->ik", a, b)',
        )  # fmt: skip
    return linear_algebra.einsum(*operands)


def install() -> None:
    """Fill the sockets; done once, when ``graphc.ops`` is imported."""
    OPERATORS.update(_OPERATORS)
    NUMPY_FUNCTIONS.update({ufunc: _ufunc_answer(ufunc, f) for ufunc, f in _UFUNCS.items()})
    NUMPY_FUNCTIONS.update({f: _answer(f, ours, names) for f, (ours, names) in _FUNCTIONS.items()})
    NUMPY_FUNCTIONS[np.einsum] = _einsum
