"""Who is blamed: a rule two engines share, an engine that breaks, a fault that no single op has."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import graphc as gc
from graphc import autodiff
from graphc.autodiff.rule import Pointwise
from graphc.autodiff.rules import RULES
from graphc.compare import compare_gradients
from graphc.errors import ShapeError, UnsupportedError
from graphc.ops import elementwise as ew
from graphc.ops.shape import RESHAPE


def network():
    x, w = gc.input("x", (3, 2), "float64"), gc.input("w", (2, 4), "float64")
    values = {"x": np.linspace(-1, 1, 6).reshape(3, 2), "w": np.linspace(0.2, 0.9, 8).reshape(2, 4)}
    return gc.sum(gc.tanh(x @ w).reshape(12) * np.arange(12.0)), w, values


def verdicts(report):
    return {c.engine: c.verdict for c in report.comparisons}


@pytest.fixture
def wrong_tanh(monkeypatch):
    monkeypatch.setitem(RULES, ew.TANH, Pointwise((lambda x, out: ew.subtract(1, out),)))


@pytest.mark.usefixtures("wrong_tanh")
def test_a_rule_that_two_engines_share_is_blamed_on_them_and_not_on_differences():
    report = compare_gradients(*network())
    assert not report.ok
    assert set(report.blamed) == {"reverse", "forward"}
    assert report.reference in ("symbolic", "complex step", "central differences")
    found = verdicts(report)
    assert found["reverse"] == found["forward"] == "disagrees"
    assert found["central differences"] in ("agrees", "reference")
    headline = report.table().splitlines()[0]
    assert headline.startswith("Engines DISAGREE: reverse and forward on w; against ")
    assert "central differences and complex step" in headline
    assert "at fault: reverse and forward at tanh (test_verdicts.py:" in headline
    assert report.precision == ()


@pytest.mark.usefixtures("wrong_tanh")
def test_a_scalar_graph_is_then_held_against_the_symbolic_engine():
    x = gc.input("x", (), "float64")
    report = compare_gradients(gc.exp(gc.tanh(x)), x, {"x": 0.7})
    assert report.reference == "symbolic"
    assert report.blamed == ("reverse", "forward")
    assert "held against symbolic" in report.table()


@pytest.mark.usefixtures("wrong_tanh")
def test_without_located_faults_independent_witnesses_decide(monkeypatch):
    monkeypatch.setattr("graphc.compare.gradients.faults_of", lambda *_: [])
    x = gc.input("x", (), "float64")
    report = compare_gradients(gc.exp(gc.tanh(x)), x, {"x": 0.7})
    assert report.blamed == ("reverse", "forward")
    assert "no op's own derivative is wrong by itself" in report.table()
    two = compare_gradients(gc.exp(gc.tanh(x)), x, {"x": 0.7}, ["reverse", "forward", "central differences"])
    assert two.blamed == ("reverse", "forward")  # one table of rules is one witness; the function wins


def test_differences_that_stand_alone_are_the_ones_blamed(monkeypatch):
    from graphc.compare import engines

    genuine = engines.ENGINES["central differences"]

    def wrong(point, probes, compiled=True):
        found = genuine(point, probes, compiled)
        return engines.replace(found, values={k: 2 * v for k, v in found.values.items()})

    monkeypatch.setitem(engines.ENGINES, "central differences", wrong)
    x = gc.input("x", (), "float64")
    report = compare_gradients(gc.exp(gc.tanh(x)), x, {"x": 0.7})
    assert (report.reference, report.blamed) == ("reverse", ("central differences",))


def test_a_fault_of_putting_together_is_told_from_that_of_an_op(monkeypatch):
    genuine = autodiff.grad
    monkeypatch.setattr(autodiff, "grad", lambda y, wrt: [2 * g for g in genuine(y, wrt)])
    report = compare_gradients(*network())
    assert report.blamed == ("reverse",)
    assert report.reference == "symbolic"
    assert report.faults == ()
    assert "in how they are put together" in report.table()


def test_a_rule_that_breaks_is_a_finding(monkeypatch):
    class Broken:
        flows, masking = True, ()

        def vjp(self, node, cotangent, index, masked):
            raise ShapeError("sizes 3 and 4 differ", op="reshape")

        def jvp(self, node, tangents):
            return RULES_OF_RESHAPE.jvp(node, tangents)

    RULES_OF_RESHAPE = RULES[RESHAPE]  # noqa: N806
    monkeypatch.setitem(RULES, RESHAPE, Broken())
    report = compare_gradients(*network())
    assert not report.ok
    assert report.blamed == ("reverse",)
    assert report.reference == "symbolic"
    assert "sizes 3 and 4 differ" in report.failures["reverse"]
    (fault,) = report.faults
    assert (fault.engine, fault.op, fault.location.filename) == ("reverse", "reshape", __file__)
    assert "sizes 3 and 4 differ" in str(fault)
    assert "reverse fails" in report.table().splitlines()[0]
    text = json.dumps(report.to_dict(), allow_nan=False)
    assert json.loads(text)["faults"][0]["relative"] is None


def test_a_derivative_that_lets_through_what_is_stopped_is_named(monkeypatch):
    from graphc.autodiff.rule import Linear

    passing = Linear(lambda node, cotangent, index, masked: cotangent)
    monkeypatch.setitem(RULES, ew.STOP_GRADIENT, passing)
    x = gc.input("x", (3,), "float64")
    report = compare_gradients(gc.sum(gc.stop_gradient(gc.exp(x)) * x), x, {"x": [0.1, 0.2, 0.3]})
    assert {(f.engine, f.op) for f in report.faults} == {
        ("reverse", "stop_gradient"),
        ("forward", "stop_gradient"),
    }


def test_symbolic_faults_on_tensor_nodes_are_asked_of_its_vjp(monkeypatch):
    """A fault of the symbolic engine alone is found at its node."""
    from graphc.compare import locating
    from graphc.compare.point import Point

    genuine = locating.symbolic.vjp

    def vjp(y, wrt, cotangent):
        factor = 2.0 if y.op.name == "tanh" else 1.0
        return SimpleNamespace(gradients=[factor * g for g in genuine(y, wrt, cotangent).gradients])

    monkeypatch.setattr(locating.symbolic, "vjp", vjp)
    y, w, values = network()
    found = locating.faults_of(Point(y, [("w", w)], values), ["reverse", "symbolic"], 0)
    assert [(f.engine, f.op) for f in found] == [("symbolic", "tanh")]
    assert found[0].relative == pytest.approx(1.0, rel=1e-4)


def test_a_wrong_rule_deep_in_a_long_graph_is_reached_early(monkeypatch):
    monkeypatch.setattr(
        "graphc.compare.locating._SECONDS", 0.0
    )  # only the first node is tested: nothing found
    monkeypatch.setitem(RULES, ew.TANH, Pointwise((lambda x, out: ew.subtract(1, out),)))
    h = x = gc.input("x", (2,), "float64")
    for _ in range(50):
        h = gc.sin(h * 1.1)
    y = gc.sum(gc.tanh(h))
    assert compare_gradients(y, x, {"x": [0.1, 0.2]}, costs=False).faults == ()
    monkeypatch.setattr("graphc.compare.locating._SECONDS", 10.0)
    report = compare_gradients(y, x, {"x": [0.1, 0.2]}, costs=False)
    assert {f.op for f in report.faults} == {"tanh"}


# -- forms -------------------------------------------------------------------------------------------
def test_the_plot_is_a_picture_and_part_of_the_page(tmp_path):
    pytest.importorskip("matplotlib")
    x = gc.input('<script>alert("x")</script> $a_', (), "float64")
    report = compare_gradients(gc.tanh(x), x, {x: 0.3})
    report.plot(tmp_path / "report.png")
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    page = report.to_html()
    assert page.count("<svg") == 1
    assert all(word not in page for word in ("<script", "http", "src=", "@import"))
    name = gc.input("名", (), "float64")  # a sign that Matplotlib's own font lacks
    compare_gradients(gc.tanh(name), name, {name: 0.3}).plot(tmp_path / "other.png")


def test_without_matplotlib_the_plot_says_what_to_do_and_the_page_stands(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    x = gc.input("x", (), "float64")
    report = compare_gradients(gc.tanh(x), x, {"x": 0.3})
    with pytest.raises(UnsupportedError, match="Matplotlib is not installed") as raised:
        report.plot("report.png")
    assert "graphc[plot]" in str(raised.value)
    page = report.to_html()
    assert "<svg" not in page
    assert "central differences" in page
