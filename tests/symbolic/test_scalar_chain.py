"""The factors of a chain, against the numbers printed in the notes and against the whole derivative."""

import math

import pytest
import sympy

from graphc.errors import GraphError, UnsupportedError
from graphc.ops import elementwise as ew
from graphc.ops.sources import input, parameter
from graphc.symbolic import chain


def neuron():
    x, w, b = input("x", ()), parameter("w", ()), parameter("b", ())
    h1 = x * w
    h2 = h1 + b
    h3 = h2 * -1
    h4 = ew.exp(h3)
    h5 = h4 + 1
    h6 = 1 / h5
    return h6.named("f"), x, w, b


def test_the_notes_neuron():
    f, x, w, b = neuron()
    found = chain(f, w)
    values = found.values({x: 1.0, "w": 0.0, b: 0.0})
    assert [values.nodes[f"h_{i}"] for i in range(1, 7)] == [0, 0, 0, 1, 2, 0.5]
    assert values.factors == (1, -0.25, 1, 1, -1, 1, 1)
    assert values.gradient == 0.25
    assert [math.copysign(1, values.nodes[f"h_{i}"]) for i in range(1, 4)] == [1, 1, 1]  # no −0
    assert "1 × (-0.25) × 1 × 1 × (-1) × 1 × 1" in found.text({x: 1.0, w: 0.0, b: 0.0})
    assert r"1 \cdot (-0.25) \cdot 1 \cdot 1 \cdot (-1) \cdot 1 \cdot 1" in found.latex(
        {"x": 1, "w": 0, "b": 0}
    )


@pytest.mark.parametrize("parameter_name", ["w", "b", "x"])
def test_product_is_the_derivative(parameter_name):
    f, x, w, b = neuron()
    found = chain(f, {"x": x, "w": w, "b": b}[parameter_name])
    at = {"x": 0.7, "w": -1.3, "b": 0.2}
    xs, ws, bs = symbols = sympy.symbols("x w b")
    slope = sympy.diff(1 / (1 + sympy.exp(-(ws * xs + bs))), sympy.Symbol(parameter_name))
    exact = float(slope.subs(dict(zip(symbols, at.values(), strict=True))))
    assert found.values(at).gradient == pytest.approx(exact, rel=1e-12)


def test_nodes_beside_the_path_have_names_and_values():
    x, w = input("x", ()), parameter("w", ())
    found = chain(ew.tanh(w * ew.exp(x)), w)
    values = found.values({x: 0.5, w: 0.3})
    assert values.nodes["a_1"] == pytest.approx(math.exp(0.5))
    assert values.gradient == pytest.approx(math.exp(0.5) * (1 - math.tanh(0.3 * math.exp(0.5)) ** 2))


def test_users_names_keep_precedence():
    h = input("h_1", ())
    found = chain(ew.exp(ew.sin(h)), h)
    names = [f.above for f in found.factors] + [f.below for f in found.factors]
    assert len(set(names)) == 4  # f, two nodes and the source: no two share a name


def test_a_chain_of_two_thousand_nodes():
    x = input("x", ())
    y = x
    for _ in range(2000):
        y = y * 0.999
    found = chain(y, x)
    assert found.values({x: 1.0}).gradient == pytest.approx(0.999**2000, rel=1e-5)
    assert len(found.factors) == 2001


def test_several_paths_are_refused():
    x = input("x", ())
    with pytest.raises(UnsupportedError, match="several paths"):
        chain(ew.exp(x) + ew.sin(x), x)
    with pytest.raises(GraphError, match="no chain"):
        chain(ew.exp(x), input("y", ()))
    with pytest.raises(GraphError, match="no value is given for 'x'"):
        chain(ew.exp(x), x).values({})
