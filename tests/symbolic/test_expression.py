"""to_sympy and from_sympy are inverse to each other in value, over all functions either side knows."""

import numpy as np
import pytest
import sympy

from graphc.errors import GraphError, UnsupportedError
from graphc.ops import elementwise as ew
from graphc.ops.sources import input, parameter
from graphc.runtime.interpreter import interpret
from graphc.symbolic import from_sympy, symbols, to_sympy
from tests.symbolic.formulas import ACTIVATIONS

X, Y = sympy.symbols("x y", real=True)
EXPRESSIONS = [
    sympy.exp(X), sympy.log(X), sympy.sqrt(X), X**3, X**-2, X ** sympy.Rational(5, 3), 2**X, X**Y,
    sympy.sin(X) + sympy.cos(X) * sympy.tan(X), sympy.asin(X / 3), sympy.acos(X / 3), sympy.atan(X),
    sympy.sinh(X), sympy.cosh(X), sympy.tanh(X), sympy.asinh(X), sympy.acosh(X + 1), sympy.atanh(X / 3),
    sympy.sec(X), sympy.csc(X), sympy.cot(X), sympy.sech(X), sympy.csch(X), sympy.coth(X), sympy.acot(X),
    sympy.erf(X), sympy.Abs(X - 1), sympy.sign(X - 1), sympy.floor(3 * X), sympy.ceiling(3 * X),
    sympy.Mod(X, Y),
    sympy.Max(X, Y, 1), sympy.Min(X, Y, 1), sympy.Heaviside(X - 1), sympy.Heaviside(X - Y, 1),
    sympy.atan2(X, Y),
    sympy.Piecewise((X, X > Y), (Y**2, 2 * X < 1), (sympy.exp(X), True)),
    sympy.Piecewise((1, sympy.And(X > 0, sympy.Or(Y > 1, X < 1))), (0, True)),
    sympy.Piecewise((1, sympy.Xor(X > 1, Y > 1)), (2, True)), 1 / (1 + sympy.exp(-X)),
    sympy.log(1 + sympy.exp(X)),
    sympy.log(1 + X), sympy.exp(X) - 1, sympy.Rational(2, 7) * X - sympy.Rational(3, 5), -X, X - Y, 1 - X,
    X / Y,
    -X / (3 * Y), sympy.pi * X + sympy.E, sympy.exp(-X * Y) * sympy.Float("0.1"), sympy.sqrt(2) * X,
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_round_trip_from_sympy(expression):
    x, y = input("x", (), "float64"), input("y", (), "float64")
    node = from_sympy(expression, {"x": x, "y": y})
    back = to_sympy(node)
    for at in ((0.7, 1.9), (1.6, 0.4), (1.3, 2.6)):
        exact = float(sympy.N(expression.subs({X: sympy.Float(at[0], 25), Y: sympy.Float(at[1], 25)}), 20))
        (value,) = interpret([node], {x: at[0], y: at[1]})
        assert float(value) == pytest.approx(exact, rel=1e-12, abs=1e-14)
        again = float(sympy.N(back.subs({X: sympy.Float(at[0], 25), Y: sympy.Float(at[1], 25)}), 20))
        assert again == pytest.approx(exact, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_round_trip_from_graphs(name):
    build, formula = ACTIVATIONS[name]
    x, a = input("x", (), "float64"), input("a", (), "float64")
    y = build(x, a)
    expression = to_sympy(y)
    again = from_sympy(expression, symbols(y))
    assert {s.name for s in expression.free_symbols} <= set(symbols(y))
    slope = sympy.Symbol("a", real=True)
    for at in (-1.7, -0.2, 0.4, 3.1):
        original, raised = interpret([y, again], {x: at, a: 0.25})
        assert float(raised) == pytest.approx(float(original), rel=1e-12)
        assert float(original) == pytest.approx(float(formula.subs({X: at, slope: 0.25})), rel=1e-9)


def test_stable_ops_are_recognised():
    x = input("x", ())
    for expression, op in [
        (1 / (1 + sympy.exp(-X)), "sigmoid"), (sympy.log(1 + sympy.exp(X)), "softplus"),
        (sympy.log(1 + X), "log1p"), (sympy.exp(X) - 1, "expm1"),
    ]:  # fmt: skip
        assert from_sympy(expression, {"x": x}).op.name == op


def test_symbols_by_users_names():
    w, b = parameter("block1/w", ()), input("b", ())
    other = input("b", ())
    y = w * b + other
    assert {s.name for s in to_sympy(y).free_symbols} == {"block1_w", "b", "b_2"}
    assert symbols(y)["block1_w"] is w
    assert all(s.is_real for s in to_sympy(y).free_symbols)


def test_tensors_of_any_shape_broadcast():
    x, y = input("x", (3, 1), "float64"), input("y", (2,), "float64")
    node = from_sympy(X * Y + 1, {"x": x, "y": y})
    assert node.shape == (3, 2)
    (value,) = interpret([node], {x: np.ones((3, 1)), y: np.array([1.0, 2.0])})
    assert np.array_equal(value, np.ones((3, 1)) * [1.0, 2.0] + 1)


def test_dtype_is_that_of_the_tensors():
    x = input("x", (), "float32")
    assert from_sympy(X * sympy.pi + sympy.Rational(1, 3), {"x": x}).dtype == np.float32


def test_equal_subexpressions_are_one_node():
    x = input("x", ())
    node = from_sympy(sympy.sin(X) ** 2 + sympy.exp(sympy.sin(X)), {"x": x})
    sines = {n for i in node.inputs for n in i.inputs}
    assert len(sines) == 1


def test_unknown_symbols_and_functions_are_refused():
    x = input("x", ())
    with pytest.raises(GraphError, match="'y'"):
        from_sympy(X + Y, {"x": x})
    with pytest.raises(UnsupportedError, match="gamma"):
        from_sympy(sympy.gamma(X), {"x": x})
    with pytest.raises(GraphError, match="SymPy expression"):
        from_sympy("x + 1", {"x": x})


def test_swelling_expressions_end_in_a_clear_error():
    x = input("x", ())
    y = x
    for _ in range(40):
        y = y * ew.sin(y)
    with pytest.raises(GraphError, match="terms"):
        to_sympy(y)
    deep = x
    for _ in range(5000):
        deep = ew.sin(deep)
    with pytest.raises(GraphError, match="levels"):
        to_sympy(deep)


def test_isnan_has_no_form():
    x = input("x", ())
    with pytest.raises(UnsupportedError, match="NaN"):
        to_sympy(ew.where(ew.isnan(x), 0.0, x))
