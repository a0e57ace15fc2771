"""What users ask for: structures, intermediates, errors, short results, long graphs, hand-written oracles."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.autodiff.rules import RULES
from graphc.ir.traversal import topological_order
from graphc.runtime.interpreter import interpret


def ops_of(*outputs: gc.Tensor) -> list[str]:
    return [n.op.name for n in topological_order(outputs)]


def new_ops(y: gc.Tensor, *derived: gc.Tensor) -> list[str]:
    before = set(topological_order([y]))
    return [n.op.name for n in topological_order(derived) if n not in before and n.op.name != "constant"]


# -- structure -------------------------------------------------------------------------------------
def test_the_result_has_the_structure_of_wrt() -> None:
    x, w = gc.input("x", (), "float64"), gc.input("w", (), "float64")
    y = x * x * w
    values = {x: 3.0, w: 5.0}
    found = gc.grad(y, {"x": x, "rest": [w, (x,)]})
    assert interpret([found["x"], found["rest"][0], found["rest"][1][0]], values) == [30.0, 9.0, 30.0]
    second = gc.hessian(y, {"x": x, "w": w})
    assert [interpret([second[a][b]], values)[0] for a in "xw" for b in "xw"] == [10.0, 6.0, 6.0, 0.0]
    value, gradient = gc.value_and_grad(y, x)
    assert value is y and interpret([gradient], values) == [30.0]


def test_intermediates_and_tensors_that_depend_on_each_other() -> None:
    x = gc.input("x", (), "float64")
    h = gc.sin(x)
    y = h * h * x
    by_h, by_x = interpret(gc.grad(y, [h, x]), {x: 0.7})
    np.testing.assert_allclose(by_h, 2 * np.sin(0.7) * 0.7)
    np.testing.assert_allclose(by_x, np.sin(0.7) ** 2 + 2 * np.sin(0.7) * 0.7 * np.cos(0.7))
    (alone,) = interpret([gc.grad(y, h)], {x: 0.7})
    np.testing.assert_allclose(alone, by_h)
    (pushed,) = interpret([gc.jvp(y, [h, x], [2.0, 3.0])], {x: 0.7})
    np.testing.assert_allclose(pushed, 2 * by_h + 3 * by_x)
    (second,) = interpret([gc.hessian(y, h)], {x: 0.7})
    np.testing.assert_allclose(second, 1.4)


def test_outputs_named_twice_and_outputs_asked_for() -> None:
    x = gc.input("x", (2,), "float64")
    y = x * 3.0
    (g,) = interpret([gc.vjp([y, y, x], x, [[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])], {x: [0.0, 0.0]})
    np.testing.assert_array_equal(g, [133.0, 266.0])
    assert interpret([gc.grad(x.sum().named("s"), [x])[0]], {x: [5.0, 5.0]})[0].tolist() == [1.0, 1.0]
    s = x.sum()
    assert interpret([gc.grad(s, s)], {x: [5.0, 5.0]}) == [1.0]


def test_no_dependence_gives_zeros() -> None:
    x, z = gc.input("x", ("N", 2)), gc.input("z", (3,), "float64")
    y = (gc.floor(x) * gc.stop_gradient(x)).sum() + x.astype("int64").astype("float32").sum()
    by_x, by_z = interpret(gc.grad(y, [x, z]), {x: np.ones((4, 2)), z: np.ones(3)})
    assert by_x.shape == (4, 2) and by_x.dtype == np.float32 and not by_x.any()
    assert by_z.shape == (3,) and by_z.dtype == np.float64 and not by_z.any()
    j = gc.jacobian(gc.floor(x), z)
    assert interpret([j], {x: np.ones((4, 2)), z: np.ones(3)})[0].shape == (4, 2, 3)


def test_mixed_dtypes_keep_their_own() -> None:
    x, w = gc.input("x", (3,), "float32"), gc.input("w", (3,), "float64")
    k = gc.input("k", (3,), "int32")
    y = gc.exp(x * w / k)
    by_x, by_w = gc.grad(y.sum(), [x, w])
    assert by_x.dtype == np.float32 and by_w.dtype == np.float64
    assert gc.jvp(y, x, np.ones(3)).dtype == np.float64
    half = gc.input("h", (2, 2), "float16")
    assert gc.grad(gc.softmax(half @ half).max(), half).dtype == np.float16


# -- errors ----------------------------------------------------------------------------------------
def test_mistakes_are_named_with_a_remedy() -> None:
    x, n = gc.input("x", (3,)), gc.input("n", (3,), "int64")
    with pytest.raises(gc.ShapeError, match=r"0-dimensional(.|\n)*test_derivatives(.|\n)*mean\(\)"):
        gc.grad(x, x)
    with pytest.raises(gc.DTypeError, match="int64"):
        gc.grad(x.sum(), n)
    with pytest.raises(gc.DTypeError, match="int64"):
        gc.grad(n.sum(), x)
    with pytest.raises(gc.DTypeError, match="int64"):
        gc.jvp(n, x, np.ones(3))
    with pytest.raises(gc.ShapeError, match="cotangent"):
        gc.vjp(x * x, x, np.ones(4))
    with pytest.raises(gc.GraphError, match="structure"):
        gc.vjp([x, x], x, [np.ones(3)])
    with pytest.raises(gc.GraphError, match="list"):
        gc.grad(x.sum(), "x")
    with pytest.raises(gc.GraphError, match="mode"):
        gc.jacobian(x, x, mode="sideways")  # type: ignore[arg-type]


def test_an_op_without_a_rule_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RULES, gc.ops.REGISTRY["sin"])
    x = gc.input("x", ())
    with pytest.raises(gc.DifferentiationError, match="sin"):
        gc.grad(gc.sin(x), x)


# -- what is built -----------------------------------------------------------------------------------
def test_gradients_are_as_short_as_by_hand() -> None:
    x, w = gc.input("x", ()), gc.input("w", ())
    cases: list[tuple[gc.Tensor, list[str]]] = [
        (x**2, ["multiply"]),  # 2·x
        (x**3, ["power", "multiply"]),  # 3·x²
        (x * w, []),  # w
        (x + w, []),  # 1
        (gc.log(x), ["reciprocal"]),  # 1/x
        (gc.exp(x), []),  # the output itself
        (-x, []),  # −1
        (2 * gc.log(x), ["divide"]),  # 2/x
    ]
    for y, wanted in cases:
        assert new_ops(y, gc.grad(y, x)) == wanted, y


def test_a_linear_layer_gives_the_known_products() -> None:
    x, w, b = gc.input("x", ("N", 4)), gc.input("w", (4, 3)), gc.input("b", (3,))
    g = gc.input("g", ("N", 3))
    y = x @ w + b
    by_w, by_b, by_x = gc.vjp(y, [w, b, x], g)
    assert new_ops(y, by_w) == ["transpose", "input", "matmul"] or new_ops(y, by_w) == [
        "input",
        "transpose",
        "matmul",
    ]
    assert sorted(new_ops(y, by_b)) == ["input", "sum"]
    assert sorted(new_ops(y, by_x)) == ["input", "matmul", "transpose"]


def test_derivative_nodes_carry_scope_line_and_role() -> None:
    x = gc.input("x", (3,))
    with gc.scope("block"):
        h = gc.sin(x)
    g = gc.grad(gc.cos(h).sum(), x)
    roles = {n.role for n in topological_order([g])}
    assert roles == {"forward", "backward"}
    assert g.scope == ("block",) and g.role == "backward" and g.location == h.location
    t = gc.jvp(h, x, np.ones(3))
    assert t.scope == ("block",) and t.role == "tangent" and t.location == h.location


def test_a_fan_out_costs_one_sum_a_use() -> None:
    x = gc.input("x", (), "float64")
    y = gc.sin(x)
    for _ in range(500):
        y = y + gc.sin(x)
    g = gc.grad(y, x)
    assert len(topological_order([g])) < 5 * 501
    np.testing.assert_allclose(interpret([g], {x: 0.3})[0], 501 * np.cos(0.3))


@pytest.mark.parametrize(
    ("derivative", "nodes"),
    [(gc.grad, 100_000), (lambda y, x: gc.jvp(y, x, 1.0), 10_000)],
    ids=["reverse", "forward"],
)
def test_long_chains(derivative: Any, nodes: int) -> None:
    x = gc.input("x", (), "float64")
    y, value, slope = x, 0.5, 1.0
    for _ in range(nodes // 2):
        y = gc.sin(y) * 1.0001
        value, slope = np.sin(value) * 1.0001, slope * np.cos(value) * 1.0001
    (found,) = interpret([derivative(y, x)], {x: 0.5})
    assert found == pytest.approx(slope, rel=1e-9)


# -- Jacobians of symbolic size ------------------------------------------------------------------------
def test_jacobians_of_symbolic_sizes() -> None:
    x, w = gc.input("x", ("N", 2), "float64"), gc.input("w", (2, 3), "float64")
    y = gc.tanh(x @ w)
    rng = np.random.default_rng(0)
    values = {x: rng.normal(size=(4, 2)), w: rng.normal(size=(2, 3))}
    slope = 1 - np.tanh(values[x] @ values[w]) ** 2
    by_x = np.einsum("nk,nm,jk->nkmj", slope, np.eye(4), values[w])
    by_w = np.einsum("nk,nj,kl->nkjl", slope, values[x], np.eye(3))
    for mode in ("forward", "reverse", None):
        found = interpret(gc.jacobian(y, [x, w], mode), values)  # type: ignore[arg-type]
        np.testing.assert_allclose(found[0], by_x, atol=1e-15)
        np.testing.assert_allclose(found[1], by_w, atol=1e-15)
    h = interpret([gc.hessian((x**4).sum(), x)], values)[0]
    np.testing.assert_allclose(h.reshape(8, 8), np.diag(12 * values[x].ravel() ** 2))


@pytest.mark.parametrize("which", ["table", "both"])
def test_jacobian_through_lookups_whose_table_moves(which: str) -> None:
    """Batched lookups, and the scatter that is their adjoint."""
    rng = np.random.default_rng(3)
    table, i = gc.input("table", (5, 3), "float64"), gc.input("i", (2, 2), "int64")
    places = [[0, 4], [-1, 0]]
    y = gc.take(table, i, axis=0) ** 2 if which == "table" else gc.take(table * table.sum(), i, axis=0)
    a = rng.normal(size=(5, 3))
    reverse, forward = interpret(
        [gc.jacobian(y, table, "reverse"), gc.jacobian(y, table, "forward")], {table: a, i: places}
    )
    picked = np.zeros((2, 2, 3, 5, 3))
    for index in np.ndindex(2, 2, 3):
        row = places[index[0]][index[1]]
        if which == "table":
            picked[(*index, row, index[2])] = 2 * a[row, index[2]]
        else:
            picked[index] += a[row, index[2]]
            picked[(*index, row, index[2])] += a.sum()
    np.testing.assert_allclose(reverse, picked, atol=1e-14)
    np.testing.assert_allclose(forward, picked, atol=1e-14)


# -- hand-written back-propagation (TOPICS rows 5, 6, 7) ----------------------------------------------
def test_the_neuron_of_the_book_factor_by_factor() -> None:
    x, w, b = (gc.input(n, (), "float64") for n in "xwb")
    h1 = (w * x).named("h1")
    h2 = (h1 + b).named("h2")
    h3 = (h2 * -1).named("h3")
    h4 = gc.exp(h3).named("h4")
    h5 = (h4 + 1).named("h5")
    h6 = gc.reciprocal(h5).named("h6")
    at = {x: 1.0, w: 0.0, b: 0.0}
    assert interpret([h1, h2, h3, h4, h5, h6], at) == [0, 0, 0, 1, 2, 0.5]
    y = (h6 * 1.0).named("f")
    found = gc.autodiff.chain(y, w)
    assert len(found.factors) == 7
    assert interpret(found.graphs, at) == [1, -0.25, 1, 1, -1, 1, 1]
    assert np.prod(interpret(found.graphs, at)) == interpret([gc.grad(y, w)], at)[0] == 0.25
    assert found.text().splitlines()[0] == (
        "∂f/∂w = ∂f/∂h6 · ∂h6/∂h5 · ∂h5/∂h4 · ∂h4/∂h3 · ∂h3/∂h2 · ∂h2/∂h1 · ∂h1/∂w"
    )
    assert found.latex().startswith(r"\frac{\partial f}{\partial w} = \frac{\partial f}{\partial h_6} \frac")


def test_the_chain_of_any_graph_multiplies_to_the_gradient() -> None:
    rng = np.random.default_rng(2)
    x = gc.input("x", (3,), "float64")
    w = gc.constant(rng.normal(size=(4, 3)))
    h = gc.tanh(w @ x)
    parallel = gc.sin(h) * gc.exp(-h) + h  # between h and here is one link
    y = (parallel**2).sum()
    found = gc.autodiff.chain(y, x)
    point = rng.normal(size=3)
    product: Any = np.ones(())
    for factor, value in zip(reversed(found.factors), interpret(found.graphs, {x: point}), strict=True):
        assert value.shape == factor.output.shape + factor.input.shape
        product = np.tensordot(product, value, axes=len(factor.output.shape))
    np.testing.assert_allclose(product, interpret([gc.grad(y, x)], {x: point})[0], rtol=1e-12)
    assert any(f.input is h for f in found.factors)
    with pytest.raises(gc.DifferentiationError, match="does not depend"):
        gc.autodiff.chain(y, gc.input("z", ()))


def test_back_propagation_by_hand_equals_reverse_mode() -> None:
    """A network of three layers with softmax cross-entropy, as section 4.4 of the book writes it out."""
    rng = np.random.default_rng(5)
    sizes = [6, 5, 4, 3]
    x = gc.input("x", ("N", 6), "float64")
    target = gc.input("target", ("N", 3), "float64")
    weights = [gc.input(f"w{k}", s, "float64") for k, s in enumerate(pairwise(sizes))]
    biases = [gc.input(f"b{k}", (s,), "float64") for k, s in enumerate(sizes[1:])]
    a = x
    for k in range(2):
        a = gc.sigmoid(a @ weights[k] + biases[k])
    loss = -(gc.log_softmax(a @ weights[2] + biases[2]) * target).sum(axis=1).mean()
    n = 7
    v = {
        t: rng.normal(size=tuple(n if not isinstance(s, int) else s for s in t.shape))
        for t in (x, *weights, *biases)
    }
    v[target] = np.eye(3)[rng.integers(0, 3, n)]
    # forward
    activations = [v[x]]
    for k in range(2):
        activations.append(1 / (1 + np.exp(-(activations[-1] @ v[weights[k]] + v[biases[k]]))))
    z = activations[-1] @ v[weights[2]] + v[biases[2]]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    # backward: δ of each layer
    delta = (p - v[target]) / n
    expected_w: list[Any] = [None] * 3
    expected_b: list[Any] = [None] * 3
    for k in reversed(range(3)):
        expected_w[k] = activations[k].T @ delta
        expected_b[k] = delta.sum(axis=0)
        delta = (delta @ v[weights[k]].T) * activations[k] * (1 - activations[k]) if k else delta
    found = interpret(gc.grad(loss, [*weights, *biases]), v)
    for mine, by_hand in zip(found, expected_w + expected_b, strict=True):
        np.testing.assert_allclose(mine, by_hand, rtol=1e-12, atol=1e-14)
    directions = {t: rng.normal(size=v[t].shape) for t in (*weights, *biases)}
    (pushed,) = interpret([gc.jvp(loss, list(directions), list(directions.values()))], v)
    np.testing.assert_allclose(
        pushed, sum(np.sum(g * d) for g, d in zip(found, directions.values(), strict=True)), rtol=1e-12
    )


def test_sweeps_of_both_modes() -> None:
    many = gc.input("many", (8,), "float64")
    one = gc.input("one", (), "float64")
    narrow = gc.autodiff.sweep_counts(gc.tanh(many * 2.0).sum(), many)
    assert (narrow.forward_sweeps, narrow.reverse_sweeps) == (8, 1)
    wide = gc.autodiff.sweep_counts(gc.tanh(one * np.arange(8.0)), one)
    assert (wide.forward_sweeps, wide.reverse_sweeps) == (1, 8)
