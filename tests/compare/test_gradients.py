"""The comparison of engines: agreement where they should, a named culprit where one is wrong."""

import json

import numpy as np
import pytest

import graphc as gc
from graphc.autodiff.rule import Pointwise
from graphc.compare import compare_gradients
from graphc.compare.engines import ENGINES
from graphc.errors import DifferentiationError, GraphError, ShapeError
from graphc.ops import einsum, matmul, sum
from graphc.ops import elementwise as ew
from graphc.ops.sources import input, parameter, random_normal
from graphc.symbolic import local
from tests.symbolic.formulas import ACTIVATIONS


def normal(shape, dtype, generator):
    return generator.normal(size=shape).astype(dtype)


def verdicts(report):
    return {(c.engine, c.parameter): c.verdict for c in report.comparisons}


def network():
    x = input("x", ("N", 3))
    w, v = parameter("w", (3, 4), init=normal), parameter("v", (4,), init=normal)
    return sum(ew.square(matmul(ew.tanh(matmul(x, w)), v))), x, [w, v]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_engine_agrees_on_the_activations(name):
    build, _ = ACTIVATIONS[name]
    x, a = input("x", (), "float64"), input("a", (), "float64")
    for at in (-1.7, 0.6):
        report = compare_gradients(build(x, a), {"x": x, "a": a}, {"x": at, "a": 0.25})
        assert report.ok, report.table()
        assert {"reverse", "symbolic", "forward", "central differences"} <= set(report.costs)


def test_every_engine_runs_on_a_network():
    y, x, wrt = network()
    report = compare_gradients(y, wrt, {x: np.random.default_rng(1).normal(size=(5, 3))})
    assert report.ok, report.table()
    assert {"symbolic", "forward", "central differences", "complex step"} <= set(report.costs)
    assert all(c.probed == "every element" for c in report.comparisons)
    assert all(p.relative < 1e-5 for p in report.precision)
    assert report.precision[0].dtype == "float32"


def test_reverse_mode_equals_the_closed_form_it_reports_on():
    """The report's values are the gradient: checked through engines' values against NumPy by hand."""
    from graphc.compare.engines import reverse
    from graphc.compare.point import Point
    from graphc.compare.probes import probes_of

    x, w = input("x", (4, 3), "float64"), parameter("w", (3,), dtype="float64", init=normal)
    point = Point(sum(ew.square(matmul(x, w))), [("w", w)], {"x": np.arange(12.0).reshape(4, 3)})
    found = reverse(point, probes_of(point, 64, 8, 0))
    data, value = np.arange(12.0).reshape(4, 3), point.value(point.parameters[0])
    assert found.values["w"] == pytest.approx(2 * data.T @ (data @ value))


def test_large_parameters_are_tested_along_random_directions():
    x, w = input("x", (20,)), parameter("w", (20, 30), init=normal)
    report = compare_gradients(sum(ew.tanh(matmul(x, w))), w, {"x": np.linspace(-1, 1, 20)}, directions=5)
    assert report.ok, report.table()
    assert {c.probed for c in report.comparisons} == {"5 random directions"}


def wrong_vjp(monkeypatch, op):
    genuine = Pointwise.vjp

    def vjp(self, node, cotangent, index, masked):
        found = genuine(self, node, cotangent, index, masked)
        return ew.negative(found) if node.op is op and found is not None else found

    monkeypatch.setattr(Pointwise, "vjp", vjp)


def test_a_wrong_reverse_rule_is_caught_and_named(monkeypatch):
    y, x, wrt = network()
    wrong_vjp(monkeypatch, ew.TANH)
    report = compare_gradients(y, wrt, {x: np.ones((2, 3))})
    assert not report.ok
    found = verdicts(report)
    assert found["reverse", "w"] == "disagrees"
    assert found["reverse", "v"] == "agrees"
    assert found["central differences", "w"] == "agrees"
    assert report.reference == "symbolic"
    assert report.blamed == ("reverse",)
    assert [(f.engine, f.op) for f in report.faults] == [("reverse", "tanh")]
    assert report.faults[0].location.filename == __file__
    assert "tanh" in report.table()
    assert "DISAGREE" in report.table()


def test_a_wrong_forward_rule_is_caught_and_named(monkeypatch):
    genuine = Pointwise.jvp

    def jvp(self, node, tangents):
        found = genuine(self, node, tangents)
        return ew.multiply(found, 1.01) if node.op is ew.SQUARE and found is not None else found

    monkeypatch.setattr(Pointwise, "jvp", jvp)
    y, x, wrt = network()
    report = compare_gradients(y, wrt, {x: np.ones((2, 3))})
    assert verdicts(report)["forward", "w"] == "disagrees"
    assert [(f.engine, f.op) for f in report.faults] == [("forward", "square")]


def test_a_wrong_symbolic_slope_is_caught_and_named(monkeypatch):
    genuine = local._refolded

    def wrong(direct, body, equation, read):
        return genuine(direct, body, equation, read) * (2 if body.has(local.sympy.sin) else 1)

    x = input("x", (), "float64")
    y = ew.exp(ew.sin(x))
    local._slopes.cache_clear()
    monkeypatch.setattr(local, "_refolded", wrong)
    try:
        report = compare_gradients(y, x, {"x": 0.4})
    finally:
        local._slopes.cache_clear()
    assert verdicts(report)["symbolic", "x"] == "disagrees"
    assert verdicts(report)["forward", "x"] == "agrees"
    assert [(f.engine, f.op) for f in report.faults] == [("symbolic", "sin")]


def test_kinks_within_the_step_are_named_and_excused():
    x, w = input("x", (), "float64"), parameter("w", (), dtype="float64", init=1.0)
    report = compare_gradients(ew.relu(w * x) + ew.maximum(w, 1.0) + 3 * w, w, {"x": 0.0})
    assert report.ok, report.table()
    assert verdicts(report)["central differences", "w"] in ("agrees", "kink")
    assert any(k.op == "maximum" and k.distance == 0 for k in report.kinks)
    assert not any(k.op == "relu" for k in report.kinks)  # w·0 does not move


def test_a_near_kink_is_stepped_around_and_still_named():
    x = input("x", (), "float64")
    report = compare_gradients(ew.relu(x) * 2, x, {"x": 1e-5})
    assert report.ok
    assert verdicts(report)["central differences", "x"] == "agrees"
    (kink,) = report.kinks
    assert kink.op == "relu"
    assert kink.distance == pytest.approx(1e-5)


def test_ties_of_a_reduction_are_found():
    from graphc.ops import max

    x = input("x", (3,), "float64")
    report = compare_gradients(max(x) * 1.0, x, {"x": [1.0, 1.0, 0.0]})
    assert report.ok
    assert any(k.op == "max" and k.distance == 0 for k in report.kinks)


def test_stop_gradient_and_random_draws_are_held():
    x = input("x", (4,), "float64")
    noise = random_normal((4,), "float64")
    report = compare_gradients(
        sum(x * noise + ew.stop_gradient(ew.exp(x)) * x), x, {"x": [0.1, 0.2, 0.3, 0.4]}
    )
    assert report.ok, report.table()


def test_intermediate_nodes_can_be_compared():
    x = input("x", (3,), "float64")
    h = ew.exp(x)
    report = compare_gradients(sum(h * ew.sin(x)), {"h": h, "x": x}, {"x": [0.1, 0.2, 0.3]})
    assert report.ok, report.table()


def test_analytic_graphs_only_take_the_complex_step():
    x = input("x", (), "float64")
    assert "modulus" in compare_gradients(ew.abs(x) * x, x, {"x": 0.3}).skipped["complex step"]
    assert "complex step" not in compare_gradients(ew.sin(x) / x, x, {"x": 0.3}).skipped


def test_engines_may_be_chosen():
    x = input("x", (), "float64")
    report = compare_gradients(ew.sin(x), x, {"x": 0.3}, engines=["forward"])
    assert set(report.costs) == {"reverse", "forward"}
    with pytest.raises(GraphError, match="no engine 'magic'"):
        compare_gradients(ew.sin(x), x, {"x": 0.3}, engines=["magic"])


def test_tolerance_as_asked():
    x = input("x", (), "float64")
    report = compare_gradients(ew.sin(x), x, {"x": 0.3}, engines=["forward"], tolerance=1e-3)
    assert [c.tolerance for c in report.comparisons] == pytest.approx([1e-3 * np.cos(0.3)] * 2)


def test_missing_and_unknown_values_are_named():
    x = input("x", (), "float64")
    with pytest.raises(GraphError, match="no value is given for the input 'x'"):
        compare_gradients(ew.sin(x), x)
    with pytest.raises(GraphError, match="'z'"):
        compare_gradients(ew.sin(x), x, {"x": 1.0, "z": 2.0})


def test_what_has_no_gradient_is_refused():
    x = input("x", (3,), "float64")
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        compare_gradients(ew.sin(x), x, {"x": np.ones(3)})
    n = input("n", (), "int64")
    with pytest.raises(DifferentiationError, match="int64"):
        compare_gradients(n * 2, n, {"n": 1})


def test_report_forms_hold_the_same_and_hostile_names_stay_text():
    name = '<script>alert("x")</script>\n| a'
    x = input(name, (), "float64")
    report = compare_gradients(ew.tanh(x), x, {x: 0.3})
    page = report.to_html()
    assert "<script" not in page
    assert "http" not in page
    assert "&lt;script&gt;" in page
    as_dict = json.loads(json.dumps(report.to_dict()))
    assert as_dict["ok"] is True
    assert len(as_dict["comparisons"]) == len(report.comparisons)
    rows = [line for line in report.table().splitlines() if line.startswith(tuple(ENGINES))]
    assert len(rows) == len(report.comparisons) + 2 * len(report.costs)  # sizes and times


def test_two_of_one_name_are_told_apart():
    a, b = input("w", (), "float64"), input("w", (), "float64")
    report = compare_gradients(a * ew.exp(b), [a, b], {a: 1.0, b: 2.0})
    assert {c.parameter for c in report.comparisons} == {"w", "w (2)"}
    assert report.ok


def test_astronomic_trees_are_counted():
    x = input("x", (), "float64")
    y = x
    for _ in range(1500):
        y = ew.sin(y + y)
    report = compare_gradients(y, x, {"x": 0.3}, engines=["symbolic"])
    assert report.costs["reverse"].tree > 10**400
    assert "1e4" in report.table()


def test_symbolic_sizes_and_einsum():
    x, w = input("x", ("N", 3), "float64"), parameter("w", (3, 2), dtype="float64", init=normal)
    y = sum(ew.softplus(einsum("nc,cd->nd", x, w)))
    report = compare_gradients(y, {"x": x, "w": w}, {"x": np.random.default_rng(0).normal(size=(7, 3))})
    assert report.ok, report.table()


@pytest.mark.parametrize("pool", [gc.nn.max_pool2d, gc.nn.adaptive_max_pool2d], ids=lambda f: f.__name__)
def test_ties_in_pooling_windows_are_kinks_and_no_fault(pool):
    w = gc.input("w", (1, 1, 4, 4), "float64")
    report = compare_gradients((pool(w, 2) ** 2).sum(), w, at={"w": np.ones((1, 1, 4, 4))})
    assert report.ok, report.table()
    assert any(k.op in ("max_pool", "argmax") and k.distance == 0 for k in report.kinks)
    apart = compare_gradients((pool(w, 2) ** 2).sum(), w, at={"w": np.arange(16.0).reshape(1, 1, 4, 4)})
    assert apart.ok and not apart.kinks


def test_padding_is_no_rival_in_a_pooling_window():
    w = gc.input("w", (1, 1, 3, 3), "float64")
    report = compare_gradients(
        gc.nn.max_pool2d(w, 2, stride=2, padding=1).sum(), w, at={"w": -np.arange(9.0).reshape(1, 1, 3, 3)}
    )
    assert report.ok and not report.kinks
