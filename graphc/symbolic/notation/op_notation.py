"""What each op is in a formula: a node and its inputs' values enter, the node's value leaves.

Ops that multiply, sum over axes, transpose or reshape become contractions, so that how a graph was built does
not show; all others become one opaque formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from graphc.ir.dimension import Dim, same, same_shape, simplified
from graphc.ir.dtype import BOOL
from graphc.ir.tensor import Tensor
from graphc.symbolic.notation.building import summed
from graphc.symbolic.notation.contraction import (
    Axis,
    Contraction,
    Factor,
    Windows,
    contracted,
    new_axes,
    number,
    opaque,
    product,
    raised,
    size_value,
    times_size,
)
from graphc.symbolic.notation.conventions import named_call
from graphc.symbolic.notation.formula import (
    IDENTITY,
    ONES,
    Call,
    Cases,
    Fence,
    Formula,
    Indicator,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Root,
    Transpose,
    absolute,
    integer,
)
from graphc.symbolic.notation.numbers import decimal_number, exact, is_odd
from graphc.symbolic.notation.rendering import index_of, parts_of, rendered

Values = Mapping[Tensor, Contraction]
Naming = Callable[[Tensor], Formula]
_COMPARISONS = {
    "equal": "=", "not_equal": "≠", "less": "<", "less_equal": "≤", "greater": ">", "greater_equal": "≥",
    "logical_and": "∧", "logical_or": "∨", "logical_xor": "⊕",
}  # fmt: skip
_OPPOSITE = {"=": "≠", "≠": "=", "<": "≥", "≥": "<", ">": "≤", "≤": ">"}


def value_of(node: Tensor, values: Values, naming: Naming) -> Contraction:
    """The value of a node whose inputs have theirs."""
    name = node.op.name
    inputs = [values[i] for i in node.inputs]
    flattened = _flattened_pair(node)
    if flattened is not None and all(n in values for n in flattened):  # ⟨A, B⟩ as a product of vectors
        places = list(range(flattened[0].ndim))
        return contracted([values[n] for n in flattened], [places, places], [])
    if name in _RULES:
        found = _RULES[name](node, inputs)
        if found is not None:
            return found
    if name == "constant":
        return _constant(node, naming)
    if name in _COMPARISONS:
        return _comparison(node, inputs)
    return opaque(
        named_call(node, [formula(v, n) for v, n in zip(inputs, node.inputs, strict=True)]), node.shape
    )


def _flattened_pair(node: Tensor) -> tuple[Tensor, Tensor] | None:
    """Two tensors of one shape that are multiplied as vectors of their elements."""
    if node.op.name != "matmul" or node.ndim or any(i.op.name != "reshape" for i in node.inputs):
        return None
    x, y = (i.inputs[0] for i in node.inputs)
    return (x, y) if same_shape(x.shape, y.shape) else None


def formula(value: Contraction, node: Tensor | None = None) -> Formula:
    """The value as the argument of a function, where broadcasting goes without saying."""
    return rendered(value, beside=True)


def atom(value: Contraction, shape: tuple[Dim, ...]) -> Contraction:
    """The value as one opaque tensor."""
    return opaque(rendered(value), shape)


# -- sums ------------------------------------------------------------------------------------------
def sum_of(values: list[tuple[Contraction, int]], shape: tuple[Dim, ...]) -> Contraction:
    """The sum of values with signs, what they have in common as numbers and scalars pulled out."""
    scalars = [_scalars(v) for v, _ in values]
    shared = [f for f in scalars[0] if all(any(_equal(f, g) for g in other) for other in scalars[1:])]
    if all(v.axes == () for v, _ in values):  # of numbers: a sum of products is read as it stands
        shared = [f for f in shared if f.exponent < 0]
    contents = [v.coefficient * sign for v, sign in values if v.coefficient != 0]
    content = Fraction(1) if any(v.decimal for v, _ in values) else _content(contents)
    if any(not v.factors for v, _ in values):
        content, shared = Fraction(1), []
    # Beside a matrix a vector is seen to be broadcast; vectors alone are multiplied by ones.
    beside = len(shape) != 2 or any(_covers(v, shape) for v, _ in values)
    terms = []
    for value, sign in values:
        rest = _without(value, shared)
        part = replace(value, coefficient=value.coefficient * sign / content, factors=rest)
        terms += _terms(part, shape, beside)
    total, kept = summed(terms)
    if len(kept) < 2:
        coefficient, decimal, body = kept[0] if kept else (Fraction(0), False, None)
        if body is None:
            return number(coefficient * content, decimal, new_axes(shape))
        for value, _ in values:  # A B + A B is a product still
            alone = replace(value, coefficient=Fraction(1), decimal=False, factors=_without(value, shared))
            if same_shape(sizes_of(value), shape) and rendered(alone, beside=True) == body:
                return replace(value, coefficient=coefficient * content, decimal=decimal)
        found = opaque(body, shape)
        return replace(
            found, coefficient=coefficient * content, decimal=decimal, factors=(*shared, *found.factors)
        )
    found = opaque(total, shape, kept)
    return replace(found, coefficient=content, factors=(*shared, *found.factors))


def _without(value: Contraction, shared: list[Factor]) -> tuple[Factor, ...]:
    return tuple(f for f in value.factors if not any(_equal(f, g) for g in shared))


def sizes_of(value: Contraction) -> tuple[Dim, ...]:
    """The sizes of a value's axes."""
    return tuple(1 if a is None else a.size for a in value.axes)


def _scalars(value: Contraction) -> list[Factor]:
    return [f for f in value.factors if not f.axes]


def _equal(a: Factor, b: Factor) -> bool:
    return a.exponent == b.exponent and not a.axes and not b.axes and a.atom.formula == b.atom.formula


def _content(coefficients: list[Fraction]) -> Fraction:
    """The number common to all, where they have one denominator: 2 (a − 2 b), (a + b) / 3, but a / 2 + b."""
    if not coefficients or len({c.denominator for c in coefficients}) > 1:
        return Fraction(1)
    above = math.gcd(*(c.numerator for c in coefficients))
    sign = -1 if all(c < 0 for c in coefficients) else 1
    return sign * Fraction(above, coefficients[0].denominator)


def _covers(value: Contraction, shape: tuple[Dim, ...]) -> bool:
    """Whether a value has every axis of a shape that has elements to tell apart."""
    read = {a for f in value.factors for a in f.axes if not _holds_ones(f)}
    return sum(a in read for a in value.kept) == sum(not same(n, 1) for n in shape)


def _holds_ones(factor: Factor) -> bool:
    terms = factor.atom.terms or ()
    return any(body is not None and {ONES, Transpose(ONES)} & {*body.parts} for _, _, body in terms)


def _terms(value: Contraction, shape: tuple[Dim, ...], beside: bool) -> list[Any]:
    """The terms a value adds to a sum: those of a sum without factors, else itself."""
    if len(value.factors) == 1 and abs(value.coefficient) == 1:
        (factor,) = value.factors
        whole = beside or len(value.kept) == sum(not same(n, 1) for n in shape)
        if factor.atom.terms and factor.exponent == 1 and factor.axes == value.kept and whole:
            return [(c * value.coefficient, d, body) for c, d, body in factor.atom.terms]
    if not value.factors:
        return [(value.coefficient, value.decimal, None)]
    value = broadcast(value, shape)
    bare = replace(value, coefficient=Fraction(1), decimal=False)
    if value.coefficient < 0:  # a difference takes the sign in
        opposite = replace(bare, coefficient=Fraction(-1))
        if parts_of(opposite, beside)[0] > 0:
            return [(-value.coefficient, value.decimal, rendered(opposite, beside))]
    return [(value.coefficient, value.decimal, rendered(bare, beside))]


def _add(node: Tensor, inputs: list[Contraction]) -> Contraction:
    sign = -1 if node.op.name == "subtract" else 1
    return sum_of([(inputs[0], 1), (inputs[1], sign)], node.shape)


# -- products --------------------------------------------------------------------------------------
def _multiply(node: Tensor, inputs: list[Contraction]) -> Contraction:
    pair = [_as_number(v, i) for v, i in zip(inputs, node.inputs, strict=True)]
    return product(pair, node.shape)


def _as_number(value: Contraction, node: Tensor) -> Contraction:
    """A condition as 0 or 1."""
    if node.dtype != BOOL:
        return value
    return replace(value, factors=tuple(_indicated(f) for f in value.factors))


def _indicated(factor: Factor) -> Factor:
    if isinstance(factor.atom.formula, (Relation, Call)):
        return replace(factor, atom=replace(factor.atom, formula=Indicator(factor.atom.formula)))
    return factor


def _divide(node: Tensor, inputs: list[Contraction]) -> Contraction:
    x, y = inputs
    inverse = raised(y, Fraction(-1))
    if inverse is None:
        inverse = raised(atom(y, node.inputs[1].shape), Fraction(-1))
    assert inverse is not None
    return product([x, inverse], node.shape)


def _power_by(exponent: Fraction) -> Callable[[Tensor, list[Contraction]], Contraction]:
    def rule(node: Tensor, inputs: list[Contraction]) -> Contraction:
        return _raised(inputs[0], exponent, node)

    return rule


def _raised(value: Contraction, exponent: Fraction, node: Tensor) -> Contraction:
    if not value.factors and value.coefficient > 0 and exponent.denominator == 1:
        return replace(value, coefficient=value.coefficient ** int(exponent))
    found = raised(value, exponent)
    if found is None:
        found = raised(atom(value, node.inputs[0].shape), exponent)
    assert found is not None
    return found


def _power(node: Tensor, inputs: list[Contraction]) -> Contraction | None:
    base, exponent = inputs
    if not exponent.factors and not base_is_number(base):
        return _raised(base, exponent.coefficient, node) if exponent.coefficient != 0 else None
    return opaque(Power(formula(base), formula(exponent)), node.shape)


def base_is_number(value: Contraction) -> bool:
    """Whether a value is a plain number."""
    return not value.factors


def _negative(node: Tensor, inputs: list[Contraction]) -> Contraction:
    return replace(inputs[0], coefficient=-inputs[0].coefficient)


def _matmul(node: Tensor, inputs: list[Contraction]) -> Contraction:
    x, y = node.inputs
    batch = len(node.shape) - (x.ndim > 1) - (y.ndim > 1)
    lead = [("b", i) for i in range(batch)]
    rows = [("r", 0)] if x.ndim > 1 else []
    columns = [("c", 0)] if y.ndim > 1 else []
    left = [*lead[batch - (x.ndim - 2) if x.ndim > 2 else batch :], *rows, ("k", 0)]
    right = [*lead[batch - (y.ndim - 2) if y.ndim > 2 else batch :], ("k", 0), *columns]
    return contracted(inputs, [left, right], [*lead, *rows, *columns])


def _einsum(node: Tensor, inputs: list[Contraction]) -> Contraction:
    terms, out = node.attrs["equation"].split("->")
    return contracted(inputs, terms.split(","), out)


# -- axes ------------------------------------------------------------------------------------------
def _sum(node: Tensor, inputs: list[Contraction]) -> Contraction:
    (value,) = inputs
    over = node.attrs["axis"]
    coefficient, factors = value.coefficient, list(value.factors)
    for place in over:
        axis = value.axes[place]
        if axis is not None and not any(axis in f.axes for f in factors):
            coefficient, factors = times_size(coefficient, factors, axis.size)
    return replace(
        value,
        coefficient=coefficient,
        factors=tuple(factors),
        axes=_reduced(value.axes, over, node),
        by_elements=True,
    )


def _reduced(axes: tuple[Axis | None, ...], over: tuple[int, ...], node: Tensor) -> tuple[Axis | None, ...]:
    if node.attrs["keepdims"]:
        return tuple(None if i in over else a for i, a in enumerate(axes))
    return tuple(a for i, a in enumerate(axes) if i not in over)


def _transpose(node: Tensor, inputs: list[Contraction]) -> Contraction:
    (value,) = inputs
    return replace(value, axes=tuple(value.axes[a] for a in node.attrs["axes"]))


def _reshape(node: Tensor, inputs: list[Contraction]) -> Contraction | None:
    (value,) = inputs
    before = [n for n in node.inputs[0].shape if not same(n, 1)]
    after = [n for n in node.shape if not same(n, 1)]
    if not same_shape(before, after):
        return _kronecker(node, value)
    kept = iter(value.kept)
    return replace(value, axes=tuple(None if same(n, 1) else next(kept) for n in node.shape))


def _kronecker(node: Tensor, value: Contraction) -> Contraction | None:
    """The Kronecker product: a product of two tensors whose axes alternate, merged by twos."""
    if len(value.factors) != 2 or value.summed or len(value.kept) != 2 * node.ndim:
        return None
    first, second = value.factors
    if first.axes != value.kept[::2]:
        first, second = second, first
    if first.axes != value.kept[::2] or second.axes != value.kept[1::2]:
        return None
    if first.exponent != 1 or second.exponent != 1 or len(value.axes) != 2 * node.ndim:
        return None
    merged_sizes = [simplified(m.size * n.size) for m, n in zip(first.axes, second.axes, strict=True)]
    if not same_shape(merged_sizes, node.shape):
        return None
    pair = Product((first.atom.formula, second.atom.formula), "⊗")
    return replace(opaque(pair, node.shape), coefficient=value.coefficient, decimal=value.decimal)


def _broadcast_to(node: Tensor, inputs: list[Contraction]) -> Contraction:
    return broadcast(inputs[0], node.shape)


def broadcast(value: Contraction, shape: tuple[Dim, ...]) -> Contraction:
    """The value with the axes that broadcasting to a shape gives it."""
    wide = new_axes(shape)
    offset = len(wide) - len(value.axes)
    axes = (*wide[:offset], *(w if a is None else a for a, w in zip(value.axes, wide[offset:], strict=True)))
    return replace(value, axes=axes)


def _mean(node: Tensor, inputs: list[Contraction]) -> Contraction:
    (value,) = inputs
    scalars = tuple(f for f in value.factors if not f.axes)
    rest = replace(value, coefficient=Fraction(1), factors=tuple(f for f in value.factors if f.axes))
    if not rest.factors or all(value.axes[a] is None for a in node.attrs["axis"]):
        return replace(value, axes=_reduced(value.axes, node.attrs["axis"], node))
    body = Call("mean", (formula(rest),), below_axes(node, node.attrs["axis"]))
    found = opaque(body, node.shape)
    return replace(
        found, coefficient=value.coefficient, factors=(*scalars, *found.factors), decimal=value.decimal
    )


def below_axes(node: Tensor, over: Any) -> tuple[Formula, ...]:
    """The indices of axes of the node's input, none if they are all of them."""
    shape = node.inputs[0].shape
    chosen = (over,) if isinstance(over, int) else tuple(over)
    wide = [i for i, n in enumerate(shape) if not same(n, 1)]
    if set(wide) <= set(chosen):
        return ()
    return tuple(index_of(Axis(shape[i], i)) for i in chosen if i in wide)


# -- choices ---------------------------------------------------------------------------------------
def _comparison(node: Tensor, inputs: list[Contraction]) -> Contraction:
    if node.op.name == "equal" and _is_identity(node):
        return opaque(IDENTITY, node.shape)
    left, right = (formula(v) for v in inputs)
    return opaque(Relation(left, _COMPARISONS[node.op.name], right), node.shape)


def _is_identity(node: Tensor) -> bool:
    """Whether a comparison is that of row and column numbers."""
    x, y = node.inputs
    if len(node.shape) != 2 or not same(*node.shape):
        return False
    sources = []
    for n in (x, y):
        sources.append(n.inputs[0] if n.op.name == "reshape" else n)
    if any(s.op.name != "arange" for s in sources):
        return False
    shapes = [tuple(same(n, 1) for n in (1,) * (2 - t.ndim) + t.shape) for t in (x, y)]
    return set(shapes) == {(True, False), (False, True)}


def _logical_not(node: Tensor, inputs: list[Contraction]) -> Contraction:
    inner = formula(inputs[0])
    if isinstance(inner, Relation) and inner.sign in _OPPOSITE:
        return opaque(Relation(inner.left, _OPPOSITE[inner.sign], inner.right), node.shape)
    return opaque(Call("¬", (inner,)), node.shape)


def _where(node: Tensor, inputs: list[Contraction]) -> Contraction:
    condition, x, y = inputs
    chosen = formula(condition)
    if y.coefficient == 0 and isinstance(chosen, (Relation, Name, Call)):
        mask = _as_number(condition, node.inputs[0])
        return product([x, mask], node.shape)
    if x.coefficient == 0 and isinstance(chosen, Relation) and chosen.sign in _OPPOSITE:
        turned = Relation(chosen.left, _OPPOSITE[chosen.sign], chosen.right)
        return product([y, opaque(Indicator(turned), node.inputs[0].shape)], node.shape)
    return opaque(Cases(((formula(x), chosen),), formula(y)), node.shape)


def _astype(node: Tensor, inputs: list[Contraction]) -> Contraction:
    one_hot = _one_hot(node.inputs[0], inputs[0])
    if one_hot is not None:
        return opaque(one_hot, node.shape)
    return _as_number(inputs[0], node.inputs[0]) if node.dtype != BOOL else inputs[0]


def _one_hot(node: Tensor, value: Contraction) -> Formula | None:
    if node.op.name != "equal" or len(value.factors) != 1 or node.ndim == 0:
        return None
    i, among = node.inputs
    relation = value.factors[0].atom.formula
    if among.op.name != "arange" or i.ndim != node.ndim or not same(i.shape[-1], 1):
        return None
    if not isinstance(relation, Relation) or relation.left == Number(Fraction(0)):
        return None
    return Call("onehot", (relation.left,))


# -- constants -------------------------------------------------------------------------------------
def _constant(node: Tensor, naming: Naming) -> Contraction:
    array: np.ndarray[Any, Any] = node.attrs["value"]
    flat = array.reshape(-1)
    if node.name or not flat.size or array.dtype == bool or not (flat == flat[0]).all():
        if (
            array.ndim == 2
            and array.shape[0] == array.shape[1]
            and array.size
            and (array == np.eye(len(array))).all()
        ):
            return opaque(IDENTITY, node.shape)
        if not node.name and array.ndim == 1 and 0 < array.size <= 4 and array.dtype != bool:
            return opaque(
                Fence(
                    "[", tuple(decimal_number(v) if array.dtype.kind == "f" else _whole(v) for v in flat), "]"
                ),
                node.shape,
            )
        return opaque(naming(node), node.shape)
    first = flat[0]
    found = exact(first)
    if found is None or (found[1] and is_odd(found[0])):
        return _odd_number(first, node)
    return number(found[0], found[1], new_axes(node.shape))


def _whole(value: Any) -> Formula:
    return integer(int(value))


def _odd_number(value: Any, node: Tensor) -> Contraction:
    """Infinity, roots, and floats of many figures: scalars by themselves."""
    written = decimal_number(value)
    sign = 1
    if isinstance(written, Negative):
        written, sign = written.part, -1
    if isinstance(written, Number):
        return number(exact(value)[0], True, new_axes(node.shape))  # type: ignore[index]
    if isinstance(written, Root):
        part, half = written.part, Fraction(1, 2)
        if isinstance(part, Quotient) and part.numerator == Number(Fraction(1)):
            part, half = part.denominator, -half
        found = raised(opaque(part, ()), half)
        assert found is not None
        return replace(found, coefficient=Fraction(sign), axes=new_axes(node.shape))
    return replace(opaque(written, ()), coefficient=Fraction(sign), axes=new_axes(node.shape))


def _dimension(node: Tensor, inputs: list[Contraction]) -> Contraction:
    return size_value(node.attrs["value"])


# -- functions -------------------------------------------------------------------------------------
def _same_value(node: Tensor, inputs: list[Contraction]) -> Contraction:
    return inputs[0]


def _abs(node: Tensor, inputs: list[Contraction]) -> Contraction:
    return opaque(absolute(formula(inputs[0])), node.shape)


def _log1p(node: Tensor, inputs: list[Contraction]) -> Contraction:
    inner = sum_of([(number(Fraction(1)), 1), (inputs[0], 1)], node.shape)
    return opaque(Call("log", (formula(inner),)), node.shape)


def _expm1(node: Tensor, inputs: list[Contraction]) -> Contraction:
    power = opaque(Call("exp", (formula(inputs[0]),)), node.shape)
    return sum_of([(power, 1), (number(Fraction(1)), -1)], node.shape)


def _clip(node: Tensor, inputs: list[Contraction]) -> Contraction:
    x, low, high = (formula(v) for v in inputs)
    return opaque(Call("clip", (x, low, high)), node.shape)


def _concatenate_axes(node: Tensor, inputs: list[Contraction]) -> Contraction:
    below = below_axes_of(node, node.attrs["axis"])
    return opaque(Call("concat", tuple(map(formula, inputs)), below), node.shape)


def below_axes_of(node: Tensor, axis: int) -> tuple[Formula, ...]:
    """The index of an axis of the node, none if it has one only."""
    return () if node.ndim == 1 else (index_of(Axis(node.inputs[0].shape[axis], axis)),)


def _window(node: Tensor, inputs: list[Contraction]) -> Contraction:
    base = formula(inputs[0])
    found = opaque(named_call(node, [base]), node.shape)
    (factor,) = found.factors
    a = node.attrs
    windows = Windows(base, a["axes"], a["stride"], a["dilation"])
    return replace(found, factors=(replace(factor, atom=replace(factor.atom, windows=windows)),))


_RULES: dict[str, Callable[[Tensor, list[Contraction]], Contraction | None]] = {
    "add": _add,
    "subtract": _add,
    "negative": _negative,
    "multiply": _multiply,
    "absorbing_multiply": _multiply,
    "divide": _divide,
    "square": _power_by(Fraction(2)),
    "sqrt": _power_by(Fraction(1, 2)),
    "reciprocal": _power_by(Fraction(-1)),
    "power": _power,
    "matmul": _matmul,
    "einsum": _einsum,
    "sum": _sum,
    "mean": _mean,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "where": _where,
    "astype": _astype,
    "logical_not": _logical_not,
    "dimension": _dimension,
    "abs": _abs,
    "log1p": _log1p,
    "expm1": _expm1,
    "clip": _clip,
    "concatenate": _concatenate_axes,
    "stop_gradient": _same_value,
    "index_check": _same_value,
    "window": _window,
}
