"""Canonical formulas: parts enter in any order, one formula leaves, the same whichever order they came in.

Numbers are merged and stand in front, signs before them; positive terms come before negative ones, factors
as a textbook has them: ∂L/∂y, names, products, functions, sums in parentheses, indicators.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from graphc.symbolic.notation.formula import (
    ONES,
    Big,
    Call,
    Cases,
    Element,
    Fence,
    Formula,
    Indicator,
    Name,
    Negative,
    Number,
    Partial,
    Power,
    Product,
    Quotient,
    Relation,
    Root,
    Scaled,
    Sum,
    Symbol,
    Transpose,
)
from graphc.symbolic.notation.plain_text import text

ONE = Number(Fraction(1))
Term = tuple[Fraction, bool, Formula | None]
_CLASSES: tuple[tuple[type[Formula], ...], ...] = (
    (Number, Symbol), (Partial,), (Name,), (Transpose, Product, Scaled, Big), (Fence, Quotient),
    (Call, Cases), (Sum, Negative), (Indicator,),
)  # fmt: skip


def factor_order(formula: Formula) -> tuple[int, str]:
    """Where a factor that may stand anywhere stands among others."""
    core = formula
    while isinstance(core, (Power, Root, Element)):
        core = core.parts[0]
    kind = next((k for k, types in enumerate(_CLASSES) if isinstance(core, types)), len(_CLASSES))
    return kind, text(formula)


def _term_order(term: Term, count: int) -> tuple[object, ...]:
    coefficient, _, body = term
    if body is None:
        first = coefficient == 1 and count == 2
        return coefficient < 0, 0 if first else 2, 0, 0, ""
    return coefficient < 0, 1, -_degree(body), body.size - _transposes(body), text(body)


def _degree(body: Formula) -> int:
    """How many factors a term has, so that xᵀ A x comes before bᵀ x and x² before x."""
    match body:
        case Product(factors, "", _):
            return sum(_degree(f) for f in factors if f not in (ONES, Transpose(ONES)))
        case Scaled(_, inner) | Quotient(inner, _):
            return _degree(inner)
        case Power(base, Number(value, _)) if value.denominator == 1:
            return _degree(base) * int(value)
    return 1


def _transposes(formula: Formula) -> int:
    return isinstance(formula, Transpose) + sum(map(_transposes, formula.parts))


def summed(terms: Iterable[Term]) -> tuple[Formula, tuple[Term, ...]]:
    """The sum of terms, equal ones merged, with the terms it came to."""
    found: dict[Formula | None, tuple[Fraction, bool]] = {}
    for coefficient, decimal, body in terms:
        before, was = found.get(body, (Fraction(0), False))
        found[body] = before + coefficient, was or decimal
    kept = [(c, d, body) for body, (c, d) in found.items() if c != 0]
    if not kept:
        return Number(Fraction(0)), ()
    count = len(kept)
    kept.sort(key=lambda t: _term_order(t, count))
    written = tuple(scaled(c, d, (), (), body) for c, d, body in kept)
    return written[0] if len(written) == 1 else Sum(written), tuple(kept)


def scaled(
    coefficient: Fraction,
    decimal: bool,
    above: Sequence[Formula],
    below: Sequence[Formula],
    body: Formula | None,
) -> Formula:
    """coefficient · above · body / below, with scalars above and below the line."""
    size = abs(coefficient)
    upper, lower = sorted(above, key=factor_order), sorted(below, key=factor_order)
    if decimal and size.denominator != 1:
        endless = _without_tens(size.denominator)
        upper = [Number(size * endless, True), *upper]
        lower = [Number(Fraction(endless)), *lower] if endless > 1 else lower
    else:
        if size.numerator != 1 or size == 0:
            upper = [Number(Fraction(size.numerator)), *upper]
        if size.denominator != 1:
            lower = [Number(Fraction(size.denominator)), *lower]
    if isinstance(body, Negative):
        coefficient, body = -coefficient, body.part
    if lower and isinstance(body, Big) and body.sign == "Σ":
        body, lower = Big(body.sign, body.indices, _over(body.body, lower)), []
    whole = _beside(upper, body)
    formula = _over(whole, lower) if lower else whole
    return Negative(formula) if coefficient < 0 else formula


def _without_tens(denominator: int) -> int:
    """What of a denominator makes a decimal without end."""
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator


def _beside(scalars: Sequence[Formula], body: Formula | None) -> Formula:
    if body is None:
        return joined(scalars)
    if not scalars:
        return body
    match body:
        case Scaled(others, inner):
            return Scaled((*scalars, *others), inner)
        case Quotient(above, below):
            return Quotient(_beside(scalars, None if above == ONE else above), below)
    return Scaled(tuple(scalars), body)


def _over(above: Formula, below: Sequence[Formula]) -> Formula:
    if isinstance(above, Quotient):
        return Quotient(above.numerator, _beside(below, above.denominator))
    return Quotient(above, joined(below))


def joined(factors: Sequence[Formula]) -> Formula:
    """Factors beside each other, in the order given; 1 if there are none."""
    flat: list[Formula] = []
    for factor in factors:
        flat += factor.factors if isinstance(factor, Product) and not factor.sign else [factor]
    return ONE if not flat else flat[0] if len(flat) == 1 else Product(tuple(flat))


def by_elements(factors: Iterable[tuple[Formula, Fraction]], sign: str = "⊙") -> Formula:
    """The product, element by element, of powers; negative ones go below a line."""
    above: list[Formula] = []
    below: list[Formula] = []
    for factor, exponent in factors:
        (above if exponent > 0 else below).append(raised_to(factor, abs(exponent)))
    lines = [_signed(sorted(line, key=factor_order), sign) for line in (above, below)]
    return Quotient(lines[0], lines[1]) if below else lines[0]


def _signed(factors: Sequence[Formula], sign: str) -> Formula:
    if not sign or len(factors) < 2:
        return joined(factors)
    flat: list[Formula] = []
    for factor in factors:
        flat += factor.factors if isinstance(factor, Product) and factor.sign == sign else [factor]
    return Product(tuple(sorted(flat, key=factor_order)), sign)


def raised_to(base: Formula, exponent: Fraction) -> Formula:
    """base to the power of a positive rational; a root where it is one half."""
    if exponent == 1:
        return base
    match base:
        case Power(Fence("‖", _, _) as inner, Number(value, _)):
            return raised_to(inner, value * exponent)
    if exponent == Fraction(1, 2):
        return Root(base)
    return Power(base, Number(exponent))


def transposed(formula: Formula) -> Formula:
    """The transpose; what is symmetric as it is written, such as A + Aᵀ, is its own."""
    if isinstance(formula, Transpose):
        return formula.part
    return formula if _is_symmetric(formula) else Transpose(formula)


def _is_symmetric(formula: Formula) -> bool:
    match formula:
        case Symbol("I"):
            return True
        case Sum(terms):
            return Counter(terms) == Counter(map(turned, terms))
    return False


def turned(formula: Formula) -> Formula:
    """The transpose of a matrix with the transposition at its factors: (2 A B)ᵀ is 2 Bᵀ Aᵀ."""
    match formula:
        case Negative(part):
            return Negative(turned(part))
        case Product(factors, "", _):
            return Product(tuple(transposed(f) for f in reversed(factors)))
        case Scaled(scalars, body):
            return Scaled(scalars, turned(body))
    return transposed(formula)


def setting(key: str, value: Formula) -> Formula:
    """A setting as it stands below a sign: ``s=2``."""
    return Relation(Name(key), "=", value)
