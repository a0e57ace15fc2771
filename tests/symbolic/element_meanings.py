"""The meaning of every op, element by element: attributes and arrays of expressions enter, an array leaves.

Written from the definitions in loops over indices, for the element oracle; nothing here knows how an op is
differentiated. What only moves elements is read off the op's meaning on an array of element numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import mpmath
import numpy as np
import sympy

import graphc as gc

Array = np.ndarray[Any, Any]
_DIGITS = 40


class Point:
    """The symbols of all elements, and the rational number each stands for."""

    def __init__(self) -> None:
        self.numbers: dict[sympy.Symbol, sympy.Expr] = {}

    def symbols(self, name: str, values: Array) -> Array:
        """An array of new symbols for the elements of an input."""
        found = np.empty(values.shape, object)
        for place in np.ndindex(values.shape):
            symbol = sympy.Symbol(f"{name}_{'_'.join(map(str, place))}", real=True)
            self.numbers[symbol] = _rational(values[place])
            found[place] = symbol
        return found

    def values(self, expressions: Array) -> Array:
        """What expressions are at the point, as high-precision numbers."""
        found = np.empty(expressions.shape, object)
        with mpmath.workdps(_DIGITS):
            function = sympy.lambdify(list(self.numbers), list(expressions.flat), "mpmath", cse=True)
            numbers = [mpmath.mpf(v.p) / v.q for v in self.numbers.values()]
            for place, value in zip(np.ndindex(found.shape), function(*numbers), strict=True):
                found[place] = mpmath.mpf(value)
        return found


def evaluated(
    node: gc.Tensor, attrs: Any, shape: tuple[int, ...], inputs: list[Array], point: Point
) -> Array:
    """The node's array from those of its inputs: expressions for floats, numbers for all else."""
    name = node.op.name
    exact = node.dtype.kind != "f"
    if name in _SOURCES or (exact and all(i.dtype != object for i in inputs)):
        value = np.asarray(node.op.evaluate(attrs, *inputs))
        return value if exact else _expressions(value)
    if name in _DECIDED:
        return np.asarray(
            node.op.evaluate(attrs, *(point.values(i) if i.dtype == object else i for i in inputs))
        )
    if name in _COMPARISONS:
        left, right = (point.values(_expressions(i)) for i in inputs)
        return np.asarray(_COMPARISONS[name](left, right), bool)
    if name in _MOVED:
        return _moved(node.op, attrs, inputs)
    if name in _FUNCTIONS:
        return _each(_FUNCTIONS[name], shape, [_expressions(i) for i in inputs])
    if name in _BRANCHED:
        arrays = [_expressions(i) for i in inputs]
        return _each(_BRANCHED[name], shape, arrays, [point.values(a) for a in arrays])
    return _RULES[name](attrs, shape, point, *inputs)


def _rational(value: Any) -> sympy.Expr:
    return sympy.Rational(float(value))


def _expressions(values: Array) -> Array:
    """Numbers as exact rationals."""
    if values.dtype == object:
        return values
    found = np.empty(values.shape, object)
    for place in np.ndindex(values.shape):
        value = values[place]
        finite = np.isfinite(value)
        found[place] = _rational(value) if finite else sympy.oo * int(np.sign(value))
    return found


def _each(function: Callable[..., Any], shape: tuple[int, ...], *arrays: list[Array]) -> Array:
    """A function of scalars at every place, the operands broadcast."""
    wide = [np.broadcast_to(a, shape) for many in arrays for a in many]
    found = np.empty(shape, object)
    for place in np.ndindex(shape):
        found[place] = sympy.sympify(function(*(a[place] for a in wide)))
    return found


# -- elements that only move -------------------------------------------------------------------------
def _moved(op: Any, attrs: Any, inputs: list[Array]) -> Array:
    """The op on element numbers, counted through all operands from 1; 0 is what it fills with."""
    pool: list[Any] = [_expressions(np.asarray(attrs.get("value", 0.0)))[()]]
    numbered = []
    for x in inputs:
        if op.name == "take" and numbered:
            numbered.append(x)
            continue
        numbered.append(np.arange(len(pool), len(pool) + x.size).reshape(x.shape))
        pool += list(_expressions(x).flat)
    places = op.evaluate({**attrs, "value": 0}, *numbered)
    found = np.empty(places.shape, object)
    for place in np.ndindex(places.shape):
        found[place] = pool[places[place]]
    return found


_SOURCES = {"constant", "dimension", "arange"}
_MOVED = {
    "reshape", "transpose", "broadcast_to", "slice", "flip", "window", "take", "pad", "embed", "concatenate",
}  # fmt: skip
_DECIDED = {"argmax", "argmin"}

# -- one element from one of each --------------------------------------------------------------------
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "negative": lambda x: -x,
    "exp": sympy.exp,
    "exp2": lambda x: sympy.Integer(2) ** x,
    "expm1": lambda x: sympy.exp(x) - 1,
    "log": sympy.log,
    "log2": lambda x: sympy.log(x) / sympy.log(2),
    "log10": lambda x: sympy.log(x) / sympy.log(10),
    "log1p": lambda x: sympy.log(1 + x),
    "sqrt": sympy.sqrt,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "arcsin": sympy.asin,
    "arccos": sympy.acos,
    "arctan": sympy.atan,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "arcsinh": sympy.asinh,
    "arccosh": sympy.acosh,
    "arctanh": sympy.atanh,
    "erf": sympy.erf,
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "absorbing_multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "power": lambda x, y: x**y,
    "arctan2": sympy.atan2,
    "hypot": lambda x, y: sympy.sqrt(x * x + y * y),
    "logaddexp": lambda x, y: sympy.log(sympy.exp(x) + sympy.exp(y)),
    "astype": lambda x: x,
}


def _chosen(wins: bool, ties: bool, x: Any, y: Any) -> Any:
    """x where it wins, and half of each of two equals."""
    return (x + y) / 2 if ties else x if wins else y


# The expressions, then their values at the point.
_BRANCHED: dict[str, Callable[..., Any]] = {
    "abs": lambda x, at: x * int(mpmath.sign(at)),
    "sign": lambda x, at: int(mpmath.sign(at)),
    "floor": lambda x, at: int(mpmath.floor(at)),
    "ceil": lambda x, at: int(mpmath.ceil(at)),
    "round": lambda x, at: int(mpmath.nint(at)),
    "trunc": lambda x, at: int(at),
    "cbrt": lambda x, at: int(mpmath.sign(at)) * (x * int(mpmath.sign(at))) ** sympy.Rational(1, 3),
    "relu": lambda x, at: x if at > 0 else 0,
    "stop_gradient": lambda x, at: _frozen(at),
    "maximum": lambda x, y, a, b: _chosen(a > b, a == b, x, y),
    "minimum": lambda x, y, a, b: _chosen(a < b, a == b, x, y),
    "floor_divide": lambda x, y, a, b: int(mpmath.floor(a / b)),
    "remainder": lambda x, y, a, b: x - y * int(mpmath.floor(a / b)),
    "clip": lambda x, low, high, at, a, b: low if at < a else high if at > b else x,
}


def _frozen(value: Any) -> sympy.Expr:
    return sympy.Float(value, _DIGITS)


# -- sums, products and choices over indices ---------------------------------------------------------
def _where(attrs: Any, shape: tuple[int, ...], point: Point, condition: Array, x: Array, y: Array) -> Array:
    return _each(lambda c, a, b: a if c else b, shape, [condition, _expressions(x), _expressions(y)])


def _total(elements: Any) -> Any:
    return sympy.Add(*elements)


def _reduction(combine: Callable[..., Any], decided: bool = False) -> Callable[..., Array]:
    """An op over ``axis`` from a function of the list of elements, and of their values where it decides."""

    def rule(attrs: Any, shape: tuple[int, ...], point: Point, x: Array) -> Array:
        x = _expressions(x)
        at = point.values(x) if decided else None
        axes = attrs["axis"]
        kept = [a for a in range(x.ndim) if a not in axes]
        found = np.empty([x.shape[a] for a in kept], object)
        for place in np.ndindex(found.shape):
            index: list[Any] = [slice(None)] * x.ndim
            for a, i in zip(kept, place, strict=True):
                index[a] = i
            arrays = [x] if at is None else [x, at]
            found[place] = sympy.sympify(combine(*(list(np.ravel(a[tuple(index)])) for a in arrays)))
        return found.reshape(shape)

    return rule


def _shared(best: Callable[[list[Any]], Any]) -> Callable[[list[Any], list[Any]], Any]:
    """The extreme element; k equal ones have 1/k each."""

    def combine(elements: list[Any], at: list[Any]) -> Any:
        equals = [x for x, value in zip(elements, at, strict=True) if value == best(at)]
        return _total(equals) / len(equals)

    return combine


def _along(function: Callable[[list[Any]], list[Any]]) -> Callable[..., Array]:
    """An op that makes a list of the elements along one axis of such a list."""

    def rule(attrs: Any, shape: tuple[int, ...], point: Point, x: Array) -> Array:
        moved = np.moveaxis(_expressions(x), attrs["axis"], -1)
        found = np.empty(moved.shape, object)
        for place in np.ndindex(moved.shape[:-1]):
            for k, value in enumerate(function(list(moved[place]))):
                found[(*place, k)] = value
        return np.moveaxis(found, -1, attrs["axis"])

    return rule


def _softmax(elements: list[Any]) -> list[Any]:
    return [sympy.exp(x) / _total(map(sympy.exp, elements)) for x in elements]


def _log_softmax(elements: list[Any]) -> list[Any]:
    return [x - sympy.log(_total(map(sympy.exp, elements))) for x in elements]


def _cumsum(elements: list[Any]) -> list[Any]:
    return [_total(elements[: k + 1]) for k in range(len(elements))]


def _einsum(attrs: Any, shape: tuple[int, ...], point: Point, *operands: Array) -> Array:
    left, output = attrs["equation"].split("->")
    terms = left.split(",")
    arrays = [_expressions(a) for a in operands]
    sizes = {
        letter: n for t, a in zip(terms, arrays, strict=True) for letter, n in zip(t, a.shape, strict=True)
    }
    parts: dict[tuple[int, ...], list[Any]] = {place: [] for place in np.ndindex(shape)}
    for numbers in product(*map(range, sizes.values())):
        index = dict(zip(sizes, numbers, strict=True))
        factors = [a[tuple(index[c] for c in t)] for t, a in zip(terms, arrays, strict=True)]
        parts[tuple(index[c] for c in output)].append(sympy.Mul(*factors))
    return _filled(shape, parts)


def _filled(shape: tuple[int, ...], parts: Mapping[tuple[int, ...], list[Any]]) -> Array:
    """An array whose elements are the sums of what was collected for each place."""
    found = np.empty(shape, object)
    for place in np.ndindex(shape):
        found[place] = _total(parts.get(place, []))
    return found


def _matmul(attrs: Any, shape: tuple[int, ...], point: Point, x: Array, y: Array) -> Array:
    x, y = _expressions(x), _expressions(y)
    left = x[None, :] if x.ndim == 1 else x
    right = y[:, None] if y.ndim == 1 else y
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, batch + left.shape[-2:])
    right = np.broadcast_to(right, batch + right.shape[-2:])
    found = np.empty((*batch, left.shape[-2], right.shape[-1]), object)
    for *before, i, j in np.ndindex(found.shape):
        rows, columns = left[tuple(before)], right[tuple(before)]
        found[(*before, i, j)] = _total(rows[i, k] * columns[k, j] for k in range(left.shape[-1]))
    return found.reshape(shape)


def _trilinear(attrs: Any, x: Any, w: Any, u: Any) -> Any:
    """Every (element of x, element of w, element of u) that meet: x at stride·p + dilation·r − padding."""
    groups = attrs["groups"]
    for o, c, *r in np.ndindex(*w):
        group = o // (w[0] // groups)
        for n, *p in np.ndindex(u[0], *u[2:]):
            place = [
                s * a + d * b - before
                for s, a, d, b, (before, _) in zip(
                    attrs["stride"], p, attrs["dilation"], r, attrs["padding"], strict=True
                )
            ]
            if all(0 <= i < size for i, size in zip(place, x[2:], strict=True)):
                yield (n, group * w[1] + c, *place), (o, c, *r), (n, o, *p)


def _met(
    attrs: Any, shapes: tuple[Any, Any, Any], known: dict[int, Array], missing: int, shape: tuple[int, ...]
) -> Array:
    """Of the trilinear form with arguments 0 (x), 1 (w), 2 (u), the one that is missing."""
    parts: dict[tuple[int, ...], list[Any]] = {}
    for places in _trilinear(attrs, *shapes):
        value = sympy.Mul(*(array[places[k]] for k, array in known.items()))
        parts.setdefault(places[missing], []).append(value)
    return _filled(shape, parts)


def _convolution(attrs: Any, shape: tuple[int, ...], point: Point, x: Array, w: Array) -> Array:
    return _met(attrs, (x.shape, w.shape, shape), {0: _expressions(x), 1: _expressions(w)}, 2, shape)


def _transposed(attrs: Any, shape: tuple[int, ...], point: Point, u: Array, w: Array) -> Array:
    return _met(attrs, (shape, w.shape, u.shape), {2: _expressions(u), 1: _expressions(w)}, 0, shape)


def _filter(attrs: Any, shape: tuple[int, ...], point: Point, x: Array, u: Array) -> Array:
    return _met(attrs, (x.shape, shape, u.shape), {0: _expressions(x), 2: _expressions(u)}, 1, shape)


def _fold(attrs: Any, shape: tuple[int, ...], point: Point, y: Array) -> Array:
    axes = attrs["axes"]
    rank = y.ndim - len(axes)
    parts: dict[tuple[int, ...], list[Any]] = {}
    for place in np.ndindex(y.shape):
        target = list(place[:rank])
        for number, axis in enumerate(axes):
            target[axis] = (
                attrs["stride"][number] * place[axis] + attrs["dilation"][number] * place[rank + number]
            )
        parts.setdefault(tuple(target), []).append(_expressions(y)[place])
    return _filled(shape, parts)


def _scatter_add(attrs: Any, shape: tuple[int, ...], point: Point, g: Array, i: Array) -> Array:
    axis = attrs["axis"]
    parts: dict[tuple[int, ...], list[Any]] = {}
    for place in np.ndindex(g.shape):
        middle = int(i[place[axis : axis + i.ndim]])
        parts.setdefault((*place[:axis], middle, *place[axis + i.ndim :]), []).append(g[place])
    return _filled(shape, parts)


def _window_places(attrs: Any, sizes: tuple[int, ...], p: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The places of the window at p that are no padding, row by row."""
    found = []
    for r in np.ndindex(*attrs["size"]):
        place = tuple(
            s * a + d * b - before
            for s, a, d, b, (before, _) in zip(
                attrs["stride"], p, attrs["dilation"], r, attrs["padding"], strict=True
            )
        )
        if all(0 <= i < n for i, n in zip(place, sizes, strict=True)):
            found.append(place)
    return found


def _max_pool(attrs: Any, shape: tuple[int, ...], point: Point, x: Array) -> Array:
    leading = x.ndim - len(attrs["size"])
    at = point.values(x)
    found = np.empty(shape, object)
    for place in np.ndindex(shape):
        front = place[:leading]
        window = [(*front, *p) for p in _window_places(attrs, x.shape[leading:], place[leading:])]
        found[place] = x[max(window, key=lambda p: at[p])]  # the first of several
    return found


def _window_index(attrs: Any, shape: tuple[int, ...], point: Point, x: Array, y: Array) -> Array:
    leading = x.ndim - len(attrs["size"])
    at, wanted = point.values(_expressions(x)), point.values(_expressions(y))
    found = np.empty(shape, np.int64)
    for place in np.ndindex(shape):
        window = _window_places(attrs, x.shape[leading:], place[leading:])
        first = next(p for p in window if at[(*place[:leading], *p)] == wanted[place])
        found[place] = np.ravel_multi_index(first, x.shape[leading:])
    return found


_RULES: dict[str, Callable[..., Array]] = {
    "where": _where,
    "sum": _reduction(_total),
    "mean": _reduction(lambda x: _total(x) / len(x)),
    "prod": _reduction(lambda x: sympy.Mul(*x)),
    "max": _reduction(_shared(max), decided=True),
    "min": _reduction(_shared(min), decided=True),
    "logsumexp": _reduction(lambda x: sympy.log(_total(map(sympy.exp, x)))),
    "softmax": _along(_softmax),
    "log_softmax": _along(_log_softmax),
    "cumsum": _along(_cumsum),
    "einsum": _einsum,
    "matmul": _matmul,
    "convolution": _convolution,
    "transposed_convolution": _transposed,
    "filter_gradient": _filter,
    "fold": _fold,
    "scatter_add": _scatter_add,
    "max_pool": _max_pool,
    "window_index": _window_index,
}
