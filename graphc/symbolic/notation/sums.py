"""Sums: values with signs enter; their sum leaves, what they have in common pulled out in front."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

from graphc.ir.dimension import Dim, same, same_shape
from graphc.symbolic.notation.building import summed, turned
from graphc.symbolic.notation.contraction import (
    Contraction,
    Factor,
    broadcast,
    new_axes,
    number,
    opaque,
    product,
)
from graphc.symbolic.notation.formula import IDENTITY, ONES, Call, Product, Transpose
from graphc.symbolic.notation.rendering import index_of, parts_of, rendered
from graphc.symbolic.notation.row_sums import with_row_sums


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
    if len(shape) == 2 and any(_is_algebraic(v) for v, _ in values):
        values = [(_spread(v, shape), sign) for v, sign in values]
    elif len(shape) == 2:
        wide = [(product([v], shape) if _is_row_sum(v) else v, sign) for v, sign in values]
        values = [(with_row_sums(v, index_of), sign) for v, sign in wide]
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
        if factor.atom.whole and factor.exponent == 1 and factor.axes == value.kept[::-1]:
            turned_terms = [(c, d, body and turned(body)) for c, d, body in factor.atom.terms or ()]
            return [(c * value.coefficient, d, body) for c, d, body in turned_terms]
    if not value.factors:
        return [(value.coefficient, value.decimal, None)]
    value = broadcast(value, shape)
    bare = replace(value, coefficient=Fraction(1), decimal=False)
    if value.coefficient < 0:  # a difference takes the sign in
        opposite = replace(bare, coefficient=Fraction(-1))
        if parts_of(opposite, beside)[0] > 0:
            return [(-value.coefficient, value.decimal, rendered(opposite, beside))]
    return [(value.coefficient, value.decimal, rendered(bare, beside))]
