"""Products of tensors by their axes: matmul, einsum, multiply, sum, transpose become one kind of value.

A contraction is ``coefficient · Σ factor · factor · …`` over the axes that the result does not have. So a
``matmul`` of a transpose and an ``einsum`` that mean the same enter as the same value and are written alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import sympy

from graphc.ir.dimension import Dim, Shape, same
from graphc.symbolic.notation.formula import Big, Call, Element, Fence, Formula, Number, Power
from graphc.symbolic.notation.scalars import scalar_formula


class Axis:
    """An axis of a value: itself is its identity. ``place`` is where it stands in the tensor it came from."""

    __slots__ = ("place", "size")

    def __init__(self, size: Dim, place: int) -> None:
        self.size = size
        self.place = place


# (coefficient, whether it is a decimal, the rest), the rest None for a plain number
Term = tuple[Fraction, bool, Formula | None]


@dataclass(frozen=True)
class Windows:
    """The tensor that windows are taken from, and along which of its axes."""

    base: Formula
    axes: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]


@dataclass(frozen=True)
class Atom:
    """A tensor as a formula, with its rank.

    Of a sum the terms are kept, so that sums of sums are one sum, and whether each has all the axes, so that
    its transpose is the sum of theirs; of windows where they were taken.
    """

    formula: Formula
    rank: int
    is_row: bool = False
    terms: tuple[Term, ...] | None = None
    whole: bool = False
    windows: Windows | None = None


@dataclass(frozen=True)
class Factor:
    """An atom, which of the value's axes its own are (those of size 1 left out), and its power."""

    atom: Atom
    axes: tuple[Axis, ...]
    exponent: Fraction = Fraction(1)


@dataclass(frozen=True)
class Contraction:
    """A product of factors, summed over those of their axes that ``axes`` lacks; None: an axis of size 1.

    ``history`` are axes summed over inside, the first one first: how a product is best read.
    """

    coefficient: Fraction
    factors: tuple[Factor, ...]
    axes: tuple[Axis | None, ...]
    decimal: bool = False
    by_elements: bool = True
    history: tuple[Axis, ...] = ()

    @property
    def kept(self) -> tuple[Axis, ...]:
        """The axes of the result that have more than one element."""
        return tuple(a for a in self.axes if a is not None)

    @property
    def summed(self) -> list[Axis]:
        """The axes summed over, in order of first use."""
        kept = set(self.kept)
        return [a for a in dict.fromkeys(a for f in self.factors for a in f.axes) if a not in kept]

    def moved(self, axes: Mapping[Axis, Axis]) -> Contraction:
        """The same value with some axes replaced."""
        factors = tuple(replace(f, axes=tuple(axes.get(a, a) for a in f.axes)) for f in self.factors)
        kept = tuple(a if a is None else axes.get(a, a) for a in self.axes)
        return replace(self, factors=factors, axes=kept, history=tuple(axes.get(a, a) for a in self.history))

    def fresh(self) -> Contraction:
        """The same value with axes of its own, so that it may be a factor twice."""
        every = dict.fromkeys([*self.kept, *self.summed])
        return self.moved({a: Axis(a.size, a.place) for a in every})


def new_axes(shape: Shape) -> tuple[Axis | None, ...]:
    """An axis for each size; None for a size of 1."""
    return tuple(None if same(n, 1) else Axis(n, place) for place, n in enumerate(shape))


def opaque(
    formula: Formula, shape: Shape, terms: tuple[Term, ...] | None = None, whole: bool = False
) -> Contraction:
    """A formula for a whole tensor of this shape."""
    axes = new_axes(shape)
    kept = tuple(a for a in axes if a is not None)
    is_row = len(axes) == 2 and axes[0] is None and axes[1] is not None and not is_reduced(formula)
    return Contraction(Fraction(1), (Factor(Atom(formula, len(shape), is_row, terms, whole), kept),), axes)


def is_reduced(formula: Formula) -> bool:
    """Whether a formula reduces a tensor: what is left is a column, as every vector, whatever its shape."""
    return (
        isinstance(formula, (Big, Element))
        or (isinstance(formula, Call) and bool(formula.below))
        or any(map(is_reduced, formula.parts))
    )


def number(value: Fraction, decimal: bool = False, axes: tuple[Axis | None, ...] = ()) -> Contraction:
    """A plain number."""
    return Contraction(value, (), axes, decimal)


def broadcast(value: Contraction, shape: tuple[Dim, ...]) -> Contraction:
    """The value with the axes that broadcasting to a shape gives it."""
    wide = new_axes(shape)
    offset = len(wide) - len(value.axes)
    axes = (*wide[:offset], *(w if a is None else a for a, w in zip(value.axes, wide[offset:], strict=True)))
    return replace(value, axes=axes)


def product(values: Iterable[Contraction], shape: Shape) -> Contraction:
    """The elementwise product, broadcast to the shape."""
    values = [v.fresh() for v in values]
    axes = list(new_axes(shape))
    met: list[Axis | None] = [None] * len(shape)
    aligned = []
    for value in values:
        offset = len(shape) - len(value.axes)
        replaced: dict[Axis, Axis] = {}
        for place, axis in enumerate(value.axes, offset):
            if axis is None:
                continue
            if met[place] is None:
                met[place] = axis
            replaced[axis] = met[place]  # type: ignore[assignment]
        aligned.append(value.moved(replaced))
    result = tuple(m if m is not None else a for m, a in zip(met, axes, strict=True))
    coefficient, decimal = Fraction(1), False
    factors: list[Factor] = []
    for value in aligned:
        coefficient *= value.coefficient
        decimal = decimal or value.decimal
        factors += value.factors
    by_elements = all(v.by_elements for v in values)
    history = tuple(a for v in aligned for a in v.history)
    return Contraction(coefficient, merged(factors), result, decimal, by_elements, history)


def contracted(
    values: Sequence[Contraction], terms: Sequence[Sequence[object]], out: Sequence[object]
) -> Contraction:
    """The sum of products in which axes of one label are one axis: an einsum."""
    labelled: dict[object, Axis] = {}
    history: tuple[Axis, ...] = ()
    coefficient, decimal = Fraction(1), False
    factors: list[Factor] = []
    sizes: dict[object, Dim] = {}
    for value, labels in zip((v.fresh() for v in values), terms, strict=True):
        replaced: dict[Axis, Axis] = {}
        for axis, label in zip(value.axes, labels, strict=True):
            if axis is not None:
                replaced[axis] = labelled.setdefault(label, axis)
                sizes[label] = axis.size
        moved = value.moved(replaced)
        coefficient *= moved.coefficient
        decimal = decimal or moved.decimal
        history += moved.history
        factors += moved.factors
    used = {a for f in factors for a in f.axes}
    for label, axis in labelled.items():
        if axis not in used and label not in out:  # summed, and nothing depends on it
            coefficient, factors = times_size(coefficient, factors, axis.size)
    axes = tuple(labelled.get(label) for label in out)
    whole = Contraction(coefficient, merged(factors), axes, decimal, by_elements=False)
    return with_history(whole, history)


def with_history(value: Contraction, before: tuple[Axis, ...]) -> Contraction:
    """The value with its last summation noted, where it was of one axis: of several none comes first."""
    new = [a for a in value.summed if a not in before]
    return replace(value, history=(*before, *new) if len(new) == 1 else before)


def times_size(coefficient: Fraction, factors: Sequence[Factor], size: Dim) -> tuple[Fraction, list[Factor]]:
    """The product times a size, which is a number or a scalar factor."""
    found = size_value(size)
    return coefficient * found.coefficient, [*factors, *found.factors]


def size_value(size: Dim) -> Contraction:
    """A size as a scalar value; of a product of sizes each is a factor."""
    if isinstance(size, int):
        return number(Fraction(size))
    coefficient, rest = sympy.sympify(size).as_coeff_Mul()
    if not coefficient.is_Rational:
        coefficient, rest = sympy.Integer(1), size
    factors = []
    for part in sympy.Mul.make_args(rest):
        base, exponent = part.as_base_exp()
        if not exponent.is_Rational:
            base, exponent = part, sympy.Integer(1)
        factors.append(Factor(Atom(scalar_formula(base), 0), (), Fraction(int(exponent.p), int(exponent.q))))
    return Contraction(Fraction(int(coefficient.p), int(coefficient.q)), tuple(factors), ())


def merged(factors: Iterable[Factor]) -> tuple[Factor, ...]:
    """Equal factors as one with the exponents added, where that holds for every element."""
    found: list[Factor] = []
    for factor in factors:
        for i, other in enumerate(found):
            if other.axes == factor.axes and other.atom.formula == factor.atom.formula:
                a, b = other.exponent, factor.exponent
                if (a > 0) == (b > 0) and (a.denominator == 1 or b.denominator == 1):
                    found[i] = replace(other, exponent=a + b)
                    break
        else:
            found.append(factor)
    return tuple(found)


def _norm_by_itself(factor: Factor) -> Factor:
    """A power of ‖x‖² as one of ‖x‖, which is never negative: ‖x‖ ‖x‖ ‖x‖ is ‖x‖³."""
    match factor.atom.formula:
        case Power(Fence("‖", _, _) as inner, Number(power, _)):
            atom = replace(factor.atom, formula=inner)
            return replace(factor, atom=atom, exponent=factor.exponent * power)
    return factor


def raised(value: Contraction, exponent: Fraction) -> Contraction | None:
    """The elementwise power, or None where a sum or a root of several factors stands in the way."""
    whole = exponent.denominator == 1
    if value.summed or (not whole and (len(value.factors) != 1 or value.coefficient != 1)):
        return None
    if not whole and value.factors[0].exponent != 1 and value.factors[0].exponent.numerator % 2 == 0:
        return None  # √(x²) is |x|
    if value.coefficient == 0:
        return None
    factors = tuple(_norm_by_itself(replace(f, exponent=f.exponent * exponent)) for f in value.factors)
    coefficient = value.coefficient ** int(exponent) if whole else Fraction(1)
    return replace(value, factors=factors, coefficient=coefficient)
