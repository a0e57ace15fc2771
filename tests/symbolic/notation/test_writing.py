"""The three pens: parentheses where they are needed and only there, and whatever a user's name holds."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from fractions import Fraction

import pytest

from graphc.symbolic.naming import Names
from graphc.symbolic.notation import (
    Array,
    Big,
    Call,
    Cases,
    Element,
    Fence,
    Indicator,
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
    Transpose,
    display,
    equation,
    latex,
    mathml,
    matrix_formula,
    name,
    name_of,
    text,
)
from graphc.symbolic.notation.numbers import decimal_number
from tests.symbolic.notation.latex_checker import faults
from tests.symbolic.notation.test_matrix import FORMS

a, b, c, i, j = map(name, "abcij")
ONE, TWO = Number(Fraction(1)), Number(Fraction(2))
TENTH = Number(Fraction(1, 10), True)


def product(*factors):
    return Product(factors)


def hadamard(*factors):
    return Product(factors, "⊙")


WRITTEN = [
    (Sum((a, Negative(b))), "a − b", "a - b"),
    (Sum((Negative(a), b)), "−a + b", "-a + b"),
    (Sum((a, Negative(Sum((b, c))))), "a − (b + c)", r"a - \left( b + c \right)"),
    (product(a, Sum((b, c))), "a (b + c)", r"a \, \left( b + c \right)"),
    (product(a, Negative(b)), "a (−b)", r"a \, \left( -b \right)"),
    (hadamard(product(a, b), c), "(a b) ⊙ c", r"\left( a \, b \right) \odot c"),
    (product(a, hadamard(b, c)), "a (b ⊙ c)", r"a \, \left( b \odot c \right)"),
    (Scaled((TWO,), hadamard(b, c)), "2 b ⊙ c", r"2 \, b \odot c"),
    (Sum((a, hadamard(b, c))), "a + b ⊙ c", r"a + b \odot c"),
    (Quotient(a, product(b, c)), "a / (b c)", r"\frac{a}{b \, c}"),
    (Quotient(Sum((a, b)), c), "(a + b) / c", r"\frac{a + b}{c}"),
    (Quotient(product(a, b), c), "a b / c", r"\frac{a \, b}{c}"),
    (product(Quotient(a, b), c), "(a / b) c", r"\frac{a}{b} \, c"),
    (Quotient(a, Quotient(b, c)), "a / (b / c)", r"\frac{a}{\frac{b}{c}}"),
    (Power(a, TWO), "a²", "a^{2}"),
    (Power(Negative(a), TWO), "(−a)²", r"\left( -a \right)^{2}"),
    (Power(Power(a, TWO), TWO), "(a²)²", r"\left( a^{2} \right)^{2}"),
    (Power(a, Negative(ONE)), "a⁻¹", "a^{-1}"),
    (Power(a, Sum((b, c))), "a^(b + c)", "a^{b + c}"),
    (Power(a, b), "a^b", "a^{b}"),
    (Transpose(product(a, b)), "(a b)ᵀ", r"\left( a \, b \right)^{\top}"),
    (Transpose(Partial(a, b)), "(∂a/∂b)ᵀ", r"\left( \frac{\partial a}{\partial b} \right)^{\top}"),
    (product(Transpose(a), Partial(b, c)), "aᵀ ∂b/∂c", r"a^{\top} \, \frac{\partial b}{\partial c}"),
    (Transpose(Power(a, TWO)), "(a²)ᵀ", r"\left( a^{2} \right)^{\top}"),
    (Root(a), "√a", r"\sqrt{a}"),
    (Root(Sum((a, b))), "√(a + b)", r"\sqrt{a + b}"),
    (Root(Quotient(a, b)), "√(a / b)", r"\sqrt{\frac{a}{b}}"),
    (Call("tanh", (Sum((a, b)),)), "tanh(a + b)", r"\tanh\left(a + b\right)"),
    (Call("softmax", (a,), (i,)), "softmax_i(a)", r"\operatorname{softmax}_{i}\left(a\right)"),
    (Big("Σ", (i, j), product(a, b)), "Σ_{i,j} a b", r"\sum_{i,j} a \, b"),
    (Big("Σ", (i,), Sum((a, b))), "Σ_i (a + b)", r"\sum_{i} \left( a + b \right)"),
    (product(Big("Σ", (i,), a), b), "(Σ_i a) b", r"\left( \sum_{i} a \right) \, b"),
    (product(b, Big("Σ", (i,), a)), "b Σ_i a", r"b \, \sum_{i} a"),
    (Sum((Big("Σ", (i,), a), b)), "Σ_i a + b", r"\sum_{i} a + b"),
    (hadamard(Big("Σ", (i,), a), b), "(Σ_i a) ⊙ b", r"\left( \sum_{i} a \right) \odot b"),
    (Element(name("W_1"), (i, j)), "W_1[i,j]", r"\left( W_{1} \right)_{i,j}"),
    (Element(a, (Span(ONE, TWO), Span())), "a[1:2,:]", "a_{1:2,:}"),
    (Power(Element(a, (i,)), TWO), "a[i]²", "a_{i}^{2}"),
    (Array(product(a, b), (i, j)), "[a b]_{i,j}", r"\left[a \, b\right]_{i,j}"),
    (Indicator(Relation(a, ">", b)), "1[a > b]", r"\mathbf{1}\left[a > b\right]"),
    (Relation(Relation(a, ">", b), "∧", Relation(b, "≠", c)), "(a > b) ∧ (b ≠ c)",
     r"\left( a > b \right) \land \left( b \neq c \right)"),
    (Fence("‖", (Sum((a, b)),), "‖"), "‖a + b‖", r"\left\Vert a + b \right\Vert"),
    (Cases(((a, Relation(a, ">", b)),), c), "{a if a > b; c otherwise}",
     r"\begin{cases} a & \text{if } a > b \\ c & \text{otherwise} \end{cases}"),
    (Product((a, b), "⊗", (Relation(name("s"), "=", TWO),)), "a ⊗_{s=2} b", r"a \otimes_{s = 2} b"),
    (Sum((a, Negative(Product((b, c), "⊛")))), "a − b ⊛ c", r"a - b \mathbin{\tilde{\otimes}} c"),
    (product(TENTH, a), "0.1 a", r"0.1 \, a"),
    (Number(Fraction(3, 4)), "3/4", r"\frac{3}{4}"),
    (equation(Partial(name("L"), name("W_1")), a), "∂L/∂W_1 = a", r"\frac{\partial L}{\partial W_{1}} = a"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "plain", "tex"), WRITTEN, ids=[w[1] for w in WRITTEN])
def test_parentheses_are_right_and_few(formula, plain, tex):
    assert text(formula) == plain
    assert latex(formula) == tex
    assert not faults(tex)
    ElementTree.fromstring(mathml(formula))


@pytest.mark.parametrize(
    ("formula", "fences"),
    [
        (product(a, Sum((b, c))), 2),
        (Sum((a, product(b, c))), 0),
        (Quotient(Sum((a, b)), c), 0),
        (hadamard(product(a, b), c), 2),
        (Transpose(product(a, b)), 2),
    ],
)
def test_mathml_has_the_parentheses_of_latex(formula, fences):
    assert mathml(formula).count('fence="true"') == fences


HOSTILE = [
    "</math><script>alert(1)</script>", r"\input{x}", "$x$", "a & b", "#1 %", "{", "}", "\\", "_", "", "&lt;",
    "x\ny", "Gewicht ä", "权重_1", "α_β", "∑", "W^2", "a/b/c", "/", "..", "0", "lambda", "if", '"',
]  # fmt: skip


@pytest.mark.parametrize("word", HOSTILE)
def test_any_name_is_harmless(word):
    formula = Sum((name(word), Power(Element(name(word), (name(word),)), TWO), Call("f", (name(word),))))
    assert not faults(latex(formula))
    element = ElementTree.fromstring(mathml(formula))
    assert {e.tag.split("}")[1] for e in element.iter()} <= {
        "math", "mrow", "mo", "mi", "mn", "msub", "msup", "mspace", "mtext", "mfrac",
    }  # fmt: skip
    assert not set("<>{}\\$&#%\n") & set(text(formula))


def test_the_checker_finds_faults():
    for wrong in (
        r"\input{x}",
        "{",
        "}",
        "a^{2}^{3}",
        r"\left( a",
        r"\begin{cases} a",
        "a & b",
        "50%",
        r"\frac{a",
    ):
        assert faults(wrong), wrong


@pytest.mark.parametrize(("form", "graph"), FORMS)
def test_every_graph_is_written_by_every_pen(form, graph):
    formula = matrix_formula(graph)
    assert not faults(latex(formula)), latex(formula)
    ElementTree.fromstring(mathml(formula))


def test_mathtext_draws_what_it_supports():
    pytest.importorskip("matplotlib")
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    drawn = 0
    for _, graph in FORMS:
        tex = latex(matrix_formula(graph)).replace(r"\operatorname", r"\mathrm").replace(r"\mathbin", "")
        if r"\begin" in tex or r"\tilde{\otimes}" in tex or r"\text{" in tex or r"\Vert" in tex:
            continue  # of these mathtext knows nothing
        parser.parse(f"${tex}$")
        drawn += 1
    assert drawn > 60


def test_a_display_is_aligned():
    tex = display([equation(a, b), equation(Partial(a, b), c), Sum((a, b))])
    assert tex.startswith("\\[\n\\begin{aligned}\na &= b \\\\\n") and tex.endswith("\\end{aligned}\n\\]")
    assert not faults(tex[2:-2])


def test_names_are_those_that_tell_nodes_apart():
    import graphc as gc

    first, second = gc.input("x", ()), gc.input("x", ())
    with gc.scope("block1"):
        third = gc.parameter("w", ())
    names = Names([first, second, third])
    assert [text(name_of(n, names)) for n in (first, second, third)] == ["x", "x_2", "w_block1"]
    assert [latex(name_of(n, names)) for n in (first, second, third)] == [
        names.latex[names.symbol[n]] for n in (first, second, third)
    ]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (0.5, "1/2"), (1 / 3, "1/3"), (-0.75, "−3/4"), (0.1, "0.1"), (1e-5, "10⁻⁵"), (3e-8, "3·10⁻⁸"),
        (2.0**0.5, "√2"), ((2 / 3.141592653589793) ** 0.5, "√(2 / π)"), (0.044715, "0.044715"), (12.0, "12"),
        (float("inf"), "∞"), (float("nan"), "NaN"), (1e12, "10¹²"),
    ],
)  # fmt: skip
def test_floats_are_fractions_roots_or_decimals(value, plain):
    formula = decimal_number(value)
    assert text(formula) == plain
    assert not faults(latex(formula))


def test_a_deep_formula_needs_no_recursion():
    formula = a
    for _ in range(5000):
        formula = Call("f", (formula,))
    assert text(formula).startswith("f(f(")
    assert latex(formula).count("(") == 5000
