"""Values of graphs in 50 digits: a graph and exact values of its sources enter, its exact value leaves.

As real functions: where any step has no real value (1/0, log of 0, √ of −1), neither has what uses it,
save what ``where`` leaves out. The meaning of each op is written from its definition; nothing here knows of
normal forms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mpmath
import numpy as np

from graphc.errors import UnsupportedError
from graphc.ir.body import resolved
from graphc.ir.dtype import is_float
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops.sources import CONSTANT

Array = np.ndarray[Any, Any]
DIGITS = 50
# Of an exponent: beyond, what is left of 1 + exp(−x) after the 1 is lost needs ever more digits.
_LARGEST = 50.0
_LARGEST_ERF = 6.0
_LEAST, _GREATEST = mpmath.mpf("1e-40"), mpmath.mpf("1e60")
UNDEFINED = mpmath.nan


class Beyond(Exception):  # noqa: N818  (an answer, not a failure)
    """A value too large to be computed exactly."""


def exact_values(
    outputs: Sequence[Tensor],
    known: Mapping[Tensor, Array],
    sizes: Mapping[str, int],
    constants: Mapping[Tensor, Array] | None = None,
    digits: int = DIGITS,
) -> list[Array]:
    """The outputs, floats as arrays of mpmath numbers, NaN where undefined.

    ``constants`` may give other values to constants. Raises Beyond for values out of the range in which the
    digits hold: where 1 + exp(−1000) is 1 to all digits, what is left of it would be rounding. Raises
    UnsupportedError for ops without an exact meaning.
    """
    values: dict[Tensor, Array] = {}
    with mpmath.workdps(digits), np.errstate(all="ignore"):
        for node in topological_order(outputs, stop=known):
            if node in known:
                value = known[node]
            elif constants is not None and node in constants:
                value = constants[node]
            elif node.op is CONSTANT:
                value = constant_value(node)
            else:
                attrs = {k: resolved(v, sizes) for k, v in node.attrs.items()}
                value = _evaluated(node, attrs, [values[i] for i in node.inputs])
            values[node] = _numbers(value) if is_float(node.dtype) else np.asarray(value)
    return [values[o] for o in outputs]


def constant_value(node: Tensor) -> Array:
    """A constant, floats as what their shortest decimal forms say."""
    value = node.attrs["value"]
    return _each(lambda v: mpmath.mpf(str(v)), value) if is_float(node.dtype) else value


def is_undefined(value: Any) -> bool:
    return isinstance(value, mpmath.mpf) and bool(mpmath.isnan(value))


def _numbers(value: Any) -> Array:
    array = np.asarray(value)
    return _each(mpmath.mpf, array) if array.dtype != object or array.size else array


def _each(function: Callable[..., Any], *arrays: Any) -> Array:
    arrays = np.broadcast_arrays(*arrays)
    found = np.empty(arrays[0].shape, object)
    for place in np.ndindex(found.shape):
        arguments = [a[place] for a in arrays]
        arguments = [v.item() if isinstance(v, np.generic) else v for v in arguments]
        found[place] = _defined(function, arguments)
    return found


def _defined(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    if function is not mpmath.mpf and any(map(is_undefined, arguments)):
        return UNDEFINED
    try:
        value = function(*arguments)
    except (ZeroDivisionError, ValueError):
        return UNDEFINED
    except (OverflowError, MemoryError):
        raise Beyond from None
    if isinstance(value, mpmath.mpc):
        value = value.real if value.imag == 0 else UNDEFINED
    if isinstance(value, mpmath.mpf) and (_GREATEST < abs(value) < mpmath.inf or _is_lost(value)):
        raise Beyond
    return value


def _is_lost(value: Any) -> bool:
    """Whether it is so small that its product with another such is below the digits, and yet no rounding."""
    return bool(mpmath.mpf(10) ** (10 - mpmath.mp.dps) < abs(value) < _LEAST)


def _settled(difference: Any) -> Any:
    """What a sign is asked of: 0 or well away from it, for what lies between may be 0 before rounding."""
    if difference != 0 and abs(difference) < mpmath.mpf(10) ** (-mpmath.mp.dps // 2):
        raise Beyond
    return difference


def _evaluated(node: Tensor, attrs: Mapping[str, Any], inputs: list[Array]) -> Any:
    name = node.op.name
    if name == "where":
        return _chosen(*inputs)
    if name == "absorbing_multiply":
        return _absorbing(*inputs)
    if name == "astype":
        return _cast(node, inputs[0])
    if name.startswith("logical_"):
        return node.op.evaluate(attrs, *map(_truths, inputs))
    if name in _ELEMENTWISE and (
        is_float(node.inputs[0].dtype) or is_float(node.dtype) or len(node.inputs) > 1
    ):
        if node.dtype.kind == "b" and name not in _COMPARISONS:
            return node.op.evaluate(attrs, *map(_truths, inputs))
        found = _each(_ELEMENTWISE[name], *inputs)
        return found if is_float(node.dtype) else _native(found, node.dtype)
    if name in _ALONG_AXES and any(map(_is_object, inputs)):
        found = _ALONG_AXES[name](attrs, inputs[0])
        return found if is_float(node.dtype) else _native(found, node.dtype)
    if (
        name in ("max_pool", "window_index", "scan", "isnan", "isinf", "isfinite")
        or node.op.family == "random"
    ):
        raise UnsupportedError("has no exact meaning", op=name, location=node.location)
    if name == "mean":
        inputs = [_numbers(inputs[0])]
    return node.op.evaluate(attrs, *inputs)


def _is_object(array: Array) -> bool:
    return bool(array.dtype == object)


def _native(array: Array, dtype: Any = None) -> Array:
    """Truth values and integers as NumPy's, where all are defined."""
    if array.dtype != object or any(map(is_undefined, array.flat)):
        return array
    return np.array(array.tolist(), dtype).reshape(array.shape)


def _truths(array: Array) -> Array:
    return _native(_each(lambda v: _settled(v) != 0, array), bool) if _is_object(array) else array


def _chosen(condition: Array, x: Array, y: Array) -> Array:
    arrays = np.broadcast_arrays(condition, x, y)
    found = np.empty(arrays[0].shape, object)
    for place in np.ndindex(found.shape):
        c, left, right = (a[place] for a in arrays)
        found[place] = UNDEFINED if is_undefined(c) else left if c else right
    return found if any(map(_is_object, (condition, x, y))) else np.where(condition, x, y)


def _absorbing(x: Array, y: Array) -> Array:
    arrays = np.broadcast_arrays(x, y)
    found = np.empty(arrays[0].shape, object)
    for place in np.ndindex(found.shape):
        left, right = (a[place] for a in arrays)
        found[place] = left * right if is_undefined(left) or _settled(left) != 0 else mpmath.mpf(0)
    return found


def _whole(value: Any) -> int:
    return int(_floor(value) if value > 0 else -_floor(-value))


def _cast(node: Tensor, x: Array) -> Any:
    if is_float(node.dtype):
        return x
    if is_float(node.inputs[0].dtype):
        whole = (lambda v: _settled(v) != 0) if node.dtype.kind == "b" else _whole
        return _native(_each(whole, x), node.dtype)
    return x.astype(node.dtype) if x.dtype != object else x


# -- functions of numbers --------------------------------------------------------------------------------
def _exp(x: Any) -> Any:
    if abs(x) > _LARGEST:
        raise Beyond
    return mpmath.exp(x)


def _tanh(x: Any) -> Any:
    if abs(x) > _LARGEST:
        raise Beyond
    return mpmath.tanh(x)


def _erf(x: Any) -> Any:
    if abs(x) > _LARGEST_ERF:
        raise Beyond
    return mpmath.erf(x)


def _log(x: Any) -> Any:
    if _settled(x) <= 0:
        raise ValueError
    return mpmath.log(x)


def _power(x: Any, y: Any) -> Any:
    if _settled(x) < 0 and y != mpmath.floor(y):
        raise ValueError
    if x == 0 and y < 0:
        raise ZeroDivisionError
    if isinstance(x, int) and isinstance(y, int):
        return x**y
    if x != 0 and abs(y * mpmath.log(abs(x))) > _LARGEST:
        raise Beyond
    return mpmath.power(x, y)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + _exp(-x)) if x > 0 else _exp(x) / (1 + _exp(x))


def _floor(x: Any) -> Any:
    _settled(x - mpmath.nint(x))
    return mpmath.floor(x)


def _round(x: Any) -> Any:
    _settled(x - mpmath.floor(x) - mpmath.mpf("0.5"))
    return mpmath.nint(x)


def _floor_divide(x: Any, y: Any) -> Any:
    return x // y if isinstance(x, int) and isinstance(y, int) else _floor(mpmath.mpf(x) / _settled(y))


def _cbrt(x: Any) -> Any:
    return mpmath.sign(x) * mpmath.cbrt(abs(x))


def _clip(x: Any, low: Any, high: Any) -> Any:
    return min(max(x, low), high)


def _inside(x: Any) -> Any:
    """An argument that is at ±1 or well away from it."""
    _settled(abs(x) - 1)
    return x


def _atanh(x: Any) -> Any:
    if _settled(abs(x) - 1) >= 0:
        raise ValueError
    return mpmath.atanh(x)


_COMPARISONS: dict[str, Callable[..., Any]] = {
    "equal": lambda x, y: _settled(x - y) == 0,
    "not_equal": lambda x, y: _settled(x - y) != 0,
    "less": lambda x, y: _settled(x - y) < 0,
    "less_equal": lambda x, y: _settled(x - y) <= 0,
    "greater": lambda x, y: _settled(x - y) > 0,
    "greater_equal": lambda x, y: _settled(x - y) >= 0,
}
_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    **_COMPARISONS,
    "negative": lambda x: -x, "abs": abs, "sign": lambda x: mpmath.sign(_settled(x)), "floor": _floor,
    "ceil": lambda x: -_floor(-x), "round": _round,
    "trunc": lambda x: _floor(x) if x > 0 else -_floor(-x),
    "exp": _exp, "exp2": lambda x: _power(mpmath.mpf(2), x), "expm1": lambda x: _exp(x) - 1,
    "log": _log, "log2": lambda x: _log(x) / mpmath.log(2), "log10": lambda x: _log(x) / mpmath.log(10),
    "log1p": lambda x: _log(1 + mpmath.mpf(x)), "sqrt": lambda x: mpmath.sqrt(_settled(x)), "cbrt": _cbrt,
    "square": lambda x: x * x, "reciprocal": lambda x: 1 / _settled(x),
    "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan,
    "arcsin": lambda x: mpmath.asin(_inside(x)), "arccos": lambda x: mpmath.acos(_inside(x)),
    "arctan": mpmath.atan,
    "sinh": lambda x: (_exp(x) - _exp(-x)) / 2, "cosh": lambda x: (_exp(x) + _exp(-x)) / 2, "tanh": _tanh,
    "arcsinh": mpmath.asinh, "arccosh": lambda x: mpmath.acosh(_inside(x)), "arctanh": _atanh, "erf": _erf,
    "sigmoid": _sigmoid, "softplus": lambda x: mpmath.log(1 + _exp(x)), "relu": lambda x: max(x, 0),
    "stop_gradient": lambda x: x,
    "add": lambda x, y: x + y, "subtract": lambda x, y: x - y, "multiply": lambda x, y: x * y,
    "divide": lambda x, y: mpmath.mpf(x) / _settled(y), "floor_divide": _floor_divide,
    "remainder": lambda x, y: x - y * _floor_divide(x, y), "power": _power,
    "maximum": max, "minimum": min, "arctan2": lambda y, x: mpmath.atan2(_settled(y), x),
    "hypot": lambda x, y: mpmath.sqrt(mpmath.mpf(x) ** 2 + mpmath.mpf(y) ** 2),
    "logaddexp": lambda x, y: mpmath.log(_exp(x) + _exp(y)), "clip": _clip,
}  # fmt: skip


# -- functions along axes ----------------------------------------------------------------------------------
def _reduced(function: Callable[[list[Any]], Any]) -> Callable[[Mapping[str, Any], Array], Array]:
    def along(attrs: Mapping[str, Any], x: Array) -> Array:
        axis = attrs["axis"]
        axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        rest = [a for a in range(x.ndim) if a not in axes]
        moved = x.transpose([*rest, *axes])
        found = np.empty([x.shape[a] for a in rest], object)
        for place in np.ndindex(found.shape):
            found[place] = _defined(function, [list(np.asarray(moved[place], object).flat)])
            if any(map(is_undefined, np.asarray(moved[place], object).flat)):
                found[place] = UNDEFINED
        if attrs.get("keepdims"):
            found = found.reshape([1 if a in axes else s for a, s in enumerate(x.shape)])
        return found

    return along


def _total(values: list[Any]) -> Any:
    return mpmath.log(sum(map(_exp, values), mpmath.mpf(0))) if values else UNDEFINED


_logsumexp = _reduced(_total)


def _log_softmax(attrs: Mapping[str, Any], x: Array) -> Array:
    return np.asarray(x - _logsumexp({"axis": attrs["axis"], "keepdims": True}, x))


def _softmax(attrs: Mapping[str, Any], x: Array) -> Array:
    return _each(_exp, _log_softmax(attrs, x))


def _first(least: Callable[..., Any]) -> Callable[[list[Any]], int]:
    def place(values: list[Any]) -> int:
        best = least(values)
        for value in values:
            _settled(value - best)
        return values.index(best)

    return place


_ALONG_AXES: dict[str, Callable[[Mapping[str, Any], Array], Array]] = {
    "max": _reduced(max), "min": _reduced(min), "prod": _reduced(lambda v: mpmath.fprod(v)),
    "any": _reduced(lambda v: any(_settled(e) != 0 for e in v)),
    "all": _reduced(lambda v: all(_settled(e) != 0 for e in v)),
    "argmax": _reduced(_first(max)), "argmin": _reduced(_first(min)),
    "logsumexp": _logsumexp, "softmax": _softmax, "log_softmax": _log_softmax,
}  # fmt: skip
