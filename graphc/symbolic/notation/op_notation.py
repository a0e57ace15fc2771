"""What each op is in a formula: a node and its inputs' values enter, the node's value leaves.

Ops that multiply, sum over axes, transpose or reshape become contractions, so that how a graph was built does
not show; all others become one opaque formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from graphc.ir.dimension import Dim, same, same_shape, simplified
from graphc.ir.tensor import Tensor
from graphc.symbolic.notation.choices import COMPARISONS, as_number, choice, comparison, converted, negated
from graphc.symbolic.notation.constants import Naming, constant_value, dimension_value
from graphc.symbolic.notation.contraction import (
    Axis,
    Contraction,
    Factor,
    Windows,
    broadcast,
    contracted,
    number,
    opaque,
    product,
    raised,
    times_size,
    with_history,
)
from graphc.symbolic.notation.conventions import named_call, times_formula
from graphc.symbolic.notation.formula import Call, Formula, Power, Product, absolute
from graphc.symbolic.notation.rendering import argument, index_of, rendered
from graphc.symbolic.notation.sums import sum_of

Values = Mapping[Tensor, Contraction]


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
        return constant_value(node, naming)
    if name in COMPARISONS:
        return comparison(node, inputs)
    return _by_name(node, inputs)


# Ops that are linear in some of their inputs: numbers and scalars come out in front.
_LINEAR = {
    "convolution": (0, 1), "transposed_convolution": (0, 1), "filter_gradient": (0, 1), "window": (0,),
    "fold": (0,), "flip": (0,), "slice": (0,), "embed": (0,), "take": (0,), "scatter_add": (0,),
    "cumsum": (0,), "reshape": (0,), "transpose": (0,),
}  # fmt: skip


def _by_name(node: Tensor, inputs: list[Contraction]) -> Contraction:
    """The op as a function of its inputs, what it is linear in without their numbers."""
    inputs = list(inputs)
    coefficient, decimal = Fraction(1), False
    scalars: list[Factor] = []
    for place in _LINEAR.get(node.op.name, ()):
        value = inputs[place]
        rest = tuple(f for f in value.factors if f.axes)
        if rest and value.coefficient != 0:
            scalars += [f for f in value.factors if not f.axes]
            coefficient, decimal = coefficient * value.coefficient, decimal or value.decimal
            inputs[place] = replace(value, coefficient=Fraction(1), decimal=False, factors=rest)
    found = opaque(named_call(node, [argument(v) for v in inputs]), node.shape)
    return replace(found, coefficient=coefficient, decimal=decimal, factors=(*scalars, *found.factors))


def _flattened_pair(node: Tensor) -> tuple[Tensor, Tensor] | None:
    """Two tensors of one shape that are multiplied as vectors of their elements."""
    if node.op.name != "matmul" or node.ndim or any(i.op.name != "reshape" for i in node.inputs):
        return None
    x, y = (i.inputs[0] for i in node.inputs)
    return (x, y) if same_shape(x.shape, y.shape) else None


def atom(value: Contraction, shape: tuple[Dim, ...]) -> Contraction:
    """The value as one opaque tensor."""
    return opaque(rendered(value), shape)


def _add(node: Tensor, inputs: list[Contraction]) -> Contraction:
    sign = -1 if node.op.name == "subtract" else 1
    return sum_of([(inputs[0], 1), (inputs[1], sign)], node.shape)


# -- products --------------------------------------------------------------------------------------
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
    return opaque(Power(argument(base), argument(exponent)), node.shape)


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
    whole = replace(
        value,
        coefficient=coefficient,
        factors=tuple(factors),
        axes=_reduced(value.axes, over, node),
        by_elements=True,
    )
    return with_history(whole, value.history)


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
        return _kronecker(node, value) or _upsampled(value, node)
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
    found = opaque(Call("up", (argument(rest),), (below,)), node.shape)
    scalars = tuple(f for f in value.factors if not f.axes)
    return replace(
        found, coefficient=value.coefficient, decimal=value.decimal, factors=(*scalars, *found.factors)
    )


def _broadcast_to(node: Tensor, inputs: list[Contraction]) -> Contraction:
    return broadcast(inputs[0], node.shape)


def _mean(node: Tensor, inputs: list[Contraction]) -> Contraction:
    (value,) = inputs
    scalars = tuple(f for f in value.factors if not f.axes)
    rest = replace(value, coefficient=Fraction(1), factors=tuple(f for f in value.factors if f.axes))
    if not rest.factors or all(value.axes[a] is None for a in node.attrs["axis"]):
        return replace(value, axes=_reduced(value.axes, node.attrs["axis"], node))
    body = Call("mean", (argument(rest),), below_axes(node, node.attrs["axis"]))
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


# -- functions -------------------------------------------------------------------------------------
def _same_value(node: Tensor, inputs: list[Contraction]) -> Contraction:
    return inputs[0]


def _abs(node: Tensor, inputs: list[Contraction]) -> Contraction:
    return opaque(absolute(argument(inputs[0])), node.shape)


def _log1p(node: Tensor, inputs: list[Contraction]) -> Contraction:
    inner = sum_of([(number(Fraction(1)), 1), (inputs[0], 1)], node.shape)
    return opaque(Call("log", (argument(inner),)), node.shape)


def _expm1(node: Tensor, inputs: list[Contraction]) -> Contraction:
    power = opaque(Call("exp", (argument(inputs[0]),)), node.shape)
    return sum_of([(power, 1), (number(Fraction(1)), -1)], node.shape)


def _clip(node: Tensor, inputs: list[Contraction]) -> Contraction:
    x, low, high = (argument(v) for v in inputs)
    return opaque(Call("clip", (x, low, high)), node.shape)


def _concatenate_axes(node: Tensor, inputs: list[Contraction]) -> Contraction:
    below = below_axes_of(node, node.attrs["axis"])
    return opaque(Call("concat", tuple(map(argument, inputs)), below), node.shape)


def below_axes_of(node: Tensor, axis: int) -> tuple[Formula, ...]:
    """The index of an axis of the node, none if it has one only."""
    return () if node.ndim == 1 else (index_of(Axis(node.inputs[0].shape[axis], axis)),)


def _window(node: Tensor, inputs: list[Contraction]) -> Contraction:
    found = _by_name(node, inputs)
    factor = found.factors[-1]
    assert isinstance(factor.atom.formula, Call)
    a = node.attrs
    windows = Windows(factor.atom.formula.arguments[0], a["axes"], a["stride"], a["dilation"])
    whole = replace(factor, atom=replace(factor.atom, windows=windows))
    return replace(found, factors=(*found.factors[:-1], whole))


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
    "where": choice,
    "astype": converted,
    "logical_not": negated,
    "dimension": dimension_value,
    "abs": _abs,
    "log1p": _log1p,
    "expm1": _expm1,
    "clip": _clip,
    "concatenate": _concatenate_axes,
    "stop_gradient": _same_value,
    "index_check": _same_value,
    "window": _window,
}
