"""Derivations of tensor graphs: what they say, step by step, and that each step is checked."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DifferentiationError, GraphError
from graphc.symbolic.index import forms
from graphc.symbolic.notation import text

MODES = ("full", "dominators", "everywhere")


def declared(**shapes):
    return [gc.input(name, shape, "float64") for name, shape in shapes.items()]


def perceptron():
    """Two layers with a softmax, its loss against rows of probabilities."""
    x, y = declared(X=("N", 4), Y=("N", 2))
    w1, b1, w2, b2 = declared(W_1=(4, 3), b_1=(3,), W_2=(3, 2), b_2=(2,))
    z1 = (x @ w1 + b1).named("z_1")
    h = gc.sigmoid(z1).named("h")
    z2 = (h @ w2 + b2).named("z_2")
    loss = (-gc.mean(gc.sum(y * gc.log_softmax(z2), axis=1))).named("L")
    return loss, [w1, b1, w2, b2], y


def lines(derivation):
    return derivation.text().splitlines()


def test_softmax_regression_reads_as_in_a_textbook():
    x, y, w, b = declared(X=("N", 4), Y=("N", 3), W=(4, 3), b=(3,))
    loss = (-gc.mean(gc.sum(y * gc.log_softmax(x @ w + b), axis=1))).named("L")
    found = gc.symbolic.grad(loss, [w, b], mode="full", assume=[gc.symbolic.sums_to_one(y)])
    assert "∂L/∂W = Xᵀ (softmax(X W + b) − Y) / N" in lines(found)
    assert "∂L/∂b = Σ_n (softmax(X W + b) − Y) / N" in lines(found)


def test_without_the_assumption_the_row_sums_stay():
    x, y, w = declared(X=("N", 4), Y=("N", 3), W=(4, 3))
    loss = (-gc.mean(gc.sum(y * gc.log_softmax(x @ w), axis=1))).named("L")
    (gradient,) = [s for s in lines(gc.symbolic.grad(loss, w, mode="full")) if s.startswith("∂L/∂W")]
    assert "Σ_j Y" in gradient


@pytest.mark.parametrize("mode", ["dominators", "everywhere"])
def test_back_propagation_is_the_recursion_of_deltas(mode):
    loss, wrt, y = perceptron()
    found = lines(gc.symbolic.grad(loss, wrt, mode=mode, assume=[gc.symbolic.sums_to_one(y)]))
    for line in (
        "∂L/∂z_2 = (softmax(z_2) − Y) / N",
        "∂L/∂W_2 = hᵀ ∂L/∂z_2",
        "∂L/∂h = ∂L/∂z_2 W_2ᵀ",
        "∂L/∂z_1 = ∂L/∂h ⊙ h ⊙ (1 − h)",
        "∂L/∂W_1 = Xᵀ ∂L/∂z_1",
        "∂L/∂b_1 = Σ_n ∂L/∂z_1",
    ):
        assert line in found, "\n".join(found)


def test_convolution_has_the_textbooks_two_gradients():
    x, w, u = declared(x=(2, 3, 8, 8), w=(4, 3, 3, 3), u=(2, 4, 6, 6))
    y = gc.nn.conv2d(x, w).named("y")
    loss = gc.sum(u * gc.square(y)).named("L")
    found = lines(gc.symbolic.grad(loss, [x, w], mode="everywhere"))
    assert "∂L/∂w = ∂L/∂y ⊗ x" in found
    assert "∂L/∂x = rot180(w) ⊛ ∂L/∂y" in found


def test_hessian_of_logistic_regression():
    x, y, w = declared(X=("N", 4), y=("N",), w=(4,))
    loss = gc.mean(gc.nn.binary_cross_entropy_with_logits(x @ w, y))
    hessian = gc.symbolic.hessian(loss, w)
    assert lines(hessian)[0] == "h_1 = σ(X w)"
    assert lines(hessian)[-1].endswith("= Xᵀ diag(h_1 ⊙ (1 − h_1)) X / N")


def test_layer_normalisation_has_three_terms():
    x, u, gamma = declared(X=("N", 4), U=("N", 4), gamma=(4,))
    centred = x - gc.mean(x, axis=1, keepdims=True)
    s = (1 / gc.sqrt(gc.mean(gc.square(centred), axis=1, keepdims=True) + 1e-5)).named("s")
    xhat = (centred * s).named("xhat")
    loss = gc.sum(u * (xhat * gamma)).named("L")
    derivation = gc.symbolic.grad(loss, x, mode="full", check=True)
    assert lines(derivation)[-1] == "∂L/∂X = s ⊙ (U ⊙ γ − mean_j(U ⊙ γ) − xhat ⊙ mean_j(U ⊙ xhat ⊙ γ))"


@pytest.mark.parametrize("mode", MODES)
def test_every_step_is_checked_when_asked(mode):
    loss, wrt, _ = perceptron()
    derivation = gc.symbolic.grad(loss, wrt, mode=mode, check=True)
    assert derivation.mode == mode
    assert all(step.error is not None and step.error < 1e-8 for step in derivation.steps)
    rules = {step.rule for step in derivation.steps}
    assert {"definition", "derivative of sigmoid", "chain rule", "raising to ops"} <= rules
    assert all(step.error is None for step in gc.symbolic.grad(loss, wrt, mode=mode).steps)


def test_a_wrong_index_form_fails_its_check(monkeypatch):
    x, w = declared(x=(3, 4), w=(4,))
    genuine = forms.INDEX_FORMS[gc.ops.REGISTRY["matmul"]]

    def halved(node):
        form = genuine(node)
        (case,) = form.cases
        return forms.IndexForm(
            form.node, form.variables, (forms.Case(case.reads, case.body / 2, case.bound, case.guards),)
        )

    monkeypatch.setitem(forms.INDEX_FORMS, gc.ops.REGISTRY["matmul"], halved)
    with pytest.raises(DifferentiationError, match="matmul"):
        gc.symbolic.grad(gc.sum(gc.tanh(x @ w)), w, check=True)


def test_latex_is_one_aligned_display_of_the_same_lines():
    loss, wrt, _ = perceptron()
    derivation = gc.symbolic.grad(loss, wrt)
    written = derivation.latex()
    assert written.startswith("\\[\n\\begin{aligned}") and written.endswith("\\end{aligned}\n\\]")
    assert written.count("&=") == len(lines(derivation))
    assert written.count("{") == written.count("}")
    assert r"\frac{\partial L}{\partial W_{1}}" in written


def test_the_page_is_well_formed_and_needs_nothing_from_outside(tmp_path):
    hostile = "w</math><script>alert(1)</script>"
    x, w = gc.input("x", (3, 4), "float64"), gc.parameter(hostile, (4,), dtype="float64")
    derivation = gc.symbolic.grad(gc.sum(gc.tanh(x @ w)), w, check=True)
    file = derivation.save(tmp_path / "derivation.html")
    page = file.read_text(encoding="utf-8")
    assert "<script" not in page and "http" not in re.sub(r"http://www.w3.org\S*", "", page)
    for formula in re.findall(r"<math.*?</math>", page, re.DOTALL):
        ElementTree.fromstring(formula)
    assert page.count("<li>") == len(derivation.steps)


def test_a_scalar_derivation_has_a_page_too(tmp_path):
    x, w = gc.input("x", ()), gc.parameter("w", ())
    page = gc.symbolic.grad(gc.tanh(w * x), w, check=True).to_html()
    assert "<math" in page and "derivative of tanh" in page


def test_growth_ends_in_a_report_that_says_what_to_do():
    (x,) = declared(x=(3,))
    y = x
    for _ in range(12):
        y = y + gc.tanh(y)
    with pytest.raises(GraphError, match="more than 512 terms") as error:
        gc.symbolic.grad(gc.sum(y), x, mode="full")
    assert 'mode="everywhere"' in str(error.value)
    derivation = gc.symbolic.grad(gc.sum(y), x)
    assert derivation.mode in ("dominators", "everywhere")


def test_the_budget_can_be_raised():
    (x,) = declared(x=(2,))
    y = x
    for _ in range(3):
        y = y + gc.tanh(y)
    with pytest.raises(GraphError, match="budget"):
        gc.symbolic.grad(gc.sum(y), x, mode="full", budget=4)
    gradient = gc.symbolic.grad(gc.sum(y), x, mode="full", budget=8).gradients[0]
    point = {x: np.array([0.3, -0.2])}
    found, expected = gc.interpret([gradient, gc.grad(gc.sum(y), x)], point)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_an_unknown_mode_is_refused():
    (x,) = declared(x=(2,))
    with pytest.raises(GraphError, match="'cut'") as error:
        gc.symbolic.grad(gc.sum(x), x, mode="cut")
    assert "'dominators'" in str(error.value)


def test_jacobian_and_vjp_derive_outputs_that_are_no_scalars():
    x, w = declared(x=(4,), w=(3, 4))
    jacobian = gc.symbolic.jacobian(gc.tanh(w @ x), x)
    assert jacobian.result.shape == (3, 4)
    (u,) = declared(u=(3,))
    product = gc.symbolic.vjp(gc.tanh(w @ x), x, u)
    rng = np.random.default_rng(0)
    values = {x: rng.normal(size=4), w: rng.normal(size=(3, 4)), u: rng.normal(size=3)}
    whole, part, expected = gc.interpret(
        [jacobian.result, product.result, gc.vjp(gc.tanh(w @ x), x, u)], values
    )
    np.testing.assert_allclose(values[u] @ whole, part, rtol=1e-12)
    np.testing.assert_allclose(part, expected, rtol=1e-12)


def test_names_of_nodes_are_told_apart_from_the_users():
    x, w = declared(x=(4,), w=(4,))
    h = gc.tanh(x * w).named("h_1")
    y = gc.sum(gc.exp(h * x) * gc.exp(h * x) + h)
    labels = [step.label for step in gc.symbolic.grad(y, w).steps if step.rule == "definition"]
    assert len(set(labels)) == len(labels)
    assert labels.count("h_1") == 1


def test_steps_name_the_users_line():
    x, w = declared(x=(4,), w=(4,))
    step = gc.symbolic.grad(gc.sum(gc.tanh(x * w)), w).steps[0]
    assert step.location.filename == __file__
    assert text(step.before) in step.text()
    assert "&=" in step.latex()


def test_a_check_holds_at_points_where_what_was_assumed_does():
    x, y, w = declared(X=("N", 4), Y=("N", 3), W=(4, 3))
    loss = (-gc.mean(gc.sum(y * gc.log_softmax(x @ w), axis=1))).named("L")
    derivation = gc.symbolic.grad(loss, w, assume=[gc.symbolic.sums_to_one(y)], check=True)
    assert any("known sum" in step.rule for step in derivation.steps)
    assert all(step.error is not None and step.error < 1e-8 for step in derivation.steps)
