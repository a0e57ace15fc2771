"""Index notation on paper: terms enter, formulas with letters for their indices leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy

from graphc.ir.dimension import Dim, same
from graphc.ir.tensor import Tensor
from graphc.symbolic.index.affine import Affine, Digit, Gather, Key, Variable
from graphc.symbolic.index.terms import Atom, Bracket, Call, Guard, Read, Term
from graphc.symbolic.local import read_symbol
from graphc.symbolic.notation import (
    Big,
    Element,
    Fence,
    Formula,
    Indicator,
    Name,
    Relation,
    building,
    matrix_formula,
    scalar_formula,
)
from graphc.symbolic.notation import Call as Function

_LETTERS = "ijklmpqrsuvwabcdefgh"
_ONE = Fraction(1)


class Letters:
    """A letter for each index of one equation: n for an axis of size N, else the next that is free."""

    def __init__(self, taken: Sequence[str] = ()) -> None:
        self._names: dict[Variable, Name] = {}
        self._taken = set(taken)

    def set(self, v: Variable, name: Name) -> None:
        """Let an index have the letter that it has elsewhere."""
        self._names[v] = name

    def of(self, v: Variable) -> Name:
        if v not in self._names:
            self._names[v] = Name(self._free(v))
        return self._names[v]

    def _free(self, v: Variable) -> str:
        wishes = list(_LETTERS)
        if isinstance(v.size, sympy.Symbol) and len(v.size.name) == 1:
            wishes.insert(0, v.size.name.lower())
        for count in range(1, 1000):
            for letter in wishes:
                word = letter if count == 1 else f"{letter}_{count}"
                if word not in self._taken:
                    self._taken.add(word)
                    return word
        raise AssertionError("a thousand indices of one equation")


class IndexFormulas:
    """Terms as formulas over the names of tensors; a tensor without one is written out in matrix notation."""

    def __init__(self, names: Mapping[Tensor, Formula]) -> None:
        self._names = names
        self._written: dict[Tensor, Formula] = {}

    def element(self, base: Formula, index: Sequence[Affine], letters: Letters) -> Formula:
        """The element at an index; the tensor itself where it has no axes."""
        return Element(base, tuple([affine_formula(e, letters, self) for e in index])) if index else base

    def sum(
        self, terms: Sequence[Term], outputs: Sequence[Variable], letters: Letters, deltas: bool = False
    ) -> Formula:
        """The sum; ``outputs`` are the result's indices, to which each term's target is equated.

        Targets that are those indices need no saying, unless ``deltas`` asks for it.
        """
        if not terms:
            return building.summed([])[0]
        return building.summed([self._term(t, outputs, letters, deltas) for t in terms])[0]

    def _term(
        self, term: Term, outputs: Sequence[Variable], letters: Letters, deltas: bool
    ) -> tuple[Fraction, bool, Formula | None]:
        if not deltas:
            renamed = {}
            for e, output in zip(term.target, outputs, strict=False):
                v = e.variable
                if v is not None and v is not output and v in term.bound and v not in renamed:
                    renamed[v] = Affine({output: 1})
            term = term.substituted(renamed)
        fixed = set(outputs)
        for v in term.bound:
            letters.of(v)
        conditions: list[Formula] = [
            Indicator(Relation(affine_formula(e, letters, self), "=", letters.of(output)))
            for e, output in zip(term.target, outputs, strict=False)
            if e.variable is not output
        ]
        conditions += [self._guard(g, letters) for g in sorted(term.guards, key=repr)]
        coefficient, decimal, body = self._product(term, letters, conditions)
        summed = tuple([letters.of(v) for v in term.bound if v not in fixed])
        if summed:
            body = Big("Σ", summed, building.joined([]) if body is None else body)
        return coefficient, decimal, body

    def _product(
        self, term: Term, letters: Letters, conditions: Sequence[Formula]
    ) -> tuple[Fraction, bool, Formula | None]:
        coefficient, decimal, above, below = _constant(term.constant)
        factors: list[Formula] = []
        for atom, exponent in term.factors:
            formula = self._atom(atom, letters)
            if exponent > 0:
                factors.append(building.raised_to(formula, Fraction(exponent)))
            else:
                below.append(building.raised_to(formula, Fraction(-exponent)))
        factors += conditions
        body = building.joined(factors) if factors else None
        if above or below:
            body = building.scaled(_ONE, False, above, below, body)
        return coefficient, decimal, body

    def _atom(self, atom: Atom, letters: Letters) -> Formula:
        if isinstance(atom, Read):
            return self.element(self.base(atom.tensor), atom.index, letters)
        if isinstance(atom, Call):
            symbols = {
                read_symbol(i, r.tensor.dtype.kind == "b"): self.element(
                    self.base(r.tensor), r.index, letters
                )
                for i, r in enumerate(atom.reads)
            }
            return scalar_formula(atom.expression, symbols)
        assert isinstance(atom, Bracket)
        return self.sum(atom.terms, (), letters)

    def base(self, tensor: Tensor) -> Formula:
        """The tensor's name, or what it is in matrix notation."""
        found = self._names.get(tensor) or self._written.get(tensor)
        if found is None:
            found = self._written[tensor] = matrix_formula(tensor, self._names)
        return found

    def _guard(self, guard: Guard, letters: Letters) -> Formula:
        """value ≥ 0 with what is subtracted on the other side."""
        parts = guard.value.parts.items()
        plus = Affine({k: c for k, c in parts if not _is_negative(c)}, 0)
        minus = Affine({k: -c for k, c in parts if _is_negative(c)}, 0)
        if _is_negative(guard.value.constant):
            minus = minus.plus(-guard.value.constant)
        else:
            plus = plus.plus(guard.value.constant)
        left, right = (affine_formula(e, letters, self) for e in (minus, plus))
        return Indicator(Relation(left, "=" if guard.equal else "≤", right))


def _is_bool(read: Read) -> bool:
    return bool(read.tensor.dtype.kind == "b")


def _is_negative(value: Dim) -> bool:
    return value < 0 if isinstance(value, int) else bool(value.could_extract_minus_sign())


def _constant(value: Any) -> tuple[Fraction, bool, list[Formula], list[Formula]]:
    """A number and sizes: the number, whether it is a decimal, sizes above and below the line."""
    number, rest = sympy.sympify(value).as_coeff_Mul()
    coefficient, decimal = _ONE, False
    if number.is_Float:
        coefficient, decimal = Fraction(repr(float(number))), True
    elif number.is_Rational:
        coefficient = Fraction(int(number.p), int(number.q))
    else:
        rest = rest * number
    above, below = sympy.fraction(rest)
    return (
        coefficient,
        decimal,
        [] if above == 1 else [scalar_formula(above)],
        [] if below == 1 else [scalar_formula(below)],
    )


def affine_formula(e: Affine, letters: Letters, formulas: IndexFormulas) -> Formula:
    """The index as a formula: ``2 i + r − 1``."""
    terms: list[tuple[Fraction, bool, Formula | None]] = []
    for key, c in e.parts.items():
        body = _key_formula(key, letters, formulas)
        if isinstance(c, int):
            terms.append((Fraction(c), False, body))
        else:
            terms.append((_ONE, False, building.scaled(_ONE, False, [scalar_formula(c)], [], body)))
    if isinstance(e.constant, int):
        if e.constant or not terms:
            terms.append((Fraction(e.constant), False, None))
    else:
        terms.append((_ONE, False, scalar_formula(e.constant)))
    return building.summed(terms)[0]


def _key_formula(key: Key, letters: Letters, formulas: IndexFormulas) -> Formula:
    if isinstance(key, Variable):
        return letters.of(key)
    if isinstance(key, Gather):
        return formulas.element(formulas.base(key.tensor), key.index, letters)
    assert isinstance(key, Digit)
    value = affine_formula(key.value, letters, formulas)
    if not same(key.divisor, 1):
        value = Fence("⌊", (building.scaled(_ONE, False, (), [scalar_formula(key.divisor)], value),), "⌋")
    return Function("mod", (value, scalar_formula(key.modulus)))
