"""SymPy's expressions as formulas."""

from __future__ import annotations

import pytest
import sympy

from graphc.symbolic.functions import absorbing_product, rint, sigmoid
from graphc.symbolic.notation import Element, Partial, latex, name, scalar_formula, text
from tests.symbolic.notation.latex_checker import faults

x, y, w_1 = sympy.symbols("x y w_1", real=True)
n = sympy.Symbol("N", integer=True, positive=True)

WRITTEN = [
    (x * (1 - y**2), "x (1 − y²)"),
    (-x + y, "y − x"),
    (-x - y, "−x − y"),
    (x**2 + 2 * x + 1, "x² + 2 x + 1"),
    (x / 2, "x / 2"),
    (sympy.Rational(2, 3) * x / n, "2 x / (3 N)"),
    ((x - y) / n, "(x − y) / N"),
    (1 / x, "1 / x"),
    (x ** sympy.Rational(1, 2), "√x"),
    (x / (1 + y**2) ** sympy.Rational(3, 2), "x / (1 + y²)^(3/2)"),
    (sympy.exp(x), "e^x"),
    (sympy.exp(-x / 2), "e^(−x / 2)"),
    (x**y, "x^y"),
    (sympy.log(x) / w_1, "log(x) / w_1"),
    (sympy.tanh(x) ** 2, "tanh(x)²"),
    (sympy.sign(x), "sign(x)"),
    (sympy.Abs(x - y), "|x − y|"),
    (sympy.erf(x), "erf(x)"),
    (sympy.Max(x, 0), "max(0, x)"),
    (sympy.Heaviside(x), "1[x > 0]"),
    (sympy.Piecewise((1, x > 0), (0, True)), "1[x > 0]"),
    (sympy.Piecewise((x, x > 0), (y**2, True)), "{x if x > 0; y² otherwise}"),
    (sympy.Piecewise((x, (x > 0) & (y < 1))), "{x if (x > 0) ∧ (y < 1)}"),
    (sigmoid(x) * (1 - sigmoid(x)), "σ(x) (1 − σ(x))"),
    (absorbing_product(x, sympy.log(y)), "x log(y)"),
    (rint(x), "rint(x)"),
    (sympy.floor(x), "⌊x⌋"),
    (0.1 * x, "0.1 x"),
    (sympy.asin(x), "arcsin(x)"),
    (sympy.pi * x, "π x"),
    (sympy.oo, "∞"),
    (sympy.Integer(-3), "−3"),
]


@pytest.mark.parametrize(("expression", "plain"), WRITTEN, ids=[w[1] for w in WRITTEN])
def test_text(expression, plain):
    formula = scalar_formula(expression)
    assert text(formula) == plain
    assert not faults(latex(formula))


def test_symbols_stand_for_formulas():
    i, j = name("i"), name("j")
    symbols = {x: Element(name("X"), (i, j)), y: Partial(name("L"), name("h_1"))}
    formula = scalar_formula(x * y / 2 - sympy.exp(x), symbols)
    assert (
        text(formula) == "X[i,j] ∂L/∂h_1 / 2 − e^X[i,j]" or text(formula) == "∂L/∂h_1 X[i,j] / 2 − e^(X[i,j])"
    )


def test_a_deep_expression_needs_no_recursion_of_ours():
    e = x
    for _ in range(150):
        e = sympy.sin(e + y)
    assert text(scalar_formula(e)).count("sin(") == 150
