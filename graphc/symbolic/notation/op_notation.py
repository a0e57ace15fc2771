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

from graphc.ir.dimension import Dim, same, same_shape
from graphc.ir.dtype import BOOL, is_float
from graphc.ir.tensor import Tensor
from graphc.symbolic.notation.building import summed, turned
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
from graphc.symbolic.notation.conventions import named_call, times_formula
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
from graphc.symbolic.notation.row_sums import with_row_sums

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
        shared = []  # (1 − x) / 2, but 2 + 4 x
        if all(abs(v.coefficient) != abs(content) for v, _ in values if not v.factors):
            content = Fraction(1)
    terms = []
    if len(shape) == 2 and any(_is_algebraic(v) for v, _ in values):
        values = [(_spread(v, shape), sign) for v, sign in values]
    elif len(shape) == 2:
        wide = [(product([v], shape) if _is_row_sum(v) else v, sign) for v, sign in values]
        values = [(with_row_sums(v, index_of), sign) for v, sign in wide]
    for value, sign in values:
        part = replace(value, coefficient=value.coefficient * sign / content, factors=_without(value, shared))
        terms += _terms(part, shape)
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
    found = opaque(total, shape, kept, all(_is_whole(v, shape) for v, _ in values))
    return replace(found, coefficient=content, factors=(*shared, *found.factors))


def _is_row_sum(value: Contraction) -> bool:
    """Whether it is a sum over one axis of a matrix that the axis was kept for, with one element."""
    return len(value.kept) == 1 and len(value.summed) == 1


def _is_algebraic(value: Contraction) -> bool:
    """Whether I or diag(v) is a term: beside these a number or a vector does not stand for a matrix."""
    tensors = [f.atom for f in value.factors if f.axes]
    if len(tensors) != 1:
        return False
    bodies = [t for _, _, t in tensors[0].terms or ()] or [tensors[0].formula]
    return any(b == IDENTITY or (isinstance(b, Call) and b.function == "diag") for b in bodies)


def _spread(value: Contraction, shape: tuple[Dim, ...]) -> Contraction:
    """What is broadcast in a sum of matrices, times ones: I − 1 vᵀ."""
    wide = product([value], shape)
    covered = {a for f in wide.factors for a in f.axes}
    if covered >= set(wide.kept):
        return value
    if covered & set(wide.kept):
        return opaque(rendered(wide), shape)
    ones = opaque(Product((ONES, Transpose(ONES))), shape)
    return product([value, ones], shape)


def _is_whole(value: Contraction, shape: tuple[Dim, ...]) -> bool:
    """Whether each term that a value adds to a sum has all axes of it, none broadcast."""
    if not same_shape(sizes_of(value), shape):
        return False
    used = {a for f in value.factors for a in f.axes}
    inner = value.factors[0].atom if len(value.factors) == 1 else None
    return used >= set(value.kept) and (inner is None or inner.terms is None or inner.whole)


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


def _terms(value: Contraction, shape: tuple[Dim, ...]) -> list[Any]:
    """The terms a value adds to a sum: those of a sum without factors, else itself."""
    if len(value.factors) == 1 and abs(value.coefficient) == 1:
        (factor,) = value.factors
        if factor.atom.terms and factor.exponent == 1 and factor.axes == value.kept:
            return [(c * value.coefficient, d, body) for c, d, body in factor.atom.terms]
        if factor.atom.whole and factor.exponent == 1 and factor.axes == value.kept[::-1]:
            turned_terms = [(c, d, body and turned(body)) for c, d, body in factor.atom.terms or ()]
            return [(c * value.coefficient, d, body) for c, d, body in turned_terms]
    bare = replace(value, coefficient=Fraction(1), decimal=False)
    if not value.factors:
        return [(value.coefficient, value.decimal, None)]
    coefficient, _, _ = parts_of(replace(value, coefficient=Fraction(1)), beside=True)
    if value.coefficient < 0:  # a difference takes the sign in
        coefficient, _, _ = parts_of(replace(value, coefficient=Fraction(-1)), beside=True)
        if coefficient > 0:
            negated = rendered(replace(bare, coefficient=Fraction(-1)), beside=True)
            return [(-value.coefficient, value.decimal, negated)]
    return [(value.coefficient, value.decimal, rendered(bare, beside=True))]


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
        return _kronecker(value, node) or _upsampled(value, node)
    kept = iter(value.kept)
    return replace(value, axes=tuple(None if same(n, 1) else next(kept) for n in node.shape))


def _kronecker(value: Contraction, node: Tensor) -> Contraction | None:
    """A[i, k] B[j, l] with the axes merged in pairs is the Kronecker product."""
    if len(value.axes) != 4 or len(value.factors) != 2 or len(node.shape) != 2 or value.summed:
        return None
    rows, columns = node.shape
    a, b, c, d = node.inputs[0].shape
    ways: dict[tuple[Axis | None, ...], int] = {
        (value.axes[0], value.axes[2]): 0,
        (value.axes[1], value.axes[3]): 1,
    }
    order = [ways.get(f.axes) for f in value.factors]
    if sorted(map(str, order)) != ["0", "1"] or not (same(rows, a * b) and same(columns, c * d)):
        return None
    if any(f.exponent != 1 for f in value.factors):
        return None
    pair = [value.factors[order.index(0)], value.factors[order.index(1)]]
    found = opaque(Call("kron", tuple(f.atom.formula for f in pair)), node.shape)
    return replace(found, coefficient=value.coefficient, decimal=value.decimal)


def _upsampled(value: Contraction, node: Tensor) -> Contraction | None:
    """Axes that each element is repeated along, merged with those it has: up_2(U).

    Source of the name: Qiu Xipeng, *Neural Networks and Deep Learning*, section 5.3.
    """
    used = {a for f in value.factors for a in f.axes}
    places = [(n, a) for n, a in zip(node.inputs[0].shape, value.axes, strict=True) if not same(n, 1)]
    axes: list[Axis | None] = []
    times: list[Dim] = []
    for size in node.shape:
        if same(size, 1) or not places:
            axes.append(None)
            continue
        n, axis = places.pop(0)
        axes.append(axis)
        if not same(n, size):
            if not places or places[0][1] in used or axis not in used or not same(n * places[0][0], size):
                return None
            times.append(places.pop(0)[0])
    if places or not times or not all(a is None or a in used for a in axes):
        return None
    factors = tuple(f for f in value.factors if f.axes)
    rest = replace(value, coefficient=Fraction(1), factors=factors, axes=tuple(axes))
    alike = all(same(t, times[0]) for t in times)
    below = times_formula(times[:1] if alike else times)
    found = opaque(Call("up", (formula(rest),), (below,)), node.shape)
    scalars = tuple(f for f in value.factors if not f.axes)
    return replace(
        found, coefficient=value.coefficient, decimal=value.decimal, factors=(*scalars, *found.factors)
    )


def _broadcast_to(node: Tensor, inputs: list[Contraction]) -> Contraction:
    (value,) = inputs
    wide = new_axes(node.shape)
    offset = len(wide) - len(value.axes)
    axes = (*wide[:offset], *(w if a is None else a for a, w in zip(value.axes, wide[offset:], strict=True)))
    return replace(value, axes=axes)


def _mean(node: Tensor, inputs: list[Contraction]) -> Contraction:
    (value,) = inputs
    scalars = tuple(f for f in value.factors if not f.axes)
    rest = replace(value, coefficient=Fraction(1), factors=tuple(f for f in value.factors if f.axes))
    if not rest.factors:
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
    if _is_index_check(node):
        return y
    chosen = formula(condition)
    one_hot = _one_hot(node.inputs[0], condition)
    if one_hot is not None and y.coefficient == 0:
        return product([x, opaque(one_hot, node.inputs[0].shape)], node.shape)
    if chosen == IDENTITY and y.coefficient == 0:
        return _on_diagonal(x, condition, node)
    if y.coefficient == 0 and len(condition.factors) == 1 and len(condition.kept) == 2:
        relation = condition.factors[0].atom.formula
        chosen = relation if isinstance(relation, Relation) else chosen
    if y.coefficient == 0 and isinstance(chosen, (Relation, Name, Call)):
        mask = _as_number(condition, node.inputs[0])
        return product([x, mask], node.shape)
    if x.coefficient == 0 and isinstance(chosen, Relation) and chosen.sign in _OPPOSITE:
        turned = Relation(chosen.left, _OPPOSITE[chosen.sign], chosen.right)
        return product([y, opaque(Indicator(turned), node.inputs[0].shape)], node.shape)
    return opaque(Cases(((formula(x), chosen),), formula(y)), node.shape)


def _is_index_check(node: Tensor) -> bool:
    """Whether an index below 0 is moved out of range, where a check finds it: what is left is the index."""
    condition, x, y = node.inputs
    return (
        condition.op.name == "less"
        and condition.inputs[0] is y
        and x.op.name in ("dimension", "constant")
        and not is_float(y.dtype)
    )


def _on_diagonal(value: Contraction, identity: Contraction, node: Tensor) -> Contraction:
    """What stands on the diagonal alone: a number times I, or diag(v)."""
    along = [a for f in value.factors for a in f.axes]
    if not along:
        return product([value, identity], node.shape)
    if len(set(value.kept)) == 1 and len(value.axes) <= 2:
        body = replace(value, coefficient=Fraction(1), axes=value.kept)
        scalars = tuple(f for f in body.factors if not f.axes)
        body = replace(body, factors=tuple(f for f in body.factors if f.axes))
        found = opaque(Call("diag", (formula(body),)), node.shape)
        return replace(
            found, coefficient=value.coefficient, factors=(*scalars, *found.factors), decimal=value.decimal
        )
    return product([value, identity], node.shape)


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
    if among.op.name == "reshape" and among.inputs[0].ndim == 1 and same(among.shape[-1], node.shape[-1]):
        among = among.inputs[0]
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
