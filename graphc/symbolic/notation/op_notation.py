"""What each op is in a formula: a node and its inputs' values enter, the node's value leaves.

Ops that multiply, sum over axes, transpose or reshape become contractions, so that how a graph was built does
not show; all others become one opaque formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from graphc.ir.tensor import Tensor
from graphc.symbolic.notation import arrangement, choices
from graphc.symbolic.notation.choices import COMPARISONS, as_number
from graphc.symbolic.notation.contraction import (
    Axis,
    Contraction,
    Windows,
    contracted,
    new_axes,
    number,
    opaque,
    product,
    raised,
    size_value,
)
from graphc.symbolic.notation.conventions import named_call
from graphc.symbolic.notation.formula import (
    IDENTITY,
    Call,
    Fence,
    Formula,
    Negative,
    Number,
    Power,
    Quotient,
    Root,
    absolute,
    integer,
)
from graphc.symbolic.notation.numbers import decimal_number, exact, is_odd
from graphc.symbolic.notation.rendering import index_of
from graphc.symbolic.notation.sums import atom, formula, sum_of

Values = Mapping[Tensor, Contraction]
Naming = Callable[[Tensor], Formula]


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
    if name in COMPARISONS:
        return choices.comparison(node, inputs)
    return opaque(
        named_call(node, [formula(v, n) for v, n in zip(inputs, node.inputs, strict=True)]), node.shape
    )


# -- sums and products ------------------------------------------------------------------------------
def _add(node: Tensor, inputs: list[Contraction]) -> Contraction:
    sign = -1 if node.op.name == "subtract" else 1
    return sum_of([(inputs[0], 1), (inputs[1], sign)], node.shape)


def _multiply(node: Tensor, inputs: list[Contraction]) -> Contraction:
    pair = [as_number(v, i) for v, i in zip(inputs, node.inputs, strict=True)]
    return product(pair, node.shape)


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
    "sum": arrangement.sum_axes,
    "mean": arrangement.mean_axes,
    "transpose": arrangement.transpose_axes,
    "reshape": arrangement.reshape_axes,
    "broadcast_to": arrangement.broadcast_axes,
    "where": choices.where,
    "astype": choices.astype,
    "logical_not": choices.logical_not,
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
