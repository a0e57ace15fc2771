"""Writing a formula: it enters with a pen, its text in the pen's language leaves, parentheses where needed.

A pen knows how one thing looks in plain text, LaTeX or MathML; which thing binds closer than which is told
here once for all three. No recursion: a formula may be deep.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from graphc.symbolic.notation.formula import (
    Array,
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
    Span,
    Sum,
    Symbol,
    Transpose,
)

# What binds closer has the higher number. A product with a sign binds looser than factors beside each
# other, and a product beside a sign is set in parentheses all the same: (A B) ⊙ C, as textbooks do.
RELATION, SUM, BIG, SIGNED, LINE_QUOTIENT, PRODUCT, FRACTION, RAISED, ATOM = range(9)
Written = tuple[str, int]
_MOST_ZEROS = 7


class Pen(Protocol):
    """How each thing looks in one language. Texts that enter are in the language already."""

    quotient_level: int  # how close a quotient binds as this pen writes it
    root_level: int
    name_takes_indices: bool  # whether a name with subscripts may bear indices bare

    def name(self, name: Name) -> str: ...
    def symbol(self, sign: str) -> str: ...
    def digits(self, text: str) -> str: ...
    def scientific(self, mantissa: str, exponent: int) -> str: ...
    def sum(self, terms: Sequence[tuple[bool, str]]) -> str: ...
    def product(self, factors: Sequence[str], sign: str, below: Sequence[str]) -> str: ...
    def quotient(self, above: str, below: str) -> str: ...
    def power(self, base: str, exponent: str, simple: bool) -> str: ...
    def transpose(self, base: str) -> str: ...
    def root(self, part: str) -> str: ...
    def call(self, function: str, below: Sequence[str], arguments: Sequence[str]) -> str: ...
    def fence(self, left: str, items: Sequence[str], right: str) -> str: ...
    def indicator(self, condition: str) -> str: ...
    def cases(self, branches: Sequence[tuple[str, str]], otherwise: str | None) -> str: ...
    def element(self, base: str, indices: Sequence[str]) -> str: ...
    def array(self, element: str, indices: Sequence[str]) -> str: ...
    def big(self, sign: str, indices: Sequence[str], body: str) -> str: ...
    def relation(self, left: str, sign: str, right: str) -> str: ...
    def partial(self, above: str, below: str) -> str: ...
    def span(self, ends: Sequence[str]) -> str: ...


def written(formula: Formula, pen: Pen) -> str:
    """The whole formula as the pen writes it."""
    done: dict[int, Written] = {}
    stack: list[Formula] = [formula]
    while stack:
        top = stack[-1]
        if id(top) in done:
            stack.pop()
            continue
        missing = [p for p in top.parts if id(p) not in done]
        if missing:
            stack += reversed(missing)
        else:
            done[id(top)] = _written(top, pen, done)
            stack.pop()
    return done[id(formula)][0]


def _written(formula: Formula, pen: Pen, done: dict[int, Written]) -> Written:
    def put(part: Formula, least: int = RELATION) -> str:
        text, level = done[id(part)]
        return text if level >= least else pen.fence("(", [text], ")")

    def all_of(parts: Sequence[Formula], least: int = RELATION) -> list[str]:
        return [put(p, least) for p in parts]

    match formula:
        case Name():
            return pen.name(formula), ATOM
        case Symbol(sign):
            return pen.symbol(sign), ATOM
        case Number(value, decimal):
            return _number(value, decimal, pen)
        case Sum(terms):
            signed = [
                (True, put(t.part, BIG)) if isinstance(t, Negative) else (False, put(t, BIG)) for t in terms
            ]
            return pen.sum(signed), SUM
        case Negative(part):
            return pen.sum([(True, put(part, BIG))]), SUM
        case Product(factors, "", _):
            last = len(factors) - 1
            return pen.product(
                [put(f, BIG if _opens(f) and i == last else PRODUCT) for i, f in enumerate(factors)], "", ()
            ), (BIG if _opens(factors[-1]) else PRODUCT)
        case Product(factors, sign, below):
            return pen.product(all_of(factors, FRACTION), sign, all_of(below)), SIGNED
        case Scaled(scalars, body):
            level = min(PRODUCT, max(done[id(body)][1], SIGNED if not _opens(body) else BIG))
            least = BIG if _opens(body) else SIGNED
            return pen.product([*all_of(scalars, RAISED), put(body, least)], "", ()), level
        case Quotient(above, below_line):
            stacked = pen.quotient_level == FRACTION
            texts = (
                (put(above), put(below_line)) if stacked else (put(above, SIGNED), put(below_line, RAISED))
            )
            return pen.quotient(*texts), pen.quotient_level
        case Power(base, exponent):
            simple = isinstance(exponent, (Name, Symbol)) or done[id(exponent)][0].isdigit()
            return pen.power(put(base, ATOM), put(exponent), simple), RAISED
        case Transpose(part):
            return pen.transpose(put(part, ATOM)), RAISED
        case Root(part):
            return pen.root(put(part, ATOM if pen.root_level == RAISED else RELATION)), pen.root_level
        case Call(function, arguments, below):
            return pen.call(function, all_of(below), all_of(arguments)), ATOM
        case Fence(left, items, right):
            return pen.fence(left, all_of(items), right), ATOM
        case Indicator(condition):
            return pen.indicator(put(condition)), ATOM
        case Cases(branches, otherwise):
            rows = [(put(value), put(condition)) for value, condition in branches]
            return pen.cases(rows, None if otherwise is None else put(otherwise)), ATOM
        case Element(base, indices):
            bare = not isinstance(base, (Partial, Element)) and (
                pen.name_takes_indices or not isinstance(base, Name) or len(base.pieces) == 1
            )
            text = put(base, ATOM) if bare else pen.fence("(", [put(base)], ")")
            return pen.element(text, all_of(indices)), ATOM
        case Array(element, indices):
            return pen.array(put(element), all_of(indices)), ATOM
        case Big(sign, indices, body):
            return pen.big(sign, all_of(indices), put(body, BIG)), BIG
        case Relation(left, sign, right):
            return pen.relation(put(left, SUM), sign, put(right, SUM)), RELATION
        case Partial(above, below_line):
            return pen.partial(put(above, ATOM), put(below_line, ATOM)), RAISED
        case Span(start, stop, step):
            ends = [
                "" if e is None else put(e) for e in ([start, stop] if step is None else [start, stop, step])
            ]
            return pen.span(ends), RELATION
    raise TypeError(f"{type(formula).__name__} is no formula that can be written")


def _opens(formula: Formula) -> bool:
    """Whether the formula reaches on to its right: a factor after it would seem to belong to it."""
    return isinstance(formula, Big)


def _number(value: Fraction, decimal: bool, pen: Pen) -> Written:
    if value.denominator == 1:
        figures = str(value.numerator)
        zeros = len(figures) - len(figures.rstrip("0"))
        if zeros < _MOST_ZEROS or value == 0:
            return pen.digits(figures), ATOM
        return _scientific(figures[:-zeros], zeros, pen)
    if decimal:
        return _decimal(value, pen)
    above, below = str(value.numerator), str(value.denominator)
    return pen.quotient(pen.digits(above), pen.digits(below)), pen.quotient_level


def _decimal(value: Fraction, pen: Pen) -> Written:
    text = repr(float(value))
    mantissa, _, exponent = text.partition("e")
    if not exponent and value < Fraction(1, 1000):
        zeros = len(text) - len(text[2:].lstrip("0")) - 2
        mantissa, exponent = repr(float(value * 10 ** (zeros + 1))), str(-zeros - 1)
    if not exponent:
        return pen.digits(mantissa), ATOM
    return _scientific(mantissa.removesuffix(".0"), int(exponent), pen)


def _scientific(mantissa: str, exponent: int, pen: Pen) -> Written:
    return pen.scientific(mantissa, exponent), RAISED if mantissa == "1" else PRODUCT
