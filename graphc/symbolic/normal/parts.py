"""Parts of terms in normal form: a term or a sum enters, a question about its factors is answered."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import sympy

from graphc.symbolic.index.affine import Affine, Gather, constant
from graphc.symbolic.index.terms import Read, Term
from graphc.symbolic.normal.atoms import Applied, Atom, Factors, Place, Sum, factors_of

ONE, ZERO = sympy.S.One, sympy.S.Zero
CONDITIONS = frozenset(["positive", "zero"])
_INTEGER = frozenset(["positive", "zero", "trunc", "round", "floor"])


def is_condition(atom: Any) -> bool:
    """Whether the atom is 0 or 1."""
    if isinstance(atom, Read):
        return bool(atom.tensor.dtype.kind == "b")
    return isinstance(atom, Applied) and (atom.name in CONDITIONS or atom.name.startswith("is_"))


def has_conditions(total: Sum) -> bool:
    """Whether a condition occurs anywhere in it, also inside functions."""
    stack = list(total.terms)
    while stack:
        term = stack.pop()
        if term.guards:
            return True
        for atom, _ in factors_of(term):
            if is_condition(atom):
                return True
            if isinstance(atom, Applied):
                stack += atom.terms
    return False


def is_integer(total: Sum) -> bool:
    """Whether its value is an integer wherever it is defined, as far as its terms show."""

    def whole(atom: Any, n: Any) -> bool:
        if not (n.is_Integer and n > 0):
            return False
        if isinstance(atom, Read):
            return bool(atom.tensor.dtype.kind in "iub")
        return isinstance(atom, Place) or atom.name in _INTEGER or is_condition(atom)

    return all(t.constant.is_integer and all(whole(a, n) for a, n in factors_of(t)) for t in total.terms)


def single(total: Sum) -> Atom | None:
    """The atom that the sum is; a sum in brackets counts as its atom. None where it is none."""
    if len(total.terms) != 1:
        return None
    (term,) = total.terms
    if term.bound or term.guards or term.constant != 1 or len(factors_of(term)) != 1:
        return None
    ((atom, n),) = factors_of(term)
    return atom if n == 1 else None


def as_place(total: Sum) -> Affine | None:
    """The index whose value the sum is, if it is one that its bounds are known of."""
    index = constant(0)
    for term in total.terms:
        if term.bound or term.guards or not term.constant.is_integer:
            return None
        c = int(term.constant) if term.constant.is_Integer else term.constant
        if not factors_of(term):
            index = index.plus(c)
            continue
        ((atom, n), *others) = factors_of(term)
        if others or n != 1 or not isinstance(atom, Place):
            return None
        if any(isinstance(k, Gather) for k in atom.index.parts):
            return None
        index += atom.index.times(c)
    return index if index.parts else None


def number(value: Any) -> Any:
    """A constant in one form: rationals as they are, expressions of sizes as a quotient."""
    value = sympy.sympify(value)
    if value.is_Rational:
        return value
    return _expanded(value)


@lru_cache(maxsize=4096)
def _expanded(value: Any) -> Any:
    return sympy.cancel(sympy.expand(value)) if value.free_symbols else sympy.expand(value)


def times(a: Term, b: Term) -> Term:
    """The product; the second's bound indices are taken to be its own."""
    made = a.times(b)
    return replace(made, constant=number(made.constant))


def without(factors: Factors, atom: Any, n: Any) -> Factors:
    """The factors with one power of an atom less."""
    return tuple([(a, m - n if a == atom else m) for a, m in factors if a != atom or m != n])
