"""SymPy's scalar expressions as formulas: an expression and its symbols' formulas enter, a formula leaves."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy

from graphc.symbolic.notation import building
from graphc.symbolic.notation.building import joined, raised_to, scaled, summed
from graphc.symbolic.notation.formula import (
    EULER,
    INFINITY,
    NOT_A_NUMBER,
    PI,
    Call,
    Cases,
    Fence,
    Formula,
    Indicator,
    Negative,
    Number,
    Power,
    Relation,
    absolute,
    integer,
    name,
)
from graphc.symbolic.notation.numbers import decimal_number

_CONSTANTS = {
    sympy.E: EULER, sympy.pi: PI, sympy.oo: INFINITY, sympy.nan: NOT_A_NUMBER, sympy.zoo: INFINITY,
    sympy.S.NegativeInfinity: Negative(INFINITY),
}  # fmt: skip
_RELATIONS = {
    sympy.Eq: "=", sympy.Ne: "≠", sympy.Lt: "<", sympy.Le: "≤", sympy.Gt: ">", sympy.Ge: "≥",
}  # fmt: skip
_FUNCTIONS = {
    "sigmoid": "σ", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh",
    "acosh": "arccosh", "atanh": "arctanh", "atan2": "arctan2", "Max": "max", "Min": "min", "Mod": "mod",
}  # fmt: skip


def scalar_formula(expression: Any, symbols: Mapping[Any, Formula] | None = None) -> Formula:
    """The expression as a formula; a symbol without a formula stands for itself.

    >>> import sympy
    >>> from graphc.symbolic.notation import text
    >>> x, y = sympy.symbols("x y", real=True)
    >>> text(scalar_formula(x * (1 - y**2) / 2)), text(scalar_formula(sympy.exp(-x)))
    ('x (1 − y²) / 2', 'e^(−x)')
    """
    found: dict[Any, Formula] = dict(symbols or {})
    stack = [sympy.sympify(expression)]
    root = stack[0]
    while stack:
        top = stack[-1]
        if top in found:
            stack.pop()
            continue
        missing = [a for a in top.args if a not in found]
        if missing:
            stack += reversed(missing)
        else:
            found[top] = _formula(top, found)
            stack.pop()
    return found[root]


def _formula(e: Any, found: Mapping[Any, Formula]) -> Formula:
    parts = [found[a] for a in e.args]
    if e in _CONSTANTS:
        return _CONSTANTS[e]
    if e.is_Symbol:
        return name(e.name)
    if e.is_Rational:
        return scaled(Fraction(int(e.p), int(e.q)), False, (), (), None)
    if e.is_Float:
        return decimal_number(float(e))
    if e.is_Add:
        return summed(_term(a, found) for a in e.args)[0]
    if e.is_Mul:
        coefficient, decimal, body = _term(e, found)
        return scaled(coefficient, decimal, (), (), body)
    if e.is_Pow:
        return _power(e, parts)
    if type(e) in _RELATIONS:
        return Relation(parts[0], _RELATIONS[type(e)], parts[1])
    if isinstance(e, (sympy.And, sympy.Or)):
        sign = "∧" if isinstance(e, sympy.And) else "∨"
        whole = parts[0]
        for part in parts[1:]:
            whole = Relation(whole, sign, part)
        return whole
    return _function(e, parts)


def _function(e: Any, parts: list[Formula]) -> Formula:
    kind = type(e).__name__
    match kind:
        case "exp":
            return Power(EULER, parts[0])
        case "Abs":
            return absolute(parts[0])
        case "floor":
            return Fence("⌊", tuple(parts), "⌋")
        case "ceiling":
            return Fence("⌈", tuple(parts), "⌉")
        case "Heaviside":
            return Indicator(Relation(parts[0], ">", integer(0)))
        case "absorbing_product":
            return joined(sorted(parts, key=building.factor_order))
        case "ExprCondPair":
            return Fence("(", tuple(parts), ")")
        case "Piecewise":
            return _cases(e, parts)
        case "Not":
            return Call("¬", tuple(parts))
        case "BooleanTrue" | "BooleanFalse":
            return name("true" if kind == "BooleanTrue" else "false")
    return Call(_FUNCTIONS.get(kind, kind), tuple(parts))


def _cases(e: Any, parts: list[Formula]) -> Formula:
    pairs = [(p.parts[0], p.parts[1]) for p in parts]
    last = e.args[-1].cond == sympy.true
    branches, otherwise = (pairs[:-1], pairs[-1][0]) if last else (pairs, None)
    if len(branches) == 1 and otherwise == Number(Fraction(0)):
        value, condition = branches[0]
        one = value == Number(Fraction(1))
        return Indicator(condition) if one else scaled(Fraction(1), False, (value,), (), Indicator(condition))
    return Cases(tuple(branches), otherwise)


def _term(e: Any, found: Mapping[Any, Formula]) -> building.Term:
    """A summand as its coefficient and the rest."""
    coefficient, rest = e.as_coeff_Mul()
    if coefficient.is_Float:
        value = Fraction(repr(float(coefficient)))
        decimal = True
    elif coefficient.is_Rational:
        value, decimal = Fraction(int(coefficient.p), int(coefficient.q)), False
    else:
        value, decimal, rest = Fraction(1), False, e
    above, below = [], []
    for factor in sympy.Mul.make_args(rest):
        base, exponent = factor.as_base_exp()
        if factor == 1:
            continue
        if exponent.is_Rational and exponent < 0 and base != sympy.E:
            below.append(raised_to(_base(base, found), Fraction(int(-exponent.p), int(exponent.q))))
        else:
            above.append(found[factor] if factor in found else _formula(factor, found))
    if not above and not below:
        return value, decimal, None
    if len(above) == 1 and isinstance(above[0], Negative):
        value, above[0] = -value, above[0].part
    return value, decimal, scaled(Fraction(1), False, above, below, None)


def _base(base: Any, found: Mapping[Any, Formula]) -> Formula:
    return found[base] if base in found else scalar_formula(base, found)


def _power(e: Any, parts: list[Formula]) -> Formula:
    base, exponent = e.args
    if exponent.is_Rational and base != sympy.E:
        value = Fraction(int(exponent.p), int(exponent.q))
        if value > 0:
            return raised_to(parts[0], value)
        return scaled(Fraction(1), False, (), (raised_to(parts[0], -value),), None)
    return Power(*parts)
