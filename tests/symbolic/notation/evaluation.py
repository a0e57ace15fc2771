"""A reader's understanding of matrix notation: a formula and arrays enter, the array it denotes leaves.

Written from the conventions alone (vectors are columns, ⊙ broadcasts, Σ_i is over the first axis), it shares
nothing with the code that makes formulas, so that a formula which reads wrong is found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product as every

import numpy as np

from graphc.symbolic.notation import formula as f
from graphc.symbolic.notation.plain_text import text

_LETTERS = "ijklmnpqrstuvwxyz"
_FUNCTIONS = {
    "tanh": np.tanh, "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos,
    "σ": lambda x: 1 / (1 + np.exp(-x)), "max": np.maximum, "relu": lambda x: np.maximum(x, 0),
}  # fmt: skip


@dataclass
class Row:
    """A vector lying down, as after a transposition."""

    array: np.ndarray


class Ones:
    """A vector of ones, as long as it must be."""


@dataclass
class Reduced:
    """A tensor in which some axes were reduced, kept with size 1 so that it broadcasts where it came from."""

    array: np.ndarray


def evaluate(formula, values):
    """The array, axes of size 1 perhaps left out."""
    return _plain(_value(formula, values))


def _plain(value):
    if isinstance(value, (Row, Reduced)):
        return value.array
    return 1.0 if isinstance(value, Ones) else np.asarray(value, float)


def _in_product(value):
    """A factor beside others: what was reduced is a column."""
    if isinstance(value, Reduced):
        return value.array.squeeze() if value.array.ndim == 2 else value.array
    return value


def _times(a, b):
    if isinstance(b, Reduced) and np.ndim(a) == 0 and not isinstance(a, (Row, Ones, Reduced)):
        return Reduced(a * b.array)
    a, b = _in_product(a), _in_product(b)
    if isinstance(a, Ones):
        return b.array[None, :] if isinstance(b, Row) else b
    if isinstance(b, Row) and isinstance(b.array, Ones):
        return np.reshape(a, (-1, 1))
    if isinstance(b, Row):
        if np.ndim(a) == 0:
            return Row(a * b.array)
        a = np.squeeze(a) if _is_column(a) else a
        assert np.ndim(a) == 1, "a row comes after a column"
        return np.multiply.outer(a, b.array)
    if isinstance(a, Row):
        if np.ndim(b) == 0:
            return Row(a.array * b)
        result = a.array @ b
        return result if np.ndim(b) == 1 else Row(result)
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if np.ndim(a) == 1 and np.ndim(b) == 2 and len(b) == 1:
        return np.multiply.outer(a, b[0])
    assert np.ndim(a) >= 2, "a column does not come before a matrix"
    return a @ b


def _axis(index, array):
    """Sizes in these tests are numbers, so that letters tell the axis; i is the first one."""
    return _LETTERS.index(index.word)


def _value(node, values):
    def of(part):
        return _value(part, values)

    match node:
        case f.Name():
            return values[text(node)]
        case f.Number(value, _):
            return float(value)
        case f.Symbol("𝟏"):
            return Ones()
        case f.Symbol("I"):
            return values["I"]
        case f.Symbol("π"):
            return math.pi
        case f.Sum(terms):
            return _combined(sum, [of(t) for t in terms])
        case f.Negative(part):
            value = of(part)
            return Row(-value.array) if isinstance(value, Row) else -_plain(value)
        case f.Product(factors, "", _) | f.Scaled(factors, _) if isinstance(node, (f.Product, f.Scaled)):
            parts = factors if isinstance(node, f.Product) else (*node.scalars, node.body)
            found = of(parts[0])
            for part in parts[1:]:
                found = _times(found, of(part))
            return found
        case f.Product(factors, "⊙", _):
            return _combined(math.prod, [of(p) for p in factors])
        case f.Quotient(above, below):
            return _combined(lambda pair: pair[0] / pair[1], [of(above), of(below)])
        case f.Power(base, exponent):
            return _mapped(lambda x: x ** _plain(of(exponent)), of(base))
        case f.Root(part):
            return _mapped(np.sqrt, of(part))
        case f.Transpose(part):
            value = of(part)
            if isinstance(value, Row):
                return value.array
            if isinstance(value, Ones):
                return Row(value)
            value = _in_product(value)
            return Row(value) if np.ndim(value) == 1 else np.swapaxes(value, -1, -2)
        case f.Call("tr", (part,), _):
            return np.trace(_plain(of(part)), axis1=-2, axis2=-1)
        case f.Call("diag", (part,), _):
            value = _in_product(of(part))
            return np.diag(
                value.array if isinstance(value, Row) else np.squeeze(value) if _is_column(value) else value
            )
        case f.Call("transpose", (part,), order):
            return np.transpose(_plain(of(part)), [int(p.word) for p in order])
        case f.Call("mean", (part,), below):
            array = _plain(of(part))
            axes = tuple(_axis(i, array) for i in below) or None
            return Reduced(array.mean(axes, keepdims=bool(below)))
        case f.Call(function, arguments, ()):
            parts = [of(a) for a in arguments]
            return _mapped(_FUNCTIONS[function], *parts)
        case f.Fence("‖", (part,), _):
            return math.sqrt((_plain(of(part)) ** 2).sum())
        case f.Fence("|", (part,), _):
            return _mapped(np.abs, of(part))
        case f.Fence("⟨", (a, b), _):
            return (_plain(of(a)) * _plain(of(b))).sum()
        case f.Indicator(f.Relation(left, sign, right)):
            compare = {">": np.greater, "<": np.less, "≥": np.greater_equal, "≤": np.less_equal}[sign]
            return _combined(lambda pair: compare(*pair).astype(float), [of(left), of(right)])
        case f.Big("Σ", indices, body):
            return _sum(indices, body, values)
        case f.Array(element, indices):
            return _array(element, indices, values)
    raise NotImplementedError(text(node))


def _is_column(value):
    return np.ndim(value) == 2 and 1 in np.shape(value)


def _combined(function, parts):
    rows = [p for p in parts if isinstance(p, Row)]
    if max((np.ndim(_plain(p)) for p in parts if not isinstance(p, Reduced)), default=0) == 1:
        parts = [_in_product(p) for p in parts]  # vectors with vectors
    if all(isinstance(p, Reduced) for p in parts) and len({np.shape(p.array) for p in parts}) > 1:
        parts = [_in_product(p) for p in parts]
    ranks = [np.ndim(_plain(p)) for p in parts if not _is_column(_plain(p))]
    if max(ranks, default=0) == 1 and not any(isinstance(p, Row) for p in parts):
        parts = [np.squeeze(_plain(p)) for p in parts]  # columns all
    arrays = [_plain(p) for p in parts]
    reduced = any(isinstance(p, Reduced) for p in parts) and not any(
        np.ndim(_plain(p)) for p in parts if not isinstance(p, Reduced)
    )
    result = function(arrays)
    if rows and all(isinstance(p, Row) or np.ndim(_plain(p)) == 0 for p in parts):
        return Row(result)
    return Reduced(result) if reduced else result


def _mapped(function, *parts):
    return _combined(lambda arrays: function(*arrays), list(parts))


def _sum(indices, body, values):
    if _holds_elements(body):
        return _by_index(indices, (), body, values)
    array = _plain(_value(body, values))
    axes = tuple(_axis(i, array) for i in indices)
    if not indices:
        return array.sum()
    if max(axes) >= array.ndim or _is_lead(body, axes, array):
        return array.sum(0)  # Σ_b Xᵀ U: over the leading axis of the product
    return Reduced(array.sum(axes, keepdims=True))


def _is_lead(body, axes, array):
    return array.ndim > 2 and isinstance(body, f.Product) and not body.sign


def _holds_elements(formula):
    return isinstance(formula, f.Element) or any(map(_holds_elements, formula.parts))


def _sizes(formula, values, found):
    if isinstance(formula, f.Element):
        for index, size in zip(formula.indices, np.shape(values[text(formula.base)]), strict=True):
            found[text(index)] = size
    for part in formula.parts:
        _sizes(part, values, found)
    return found


def _array(element, indices, values):
    over, body = (element.indices, element.body) if isinstance(element, f.Big) else ((), element)
    return _by_index(over, indices, body, values)


def _by_index(over, out, body, values):
    sizes = _sizes(body, values, {})
    result = np.zeros([sizes[text(i)] for i in out])
    for place in every(*(range(sizes[text(i)]) for i in (*out, *over))):
        at = dict(zip(map(text, (*out, *over)), place, strict=True))
        result[place[: len(out)]] += _element(body, at, values)
    return result


def _element(node, at, values):
    match node:
        case f.Element(base, indices):
            return values[text(base)][tuple(at[text(i)] for i in indices)]
        case f.Product(factors, "", _):
            return math.prod(_element(p, at, values) for p in factors)
        case f.Power(base, f.Number(value, _)):
            return _element(base, at, values) ** float(value)
    raise NotImplementedError(text(node))
