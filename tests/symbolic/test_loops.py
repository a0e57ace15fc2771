"""Loops by the symbolic engine: the recurrence turned round equals reverse mode, twice over."""

import numpy as np
import pytest

import graphc as gc
from graphc.ir.traversal import depends_on, topological_order
from tests.symbolic.agreement import MODES, assert_equal


def _average(x, decay):
    def step(mean, x_t):
        mean = gc.tanh(decay * mean + (1 - decay) * x_t)
        return mean, gc.square(mean)

    return gc.scan(step, gc.zeros((2,), "float64"), x)


def _compared(y, wrt, values, mode):
    found = gc.symbolic.grad(y, wrt, mode=mode).gradients
    results = gc.interpret([*found, *gc.grad(y, wrt)], values)
    for tensor, a, b in zip(wrt, results[: len(wrt)], results[len(wrt) :], strict=True):
        assert_equal(a, b, f"{mode}, by {tensor.name}")
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("length", [0, 1, 5])
def test_final_value_and_outputs(mode, length):
    x, decay = gc.input("x", ("T", 2), "float64"), gc.input("decay", (2,), "float64")
    last, squares = _average(x, decay)
    y = gc.sum(last * np.array([1.0, -2.0])) + gc.sum(squares)
    rng = np.random.default_rng(length)
    _compared(y, [x, decay], {x: rng.normal(size=(length, 2)), decay: np.array([0.3, 0.8])}, mode)


def test_second_derivatives_by_applying_it_twice():
    x, decay = gc.input("x", (4, 2), "float64"), gc.input("decay", (2,), "float64")
    last, squares = _average(x, decay)
    y = gc.sum(last) + gc.sum(squares)
    rng = np.random.default_rng(1)
    values = {x: rng.normal(size=(4, 2)), decay: np.array([0.3, 0.8])}
    first, expected = gc.symbolic.grad(y, decay).result, gc.grad(y, decay)
    weights = np.array([0.7, -1.3])
    _, again = (gc.symbolic.grad(gc.sum(first * weights), [x, decay]).gradients for _ in range(2))
    wanted = gc.grad(gc.sum(expected * weights), [x, decay])
    for found, by_sweeps in zip(gc.interpret([*again], values), gc.interpret(wanted, values), strict=True):
        assert_equal(found, by_sweeps, "twice")


@pytest.mark.parametrize("mode", MODES)
def test_several_carries_integers_and_reverse(mode):
    x, i = gc.input("x", (5, 3), "float64"), gc.input("i", (5,), "int64")
    table, start = gc.input("table", (4, 3), "float64"), gc.input("start", (3,), "float64")

    def step(carry, inputs):
        h, total = carry
        x_t, i_t = inputs
        h = gc.sin(h * x_t) + gc.take(table, i_t, axis=0)
        return (h, total + h * h), gc.exp(-h)

    (h, total), ys = gc.scan(step, (start, gc.zeros((3,), "float64")), (x, i), reverse=True)
    y = gc.sum(h) + gc.sum(total * np.arange(3.0)) + gc.sum(ys[1:3])
    rng = np.random.default_rng(2)
    values = {
        x: rng.normal(size=(5, 3)), i: np.array([0, 3, 3, 1, 2]),
        table: rng.normal(size=(4, 3)), start: rng.normal(size=3),
    }  # fmt: skip
    _compared(y, [x, table, start], values, mode)


@pytest.mark.parametrize("layer", [gc.nn.RNN, gc.nn.GRU, gc.nn.LSTM])
def test_recurrent_layers(layer):
    x = gc.input("x", ("N", "T", 3), "float64")
    y = gc.sum(gc.square(layer(3, 4, dtype="float64")(x)))
    parameters = list(gc.parameters(y))
    rng = np.random.default_rng(3)
    values = {p: rng.normal(size=tuple(int(s) for s in p.shape)) * 0.5 for p in parameters}
    _compared(y, [x, *parameters], {x: rng.normal(size=(2, 4, 3)), **values}, None)


def test_a_loop_in_a_loop():
    x, w = gc.input("x", (3, 4), "float64"), gc.input("w", (), "float64")

    def row(total, x_t):
        def element(h, v):
            h = gc.tanh(w * h + v)
            return h, None

        h, _ = gc.scan(element, total, x_t)
        return h, h

    last, all_ = gc.scan(row, gc.zeros((), "float64"), x)
    y = last + gc.sum(gc.square(all_))
    _compared(y, [x, w], {x: np.random.default_rng(4).normal(size=(3, 4)), w: 0.7}, None)


@pytest.mark.parametrize("optimize", ["none", "default"])
def test_compiled_float32_stays_float32(optimize):
    x, decay = gc.input("x", ("T", 2)), gc.parameter("decay", (2,), init=0.4)

    def step(mean, x_t):
        mean = decay * mean + (1 - decay) * x_t
        return mean, mean

    _, means = gc.scan(step, gc.zeros((2,)), x)
    y = gc.sum(gc.square(means))
    gradient = gc.symbolic.grad(y, decay).result
    assert gradient.dtype == np.float32
    f = gc.compile([gradient, gc.grad(y, decay)], [x], optimize=optimize)
    found, expected = f(np.random.default_rng(5).normal(size=(6, 2)).astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("length", [0, 1, 3])
def test_jacobians(mode, length):
    x, w = gc.input("x", ("T", 2), "float64"), gc.input("w", (2, 2), "float64")
    start = gc.input("start", (2,), "float64")

    def step(h, x_t):
        h = gc.tanh(h @ w + x_t)
        return h, gc.square(h)

    last, squares = gc.scan(step, start, x)
    rng = np.random.default_rng(6)
    values = {x: rng.normal(size=(length, 2)), w: rng.normal(size=(2, 2)), start: rng.normal(size=2)}
    for y in (last, squares, gc.exp(last) * gc.sum(squares)):
        found = gc.symbolic.jacobian(y, [x, w, start], mode=mode).result
        results = gc.interpret([*found, *gc.jacobian(y, [x, w, start])], values)
        for a, b in zip(results[:3], results[3:], strict=True):
            assert_equal(a, b)


@pytest.mark.parametrize("length", [0, 1, 3])
def test_hessians(length):
    x, w = gc.input("x", (length, 2), "float64"), gc.input("w", (2, 2), "float64")
    start = gc.input("start", (2,), "float64")
    last, lasts = gc.scan(lambda h, x_t: (gc.tanh(h @ w + x_t), h), start, x)
    y = gc.sum(gc.square(last) * np.array([1.0, -2.0])) + gc.sum(gc.sin(lasts))
    rng = np.random.default_rng(7)
    values = {x: rng.normal(size=(length, 2)), w: rng.normal(size=(2, 2)), start: rng.normal(size=2)}
    for by in (x, w, start):
        found, expected = gc.interpret([gc.symbolic.hessian(y, by).result, gc.hessian(y, by)], values)
        assert_equal(found, expected, by.name)


def test_a_cotangent_from_outside():
    x, u = gc.input("x", ("T", 2), "float64"), gc.input("u", ("T", 2), "float64")
    last, means = gc.scan(lambda m, v: (gc.sin(m) + v, m * v), gc.ones((2,), "float64"), x)
    rng = np.random.default_rng(15)
    values = {x: rng.normal(size=(3, 2)), u: rng.normal(size=(3, 2))}
    for y, cotangent in ((means, u), (last, u[0])):
        found, expected = gc.symbolic.vjp(y, x, cotangent).result, gc.vjp(y, x, cotangent)
        assert_equal(*gc.interpret([found, expected], values))


# -- the graph that is built ---------------------------------------------------------------------------
def _loops(outputs):
    return [n for n in topological_order(outputs) if n.op.name == "scan"]


def _products(nodes):
    return [n for n in nodes if n.op.name in ("matmul", "einsum")]


@pytest.mark.parametrize("layer, carries", [(gc.nn.RNN, 1), (gc.nn.GRU, 1), (gc.nn.LSTM, 2)])
def test_the_gradient_by_recurrent_weights_is_one_product_after_the_loop(layer, carries):
    x = gc.input("x", ("N", "T", 3))
    y = gc.sum(gc.square(layer(3, 4)(x)))
    (weights,) = [p for p in gc.parameters(y) if p.name.endswith("weight_hh_l0")]
    gradient = gc.symbolic.grad(y, weights).result
    _, backward = _loops([gradient])
    body = backward.attrs["body"]
    assert len(body.carries) == carries  # λ alone: no sum is carried
    assert len(_products(body.order)) == 2  # h W again, and δ Wᵀ
    after = depends_on(topological_order([gradient]), [backward])
    (product,) = _products(n for n in topological_order([gradient]) if n in after)
    assert [len(i.shape) for i in product.inputs] == [3, 3]  # steps, rows, columns of both


# Each gives the matrix another use; the second number is the sums that are left in carries.
USES = {
    "a linear step": (lambda h, v, w: h @ w + v, 0),
    "one vector": (lambda h, v, w: gc.tanh(gc.sum(h, axis=0) @ w) + v, 0),
    "twice": (lambda h, v, w: gc.tanh(h @ w) + gc.sin(v @ w), 0),
    "transposed too": (lambda h, v, w: gc.tanh(h @ w) @ w.T + v, 0),
    "in a product of factors": (lambda h, v, w: (h * v) @ w * gc.sum(h), 0),
    "by elements": (lambda h, v, w: gc.tanh(h * w[0]) + v, 1),
    "a chosen step": (lambda h, v, w: gc.where(v > 0, gc.tanh(h @ w), h), 0),
    "both": (lambda h, v, w: gc.tanh(h @ w) * w[0] + v, None),
    "a power": (lambda h, v, w: gc.tanh(h @ (w @ w)) + v, 0),
    "a batch of matrices": (lambda h, v, w: gc.tanh(gc.einsum("ni,ij,nj->nj", h, w, v)), None),
}


@pytest.mark.parametrize("name", USES)
def test_a_constant_matrix_may_be_used_in_any_way(name):
    use, sums = USES[name]
    x, w = gc.input("x", ("T", 2, 3), "float64"), gc.input("w", (3, 3), "float64")
    start = gc.input("start", (2, 3), "float64")
    last, hs = gc.scan(lambda h, v: (use(h, v, w), h), start, x)
    y = gc.sum(gc.square(last)) + gc.sum(gc.sin(hs))
    rng = np.random.default_rng(8)
    values = {x: rng.normal(size=(4, 2, 3)), w: rng.normal(size=(3, 3)) * 0.5, start: rng.normal(size=(2, 3))}
    for mode in MODES:
        gradients = _compared(y, [x, w, start], values, mode)
    if sums is not None:
        assert len(_loops(gradients)[-1].attrs["body"].carries) == 1 + sums
    found, expected = gc.interpret([gc.symbolic.jacobian(last, w).result, gc.jacobian(last, w)], values)
    assert_equal(found, expected, name)


def test_without_a_carry_that_matters_no_loop_is_left():
    x, w = gc.input("x", ("T", 2, 3), "float64"), gc.input("w", (3, 4), "float64")
    _, ys = gc.scan(lambda h, v: (h, v @ w), gc.zeros((), "float64"), x)
    gradient = gc.symbolic.grad(gc.sum(ys * 3.0), w).result
    assert not _loops([gradient])
    values = {x: np.random.default_rng(9).normal(size=(4, 2, 3)), w: np.ones((3, 4))}
    assert_equal(*gc.interpret([gradient, gc.grad(gc.sum(ys * 3.0), w)], values))


def test_only_carries_that_matter_are_turned_round():
    x, w = gc.input("x", ("T", 2), "float64"), gc.input("w", (2,), "float64")

    def step(carry, v):
        a, b, c = carry
        return (gc.tanh(a * w) + v, gc.sin(b) + v, c * v), b

    starts = tuple(gc.zeros((2,), "float64") for _ in range(3))
    (a, b, _), bs = gc.scan(step, starts, x)
    backward = _loops([gc.symbolic.grad(gc.sum(a * b) + gc.sum(bs), w).result])[-1]
    assert len(backward.attrs["body"].carries) == 2  # a's λ and the sum over the steps of w's


# -- the derivation ------------------------------------------------------------------------------------
def test_the_derivation_names_the_loop_and_its_recurrence():
    x, w = gc.input("x", ("T", 2)), gc.input("w", (2,))
    last, _ = gc.scan(lambda h, v: (gc.tanh(w * h + v), None), gc.zeros((2,)), x)
    derivation = gc.symbolic.grad(gc.sum(last), w, check=True)
    assert derivation.text().splitlines() == [
        "h_1 = scan(0, x, w)",
        "L = Σ h_1[2 T:]",
        "λ = scan(1, 0, x, reshape_{T,2}(h_1[:2 T]), w)",
        "∂L/∂w = λ[2 T + 2:]",
    ]
    assert r"\lambda &= \operatorname{scan}" in derivation.latex()
    (turned,) = [s for s in derivation.steps if s.rule == "recurrence turned round"]
    assert turned.op == "scan" and turned.text().startswith("λ = scan(1, 0, x")


@pytest.mark.parametrize("layer", [gc.nn.RNN, gc.nn.GRU, gc.nn.LSTM])
def test_every_step_of_a_derivation_through_a_loop_is_checked(layer):
    x = gc.input("x", ("N", "T", 3), "float64")
    y = gc.sum(gc.square(layer(3, 2, dtype="float64")(x)))
    derivation = gc.symbolic.grad(y, list(gc.parameters(y)), check=True)
    unchecked = {s.rule for s in derivation.steps if s.error is None}
    assert unchecked == {"recurrence turned round"}
    assert max(s.error for s in derivation.steps if s.error is not None) < 1e-7
    assert derivation.residue == ()


def test_a_jacobian_through_a_loop_has_formulas_and_steps():
    x, w = gc.input("x", ("T", 2)), gc.input("w", (2,))
    _, ys = gc.scan(lambda h, v: (gc.tanh(w * h + v), h), gc.zeros((2,)), x)
    derivation = gc.symbolic.jacobian(ys, w)
    assert derivation.text().splitlines()[-1].startswith("∂h_2/∂w = ")
    assert "recurrence turned round" in [s.rule for s in derivation.steps]
    assert derivation.latex().count(r"\partial") >= 2
