"""Reductions: axes enter, one number for them leaves (or, for the scans and softmax, one for each place).

``axis=None`` means all axes. Dtypes are NumPy's: small integers are summed as int64, a mean of integers
is float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir.build import apply
from graphc.ir.dimension import Shape, element_count, format_shape, larger, same, simplified
from graphc.ir.dtype import BOOL, INT64, DType, ufunc_dtypes
from graphc.ir.op import Attrs, Op
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import Axes, integer, one_axis, several_axes
from graphc.ops.elementwise import divide, sqrt, square, subtract
from graphc.ops.shape import reshape
from graphc.ops.sources import as_tensor, dimension_value

Array = np.ndarray[Any, Any]


# -- rules -----------------------------------------------------------------------------------------
@cache
def _reduced_dtype(function: Callable[..., Any], dtype: DType) -> DType:
    """The dtype NumPy gives the reduction, asked of NumPy on one element."""
    found: DType = function(np.ones(1, dtype)).dtype
    return found


def _reduced_shape(shape: Shape, attrs: Attrs) -> Shape:
    axes = attrs["axis"]
    if axes is None:
        axes = range(len(shape))
    elif isinstance(axes, int):
        axes = (axes,)
    gone = set(axes)
    if attrs["keepdims"]:
        return tuple([1 if a in gone else s for a, s in enumerate(shape)])
    return tuple([s for a, s in enumerate(shape) if a not in gone])


def _reduction(
    name: str,
    function: Callable[..., Any],
    evaluate: Callable[..., Array] | None = None,
    *,
    dtype: DType | None = None,
) -> Op:
    def infer(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
        (x,) = inputs
        return _reduced_shape(x.shape, attrs), dtype or _reduced_dtype(function, x.dtype)

    chosen = evaluate or function
    return Op(
        name, "reduction", infer, lambda attrs, x: chosen(x, axis=attrs["axis"], keepdims=attrs["keepdims"])
    )


def _choice(name: str, function: Callable[..., Any], *, dtype: DType | None = None) -> Op:
    """A reduction that picks an element and so has no value for none, save where ``initial`` gives one."""

    def infer(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
        (x,) = inputs
        axes = attrs["axis"]
        for axis in range(x.ndim) if axes is None else (axes,) if isinstance(axes, int) else axes:
            if same(x.shape[axis], 0) and "initial" not in attrs:
                raise ShapeError(
                    f"axis {axis} of shape {format_shape(x.shape)} is empty: it has no {name}",
                    remedy="reduce over axes that have elements, or concatenate a default first",
                )
        return _reduced_shape(x.shape, attrs), dtype or x.dtype

    return Op(name, "reduction", infer, lambda attrs, x: function(x, **attrs))


def _float_dtype(inputs: tuple[Tensor, ...]) -> DType:
    return ufunc_dtypes(np.exp, (inputs[0].dtype,))[-1]


def _infer_softmax(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    return inputs[0].shape, _float_dtype(inputs)


# -- meanings --------------------------------------------------------------------------------------
def _real(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the real parts: what it has no derivative in, a complex step must not see."""
    return lambda x, **options: function(np.real(x), **options)


def _as_float(x: Array) -> Array:
    return x if x.dtype.kind in "fc" else x.astype(np.exp.resolve_dtypes((x.dtype, None))[-1])


def _peak(x: Array, axis: Any) -> Array:
    """The largest real part along the axes, kept as axes of size 1; −∞ where there are no elements."""
    peak: Array = np.max(np.real(x), axis=axis, keepdims=True, initial=-np.inf)
    return peak


def _logsumexp(x: Array, axis: Any, keepdims: bool) -> Array:
    x = _as_float(x)
    peak = _peak(x, axis)
    peak = np.where(np.isfinite(peak), peak, np.zeros_like(peak))  # ∞ − ∞ would be NaN
    value = np.log(np.sum(np.exp(x - peak), axis=axis, keepdims=True)) + peak
    return np.asarray(value if keepdims else np.squeeze(value, axis=axis))


def _softmax(x: Array, axis: int) -> Array:
    x = _as_float(x)
    powers = np.exp(x - _peak(x, axis))
    return np.asarray(powers / np.sum(powers, axis=axis, keepdims=True))


def _log_softmax(x: Array, axis: int) -> Array:
    x = _as_float(x)
    shifted = x - _peak(x, axis)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)))


SUM = _reduction("sum", np.sum)
MEAN = _reduction("mean", np.mean)
PROD = _reduction("prod", np.prod)
MAX = _choice("max", np.max)
MIN = _choice("min", np.min)
ANY = _reduction("any", np.any, _real(np.any), dtype=BOOL)
ALL = _reduction("all", np.all, _real(np.all), dtype=BOOL)
ARGMAX = _choice("argmax", _real(np.argmax), dtype=INT64)
ARGMIN = _choice("argmin", _real(np.argmin), dtype=INT64)
CUMSUM = Op(
    "cumsum",
    "reduction",
    lambda inputs, attrs: (inputs[0].shape, _reduced_dtype(np.cumsum, inputs[0].dtype)),
    lambda attrs, x: np.cumsum(x, axis=attrs["axis"]),
)
LOGSUMEXP = Op(
    "logsumexp",
    "reduction",
    lambda inputs, attrs: (_reduced_shape(inputs[0].shape, attrs), _float_dtype(inputs)),
    lambda attrs, x: _logsumexp(x, attrs["axis"], attrs["keepdims"]),
)
SOFTMAX = Op("softmax", "reduction", _infer_softmax, lambda attrs, x: _softmax(x, attrs["axis"]))
LOG_SOFTMAX = Op("log_softmax", "reduction", _infer_softmax, lambda attrs, x: _log_softmax(x, attrs["axis"]))

OPS = (
    SUM, MEAN, PROD, MAX, MIN, ANY, ALL, ARGMAX, ARGMIN, CUMSUM, LOGSUMEXP, SOFTMAX, LOG_SOFTMAX,
)  # fmt: skip


# -- functions -------------------------------------------------------------------------------------
def _over_axes(op: Op, x: object, axis: Axes, keepdims: bool) -> Tensor:
    x = as_tensor(x)
    axes = tuple(sorted(several_axes(axis, x.ndim, op.name)))
    return apply(op, (x,), axis=axes, keepdims=bool(keepdims))


def _over_one(op: Op, x: object, axis: int | None, keepdims: bool) -> Tensor:
    x = as_tensor(x)
    chosen = None if axis is None else one_axis(axis, x.ndim, op.name)
    return apply(op, (x,), axis=chosen, keepdims=bool(keepdims))


def sum(x: object, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The sum over axes; integers and bools are summed as 64-bit integers.

    >>> import graphc as gc
    >>> gc.sum(gc.input("x", ("N", 3)), axis=1)
    <sum: float32(N,)>
    """
    return _over_axes(SUM, x, axis, keepdims)


def mean(x: object, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The arithmetic mean over axes; of integers in float64, of no elements NaN.

    >>> import graphc as gc
    >>> gc.mean(gc.input("x", ("N", 3)), axis=0, keepdims=True)
    <mean: float32(1, 3)>
    """
    return _over_axes(MEAN, x, axis, keepdims)


def prod(x: object, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The product over axes; integers and bools are multiplied as 64-bit integers.

    >>> import graphc as gc
    >>> gc.prod(gc.input("x", (2, 3)))
    <prod: float32()>
    """
    return _over_axes(PROD, x, axis, keepdims)


def max(x: object, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The largest element over axes; a tie shares the derivative evenly. NaN wins.

    Raises ShapeError over an axis that is known to be empty.

    >>> import graphc as gc
    >>> gc.max(gc.input("x", ("N", 3)), axis=1)
    <max: float32(N,)>
    """
    return _over_axes(MAX, x, axis, keepdims)


def peak(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The largest element over axes, kept as axes of size 1; −∞ where there turn out to be no elements."""
    if [a for a in axes if not isinstance(x.shape[a], int)]:
        return apply(MAX, (x,), axis=axes, keepdims=True, initial=-math.inf)
    return max(x, axis=axes, keepdims=True)


def min(x: object, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The smallest element over axes; a tie shares the derivative evenly. NaN wins.

    Raises ShapeError over an axis that is known to be empty.

    >>> import graphc as gc
    >>> gc.min(gc.input("x", ("N", 3)), axis=(0, 1))
    <min: float32()>
    """
    return _over_axes(MIN, x, axis, keepdims)


def any(x: object, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether any element over axes is true or nonzero.

    >>> import graphc as gc
    >>> gc.any(gc.input("x", (2, 3)) > 0, axis=0)
    <any: bool(3,)>
    """
    return _over_axes(ANY, x, axis, keepdims)


def all(x: object, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether all elements over axes are true or nonzero; true of no elements.

    >>> import graphc as gc
    >>> gc.all(gc.isfinite(gc.input("x", (2, 3))))
    <all: bool()>
    """
    return _over_axes(ALL, x, axis, keepdims)


def argmax(x: object, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The int64 index of the first largest element along an axis, or among all elements in C order.

    >>> import graphc as gc
    >>> gc.argmax(gc.input("x", ("N", 10)), axis=1)
    <argmax: int64(N,)>
    """
    return _over_one(ARGMAX, x, axis, keepdims)


def argmin(x: object, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The int64 index of the first smallest element along an axis, or among all elements in C order.

    >>> import graphc as gc
    >>> gc.argmin(gc.input("x", ("N", 10)), axis=1, keepdims=True)
    <argmin: int64(N, 1)>
    """
    return _over_one(ARGMIN, x, axis, keepdims)


def cumsum(x: object, axis: int | None = None) -> Tensor:
    """The sums of the elements up to each place along an axis, or of all elements in C order.

    >>> import graphc as gc
    >>> gc.cumsum(gc.input("x", ("N", 3)), axis=0)
    <cumsum: float32(N, 3)>
    """
    x = as_tensor(x)
    if axis is None:
        return apply(CUMSUM, (x if x.ndim == 1 else reshape(x, (-1,)),), axis=0)
    return apply(CUMSUM, (x,), axis=one_axis(axis, x.ndim, "cumsum"))


def logsumexp(x: object, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """log Σ exp(x) over axes, free of overflow; −∞ of no elements.

    >>> import graphc as gc
    >>> gc.logsumexp(gc.input("x", ("N", 10)), axis=1)
    <logsumexp: float32(N,)>
    """
    return _over_axes(LOGSUMEXP, x, axis, keepdims)


def softmax(x: object, axis: int = -1) -> Tensor:
    """exp(x) / Σ exp(x) along an axis, free of overflow.

    >>> import graphc as gc
    >>> gc.softmax(gc.input("x", ("N", 10)), axis=1)
    <softmax: float32(N, 10)>
    """
    x = as_tensor(x)
    return apply(SOFTMAX, (x,), axis=one_axis(axis, x.ndim, "softmax"))


def log_softmax(x: object, axis: int = -1) -> Tensor:
    """x − log Σ exp(x) along an axis, free of overflow and of the logarithm of 0.

    >>> import graphc as gc
    >>> gc.log_softmax(gc.input("x", ("N", 10)), axis=1)
    <log_softmax: float32(N, 10)>
    """
    x = as_tensor(x)
    return apply(LOG_SOFTMAX, (x,), axis=one_axis(axis, x.ndim, "log_softmax"))


def var(x: object, axis: Axes = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """The variance over axes: Σ(x − mean)² / (n − ddof); NaN where n ≤ ddof.

    >>> import graphc as gc
    >>> gc.var(gc.input("x", ("N", 3)), axis=0, ddof=1).shape
    (3,)
    """
    x = as_tensor(x)
    axes = several_axes(axis, x.ndim, "var")
    deviation = square(subtract(x, mean(x, axes, keepdims=True)))
    freedom = integer(ddof, "ddof", "var")
    if freedom == 0:
        return mean(deviation, axes, keepdims)
    count = larger(simplified(element_count([x.shape[a] for a in axes]) - freedom), 0)
    return divide(sum(deviation, axes, keepdims), dimension_value(count, deviation.dtype))


def std(x: object, axis: Axes = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation over axes: the root of ``var``.

    >>> import graphc as gc
    >>> gc.std(gc.input("x", ("N", 3)), axis=0).shape
    (3,)
    """
    return sqrt(var(x, axis, ddof, keepdims))
