"""Formulas in index notation: terms over index variables enter, the element that a textbook writes leaves.

The result's indices are i, j, k, … in order. An element that is 0 off a diagonal bears Kronecker's δ[i,j];
other conditions on indices stand in Iverson's brackets; what is
summed over follows the letters of the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from graphc.ir.dimension import Dim, Shape, same, simplified
from graphc.ir.tensor import Tensor
from graphc.symbolic.index.affine import Affine, Digit, Key, Variable
from graphc.symbolic.index.terms import Atom, Bracket, Call, Guard, Read, Term
from graphc.symbolic.local import read_symbol
from graphc.symbolic.notation import building
from graphc.symbolic.notation.building import joined, raised_to, scaled, summed
from graphc.symbolic.notation.formula import (
    Big,
    Element,
    Fence,
    Formula,
    Indicator,
    Name,
    Negative,
    Relation,
    Transpose,
)
from graphc.symbolic.notation.formula import Call as Function
from graphc.symbolic.notation.matrix import matrix_formula
from graphc.symbolic.notation.scalars import scalar_formula

LETTERS = "ijklmnpqrstuvwxyz"
DELTA = Name("delta")


def result_letters(count: int) -> tuple[Formula, ...]:
    """The indices of a result of so many axes: i, j, k, …"""
    return tuple(_letters(count))


def index_formula(terms: Sequence[Term], shape: Shape, names: Mapping[Tensor, Formula]) -> Formula:
    """The element of Σ terms at ``result_letters(len(shape))``, by the names of what it reads.

    >>> import graphc as gc
    >>> from graphc.symbolic.notation import text
    >>> x = gc.input("x", (3,))
    >>> (let,) = gc.symbolic.jacobian(gc.square(x), x).lets
    >>> text(index_formula(let.simplified, (3, 3), {}))
    '2 x[i] δ[i,j]'
    """
    return _Writer(names).sum(terms, shape)


def _letters(count: int) -> list[Formula]:
    return [Name(LETTERS[k] if k < len(LETTERS) else f"i_{k}") for k in range(count)]


class _Writer:
    def __init__(self, names: Mapping[Tensor, Formula]) -> None:
        self._names = names
        self._bases: dict[Tensor, Formula] = {}

    def sum(self, terms: Sequence[Term], shape: Shape) -> Formula:
        return summed(self._term(t, shape, {}) for t in terms)[0]

    # -- terms ---------------------------------------------------------------------------------------
    def _term(self, term: Term, shape: Shape, outer: Mapping[Variable, Formula]) -> building.Term:
        """A term as its coefficient, whether that is a decimal, and the rest."""
        letters = _letters(len(shape))
        words: dict[Variable, Formula] = dict(outer)
        conditions: list[Formula] = []
        late: list[tuple[Formula, Affine]] = []
        for letter, size, target in zip(letters, shape, term.target, strict=True):
            v = target.variable
            if v is not None and v not in words:
                words[v] = letter
            elif v is not None:
                conditions.append(Element(DELTA, (words[v], letter)))
            elif not same(size, 1):
                late.append((letter, target))
        summed_over = [v for v in term.bound if v not in words]
        taken = {*letters, *words.values()}
        fresh = (letter for letter in _letters(len(taken) + len(summed_over)) if letter not in taken)
        words |= dict(zip(summed_over, fresh, strict=False))
        for letter, target in late:
            conditions.append(Indicator(Relation(letter, "=", self._index(target, words))))
        conditions += [self._guard(g, words) for g in sorted(term.guards, key=repr)]
        above: list[Formula] = []
        below: list[Formula] = []
        for atom, exponent in term.factors:
            factor = raised_to(self._atom(atom, words), Fraction(abs(exponent)))
            (above if exponent > 0 else below).append(factor)
        constant = scalar_formula(term.constant)
        sign = -1 if isinstance(constant, Negative) else 1
        size = constant.part if isinstance(constant, Negative) else constant
        factors = [f for f in (size, *above) if f != building.ONE]
        last = joined(conditions) if conditions else None
        body = scaled(Fraction(1), False, factors, below, last)
        if summed_over:
            body = Big("Σ", tuple([words[v] for v in summed_over]), body)
        return Fraction(sign), False, body

    def _atom(self, atom: Atom, words: Mapping[Variable, Formula]) -> Formula:
        if isinstance(atom, Read):
            return self._read(atom, words)
        if isinstance(atom, Call):
            reads = {
                read_symbol(k, r.tensor.dtype.kind == "b"): self._read(r, words)
                for k, r in enumerate(atom.reads)
            }
            return scalar_formula(atom.expression, reads)
        assert isinstance(atom, Bracket)
        return summed(self._term(t, (), words) for t in atom.terms)[0]

    def _read(self, read: Read, words: Mapping[Variable, Formula]) -> Formula:
        base = self._base(read.tensor)
        letters = [self._index(e, words) for e in read.index]
        while isinstance(base, Transpose):  # Wᵀ[i,j] is W[j,i]
            base, letters = base.part, [*letters[:-2], *letters[:-3:-1]]
        return Element(base, tuple(letters)) if letters else base

    def _base(self, tensor: Tensor) -> Formula:
        if tensor not in self._bases:
            known = self._names.get(tensor)
            self._bases[tensor] = matrix_formula(tensor, self._names) if known is None else known
        return self._bases[tensor]

    def _guard(self, guard: Guard, words: Mapping[Variable, Formula]) -> Formula:
        """left ≥ right with all parts positive, as people write it."""
        positive = {k: c for k, c in guard.value.parts.items() if _is_positive(c)}
        negative = {k: -c for k, c in guard.value.parts.items() if k not in positive}
        constant = guard.value.constant
        first, second = (constant, 0) if _is_positive(constant) else (0, simplified(-constant))
        left, right = (
            self._index(Affine(positive, first), words),
            self._index(Affine(negative, second), words),
        )
        return Indicator(Relation(left, "=" if guard.equal else "≥", right))

    # -- indices -------------------------------------------------------------------------------------
    def _index(self, value: Affine, words: Mapping[Variable, Formula]) -> Formula:
        return summed(self._index_terms(value, words))[0]

    def _index_terms(self, value: Affine, words: Mapping[Variable, Formula]) -> Iterator[building.Term]:
        for key, c in value.parts.items():
            yield _scaled(c, self._key(key, words))
        if not same(value.constant, 0):
            yield _scaled(value.constant, None)

    def _key(self, key: Key, words: Mapping[Variable, Formula]) -> Formula:
        if isinstance(key, Variable):
            return words[key]
        if isinstance(key, Digit):
            whole = self._index(key.value, words)
            if not same(key.divisor, 1):
                below = scalar_formula(key.divisor)
                whole = Fence("⌊", (scaled(Fraction(1), False, (whole,), (below,), None),), "⌋")
            return Function("mod", (whole, scalar_formula(key.modulus)))
        return self._read(Read(key.tensor, key.index), words)


def _is_positive(size: Dim) -> bool:
    text = str(size)
    return not text.startswith("-")


def _scaled(size: Dim, body: Formula | None) -> building.Term:
    if isinstance(size, int):
        return Fraction(size), False, body
    factor = scalar_formula(size)
    return Fraction(1), False, factor if body is None else joined([factor, body])
