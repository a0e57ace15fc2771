"""The parts of textbook mathematics: names, numbers and formulas enter, one immutable formula leaves.

A formula says how a thing is written, not what it is worth: ``A ⊙ B`` is a product with a sign. What is
equal is the business of the modules that build formulas; writing them is ``writing``'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import sympy

from graphc.ir.tensor import Tensor
from graphc.symbolic.naming import Names, identifier


@dataclass(frozen=True)
class Formula:
    """Any formula; ``parts`` are those it is made of, from left to right.

    ``size`` counts the formulas in it and ``depth`` their nesting, so that growth is seen before it hurts.
    """

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "size", 1 + sum(p.size for p in self.parts))
        put(self, "depth", 1 + max((p.depth for p in self.parts), default=0))

    size = 1
    depth = 1

    @property
    def parts(self) -> tuple[Formula, ...]:
        return ()


@dataclass(frozen=True)
class Name(Formula):
    r"""A name of the user's: parts after an underscore, a number at its end and scopes are subscripts.

    ``word`` is an identifier: `name` makes one of any text.
    """

    word: str
    scopes: tuple[str, ...] = ()

    @property
    def pieces(self) -> tuple[str, ...]:
        """The letter and its subscripts, as ``naming.latex_name`` divides them."""
        found = [p for p in self.word.split("_") if p]
        trailing = re.fullmatch(r"(\D+)(\d+)", found[0]) if found else None
        if trailing:
            found[:1] = [trailing[1], trailing[2]]
        return (*found, *(p for scope in self.scopes for p in scope.split("_") if p)) or ("_",)


@dataclass(frozen=True)
class Number(Formula):
    """A number of at least 0, as a fraction, or as a decimal of so many figures as it has."""

    value: Fraction
    decimal: bool = False


@dataclass(frozen=True)
class Symbol(Formula):
    """A sign of its own that is no one's name: ``∞``, ``π``, ``e``, ``:``, ``I``, ``1`` in bold for ones."""

    sign: str


ONES = Symbol("𝟏")
IDENTITY = Symbol("I")
INFINITY = Symbol("∞")
PI = Symbol("π")
EULER = Symbol("e")
NOT_A_NUMBER = Symbol("NaN")


@dataclass(frozen=True)
class Sum(Formula):
    """Terms with their signs: a term that is `Negative` is subtracted."""

    terms: tuple[Formula, ...]

    @property
    def parts(self) -> tuple[Formula, ...]:
        return self.terms


@dataclass(frozen=True)
class Negative(Formula):
    """−part."""

    part: Formula

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (self.part,)


@dataclass(frozen=True)
class Product(Formula):
    """Factors beside each other, or with a sign between them: ⊙ · ⊗ * ⊛ ⊗ᵀ, and settings below the sign."""

    factors: tuple[Formula, ...]
    sign: str = ""
    below: tuple[Formula, ...] = ()

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (*self.factors, *self.below)


@dataclass(frozen=True)
class Scaled(Formula):
    """Scalars in front of a body: ``2 λ body``."""

    scalars: tuple[Formula, ...]
    body: Formula

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (*self.scalars, self.body)


@dataclass(frozen=True)
class Quotient(Formula):
    """numerator / denominator, element by element where they are tensors."""

    numerator: Formula
    denominator: Formula

    @property
    def parts(self) -> tuple[Formula, ...]:
        return self.numerator, self.denominator


@dataclass(frozen=True)
class Power(Formula):
    """base to the power of exponent, element by element."""

    base: Formula
    exponent: Formula

    @property
    def parts(self) -> tuple[Formula, ...]:
        return self.base, self.exponent


@dataclass(frozen=True)
class Root(Formula):
    """√part."""

    part: Formula

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (self.part,)


@dataclass(frozen=True)
class Transpose(Formula):
    """partᵀ: the last two axes exchanged."""

    part: Formula

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (self.part,)


@dataclass(frozen=True)
class Call(Formula):
    """A function by name, its settings below it: ``softmax_n(Z)``."""

    function: str
    arguments: tuple[Formula, ...]
    below: tuple[Formula, ...] = ()

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (*self.below, *self.arguments)


@dataclass(frozen=True)
class Fence(Formula):
    """Parts between two signs: |x|, ‖x‖, ⟨a, b⟩, ⌊x⌋, a tuple."""

    left: str
    items: tuple[Formula, ...]
    right: str

    @property
    def parts(self) -> tuple[Formula, ...]:
        return self.items


@dataclass(frozen=True)
class Indicator(Formula):
    """1 where the condition holds, else 0: Iverson's bracket, ``1[z > 0]``."""

    condition: Formula

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (self.condition,)


@dataclass(frozen=True)
class Cases(Formula):
    """Values with the conditions under which they hold, the first one first, and what holds otherwise."""

    branches: tuple[tuple[Formula, Formula], ...]
    otherwise: Formula | None

    @property
    def parts(self) -> tuple[Formula, ...]:
        last = () if self.otherwise is None else (self.otherwise,)
        return (*(f for branch in self.branches for f in branch), *last)


@dataclass(frozen=True)
class Element(Formula):
    """An element or a part of a tensor: ``X[n, k]``, ``x[1:3]``."""

    base: Formula
    indices: tuple[Formula, ...]

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (self.base, *self.indices)


@dataclass(frozen=True)
class Array(Formula):
    """The tensor of the elements that a formula gives at the indices: ``[x[i] y[j]]_{i,j}``."""

    element: Formula
    indices: tuple[Formula, ...]

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (self.element, *self.indices)


@dataclass(frozen=True)
class Big(Formula):
    """A sum, product or maximum over bound indices; over all elements if it names none."""

    sign: str
    indices: tuple[Formula, ...]
    body: Formula

    @property
    def parts(self) -> tuple[Formula, ...]:
        return (*self.indices, self.body)


@dataclass(frozen=True)
class Relation(Formula):
    """left sign right: an equation, a comparison, or two conditions joined by ∧, ∨, ⊕."""

    left: Formula
    sign: str
    right: Formula

    @property
    def parts(self) -> tuple[Formula, ...]:
        return self.left, self.right


@dataclass(frozen=True)
class Partial(Formula):
    """∂above/∂below as one name."""

    above: Formula
    below: Formula

    @property
    def parts(self) -> tuple[Formula, ...]:
        return self.above, self.below


@dataclass(frozen=True)
class Span(Formula):
    """From start to stop by step, as between the brackets of a slice: ``1:7:2``, ``:``."""

    start: Formula | None = None
    stop: Formula | None = None
    step: Formula | None = None

    @property
    def parts(self) -> tuple[Formula, ...]:
        return tuple(p for p in (self.start, self.stop, self.step) if p is not None)


# -- makers ----------------------------------------------------------------------------------------
def name(text: str) -> Name:
    """Any text as a name; what stands before a slash is a scope.

    >>> name("block1/w"), name("h_1")
    (Name(word='w', scopes=('block1',)), Name(word='h_1', scopes=()))
    """
    *scopes, last = text.split("/")
    return Name(identifier(last), tuple(identifier(s) for s in scopes if identifier(s).strip("_")))


def name_of(node: Tensor | sympy.Symbol, names: Names) -> Name:
    """The node's name as ``names`` tells it apart from others.

    >>> import graphc as gc
    >>> x = gc.input("x", ())
    >>> name_of(x, Names([x]))
    Name(word='x', scopes=())
    """
    symbol = node if isinstance(node, sympy.Symbol) else names.symbol[node]
    if isinstance(node, Tensor) and node.name and "/" in node.name:
        number = symbol.name[len(identifier(node.name)) :]
        given = name(node.name)
        return Name(given.word + number, given.scopes)
    return Name(symbol.name)


def equation(left: Formula, right: Formula) -> Relation:
    """left = right."""
    return Relation(left, "=", right)


def integer(value: int) -> Formula:
    """An integer, negative ones with their sign."""
    return Number(Fraction(value)) if value >= 0 else Negative(Number(Fraction(-value)))


def norm(part: Formula) -> Formula:
    """‖part‖."""
    return Fence("‖", (part,), "‖")


def absolute(part: Formula) -> Formula:
    """|part|."""
    return Fence("|", (part,), "|")
