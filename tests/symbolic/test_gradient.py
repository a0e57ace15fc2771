"""Symbolic gradients against SymPy's derivative of a hand-written formula, differences, and torch."""

import numpy as np
import pytest
import sympy

from graphc.errors import DifferentiationError, GraphError, ShapeError
from graphc.ir.traversal import topological_order
from graphc.ops import elementwise as ew
from graphc.ops.sources import constant, input, parameter, random_normal
from graphc.runtime.interpreter import interpret
from graphc.symbolic import grad, to_sympy
from graphc.symbolic.scalar_derivation import Step
from tests.symbolic.formulas import ACTIVATIONS, A, X

MODES = ("full", "everywhere")


def scalars(*names):
    return [input(n, (), "float64") for n in names]


def value(node, **values):
    sources = {t.name: t for t in topological_order([node]) if t.op.name in ("input", "parameter")}
    return float(interpret([node], {sources[k]: v for k, v in values.items() if k in sources})[0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_equal_their_closed_forms(name, mode):
    build, formula = ACTIVATIONS[name]
    x, a = scalars("x", "a")
    derivation = grad(build(x, a), [x, a], mode=mode)
    for at in (-2.3, -0.4, 0.6, 1.9, 5.0):
        point = {X: sympy.Float(at, 30), A: sympy.Float(0.25, 30)}
        for symbol, result in zip((X, A), derivation.result, strict=True):
            step = sympy.Float("1e-12", 30)
            high, low = (
                sympy.N(formula.subs({**point, symbol: point[symbol] + s * step}), 30) for s in (1, -1)
            )
            expected = float((high - low) / (2 * step))
            assert value(result, x=at, a=0.25) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ["logistic", "tanh", "softplus", "swish", "gelu_erf", "gelu_tanh", "mish"])
def test_second_derivative_by_applying_twice(name):
    build, formula = ACTIVATIONS[name]
    x, a = scalars("x", "a")
    second = grad(grad(build(x, a), x).result, x).result
    expected = sympy.diff(formula, X, 2)
    for at in (-1.7, 0.3, 2.2):
        exact = float(sympy.N(expected.subs({X: sympy.Float(at, 30), A: sympy.Float(0.25, 30)}), 20))
        assert value(second, x=at, a=0.25) == pytest.approx(exact, rel=1e-10)


def random_graph(generator, size=14):
    """A random smooth scalar graph over three sources, with sharing."""
    nodes = scalars("x", "y", "z")
    unary = [
        ew.tanh,
        ew.sigmoid,
        ew.sin,
        ew.softplus,
        ew.square,
        ew.erf,
        ew.arctan,
        lambda t: ew.exp(ew.tanh(t)),
    ]
    binary = [ew.add, ew.subtract, ew.multiply, lambda a, b: a / (2 + ew.square(b)), ew.logaddexp]
    sources = list(nodes)
    for _ in range(size):
        if generator.random() < 0.5:
            nodes.append(unary[generator.integers(len(unary))](nodes[generator.integers(len(nodes))]))
        else:
            pair = generator.integers(len(nodes), size=2)
            nodes.append(binary[generator.integers(len(binary))](nodes[pair[0]], nodes[pair[1]]))
    return nodes[-1] + nodes[-2] + sources[0] * sources[1], sources


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs_equal_sympy_and_both_modes_agree(seed):
    generator = np.random.default_rng(seed)
    y, sources = random_graph(generator)
    at = dict(zip("xyz", generator.normal(size=3), strict=True))
    expression = to_sympy(y)
    both = [grad(y, sources, mode=mode).result for mode in MODES]
    for source, full, cut in zip(sources, *both, strict=True):
        symbol = sympy.Symbol(source.name, real=True)
        slope = sympy.diff(expression, symbol)
        exact = float(
            sympy.N(slope.subs({sympy.Symbol(k, real=True): sympy.Float(v, 30) for k, v in at.items()}), 20)
        )
        assert value(full, **at) == pytest.approx(exact, rel=1e-9, abs=1e-11)
        assert value(cut, **at) == pytest.approx(exact, rel=1e-9, abs=1e-11)


def test_equals_torch():
    torch = pytest.importorskip("torch")
    x, w, b = scalars("x", "w", "b")
    loss = ew.square(ew.tanh(ew.softplus(w * x + b) * ew.sigmoid(w)) - ew.erf(b) / ew.hypot(x, w)) + x**w
    results = grad(loss, {"x": x, "w": w, "b": b}).result
    t = {
        k: torch.tensor(v, dtype=torch.float64, requires_grad=True)
        for k, v in {"x": 0.7, "w": 1.3, "b": -0.4}.items()
    }
    inner = torch.tanh(torch.nn.functional.softplus(t["w"] * t["x"] + t["b"]) * torch.sigmoid(t["w"]))
    total = (inner - torch.erf(t["b"]) / torch.hypot(t["x"], t["w"])) ** 2 + t["x"] ** t["w"]
    total.backward()
    for name, result in results.items():
        assert value(result, x=0.7, w=1.3, b=-0.4) == pytest.approx(t[name].grad.item(), rel=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_kinks_and_ties_follow_the_conventions(mode):
    x, y = scalars("x", "y")

    def slopes(node, **at):
        return [value(r, **at) for r in grad(node, [x, y], mode=mode).result]

    assert slopes(ew.relu(x) + 0 * y, x=0.0, y=0.0) == [0, 0]
    assert slopes(ew.abs(x), x=0.0, y=0.0) == [0, 0]
    assert slopes(ew.maximum(x, y), x=2.0, y=2.0) == [0.5, 0.5]
    assert slopes(ew.minimum(x, y), x=2.0, y=2.0) == [0.5, 0.5]
    assert slopes(ew.maximum(x, y), x=np.inf, y=np.inf) == [0.5, 0.5]
    assert slopes(ew.maximum(x, x), x=2.0, y=0.0) == [1, 0]
    assert slopes(ew.clip(x, -1.0, 1.0), x=1.0, y=0.0) == [1, 0]
    assert slopes(ew.clip(x, -1.0, 1.0), x=-1.0, y=0.0) == [1, 0]
    assert slopes(ew.hypot(x, y), x=0.0, y=0.0) == [0, 0]
    assert slopes(ew.power(x, y), x=0.0, y=0.0) == [0, 0]
    assert slopes(ew.power(x, y), x=0.0, y=2.0) == [0, 0]
    for flat in (ew.sign, ew.floor, ew.ceil, ew.round, ew.trunc, ew.stop_gradient):
        assert slopes(flat(x) * y, x=1.3, y=2.0)[0] == 0
    assert slopes(ew.remainder(x, y), x=7.5, y=2.0) == [1, -3]


@pytest.mark.parametrize("mode", MODES)
def test_the_branch_not_taken_never_reaches_the_gradient(mode):
    (x,) = scalars("x")
    safe = ew.where(x > 0, ew.sqrt(x), ew.log(1 - x))
    first = grad(safe, x, mode=mode).result
    second = grad(first, x, mode=mode).result
    for at in (-3.0, 4.0):
        if at > 0:
            expected = (0.5 * at**-0.5, -0.25 * at**-1.5)
        else:
            expected = (-1 / (1 - at), -1 / (1 - at) ** 2)
        assert value(first, x=at) == pytest.approx(expected[0], rel=1e-12)
        assert value(second, x=at) == pytest.approx(expected[1], rel=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_two_thousand_nodes(mode):
    x, w = scalars("x", "w")
    y = x
    for i in range(1000):
        y = ew.tanh(y * w) if i % 2 else y + 0.001 * ew.sin(y)
    derivation = grad(y, [x, w], mode=mode)
    h = 1e-6
    at = {"x": 0.3, "w": 1.01}
    for name, result in zip(at, derivation.result, strict=True):
        sides = [value(y, **{**at, name: at[name] + s * h}) for s in (1, -1)]
        assert value(result, **at) == pytest.approx((sides[0] - sides[1]) / (2 * h), rel=1e-5, abs=1e-9)
    assert len(derivation.steps) > 2000
    assert derivation.text().count("\n") > 1000
    with pytest.raises(GraphError, match=r"terms|deep"):
        derivation.closed_form()


def test_lets_do_not_swell():
    """y ← y·y doubles the tree at each level; the derivation grows by a constant."""
    (x,) = scalars("x")
    sizes = []
    for depth in (10, 20, 40):
        y = x
        for _ in range(depth):
            y = ew.sin(y * y)
        sizes.append(len(topological_order([grad(y, x).result])))
    assert sizes[2] - sizes[1] <= 2 * (sizes[1] - sizes[0]) + 2


def test_structure_of_wrt_and_unrelated_parameters():
    x, w = parameter("x", ()), parameter("w", ())
    y = x * x
    found = grad(y, {"first": x, "second": w}).result
    assert set(found) == {"first", "second"}
    assert value(found["second"], w=3.0, x=1.0) == 0
    assert isinstance(grad(y, (x,)).result, tuple)
    assert isinstance(grad(y, [x]).result, list)
    assert found["first"].dtype == np.float32


@pytest.mark.parametrize("mode", MODES)
def test_intermediate_nodes_may_be_differentiated_by(mode):
    (x,) = scalars("x")
    h = ew.exp(x)
    y = h * x + h
    by_h, by_x, by_y = grad(y, [h, x, y], mode=mode).result
    assert value(by_h, x=0.5) == pytest.approx(1.5)
    assert value(by_x, x=0.5) == pytest.approx(np.exp(0.5) * 2.5)
    assert value(by_y, x=0.5) == 1


def test_mixed_dtypes_and_casts():
    x = input("x", (), "float32")
    n = input("n", (), "int64")
    y = ew.astype(x, "float64") * n + ew.astype(ew.astype(x * 3, "int32"), "float64")
    result = grad(y, x).result
    assert result.dtype == np.float32
    assert value(result, x=1.5, n=4) == 4


@pytest.mark.parametrize("mode", MODES)
def test_check_evaluates_each_step(mode):
    x, w = scalars("x", "w")
    derivation = grad(
        ew.where(x > 0, ew.softplus(w * x), ew.sqrt(w * w + 1)) ** 2, [x, w], mode=mode, check=True
    )
    assert all(isinstance(s, Step) and s.error is not None and s.error < 1e-6 for s in derivation.steps)


def test_check_finds_a_wrong_slope(monkeypatch):
    from graphc.symbolic import local

    genuine = local.differentiate

    def wrong(body, read):
        slope = genuine(body, read)
        return -slope if body.has(sympy.tanh) else slope

    (x,) = scalars("x")
    y = ew.tanh(ew.sin(x))
    local._slopes.cache_clear()
    monkeypatch.setattr(local, "differentiate", wrong)
    try:
        with pytest.raises(DifferentiationError, match="derivative of tanh"):
            grad(y, x, check=True)
    finally:
        local._slopes.cache_clear()


def test_an_output_that_is_no_scalar_is_refused_with_a_remedy():
    x = input("x", (3,))
    with pytest.raises(ShapeError, match=r"y has shape \(3,\)") as error:
        grad(ew.exp(x), x)
    assert "symbolic.jacobian" in str(error.value)


def test_integers_are_refused():
    n = input("n", (), "int64")
    with pytest.raises(DifferentiationError, match="int64"):
        grad(ew.exp(n), n)


def test_closed_form_is_the_textbooks():
    x, w, t = scalars("x", "w", "t")
    xs, ws, ts = (sympy.Symbol(n, real=True) for n in "xwt")
    found = grad(0.5 * ew.square(w * x - t), w).closed_form()
    assert sympy.expand(found - xs * (ws * xs - ts)) == 0
    assert str(grad(ew.tanh(w * x), w).closed_form()) == "x*(1 - tanh(w*x)**2)"


def test_random_draws_are_constants():
    (x,) = scalars("x")
    noise = random_normal((), "float64")
    y = x * noise
    result = grad(y, x).result
    drawn, slope = interpret([noise, result], {x: 2.0})
    assert slope == drawn


@pytest.mark.parametrize(
    "name",
    [
        'x"]; import os',
        "a\nb",
        r"\input{/etc/passwd}",
        "∂h/∂x",
        "$x$%&#_^{}~",
        "lambda",
        "h_1",
        "变量",
        "",
        "__",
    ],
)
def test_hostile_names_stay_names(name):
    x = input(name or "_", (), "float64")
    y = ew.exp(x * x)
    derivation = grad(y, x)
    latex = derivation.latex()
    assert r"\input" not in latex
    assert latex.count("{") == latex.count("}")
    assert not set("$%#&~") & set(latex.replace("&=", ""))
    assert "\n" not in derivation.steps[0].text()
    symbol = next(iter(to_sympy(y).free_symbols))
    assert symbol.name.isidentifier()
    assert float(interpret([derivation.result], {x: 0.5})[0]) == pytest.approx(np.exp(0.25))


def test_constants_are_exact():
    (x,) = scalars("x")
    assert to_sympy(x * constant(0.1)) == sympy.Float("0.1", 17) * X
    assert to_sympy(x * 0.5) == X / 2
