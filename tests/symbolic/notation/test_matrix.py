"""Graphs in matrix notation: their text, and that it means what the graph computes."""

from __future__ import annotations

import random

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphError
from graphc.ir.traversal import topological_order
from graphc.ops.convolution import Geometry, filter_gradient, transposed_convolution
from graphc.ops.indexing import scatter_add
from graphc.symbolic.notation import Partial, matrix_formula, name, text
from tests.symbolic.notation.evaluation import evaluate

A, B, C = gc.input("A", (4, 5)), gc.input("B", (5, 6)), gc.input("C", (6, 3))
M = gc.input("M", (5, 5))
D, S = gc.input("D", (4, 5)), gc.input("S", (5, 5))
x, y, b, v = gc.input("x", (5,)), gc.input("y", (5,)), gc.input("b", (4,)), gc.input("v", (4,))
X, Y, p, q = gc.input("X", ("N", 5)), gc.input("Y", ("N", 3)), gc.input("p", ("N",)), gc.input("q", ("N",))
W, W_2, V, c = gc.input("W", (5, 3)), gc.input("W_2", (3, 5)), gc.input("V", (3, 1)), gc.input("c", (3,))
column, row = gc.input("u", ("N", 1)), gc.input("r", (1, 5))
t = gc.input("t", ("N",), "int64")
N = X.shape[0]
g, xhat, gamma = gc.input("g", ("N", 5)), gc.input("xhat", ("N", 5)), gc.input("gamma", (5,))
s = gc.input("s", ("N", 1))
Q, K = gc.input("Q", ("B", 2, "T", 8)), gc.input("K", ("B", 2, "T", 8))
P4, A4 = gc.input("P", ("B", 2, "T", "T")), gc.input("A", ("B", 2, "T", "T"))
image, kernel, cotangent = (
    gc.input("x", ("N", 3, 8, 8)),
    gc.input("w", (4, 3, 3, 3)),
    gc.input("u", ("N", 4, 6, 6)),
)
hidden, V2, T = gc.input("h", ("N", 3)), gc.input("V", (3, 2)), gc.input("T", ("N", 2))
P2, U2, V2_ = gc.input("P", (6, 7)), gc.input("U", (6, 4)), gc.input("V", (7, 4))
plain = Geometry((1, 1), ((0, 0), (0, 0)), (1, 1))
strided = Geometry((2, 2), ((1, 1), (1, 1)), (1, 1))
E = gc.einsum


def mean_j(value):
    return gc.mean(value, axis=1, keepdims=True)


FORMS = [
    # products of matrices and vectors, whichever way they were built
    ("X W", E("nk,kj->nj", X, W)),
    ("X W", X @ W),
    ("Xᵀ Y", E("nk,nj->kj", X, Y)),
    ("Xᵀ Y", X.T @ Y),
    ("Yᵀ X", (X.T @ Y).T),
    ("X W_2ᵀ", E("nk,jk->nj", X, W_2)),
    ("X W_2ᵀ", X @ W_2.T),
    ("x bᵀ", E("i,j->ij", x, b)),
    ("x bᵀ", gc.outer(x, b)),
    ("b xᵀ", E("i,j->ji", x, b)),
    ("xᵀ y", E("i,i->", x, y)),
    ("xᵀ y", y @ x),
    ("xᵀ y", gc.sum(x * y)),
    ("A x", E("ij,j->i", A, x)),
    ("Aᵀ b", b @ A),
    ("⟨A, D⟩", E("ij,ij->", A, D)),
    ("⟨A, D⟩", gc.sum(D * A)),
    ("⟨A, D⟩", gc.vdot(A, D)),
    ("tr(A Dᵀ S)", gc.trace(A @ D.T @ gc.input("S", (4, 4)))),
    ("tr(A S Dᵀ)", gc.trace(A @ S @ D.T)),
    ("tr(S)", gc.trace(S)),
    ("tr(S)", E("ii->", S)),
    ("diag(S)", E("ii->i", S)),
    ("diag(v) A", E("nk,n->nk", A, v)),
    ("A diag(x)", E("nk,k->nk", A, x)),
    ("diag(v) A", A * v[:, None]),
    ("A ⊙ x", A * x),
    ("M ⊙ Sᵀ", E("ji,ij->ij", S, M)),
    ("S ⊙ Mᵀ", E("ji,ij->ji", S, M)),
    ("A B C", A @ B @ C),
    ("A B C", E("ij,jk,kl->il", A, B, C)),
    ("Cᵀ Bᵀ Aᵀ", (A @ (B @ C)).T),
    ("Xᵀ diag(p ⊙ (1 − p)) X", E("ni,n,nj->ij", X, p * (1 - p), X)),
    ("Xᵀ diag(p ⊙ (1 − p)) X / N", X.T @ ((p * (1 - p))[:, None] * X) / N),
    ("bᵀ A x", b @ A @ x),
    ("bᵀ A x", E("i,ij,j->", b, A, x)),
    ("xᵀ S x", x @ S @ x),
    ("(S + Sᵀ) x", (S + S.T) @ x),
    ("v ⊙ (A x)", (A @ x) * v),
    ("(A x)²", (A @ x) * (A @ x)),
    ("‖A x‖²", gc.sum(gc.square(A @ x))),
    ("A ⊗ B", gc.kron(A, B)),
    ("1 xᵀ", gc.broadcast_to(x, (4, 5))),
    ("1 r", gc.broadcast_to(row, (4, 5))),
    ("A + r", A + row),
    ("A ⊙ r", A * row),
    ("r W", row @ W),
    ("Wᵀ x", x @ W),
    ("S[1]ᵀ W", S[1:2] @ W),
    ("Wᵀ S[1]", S[1] @ W),
    ("A", A @ gc.eye(5)),
    ("diag(p) − p pᵀ", p[:, None] * gc.eye("N") - gc.outer(p, p)),
    ("diag(x)", E("i,ij->ij", x, gc.eye(5))),
    ("A x", A @ (gc.eye(5) @ x)),
    ("1 1ᵀ", gc.ones((4, 5))),
    ("A + v 1ᵀ", v[:, None] + A),
    # sums, norms, means
    ("Σ_i A", E("ij->j", A)),
    ("Σ_j A", A.sum(axis=1)),
    ("Σ_n X", gc.sum(X, axis=0)),
    ("Σ A", gc.sum(A)),
    ("‖x‖", gc.sqrt(gc.sum(x * x))),
    ("‖A x − b‖²", gc.sum((A @ x - b) ** 2)),
    ("‖x‖² / 2", 0.5 * gc.sum(x**2)),
    ("x / ‖x‖", x / gc.sqrt(x @ x)),
    ("xᵀ y / (‖x‖ ‖y‖)", x @ y / (gc.sqrt(x @ x) * gc.sqrt(y @ y))),
    ("mean(x)", gc.mean(x)),
    ("mean((x − mean(x))²)", gc.var(x)),
    ("X − mean_n(X)", X - gc.mean(X, axis=0, keepdims=True)),
    ("I − x xᵀ / ‖x‖²", gc.eye(5) - gc.outer(x, x) / (x @ x)),
    ("D − 1 (Σ_j S)ᵀ", D - S.sum(axis=1)),
    # regression and classification
    ("2 Aᵀ (A x − b)", 2 * A.T @ (A @ x - b)),
    ("2 Aᵀ (A x − b)", -2 * (A.T @ (b - A @ x))),
    ("Xᵀ (softmax(X W + c) − Y) / N", X.T @ (gc.softmax(X @ W + c) - Y) / N),
    ("Σ_n (softmax(X W) − Y) / N", gc.sum(gc.softmax(X @ W) - Y, axis=0) / N),
    ("Xᵀ (softmax(X W) − onehot(t)) / N", X.T @ (gc.softmax(X @ W) - gc.one_hot(t, 3)) / N),
    ("Xᵀ (σ(p) − q) / N", X.T @ (gc.sigmoid(p) - q) / N),
    ("(softmax(X W) − Y) / N", -(Y - gc.softmax(X @ W)) / N),
    ("(softmax(X W) − Y) / N", gc.softmax(X @ W) / N - Y / N),
    ("−mean(Σ_j Y ⊙ log_softmax(X W))", -gc.mean(gc.sum(Y * gc.log_softmax(X @ W), axis=1))),
    ("p − p ⊙ q", p - p * q),
    ("p ⊙ exp(q − logsumexp(q))", p * gc.exp(q - gc.logsumexp(q, axis=0))),
    ("λ w", gc.input("lambda", ()) * gc.input("w", (3,))),
    # networks
    ("X W + c", c + X @ W),
    ("Xᵀ ((u Vᵀ) ⊙ (1 − tanh(X W)²))", X.T @ ((column @ V.T) * (1 - gc.tanh(X @ W) ** 2))),
    ("Xᵀ ((p cᵀ) ⊙ (1 − tanh(X W)²))", E("nk,n,j,nj->kj", X, p, c, 1 - gc.tanh(X @ W) ** 2)),
    ("tanh(X W)ᵀ u", gc.tanh(X @ W).T @ column),
    ("Y ⊙ 1[X W > 0]", gc.where(X @ W > 0, Y, 0.0)),
    ("Y ⊙ 1[X W ≤ 0]", gc.where(X @ W > 0, 0.0, Y)),
    ("{x if x > 0; 0.1 x otherwise}", gc.where(x > 0, x, 0.1 * x)),
    ("σ(x) ⊙ (1 − σ(x))", (1 - gc.sigmoid(x)) * gc.sigmoid(x)),
    ("x / √(1 + x²)", x / gc.sqrt(1 + x * x)),
    ("x ⊙ (1 + erf(x / √2)) / 2", gc.nn.gelu(x)),
    ("s ⊙ (g ⊙ γ − mean_j(g ⊙ γ) − xhat ⊙ mean_j(g ⊙ xhat ⊙ γ))",
     s * (gamma * g - mean_j(gamma * g) - xhat * mean_j(gamma * g * xhat))),
    ("Σ_n ((h V − T) Vᵀ) ⊙ (1 − h²)",
     gc.sum(((hidden @ V2 - T) @ V2.T) * (1 - hidden**2), axis=0)),
    ("2 (w ⊗_{s=2,p=1} x) ⊗_{d=2,p=1} x",
     filter_gradient(image, 2 * gc.nn.conv2d(image, kernel, stride=2, padding=1), (3, 3), strided)),
    ("P ⊙ (Σ_j P ⊙ (U Vᵀ))", P2 * gc.sum(P2 * (U2 @ V2_.T), axis=1, keepdims=True)),
    ("Σ_n g ⊙ xhat", gc.sum(g * xhat, axis=0)),
    # attention
    ("softmax(Q Kᵀ / √8)", gc.softmax(Q @ gc.swapaxes(K, -1, -2) / 8**0.5)),
    ("Q Kᵀ", E("bhqd,bhkd->bhqk", Q, K)),
    ("P ⊙ (A − Σ_t A ⊙ P)", P4 * (A4 - gc.sum(P4 * A4, axis=-1, keepdims=True))),
    ("Σ_b Xᵀ U", E("btd,bte->de", gc.input("X", ("B", "T", 4)), gc.input("U", ("B", "T", 3)))),
    # convolution and places
    ("w ⊗ x", gc.nn.conv2d(image, kernel)),
    ("w ⊗_{s=2,d=(2,1),p=1} x", gc.nn.conv2d(image, kernel, stride=2, padding=1, dilation=(2, 1))),
    ("rot180(w) ⊛ u", transposed_convolution(cotangent, kernel, (8, 8), plain)),
    ("w ⊗ᵀ_{s=2,p=1} u", transposed_convolution(gc.input("u", ("N", 4, 4, 4)), kernel, (8, 8), strided)),
    ("u ⊗ x", filter_gradient(image, cotangent, (3, 3), plain)),
    ("u ⊗_{d=2,p=1} x", filter_gradient(image, gc.input("u", ("N", 4, 4, 4)), (3, 3), strided)),
    ("v *_{p=2} a", gc.convolve(gc.input("a", ("T",)), gc.input("v", (3,)))),
    ("maxpool_{2×2}(x)", gc.nn.max_pool2d(image, 2)),
    ("[Σ_{n,m,p} U[n,i,m,p] X[n,j,m + k,p + l]]_{i,j,k,l}",
     E("nopq,ncpqij->ocij", gc.input("U", ("N", 2, 4, 4)), gc.window(gc.input("X", ("N", 3, 6, 6)), (3, 3)))),
    ("W[t]", gc.take(W, t, axis=0)),
    ("scatter(Y, t)", scatter_add(Y, t, 0, 7)),
    ("x[1:3]", x[1:3]),
    ("x[::−1]", x[::-1]),
    ("flip(x)", gc.flip(x)),
    ("concat_j(A, D)", gc.concatenate([A, D], axis=1)),
    ("cumsum(x)", gc.cumsum(x)),
    ("2 flip(cumsum(flip(x)))", 2 * gc.flip(gc.cumsum(gc.flip(x)))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "graph"), FORMS, ids=[f"{i}: {form}" for i, (form, _) in enumerate(FORMS)]
)
def test_text_is_a_textbooks(expected, graph):
    assert text(matrix_formula(graph)) == expected


def test_stops_at_names():
    h = gc.tanh(X @ W)
    delta = Partial(name("L"), name("h"))
    d = gc.input("d", ("N", 3))
    gradient = X.T @ (d * (1 - h**2))
    names = {h: name("h"), d: delta}
    assert text(matrix_formula(gradient, names)) == "Xᵀ (∂L/∂h ⊙ (1 − h²))"
    assert text(matrix_formula(h, names)) == "tanh(X W)"


def test_the_cotangent_of_a_convolution():
    names = {cotangent: Partial(name("L"), name("y"))}
    assert text(matrix_formula(filter_gradient(image, cotangent, (3, 3), plain), names)) == "∂L/∂y ⊗ x"
    back = transposed_convolution(cotangent, kernel, (8, 8), plain)
    assert text(matrix_formula(back, names)) == "rot180(w) ⊛ ∂L/∂y"


def test_scopes_and_numbers_of_names():
    with gc.scope("block1"):
        w = gc.parameter("w", (5, 3))
    assert text(matrix_formula(X @ w)) == "X w_block1"


def test_every_order_of_factors_is_one_text():
    factors = [p, q, gc.tanh(p), 1 - p]
    found = set()
    for seed in range(24):
        order = random.Random(seed).sample(factors, 4)
        found.add(text(matrix_formula(order[0] * (order[1] * order[2]) * order[3])))
    assert found == {"p ⊙ q ⊙ tanh(p) ⊙ (1 − p)"}


def test_a_formula_too_large_says_so():
    h = x
    for _ in range(40):
        h = gc.tanh(h + h * gc.sin(h))
    with pytest.raises(GraphError, match="give names to tensors in between"):
        matrix_formula(h)


def test_a_deep_graph_says_so_without_recursion():
    h = x
    for _ in range(3000):
        h = gc.tanh(h)
    with pytest.raises(GraphError, match="deep"):
        matrix_formula(h)
    assert text(matrix_formula(h, {h.inputs[0]: name("h")})) == "tanh(h)"


@pytest.mark.parametrize(
    "op", ["round", "isnan", "arctan2", "logaddexp", "argmax", "max", "prod", "pad", "fold", "triu"]
)
def test_other_ops_go_by_their_names(op):
    graphs = {
        "round": (gc.round(x), "round(x)"),
        "isnan": (gc.isnan(x), "isnan(x)"),
        "arctan2": (gc.arctan2(x, y), "arctan2(x, y)"),
        "logaddexp": (gc.logaddexp(x, y), "logaddexp(x, y)"),
        "argmax": (gc.argmax(A, axis=1), "argmax_j(A)"),
        "max": (gc.max(A, axis=0), "max_i(A)"),
        "prod": (gc.prod(x), "∏ x"),
        "pad": (gc.pad(x, 1), "pad_1(x)"),
        "fold": (gc.fold(gc.input("z", (3, 3)), (5,)), "fold_5(z)"),
        "triu": (gc.triu(S), None),
    }
    graph, expected = graphs[op]
    found = text(matrix_formula(graph))
    assert expected is None or found == expected


# -- the formula means what the graph computes ---------------------------------------------------------
SIZES = {"i": 2, "j": 3, "k": 4, "l": 5}


def _agrees(graph, inputs, seed):
    generator = np.random.default_rng(seed)
    read = set(topological_order([graph]))
    feeds = {i: generator.standard_normal(i.shape) for i in inputs if i in read}
    wanted = np.asarray(gc.interpret([graph], feeds)[0])
    formula = matrix_formula(graph)
    found = np.asarray(evaluate(formula, {i.name: a for i, a in feeds.items()}))
    if found.ndim > wanted.ndim or found.size == wanted.size:
        found, wanted = found.squeeze(), wanted.squeeze()
    np.testing.assert_allclose(np.broadcast_to(found, wanted.shape), wanted, atol=1e-9, err_msg=text(formula))


@pytest.mark.parametrize("block", range(6))
def test_random_einsums_read_as_they_compute(block):
    for seed in range(block * 60, block * 60 + 60):
        draw = random.Random(seed)
        lengths = [1, 1, 2, 2, 2, 3] if seed % 3 == 0 else [1, 2, 2]
        terms = [
            "".join(draw.sample("ijkl", draw.choice(lengths))) if draw.random() > 0.05 else "ii"
            for _ in range(draw.choice([1, 2, 2, 3, 3, 4]))
        ]
        letters = sorted(set("".join(terms)))
        out = "".join(draw.sample(letters, min(len(letters), draw.choice([0, 1, 1, 2, 2, 2, 3]))))
        inputs = [
            gc.input("ABCD"[i] if len(term) > 1 else "xyzw"[i], tuple(SIZES[c] for c in term), "float64")
            for i, term in enumerate(terms)
        ]
        _agrees(gc.einsum(f"{','.join(terms)}->{out}", *inputs), inputs, seed)


def _drawn_graph(draw):
    shapes = {"A": (3, 4), "B": (4, 2), "C": (3, 2), "x": (4,), "y": (3,), "S": (4, 4), "c": (), "D": (3, 4)}
    inputs = [gc.input(word, shape, "float64") for word, shape in shapes.items()]
    pool = list(inputs)

    def axis_of(a):
        return draw.choice([None, *range(a.ndim)])

    makers = {
        "multiply": lambda a, b: a * b,
        "add": lambda a, b: a + b,
        "subtract": lambda a, b: a - b,
        "divide": lambda a, b: a / (1.5 + b * b),
        "negative": lambda a, b: -a,
        "transpose": lambda a, b: a.T,
        "matmul": lambda a, b: a @ b,
        "again": lambda a, b: a @ b,
        "sum": lambda a, b: gc.sum(a, axis=axis_of(a), keepdims=draw.random() < 0.5),
        "mean": lambda a, b: gc.mean(a, axis=axis_of(a), keepdims=a.ndim == 2),
        "tanh": lambda a, b: gc.tanh(a),
        "square": lambda a, b: a * a,
        "scale": lambda a, b: a * draw.choice([2.0, 0.5, -1.0, 0.1]) / draw.choice([1.0, 3.0, 4.0]),
        "where": lambda a, b: gc.where(a > 0, a, 0.0),
    }
    for _ in range(draw.randint(2, 7)):
        made = makers[draw.choice(list(makers))]
        try:
            node = made(draw.choice(pool[-6:]), draw.choice(pool))
        except GraphError:  # shapes that do not fit: another draw
            continue
        if node.ndim <= 2 and node.shape != (1,):
            pool.append(node)
    return inputs, pool[-1]


@pytest.mark.parametrize("block", range(6))
def test_random_graphs_read_as_they_compute(block):
    for seed in range(block * 60, block * 60 + 60):
        inputs, graph = _drawn_graph(random.Random(seed))
        if graph.inputs:
            _agrees(graph, inputs, seed)
