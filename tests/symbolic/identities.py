"""Textbook identities of matrix calculus: the graph, by what, the stated form and its value in NumPy.

``inputs`` lists the tensors, in the order in which the graph and the closed form take them: ``X:N,d`` is a
matrix, ``p>0:n`` a vector of positive numbers, ``t<k:N`` whole numbers below k. The stated form is what
`graphc.symbolic.notation.text` writes. Its conventions: numbers, then scalars, stand in front; sums have their
positive terms first; elementwise factors stand in the order of the alphabet, functions after names; ``1`` beside
a transpose is the vector of ones; ``σ`` is the logistic function; what has fewer axes in a sum without I is
broadcast as NumPy does. Gradients have the shape of what they are by, Jacobians a row for each output.

Sources: Petersen and Pedersen, *The Matrix Cookbook* (linear and quadratic forms, traces, norms, Kronecker
products); Magnus and Neudecker, *Matrix Differential Calculus*; Bishop, *Pattern Recognition and Machine
Learning* (least squares, logistic regression and its Hessian); Qiu Xipeng, *Neural Networks and Deep Learning*
(softmax, back-propagation, convolution, normalisation, LSTM); Goodfellow, Bengio and Courville, *Deep Learning*
(least squares, convolution); Zhang et al., *Dive into Deep Learning* (perceptron, attention).
"""
# A table of mathematics: letters are those of the books, and a row reads best on few lines.
# ruff: noqa: E501, N803, N806

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc

Array = np.ndarray[Any, Any]
SIZES = {"N": 5, "m": 3, "n": 4, "d": 3, "e": 2, "h": 4, "k": 3, "V": 6}


@dataclass(frozen=True)
class Identity:
    """A derivative that a textbook states; ``kind`` is grad, jacobian or hessian."""

    inputs: str
    wrt: str
    graph: Callable[..., gc.Tensor]
    form: str
    value: Callable[..., Any]
    kind: str = "grad"
    ones: str = ""  # the tensor whose rows are assumed to add up to 1


# -- closed forms in NumPy ---------------------------------------------------------------------------
def softmax(z: Array) -> Array:
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_softmax(z: Array) -> Array:
    return z - z.max(-1, keepdims=True) - np.log(np.exp(z - z.max(-1, keepdims=True)).sum(-1, keepdims=True))


def logistic(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def norm(x: Array) -> Any:
    return np.sqrt((x * x).sum())


def hot(t: Array, k: int = SIZES["k"]) -> Array:
    return np.eye(k)[t]


def ce_jacobian(p: Array) -> Array:
    return np.diag(p) - np.outer(p, p)


def correlated(x: Array, w: Array, stride: int = 1, dilation: int = 1, padding: int = 0) -> Array:
    """Σ_{c,r} x[n, c, s p + d r − P] w[o, c, r], from the definition."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    reach = [dilation * (k - 1) + 1 for k in w.shape[2:]]
    windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride, ::dilation, ::dilation]
    return np.asarray(np.einsum("ncijpq,ocpq->noij", windows, w))


def exchanged(x: Array) -> Array:
    """Batch and channels exchanged."""
    return x.swapaxes(0, 1)


def turned(w: Array) -> Array:
    return w[:, :, ::-1, ::-1]


def wide(x: Array, w: Array) -> Array:
    return correlated(np.pad(x, ((0, 0), (0, 0), *[(k - 1, k - 1) for k in w.shape[2:]])), w)


def spaced(x: Array, step: int) -> Array:
    """x with step − 1 zeros between its elements."""
    found = np.zeros((*x.shape[:2], *[(n - 1) * step + 1 for n in x.shape[2:]]))
    found[:, :, ::step, ::step] = x
    return found


def upsampled(u: Array, size: int) -> Array:
    return u.repeat(size, axis=2).repeat(size, axis=3)


def standardised(x: Array, axis: int) -> tuple[Array, Array]:
    scale = 1 / np.sqrt(x.var(axis=axis, keepdims=True) + 1e-5)
    return (x - x.mean(axis=axis, keepdims=True)) * scale, scale


def normalised_gradient(x: Array, g: Array, axis: int) -> Array:
    xhat, s = standardised(x, axis)
    means = [v.mean(axis=axis, keepdims=True) for v in (g, g * xhat)]
    return s * (g - means[0] - xhat * means[1])


# -- graphs of several lines ---------------------------------------------------------------------------
def _normalised(x: gc.Tensor, axis: int) -> gc.Tensor:
    centred = x - gc.mean(x, axis=axis, keepdims=True)
    variance = gc.mean(gc.square(centred), axis=axis, keepdims=True)
    return (centred * (1 / gc.sqrt(variance + 1e-5)).named("s")).named("xhat")


def _root_mean_square(x: gc.Tensor) -> gc.Tensor:
    s = (1 / gc.sqrt(gc.mean(gc.square(x), axis=1, keepdims=True) + 1e-5)).named("s")
    return (x * s).named("xhat")


def _perceptron(X, W_1, b_1, W_2, b_2, Y):  # type: ignore[no-untyped-def]
    H = gc.tanh(X @ W_1 + b_1).named("H")
    return 0.5 * gc.sum(gc.square((H @ W_2 + b_2).named("O") - Y))


_PERCEPTRON = "X:N,d W_1:d,h b_1:h W_2:h,k b_2:k Y:N,k"


def _perceptron_delta(X, W_1, b_1, W_2, b_2, Y):  # type: ignore[no-untyped-def]
    H = np.tanh(X @ W_1 + b_1)
    error = H @ W_2 + b_2 - Y
    return H, error, (error @ W_2.T) * (1 - H**2)


def _classifier(X, W_1, W_2, W_3, Y):  # type: ignore[no-untyped-def]
    H_1 = gc.relu(X @ W_1).named("H_1")
    H_2 = gc.relu(H_1 @ W_2).named("H_2")
    return -gc.sum(Y * gc.log(gc.softmax(H_2 @ W_3).named("P")))


_CLASSIFIER = "X:N,d W_1:d,h W_2:h,e W_3:e,k Y:N,k"


def _classifier_deltas(X, W_1, W_2, W_3, Y):  # type: ignore[no-untyped-def]
    Y = Y / Y.sum(axis=1, keepdims=True)
    H_1 = np.maximum(X @ W_1, 0)
    H_2 = np.maximum(H_1 @ W_2, 0)
    third = softmax(H_2 @ W_3) - Y
    second = (third @ W_3.T) * (H_1 @ W_2 > 0)
    return H_1, H_2, third, second, (second @ W_2.T) * (X @ W_1 > 0)


def _attention(Q, K, V, U):  # type: ignore[no-untyped-def]
    return gc.sum(U * (gc.softmax(Q @ K.T / 2.0).named("P") @ V))


def _attention_scores(Q, K, V, U):  # type: ignore[no-untyped-def]
    P, back = softmax(Q @ K.T / 2), U @ V.T
    return P * (back - (P * back).sum(axis=1, keepdims=True))


def _self_attention(X, W_q, W_k, W_v, U):  # type: ignore[no-untyped-def]
    Q, K, V = (X @ W_q).named("Q"), (X @ W_k).named("K"), (X @ W_v).named("V")
    return _attention(Q, K, V, U)


_SELF_ATTENTION = "X:n,d W_q:d,4 W_k:d,4 W_v:d,e U:n,e"


def _cell(W_f, W_i, W_g, x, c, u):  # type: ignore[no-untyped-def]
    f, i = gc.sigmoid(W_f @ x).named("f"), gc.sigmoid(W_i @ x).named("i")
    return u @ (f * c + i * gc.tanh(W_g @ x).named("g"))


_CELL = "W_f:h,d W_i:h,d W_g:h,d x:d c:h u:h"


def _binary_cross_entropy(z: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
    p = gc.sigmoid(z)
    return -gc.mean(y * gc.log(p) + (1 - y) * gc.log(1 - p))


def _huber(r, delta):  # type: ignore[no-untyped-def]
    return gc.sum(gc.where(gc.abs(r) <= delta, 0.5 * gc.square(r), delta * (gc.abs(r) - 0.5 * delta)))


def _cosine(x, y):  # type: ignore[no-untyped-def]
    return x @ y / (gc.sqrt(x @ x) * gc.sqrt(y @ y))


def _squared(x: gc.Tensor) -> gc.Tensor:
    return gc.sum(gc.square(x))


def _divergence(p: gc.Tensor, q: gc.Tensor) -> gc.Tensor:
    return gc.sum(gc.softmax(p) * (gc.log_softmax(p) - gc.log_softmax(q)))


# fmt: off
LINEAR = {
    "aᵀx": Identity("a:n x:n", "x", lambda a, x: a @ x, "a", lambda a, x: a),
    "aᵀXb": Identity("a:m X:m,n b:n", "X", lambda a, X, b: a @ X @ b, "a bᵀ", lambda a, X, b: np.outer(a, b)),
    "aᵀXᵀb": Identity("a:n X:m,n b:m", "X", lambda a, X, b: a @ X.T @ b, "b aᵀ",
                               lambda a, X, b: np.outer(b, a)),
    "A x, Jacobian": Identity("A:m,n x:n", "x", lambda A, x: A @ x, "A", lambda A, x: A, "jacobian"),
    "aᵀXᵀXb": Identity("a:n X:m,n b:n", "X", lambda a, X, b: a @ (X.T @ (X @ b)), "X (a bᵀ + b aᵀ)",
                                lambda a, X, b: X @ (np.outer(a, b) + np.outer(b, a))),
    "aᵀXXᵀb": Identity("a:m X:m,n b:m", "X", lambda a, X, b: a @ (X @ (X.T @ b)), "(a bᵀ + b aᵀ) X",
                        lambda a, X, b: (np.outer(a, b) + np.outer(b, a)) @ X),
    "aᵀ(X ⊙ Y)b": Identity("a:m X:m,n Y:m,n b:n", "X", lambda a, X, Y, b: a @ (X * Y) @ b, "Y ⊙ (a bᵀ)",
                            lambda a, X, Y, b: np.outer(a, b) * Y),
    "aᵀdiag(x)b": Identity("a:n x:n b:n", "x", lambda a, x, b: a @ (x * b), "a ⊙ b", lambda a, x, b: a * b),
    "xᵀdiag(d)x by d": Identity("d:n x:n", "d", lambda d, x: gc.sum(d * x * x), "x²", lambda d, x: x * x),
    "⟨A, x yᵀ⟩": Identity("x:m y:n A:m,n", "x", lambda x, y, A: gc.sum(A * gc.outer(x, y)), "A y",
                           lambda x, y, A: A @ y),
    "Σ X": Identity("X:m,n", "X", lambda X: gc.sum(X), "1 1ᵀ", lambda X: np.ones((3, 4))),
    "mean(X)": Identity("X:m,n", "X", lambda X: gc.mean(X), "1 1ᵀ / (m n)", lambda X: np.full((3, 4), 1 / 12)),
    "uᵀ(column sums)": Identity("X:m,n u:n", "X", lambda X, u: u @ gc.sum(X, axis=0), "1 uᵀ",
                                 lambda X, u: np.outer(np.ones(3), u)),
    "uᵀ(row means)": Identity("X:m,n u:m", "X", lambda X, u: u @ gc.mean(X, axis=1), "u 1ᵀ / n",
                               lambda X, u: np.outer(u, np.ones(4)) / 4),
    "⟨U, Xᵀ⟩": Identity("X:m,n U:n,m", "X", lambda X, U: gc.sum(U * X.T), "Uᵀ", lambda X, U: U.T),
    "uᵀvec(X)": Identity("X:3,4 u:12", "X", lambda X, u: u @ X.reshape(12), "reshape_{3,4}(u)",
                          lambda X, u: u.reshape(3, 4)),
    "concatenation": Identity("x:3 y:4 W:m,7 u:m", "x", lambda x, y, W, u: u @ (W @ gc.concatenate([x, y])),
                              "(Wᵀ u)[:3]", lambda x, y, W, u: (W.T @ u)[:3]),
    "cumulative sum": Identity("x:n u:n", "x", lambda x, u: u @ gc.cumsum(x), "flip(cumsum(flip(u)))",
                               lambda x, u: np.cumsum(u[::-1])[::-1]),
    "embedding": Identity("E:V,d i<V:n U:n,d", "E", lambda E, i, U: gc.sum(U * gc.take(E, i, axis=0)),
                                     "scatter(U, i)", lambda E, i, U: hot(i, 6).T @ U),
    "uᵀ max over rows": Identity("X:m,n u:m", "X", lambda X, u: u @ gc.max(X, axis=1),
                                 "diag(u / (Σ_n 1[X = max_n(X)])) 1[X = max_n(X)]",
                                 lambda X, u: u[:, None] * (X.max(1, keepdims=True) == X)),
}
TRACES = {
    "tr(X)": Identity("X:n,n", "X", lambda X: gc.trace(X), "I", lambda X: np.eye(4)),
    "tr(AX)": Identity("A:m,n X:n,m", "X", lambda A, X: gc.trace(A @ X), "Aᵀ", lambda A, X: A.T),
    "tr(AXᵀ)": Identity("A:m,n X:m,n", "X", lambda A, X: gc.trace(A @ X.T), "A", lambda A, X: A),
    "tr(AXB)": Identity("A:k,m X:m,n B:n,k", "X", lambda A, X, B: gc.trace(A @ X @ B), "Aᵀ Bᵀ",
                                 lambda A, X, B: A.T @ B.T),
    "tr(AXᵀB)": Identity("A:k,n X:m,n B:m,k", "X", lambda A, X, B: gc.trace(A @ X.T @ B), "B A",
                                  lambda A, X, B: B @ A),
    "tr(X²)": Identity("X:n,n", "X", lambda X: gc.trace(X @ X), "2 Xᵀ", lambda X: 2 * X.T),
    "tr(X³)": Identity("X:n,n", "X", lambda X: gc.trace(X @ X @ X), "3 Xᵀ Xᵀ", lambda X: 3 * (X @ X).T),
    "tr(XᵀX)": Identity("X:m,n", "X", lambda X: gc.trace(X.T @ X), "2 X", lambda X: 2 * X),
    "tr(XᵀAX)": Identity("A:m,m X:m,n", "X", lambda A, X: gc.trace(X.T @ A @ X), "(A + Aᵀ) X",
                                  lambda A, X: (A + A.T) @ X),
    "tr(XAXᵀ)": Identity("A:n,n X:m,n", "X", lambda A, X: gc.trace(X @ A @ X.T), "X (A + Aᵀ)",
                                  lambda A, X: X @ (A + A.T)),
    "tr(AXBXᵀ)": Identity("A:m,m X:m,n B:n,n", "X", lambda A, X, B: gc.trace(A @ X @ B @ X.T),
                                   "A X B + Aᵀ X Bᵀ", lambda A, X, B: A.T @ X @ B.T + A @ X @ B),
    "tr(AXBX)": Identity("A:m,n X:n,m B:m,n", "X", lambda A, X, B: gc.trace(A @ X @ B @ X),
                                  "Aᵀ Xᵀ Bᵀ + Bᵀ Xᵀ Aᵀ", lambda A, X, B: A.T @ X.T @ B.T + B.T @ X.T @ A.T),
    "tr(AXAX)": Identity("A:n,n X:n,n", "X", lambda A, X: gc.trace(A @ X @ A @ X), "2 Aᵀ Xᵀ Aᵀ",
                         lambda A, X: 2 * A.T @ X.T @ A.T),
    "tr(A diag(x) B)": Identity("A:m,n x:n B:n,m", "x", lambda A, x, B: gc.trace(A @ (x[:, None] * B)),
                                "Σ_m A ⊙ Bᵀ", lambda A, x, B: np.diag(B @ A)),
    "covariance tr(A CᵀC)/N": Identity("X:N,d A:d,d", "X",
                               lambda X, A: (lambda C: gc.trace(A @ (C.T @ C)) / X.shape[0])(X - gc.mean(X, axis=0)),
                               "(X − mean_n(X)) (A + Aᵀ) / N", lambda X, A: (X - X.mean(0)) @ (A + A.T) / 5),
    "tr(XXᵀB)": Identity("X:m,n B:m,m", "X", lambda X, B: gc.trace(X @ X.T @ B), "(B + Bᵀ) X", lambda X, B: (B + B.T) @ X),
    "tr(X²B)": Identity("X:n,n B:n,n", "X", lambda X, B: gc.trace(X @ X @ B), "Bᵀ Xᵀ + Xᵀ Bᵀ",
                        lambda X, B: (X @ B + B @ X).T),
    "tr(BᵀXᵀCXB)": Identity("B:n,k X:m,n C:m,m", "X", lambda B, X, C: gc.trace(B.T @ X.T @ C @ X @ B),
                            "(C + Cᵀ) X B Bᵀ", lambda B, X, C: C.T @ X @ B @ B.T + C @ X @ B @ B.T),
    "tr(AᵀXᵀXA)": Identity("A:n,k X:m,n", "X", lambda A, X: gc.trace(A.T @ X.T @ X @ A), "2 X A Aᵀ",
                           lambda A, X: 2 * X @ A @ A.T),
}
QUADRATIC = {
    "xᵀAx": Identity("A:n,n x:n", "x", lambda A, x: x @ A @ x, "(A + Aᵀ) x", lambda A, x: (A + A.T) @ x),
    "xᵀAx, Hessian": Identity("A:n,n x:n", "x", lambda A, x: x @ A @ x, "A + Aᵀ", lambda A, x: A + A.T,
                                      "hessian"),
    "xᵀAx by A": Identity("A:n,n x:n", "A", lambda A, x: x @ A @ x, "x xᵀ", lambda A, x: np.outer(x, x)),
    "bᵀx + ½xᵀAx": Identity("A:n,n x:n b:n", "x", lambda A, x, b: b @ x + 0.5 * (x @ (A @ x)),
                             "(A + Aᵀ) x / 2 + b", lambda A, x, b: (A + A.T) @ x / 2 + b),
    "(x − s)ᵀW(x − s) by x": Identity("W:n,n x:n s:n", "x", lambda W, x, s: (x - s) @ W @ (x - s),
                                "(W + Wᵀ) (x − s)", lambda W, x, s: (W + W.T) @ (x - s)),
    "(x − s)ᵀW(x − s) by s": Identity("W:n,n x:n s:n", "s", lambda W, x, s: (x - s) @ W @ (x - s),
                                "(W + Wᵀ) (s − x)", lambda W, x, s: -(W + W.T) @ (x - s)),
    "‖Ax − b‖²": Identity("A:m,n x:n b:m", "x", lambda A, x, b: _squared(A @ x - b), "2 Aᵀ (A x − b)",
                               lambda A, x, b: 2 * A.T @ (A @ x - b)),
    "‖Ax − b‖² by A": Identity("A:m,n x:n b:m", "A", lambda A, x, b: _squared(A @ x - b), "2 (A x − b) xᵀ",
                               lambda A, x, b: 2 * np.outer(A @ x - b, x)),
    "‖Ax − b‖², Hessian": Identity("A:m,n x:n b:m", "x", lambda A, x, b: _squared(A @ x - b), "2 Aᵀ A",
                                   lambda A, x, b: 2 * A.T @ A, "hessian"),
    "mean squared error": Identity("X:N,d w:d y:N", "w", lambda X, w, y: gc.mean(gc.square(X @ w - y)),
                                       "2 Xᵀ (X w − y) / N", lambda X, w, y: 2 * X.T @ (X @ w - y) / 5),
    "ridge": Identity("X:N,d w:d y:N lambda:", "w",
                                  lambda X, w, y, l: 0.5 * _squared(X @ w - y) + 0.5 * l * _squared(w),
                                  "Xᵀ (X w − y) + λ w", lambda X, w, y, l: X.T @ (X @ w - y) + l * w),
    "weighted least squares": Identity("X:N,d w:d y:N c:N", "w", lambda X, w, y, c: gc.sum(c * gc.square(X @ w - y)),
                                       "2 Xᵀ (c ⊙ (X w − y))", lambda X, w, y, c: 2 * X.T @ (c * (X @ w - y))),
    "generalised least squares": Identity("X:N,d w:d y:N W:N,N", "w",
                                          lambda X, w, y, W: (X @ w - y) @ W @ (X @ w - y), "Xᵀ (W + Wᵀ) (X w − y)",
                                          lambda X, w, y, W: X.T @ (W + W.T) @ (X @ w - y)),
    "½‖x − x̄‖²": Identity("x:n", "x", lambda x: 0.5 * _squared(x - gc.mean(x)), "x − mean(x)",
                            lambda x: x - x.mean()),
    "centring matrix": Identity("x:n", "x", lambda x: x - gc.mean(x), "I − 1 1ᵀ / n",
                                lambda x: np.eye(4) - np.ones((4, 4)) / 4, "jacobian"),
    "variance": Identity("x:n", "x", lambda x: gc.mean(gc.square(x - gc.mean(x))), "2 (x − mean(x)) / n",
                         lambda x: 2 * (x - x.mean()) / 4),
    "(Xb + c)ᵀD(Xb + c)": Identity("X:m,n b:n c:m D:m,m", "X", lambda X, b, c, D: (X @ b + c) @ D @ (X @ b + c),
                                   "(D + Dᵀ) (X b + c) bᵀ", lambda X, b, c, D: np.outer((D + D.T) @ (X @ b + c), b)),
    "(Bx + b)ᵀC(Dx + d)": Identity("B:m,n x:n b:m C:m,k D:k,n d:k", "x",
                                   lambda B, x, b, C, D, d: (B @ x + b) @ C @ (D @ x + d),
                                   "Bᵀ C (D x + d) + Dᵀ Cᵀ (B x + b)",
                                   lambda B, x, b, C, D, d: B.T @ C @ (D @ x + d) + D.T @ C.T @ (B @ x + b)),
    "bᵀXᵀDXc": Identity("b:n X:m,n D:m,m c:n", "X", lambda b, X, D, c: b @ X.T @ D @ X @ c,
                         "D X c bᵀ + Dᵀ X b cᵀ",
                         lambda b, X, D, c: D.T @ X @ np.outer(b, c) + D @ X @ np.outer(c, b)),
    "(x − As)ᵀW(x − As) by s": Identity("x:m A:m,n s:n W:m,m", "s", lambda x, A, s, W: (x - A @ s) @ W @ (x - A @ s),
                         "Aᵀ (W + Wᵀ) (A s − x)", lambda x, A, s, W: -A.T @ (W + W.T) @ (x - A @ s)),
    "(x − As)ᵀW(x − As) by A": Identity("x:m A:m,n s:n W:m,m", "A", lambda x, A, s, W: (x - A @ s) @ W @ (x - A @ s),
                         "(W + Wᵀ) (A s − x) sᵀ", lambda x, A, s, W: -np.outer((W + W.T) @ (x - A @ s), s)),
    "ridge, Hessian": Identity("X:N,d w:d y:N lambda:", "w",
                               lambda X, w, y, l: 0.5 * _squared(X @ w - y) + 0.5 * l * _squared(w), "Xᵀ X + λ I",
                               lambda X, w, y, l: X.T @ X + l * np.eye(3), "hessian"),
    "lasso": Identity("X:N,d w:d y:N lambda:", "w",
                      lambda X, w, y, l: 0.5 * _squared(X @ w - y) + l * gc.sum(gc.abs(w)),
                      "Xᵀ (X w − y) + λ sign(w)", lambda X, w, y, l: X.T @ (X @ w - y) + l * np.sign(w)),
    "‖x‖², Hessian": Identity("x:n", "x", lambda x: x @ x, "2 I", lambda x: 2 * np.eye(4), "hessian"),
    "dual of a support vector machine": Identity("a:n K:n,n y:n", "a",
                      lambda a, K, y: gc.sum(a) - 0.5 * (a * y) @ (K @ (a * y)), "1 − y ⊙ ((K + Kᵀ) (a ⊙ y)) / 2",
                      lambda a, K, y: 1 - y * ((K + K.T) @ (a * y)) / 2),
    "Rayleigh quotient": Identity("A:n,n x:n", "x", lambda A, x: (x @ A @ x) / (x @ x),
                      "((A + Aᵀ) x − 2 (xᵀ A x) x / ‖x‖²) / ‖x‖²",
                      lambda A, x: ((A + A.T) @ x - 2 * (x @ A @ x) / (x @ x) * x) / (x @ x)),
}
FROBENIUS = {
    "‖X‖²": Identity("X:m,n", "X", lambda X: _squared(X), "2 X", lambda X: 2 * X),
    "‖X‖": Identity("X:m,n", "X", lambda X: gc.sqrt(_squared(X)), "X / ‖X‖", lambda X: X / norm(X)),
    "‖AX − B‖²": Identity("A:k,m X:m,n B:k,n", "X", lambda A, X, B: _squared(A @ X - B), "2 Aᵀ (A X − B)",
                           lambda A, X, B: 2 * A.T @ (A @ X - B)),
    "‖AXB − C‖²": Identity("A:k,m X:m,n B:n,h C:k,h", "X", lambda A, X, B, C: _squared(A @ X @ B - C),
                             "2 Aᵀ (A X B − C) Bᵀ", lambda A, X, B, C: 2 * A.T @ (A @ X @ B - C) @ B.T),
    "‖XYᵀ − M‖² by X": Identity("X:m,k Y:n,k M:m,n", "X", lambda X, Y, M: _squared(X @ Y.T - M),
                                 "2 (X Yᵀ − M) Y", lambda X, Y, M: 2 * (X @ Y.T - M) @ Y),
    "‖XYᵀ − M‖² by Y": Identity("X:m,k Y:n,k M:m,n", "Y", lambda X, Y, M: _squared(X @ Y.T - M),
                                 "2 (X Yᵀ − M)ᵀ X", lambda X, Y, M: 2 * (X @ Y.T - M).T @ X),
    "‖XᵀX − G‖²": Identity("X:m,n G:n,n", "X", lambda X, G: _squared(X.T @ X - G), "2 X (2 Xᵀ X − G − Gᵀ)",
                            lambda X, G: 2 * X @ (2 * X.T @ X - G - G.T)),
    "‖x yᵀ − M‖²": Identity("x:m y:n M:m,n", "x", lambda x, y, M: _squared(gc.outer(x, y) - M), "2 (x yᵀ − M) y",
                             lambda x, y, M: 2 * (np.outer(x, y) - M) @ y),
    "‖x xᵀ − M‖²": Identity("x:n M:n,n", "x", lambda x, M: _squared(gc.outer(x, x) - M), "2 (2 x xᵀ − M − Mᵀ) x",
                             lambda x, M: 2 * (2 * np.outer(x, x) - M - M.T) @ x),
    "⟨A, X ⊙ X⟩": Identity("X:m,n A:m,n", "X", lambda X, A: gc.sum(A * X * X), "2 A ⊙ X", lambda X, A: 2 * A * X),
    "‖A ⊗ X‖²": Identity("A:2,3 X:4,5", "X", lambda A, X: _squared(gc.kron(A, X)), "2 ‖A‖² X",
                         lambda A, X: 2 * (A * A).sum() * X),
    "uᵀ(A ⊗ B)vec(X)": Identity("A:2,3 B:4,5 X:3,5 U:2,4", "X",
                         lambda A, B, X, U: gc.sum(U * (gc.kron(A, B) @ X.reshape(15)).reshape(2, 4)), "Aᵀ U B",
                         lambda A, B, X, U: (np.kron(A, B).T @ U.reshape(8)).reshape(3, 5)),
    "½Σ M ⊙ (R − UVᵀ)²": Identity("U:m,k V:n,k R:m,n M:m,n", "U",
                         lambda U, V, R, M: 0.5 * gc.sum(M * gc.square(R - U @ V.T)), "(M ⊙ (U Vᵀ − R)) V",
                         lambda U, V, R, M: (M * (U @ V.T - R)) @ V),
    "‖XWWᵀ − X‖² by W": Identity("X:N,d W:d,e", "W", lambda X, W: _squared(X @ W @ W.T - X),
                         "2 ((X W Wᵀ − X)ᵀ X + Xᵀ (X W Wᵀ − X)) W",
                         lambda X, W: 2 * ((X @ W @ W.T - X).T @ X + X.T @ (X @ W @ W.T - X)) @ W),
}
NORMS = {
    "‖x‖": Identity("x:n", "x", lambda x: gc.sqrt(_squared(x)), "x / ‖x‖", lambda x: x / norm(x)),
    "‖x − a‖": Identity("x:n a:n", "x", lambda x, a: gc.sqrt(_squared(x - a)), "(x − a) / ‖x − a‖",
                                 lambda x, a: (x - a) / norm(x - a)),
    "x/‖x‖": Identity("x:n", "x", lambda x: x / gc.sqrt(x @ x), "I / ‖x‖ − x xᵀ / ‖x‖³",
                               lambda x: np.eye(4) / norm(x) - np.outer(x, x) / norm(x) ** 3, "jacobian"),
    "‖x‖₁": Identity("x:n", "x", lambda x: gc.sum(gc.abs(x)), "sign(x)", lambda x: np.sign(x)),
    "Σ|x|³": Identity("x:n", "x", lambda x: gc.sum(gc.abs(x) ** 3), "3 |x|² ⊙ sign(x)",
                      lambda x: 3 * x**2 * np.sign(x)),
    "cosine similarity": Identity("x:n y:n", "x", _cosine, "(y / ‖x‖ − (xᵀ y) x / ‖x‖³) / ‖y‖",
                                  lambda x, y: (y - (x @ y) * x / norm(x) ** 2) / (norm(x) * norm(y))),
    "exp(−γ‖x − c‖²)": Identity("x:n c:n gamma:", "x", lambda x, c, g: gc.exp(-g * _squared(x - c)),
                                 "2 γ exp(−γ ‖x − c‖²) (c − x)",
                                 lambda x, c, g: -2 * g * np.exp(-g * norm(x - c) ** 2) * (x - c)),
    "exp(−½‖x‖²)": Identity("x:n", "x", lambda x: gc.exp(-_squared(x) / 2), "−exp(−‖x‖² / 2) x",
                             lambda x: -x * np.exp(-norm(x) ** 2 / 2)),
    "‖x‖, Hessian": Identity("x:n", "x", lambda x: gc.sqrt(x @ x), "I / ‖x‖ − x xᵀ / ‖x‖³",
                             lambda x: np.eye(4) / norm(x) - np.outer(x, x) / norm(x) ** 3, "hessian"),
    "log‖x‖²": Identity("x:n", "x", lambda x: gc.log(_squared(x)), "2 x / ‖x‖²", lambda x: 2 * x / norm(x) ** 2),
    "exp(−½‖x‖²), Hessian": Identity("x:n", "x", lambda x: gc.exp(-_squared(x) / 2), "exp(−‖x‖² / 2) (x xᵀ − I)",
                             lambda x: np.exp(-norm(x) ** 2 / 2) * (np.outer(x, x) - np.eye(4)), "hessian"),
    "triplet loss": Identity("a:d p:d n:d", "a",
                             lambda a, p, n: gc.relu(_squared(a - p) - _squared(a - n) + 1.0),
                             "2 1[‖a − p‖² + 1 − ‖a − n‖² > 0] (n − p)",
                             lambda a, p, n: 2 * (norm(a - p) ** 2 - norm(a - n) ** 2 + 1 > 0) * (n - p)),
}
SOFTMAX = {
    "log Σ exp(x)": Identity("x:n", "x", lambda x: gc.logsumexp(x), "softmax(x)", softmax),
    "log Σ exp(x), Hessian": Identity("x:n", "x", lambda x: gc.logsumexp(x),
                             "diag(softmax(x)) − softmax(x) softmax(x)ᵀ", lambda x: ce_jacobian(softmax(x)), "hessian"),
    "log Σ exp(Ax + b)": Identity("A:m,n x:n b:m", "x", lambda A, x, b: gc.logsumexp(A @ x + b),
                                  "Aᵀ softmax(A x + b)", lambda A, x, b: A.T @ softmax(A @ x + b)),
    "softmax, Jacobian": Identity("x:n", "x", lambda x: gc.softmax(x).named("p"), "diag(p) − p pᵀ",
                                  lambda x: ce_jacobian(softmax(x)), "jacobian"),
    "log softmax, Jacobian": Identity("x:n", "x", lambda x: gc.log_softmax(x), "I − 1 softmax(x)ᵀ",
                                      lambda x: np.eye(4) - softmax(x), "jacobian"),
    "aᵀsoftmax(x)": Identity("x:n a:n", "x", lambda x, a: a @ gc.softmax(x).named("p"), "p ⊙ (a − aᵀ p)",
                              lambda x, a: softmax(x) * (a - a @ softmax(x))),
    "cross entropy": Identity("z:n y:n", "z", lambda z, y: -gc.sum(y * gc.log_softmax(z)), "(Σ y) softmax(z) − y",
                              lambda z, y: y.sum() * softmax(z) - y),
    "cross entropy with probabilities": Identity("z:n y>0:n", "z",
                         lambda z, y: -gc.sum(y * gc.log_softmax(z)),
                         "softmax(z) − y", lambda z, y: softmax(z) - y / y.sum(), ones="y"),
    "softmax regression by W": Identity("X:N,d W:d,k b:k Y>0:N,k", "W",
                         lambda X, W, b, Y: -gc.sum(Y * gc.log_softmax(X @ W + b)) / X.shape[0],
                         "Xᵀ (softmax(X W + b) − Y) / N",
                         lambda X, W, b, Y: X.T @ (softmax(X @ W + b) - Y / Y.sum(1, keepdims=True)) / 5, ones="Y"),
    "softmax regression by b": Identity("X:N,d W:d,k b:k Y>0:N,k", "b",
                         lambda X, W, b, Y: -gc.mean(gc.sum(Y * gc.log_softmax(X @ W + b), axis=1)),
                         "Σ_n (softmax(X W + b) − Y) / N",
                         lambda X, W, b, Y: (softmax(X @ W + b) - Y / Y.sum(1, keepdims=True)).mean(0), ones="Y"),
    "softmax regression by X": Identity("X:N,d W:d,k b:k Y>0:N,k", "X",
                         lambda X, W, b, Y: -gc.sum(Y * gc.log_softmax(X @ W + b)),
                         "(softmax(X W + b) − Y) Wᵀ",
                         lambda X, W, b, Y: (softmax(X @ W + b) - Y / Y.sum(1, keepdims=True)) @ W.T, ones="Y"),
    "softmax regression, no probabilities": Identity("X:N,d W:d,k Y:N,k", "W",
                         lambda X, W, Y: -gc.sum(Y * gc.log_softmax(X @ W)), "Xᵀ ((Σ_k Y) ⊙ softmax(X W) − Y)",
                         lambda X, W, Y: X.T @ (Y.sum(1, keepdims=True) * softmax(X @ W) - Y)),
    "softmax regression, class numbers by Z": Identity("Z:N,k t<k:N", "Z",
                         lambda Z, t: -gc.mean(gc.take_along_axis(gc.log_softmax(Z), t[:, None], axis=1)),
                         "(softmax(Z) − onehot(t)) / N", lambda Z, t: (softmax(Z) - hot(t)) / 5),
    "softmax regression, class numbers by W": Identity("X:N,d W:d,k t<k:N", "W",
                         lambda X, W, t: -gc.mean(gc.take_along_axis(gc.log_softmax(X @ W), t[:, None], axis=1)),
                         "Xᵀ (softmax(X W) − onehot(t)) / N", lambda X, W, t: X.T @ (softmax(X @ W) - hot(t)) / 5),
    "KL(softmax(t) ‖ softmax(z)) by z": Identity("t:n z:n", "z", _divergence, "softmax(z) − softmax(t)",
                                                  lambda t, z: softmax(z) - softmax(t)),
    "KL(softmax(t) ‖ softmax(z)) by t": Identity("t:n z:n", "t", _divergence,
                         "softmax(t) ⊙ (softmax(t)ᵀ (log_softmax(z) − log_softmax(t))"
                         " + log_softmax(t) − log_softmax(z))",
                         lambda t, z: softmax(t) * (log_softmax(t) - log_softmax(z)
                                                    - softmax(t) @ (log_softmax(t) - log_softmax(z)))),
    "entropy of softmax(z)": Identity("z:n", "z", lambda z: -gc.sum(gc.softmax(z) * gc.log_softmax(z)),
                         "softmax(z) ⊙ (log_softmax(z)ᵀ softmax(z) − log_softmax(z))",
                         lambda z: softmax(z) * (log_softmax(z) @ softmax(z) - log_softmax(z))),
    "entropy": Identity("p>0:n", "p", lambda p: -gc.sum(p * gc.log(p)), "−(1 + log(p))", lambda p: -(1 + np.log(p))),
    "log Σ x": Identity("x>0:n", "x", lambda x: gc.log(gc.sum(x)), "1 / (Σ x)", lambda x: np.full(4, 1 / x.sum())),
    "softmax regression, Hessian by b": Identity("X:N,d W:d,k b:k t<k:N", "b",
                         lambda X, W, b, t: -gc.mean(gc.take_along_axis(gc.log_softmax(X @ W + b), t[:, None], axis=1)),
                         "(diag(Σ_n softmax(X W + b)) − softmax(X W + b)ᵀ softmax(X W + b)) / N",
                         lambda X, W, b, t: sum(ce_jacobian(p) for p in softmax(X @ W + b)) / 5, "hessian"),
    "nn.cross_entropy by Z": Identity("Z:N,k t<k:N", "Z", lambda Z, t: gc.nn.cross_entropy(Z, t),
                         "diag(1[t ≠ −100]) (softmax(Z) − onehot(t ⊙ 1[t ≠ −100])) / (Σ 1[t ≠ −100])",
                         lambda Z, t: (softmax(Z) - hot(t)) / 5),
    "nn.cross_entropy by W": Identity("X:N,d W:d,k b:k t<k:N", "W",
                         lambda X, W, b, t: gc.nn.cross_entropy(X @ W + b, t),
                         "Xᵀ diag(1[t ≠ −100]) (softmax(X W + b) − onehot(t ⊙ 1[t ≠ −100])) / (Σ 1[t ≠ −100])",
                         lambda X, W, b, t: X.T @ (softmax(X @ W + b) - hot(t)) / 5),
    "cross entropy at a temperature": Identity("z:n y>0:n T>0:", "z",
                         lambda z, y, T: -gc.sum(y * gc.log_softmax(z / T)), "(softmax(z / T) − y) / T",
                         lambda z, y, T: (softmax(z / T) - y / y.sum()) / T, ones="y"),
    "contrastive loss": Identity("A:N,d B:N,d tau>0:", "A",
                         lambda A, B, tau: -gc.mean(gc.diagonal(gc.log_softmax(A @ B.T / tau))),
                         "(softmax(A Bᵀ / τ) B − B) / (N τ)",
                         lambda A, B, tau: (softmax(A @ B.T / tau) @ B - B) / (5 * tau)),
    "‖softmax(z)‖²": Identity("z:n", "z", lambda z: _squared(gc.softmax(z).named("p")), "2 p ⊙ (p − ‖p‖²)",
                         lambda z: 2 * softmax(z) * (softmax(z) - (softmax(z) ** 2).sum())),
    "mixture of Gaussians by the means": Identity("x:d M:k,d", "M",
                         lambda x, M: gc.logsumexp(-0.5 * gc.sum(gc.square(x - M), axis=1)),
                         "diag(softmax(−Σ_d (x − M)² / 2)) (x − M)",
                         lambda x, M: softmax(-0.5 * ((x - M) ** 2).sum(1))[:, None] * (x - M)),
    "Σ x log(x/y)": Identity("x>0:n y>0:n", "x", lambda x, y: gc.sum(x * gc.log(x / y)), "1 + log(x / y)",
                         lambda x, y: np.log(x / y) + 1),
}
LIKELIHOODS = {
    "logistic regression": Identity("X:N,d w:d y:N", "w",
                         lambda X, w, y: _binary_cross_entropy(X @ w, y), "Xᵀ (σ(X w) − y) / N",
                         lambda X, w, y: X.T @ (logistic(X @ w) - y) / 5),
    "logistic regression by σ(−z)": Identity("X:N,d w:d y:N", "w",
                         lambda X, w, y: -gc.mean(y * gc.log(gc.sigmoid(X @ w)) + (1 - y) * gc.log(gc.sigmoid(-(X @ w)))),
                         "Xᵀ (σ(X w) − y) / N", lambda X, w, y: X.T @ (logistic(X @ w) - y) / 5),
    "logistic regression by softplus": Identity("X:N,d w:d y:N", "w",
                         lambda X, w, y: gc.mean(gc.softplus(X @ w) - y * (X @ w)), "Xᵀ (σ(X w) − y) / N",
                         lambda X, w, y: X.T @ (logistic(X @ w) - y) / 5),
    "logistic regression, Hessian": Identity("X:N,d w:d y:N", "w",
                         lambda X, w, y: gc.sum(gc.softplus(X @ w) - y * (X @ w)),
                         "Xᵀ diag(σ(X w) ⊙ (1 − σ(X w))) X",
                         lambda X, w, y: X.T @ np.diag(logistic(X @ w) * (1 - logistic(X @ w))) @ X, "hessian"),
    "logistic regression, labels ±1": Identity("X:N,d w:d y:N", "w",
                         lambda X, w, y: gc.sum(gc.softplus(-y * (X @ w))), "−Xᵀ (y ⊙ σ(−y ⊙ (X w)))",
                         lambda X, w, y: -X.T @ (y * logistic(-y * (X @ w)))),
    "Poisson regression": Identity("X:N,d w:d y:N", "w", lambda X, w, y: gc.sum(gc.exp(X @ w) - y * (X @ w)),
                         "Xᵀ (exp(X w) − y)", lambda X, w, y: X.T @ (np.exp(X @ w) - y)),
    "Poisson regression, Hessian": Identity("X:N,d w:d y:N", "w",
                         lambda X, w, y: gc.sum(gc.exp(X @ w) - y * (X @ w)), "Xᵀ diag(exp(X w)) X",
                         lambda X, w, y: X.T @ np.diag(np.exp(X @ w)) @ X, "hessian"),
    "hinge loss": Identity("X:N,d w:d y:N", "w", lambda X, w, y: gc.sum(gc.relu(1 - y * (X @ w))),
                         "−Xᵀ (y ⊙ 1[1 − y ⊙ (X w) > 0])", lambda X, w, y: -X.T @ (y * (1 - y * (X @ w) > 0))),
    "Huber loss": Identity("r:n delta>0:", "r", _huber, "r ⊙ 1[|r| ≤ δ] + δ sign(r) ⊙ 1[|r| > δ]",
                         lambda r, d: np.clip(r, -d, d)),
    "Gaussian by the mean": Identity("x:n mu:n sigma>0:", "mu",
                         lambda x, mu, s: _squared(x - mu) / (2 * gc.square(s)), "(μ − x) / σ²",
                         lambda x, mu, s: (mu - x) / s**2),
    "Gaussian by the log variance": Identity("x:n mu:n rho:n", "rho",
                         lambda x, mu, r: 0.5 * gc.sum(r + gc.square(x - mu) * gc.exp(-r)),
                         "(1 − exp(−ρ) ⊙ (x − μ)²) / 2", lambda x, mu, r: (1 - np.exp(-r) * (x - mu) ** 2) / 2),
    "KL of a Gaussian by the mean": Identity("mu:n rho:n", "mu",
                         lambda mu, r: -0.5 * gc.sum(1 + r - gc.square(mu) - gc.exp(r)), "μ", lambda mu, r: mu),
    "KL of a Gaussian by the log variance": Identity("mu:n rho:n", "rho",
                         lambda mu, r: -0.5 * gc.sum(1 + r - gc.square(mu) - gc.exp(r)), "(exp(ρ) − 1) / 2",
                         lambda mu, r: (np.exp(r) - 1) / 2),
    "nn.binary_cross_entropy_with_logits": Identity("X:N,d w:d y:N", "w",
                         lambda X, w, y: gc.nn.binary_cross_entropy_with_logits(X @ w, y), "Xᵀ (σ(X w) − y) / N",
                         lambda X, w, y: X.T @ (logistic(X @ w) - y) / 5),
}
ELEMENTWISE = {
    "Σ sin(Ax)": Identity("A:m,n x:n", "x", lambda A, x: gc.sum(gc.sin(A @ x)), "Aᵀ cos(A x)",
                          lambda A, x: A.T @ np.cos(A @ x)),
    "Σ exp(−x²/2)": Identity("x:n", "x", lambda x: gc.sum(gc.exp(-gc.square(x) / 2)), "−x ⊙ exp(−x² / 2)",
                             lambda x: -x * np.exp(-(x**2) / 2)),
    "Σ log(x)": Identity("x>0:n", "x", lambda x: gc.sum(gc.log(x)), "1 / x", lambda x: 1 / x),
    "uᵀσ(x)": Identity("x:n u:n", "x", lambda x, u: u @ gc.sigmoid(x), "u ⊙ σ(x) ⊙ (1 − σ(x))",
                           lambda x, u: u * logistic(x) * (1 - logistic(x))),
    "uᵀtanh(x)": Identity("x:n u:n", "x", lambda x, u: u @ gc.tanh(x), "u ⊙ (1 − tanh(x)²)",
                           lambda x, u: u * (1 - np.tanh(x) ** 2)),
    "Σ softplus(x)": Identity("x:n", "x", lambda x: gc.sum(gc.softplus(x)), "σ(x)", logistic),
    "Σ swish(x)": Identity("x:n", "x", lambda x: gc.sum(x * gc.sigmoid(x)), "σ(x) ⊙ (1 + x ⊙ (1 − σ(x)))",
                           lambda x: logistic(x) + x * logistic(x) * (1 - logistic(x))),
    "Σ erf(x)": Identity("x:n", "x", lambda x: gc.sum(gc.erf(x)), "2 exp(−x²) / √π",
                         lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2))),
    "Gaussian distribution function": Identity("x:n", "x", lambda x: gc.sum((1 + gc.erf(x / gc.sqrt(2.0))) / 2),
                         "exp(−x² / 2) / √(2 π)", lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)),
    "uᵀrelu(x)": Identity("x:n u:n", "x", lambda x, u: u @ gc.relu(x), "u ⊙ 1[x > 0]",
                                      lambda x, u: u * (x > 0)),
    "uᵀ leaky relu(x)": Identity("x:n u:n", "x", lambda x, u: u @ gc.where(x > 0, x, 0.01 * x),
                         "u ⊙ 1[x > 0] + 0.01 u ⊙ 1[x ≤ 0]", lambda x, u: u * np.where(x > 0, 1, 0.01)),
    "uᵀ|x|": Identity("x:n u:n", "x", lambda x, u: u @ gc.abs(x), "u ⊙ sign(x)", lambda x, u: u * np.sign(x)),
    "max(x)": Identity("x:n", "x", lambda x: gc.max(x), "1[x = max(x)] / (Σ 1[x = max(x)])",
                       lambda x: (x == x.max()) / (x == x.max()).sum()),
    "σ(Wx + b), Jacobian": Identity("W:m,n x:n b:m", "x", lambda W, x, b: gc.sigmoid(W @ x + b).named("s"),
                         "diag(s ⊙ (1 − s)) W",
                         lambda W, x, b: np.diag(logistic(W @ x + b) * (1 - logistic(W @ x + b))) @ W, "jacobian"),
    "tanh(Wx + b), Jacobian": Identity("W:m,n x:n b:m", "x", lambda W, x, b: gc.tanh(W @ x + b).named("h"),
                         "diag(1 − h²) W", lambda W, x, b: np.diag(1 - np.tanh(W @ x + b) ** 2) @ W, "jacobian"),
    "relu(Wx + b), Jacobian": Identity("W:m,n x:n b:m", "x", lambda W, x, b: gc.relu(W @ x + b),
                         "diag(1[W x + b > 0]) W", lambda W, x, b: np.diag(1.0 * (W @ x + b > 0)) @ W, "jacobian"),
    "Σ softplus(x), Hessian": Identity("x:n", "x", lambda x: gc.sum(gc.softplus(x)), "diag(σ(x) ⊙ (1 − σ(x)))",
                         lambda x: np.diag(logistic(x) * (1 - logistic(x))), "hessian"),
    "yᵀtanh(Wx) by W": Identity("W:m,n x:n y:m", "W", lambda W, x, y: y @ gc.tanh(W @ x),
                         "(y ⊙ (1 − tanh(W x)²)) xᵀ", lambda W, x, y: np.outer(y * (1 - np.tanh(W @ x) ** 2), x)),
}
CONVOLUTION = {
    "correlation by the filter": Identity("x:7 w:3 u:5", "w", lambda x, w, u: u @ gc.correlate(x, w),
                         "u ⊗ x", lambda x, w, u: np.correlate(x, u)),
    "correlation by the signal": Identity("x:7 w:3 u:5", "x", lambda x, w, u: u @ gc.correlate(x, w),
                         "flip(w) ⊛ u", lambda x, w, u: np.convolve(u, w)),
    "wide convolution by the signal": Identity("x:7 w:3 u:9", "x", lambda x, w, u: u @ gc.convolve(x, w),
                         "w ⊗ u", lambda x, w, u: np.correlate(u, w)),
    "wide convolution by the filter": Identity("x:7 w:3 u:9", "w", lambda x, w, u: u @ gc.convolve(x, w),
                         "x ⊗ u", lambda x, w, u: np.correlate(u, x)),
    "convolution by the filter": Identity("X:N,2,5,5 W:3,2,2,2 U:N,3,4,4", "W",
                         lambda X, W, U: gc.sum(U * gc.nn.conv2d(X, W)), "U ⊗ X",
                         lambda X, W, U: exchanged(correlated(exchanged(X), exchanged(U)))),
    "convolution by the image": Identity("X:N,2,5,5 W:3,2,2,2 U:N,3,4,4", "X",
                         lambda X, W, U: gc.sum(U * gc.nn.conv2d(X, W)), "rot180(W) ⊛ U",
                         lambda X, W, U: wide(U, exchanged(turned(W)))),
    "convolution by the bias": Identity("X:N,2,5,5 W:3,2,2,2 b:3 U:N,3,4,4", "b",
                         lambda X, W, b, U: gc.sum(U * gc.nn.conv2d(X, W, b)), "Σ_{n,k,l} U",
                         lambda X, W, b, U: U.sum((0, 2, 3))),
    "padded convolution by the filter": Identity("X:N,2,5,5 W:3,2,3,3 U:N,3,5,5", "W",
                         lambda X, W, U: gc.sum(U * gc.nn.conv2d(X, W, padding=1)), "U ⊗_{p=1} X",
                         lambda X, W, U: exchanged(correlated(exchanged(X), exchanged(U), padding=1))),
    "strided convolution by the filter": Identity("X:N,2,9,9 W:3,2,3,3 U:N,3,4,4", "W",
                         lambda X, W, U: gc.sum(U * gc.nn.conv2d(X, W, stride=2)), "U ⊗_{d=2} X",
                         lambda X, W, U: exchanged(correlated(exchanged(X), exchanged(U), dilation=2))),
    "strided convolution by the image": Identity("X:N,2,9,9 W:3,2,3,3 U:N,3,4,4", "X",
                         lambda X, W, U: gc.sum(U * gc.nn.conv2d(X, W, stride=2)), "W ⊗ᵀ_{s=2} U",
                         lambda X, W, U: wide(spaced(U, 2), exchanged(turned(W)))),
    "dilated convolution by the filter": Identity("X:N,2,9,9 W:3,2,3,3 U:N,3,5,5", "W",
                         lambda X, W, U: gc.sum(U * gc.nn.conv2d(X, W, dilation=2)), "U ⊗_{s=2} X",
                         lambda X, W, U: exchanged(correlated(exchanged(X), exchanged(U), stride=2))),
    "dilated convolution by the image": Identity("X:N,2,9,9 W:3,2,3,3 U:N,3,5,5", "X",
                         lambda X, W, U: gc.sum(U * gc.nn.conv2d(X, W, dilation=2)), "rot180(W) ⊛_{d=2} U",
                         lambda X, W, U: wide(U, spaced(exchanged(turned(W)), 2))),
    "transposed convolution by the image": Identity("X:N,3,4,4 W:3,2,2,2 U:N,2,8,8", "X",
                         lambda X, W, U: gc.sum(U * gc.nn.conv_transpose2d(X, W, stride=2)), "W ⊗_{s=2} U",
                         lambda X, W, U: correlated(U, W, stride=2)),
    "transposed convolution by the filter": Identity("X:N,3,4,4 W:3,2,2,2 U:N,2,8,8", "W",
                         lambda X, W, U: gc.sum(U * gc.nn.conv_transpose2d(X, W, stride=2)), "X ⊗_{d=2} U",
                         lambda X, W, U: exchanged(correlated(exchanged(U), exchanged(X), dilation=2))),
    "average pooling": Identity("X:N,1,4,6 U:N,1,2,3", "X",
                         lambda X, U: gc.sum(U * gc.nn.avg_pool2d(X, 2)), "up_2(U) / 4",
                         lambda X, U: upsampled(U, 2) / 4),
    "depthwise convolution by the filter": Identity("X:N,2,6,6 W:2,1,3,3 U:N,2,4,4", "W",
                         lambda X, W, U: gc.sum(U * gc.nn.conv2d(X, W, groups=2)), "U ⊗_{g=2} X",
                         lambda X, W, U: np.concatenate([exchanged(correlated(exchanged(X[:, [c]]), exchanged(U[:, [c]])))
                                                         for c in (0, 1)])),
    "global average pooling": Identity("X:N,2,4,6 U:N,2", "X", lambda X, U: gc.sum(U * gc.mean(X, axis=(2, 3))),
                         "up_{4×6}(U) / 24", lambda X, U: np.broadcast_to(U[:, :, None, None] / 24, (5, 2, 4, 6))),
}
NETWORKS = {
    "linear layer by W": Identity("X:N,d W:d,k b:k Y:N,k", "W", lambda X, W, b, Y: 0.5 * _squared(X @ W + b - Y),
                                  "Xᵀ (X W + b − Y)", lambda X, W, b, Y: X.T @ (X @ W + b - Y)),
    "linear layer by b": Identity("X:N,d W:d,k b:k Y:N,k", "b", lambda X, W, b, Y: 0.5 * _squared(X @ W + b - Y),
                                  "Σ_n (X W + b − Y)", lambda X, W, b, Y: (X @ W + b - Y).sum(0)),
    "linear layer by X": Identity("X:N,d W:d,k b:k Y:N,k", "X", lambda X, W, b, Y: 0.5 * _squared(X @ W + b - Y),
                                  "(X W + b − Y) Wᵀ", lambda X, W, b, Y: (X @ W + b - Y) @ W.T),
    "perceptron by W₂": Identity(_PERCEPTRON, "W_2", _perceptron, "Hᵀ (O − Y)",
                                  lambda *a: _perceptron_delta(*a)[0].T @ _perceptron_delta(*a)[1]),
    "perceptron by b₂": Identity(_PERCEPTRON, "b_2", _perceptron, "Σ_n (O − Y)",
                                  lambda *a: _perceptron_delta(*a)[1].sum(0)),
    "perceptron by W₁": Identity(_PERCEPTRON, "W_1", _perceptron, "Xᵀ (((O − Y) W_2ᵀ) ⊙ (1 − H²))",
                                  lambda *a: a[0].T @ _perceptron_delta(*a)[2]),
    "perceptron by b₁": Identity(_PERCEPTRON, "b_1", _perceptron, "Σ_n ((O − Y) W_2ᵀ) ⊙ (1 − H²)",
                                  lambda *a: _perceptron_delta(*a)[2].sum(0)),
    "perceptron by X": Identity(_PERCEPTRON, "X", _perceptron, "(((O − Y) W_2ᵀ) ⊙ (1 − H²)) W_1ᵀ",
                                  lambda *a: _perceptron_delta(*a)[2] @ a[1].T),
    "three layers by W₃": Identity(_CLASSIFIER, "W_3", _classifier, "H_2ᵀ (P − Y)",
                                  lambda *a: _classifier_deltas(*a)[1].T @ _classifier_deltas(*a)[2], ones="Y"),
    "three layers by W₂": Identity(_CLASSIFIER, "W_2", _classifier,
                                  "H_1ᵀ (((P − Y) W_3ᵀ) ⊙ 1[H_1 W_2 > 0])",
                                  lambda *a: _classifier_deltas(*a)[0].T @ _classifier_deltas(*a)[3], ones="Y"),
    "three layers by W₁": Identity(_CLASSIFIER, "W_1", _classifier,
                                  "Xᵀ (((((P − Y) W_3ᵀ) ⊙ 1[H_1 W_2 > 0]) W_2ᵀ) ⊙ 1[X W_1 > 0])",
                                  lambda *a: a[0].T @ _classifier_deltas(*a)[4], ones="Y"),
    "residual block": Identity("x:n W:n,n u:n", "x", lambda x, W, u: u @ (x + gc.tanh(W @ x).named("h")),
                                  "Wᵀ (u ⊙ (1 − h²)) + u",
                                  lambda x, W, u: u + W.T @ (u * (1 - np.tanh(W @ x) ** 2))),
    "residual block, Jacobian": Identity("x:n W:n,n", "x", lambda x, W: x + gc.tanh(W @ x).named("h"),
                                  "diag(1 − h²) W + I",
                                  lambda x, W: np.eye(4) + np.diag(1 - np.tanh(W @ x) ** 2) @ W, "jacobian"),
    "LSTM, forget gate": Identity(_CELL, "W_f", _cell, "(c ⊙ f ⊙ u ⊙ (1 − f)) xᵀ",
        lambda W_f, W_i, W_g, x, c, u: np.outer(u * c * logistic(W_f @ x) * (1 - logistic(W_f @ x)), x)),
    "LSTM, input gate": Identity(_CELL, "W_i", _cell, "(g ⊙ i ⊙ u ⊙ (1 − i)) xᵀ",
        lambda W_f, W_i, W_g, x, c, u: np.outer(u * np.tanh(W_g @ x) * logistic(W_i @ x) * (1 - logistic(W_i @ x)), x)),
    "LSTM, candidate": Identity(_CELL, "W_g", _cell, "(i ⊙ u ⊙ (1 − g²)) xᵀ",
        lambda W_f, W_i, W_g, x, c, u: np.outer(u * logistic(W_i @ x) * (1 - np.tanh(W_g @ x) ** 2), x)),
    "LSTM, cell state": Identity(_CELL, "c", _cell, "f ⊙ u", lambda W_f, W_i, W_g, x, c, u: u * logistic(W_f @ x)),
    "bilinear scores by W": Identity("Q:m,d W:d,e K:n,e U:m,n", "W", lambda Q, W, K, U: gc.sum(U * (Q @ W @ K.T)),
                                  "Qᵀ U K", lambda Q, W, K, U: Q.T @ U @ K),
    "bilinear scores by Q": Identity("Q:m,d W:d,e K:n,e U:m,n", "Q", lambda Q, W, K, U: gc.sum(U * (Q @ W @ K.T)),
                                  "U K Wᵀ", lambda Q, W, K, U: U @ K @ W.T),
    "attention by V": Identity("Q:m,d K:n,d V:n,e U:m,e", "V", _attention, "Pᵀ U",
                                  lambda Q, K, V, U: softmax(Q @ K.T / 2).T @ U),
    "attention by Q": Identity("Q:m,d K:n,d V:n,e U:m,e", "Q", _attention,
                                  "(P ⊙ (U Vᵀ − Σ_n P ⊙ (U Vᵀ))) K / 2",
                                  lambda Q, K, V, U: _attention_scores(Q, K, V, U) @ K / 2),
    "attention by K": Identity("Q:m,d K:n,d V:n,e U:m,e", "K", _attention,
                                  "(P ⊙ (U Vᵀ − Σ_n P ⊙ (U Vᵀ)))ᵀ Q / 2",
                                  lambda Q, K, V, U: _attention_scores(Q, K, V, U).T @ Q / 2),
    "self-attention by W_v": Identity(_SELF_ATTENTION, "W_v", _self_attention, "Xᵀ Pᵀ U",
        lambda X, W_q, W_k, W_v, U: X.T @ softmax(X @ W_q @ W_k.T @ X.T / 2).T @ U),
    "self-attention by W_q": Identity(_SELF_ATTENTION, "W_q", _self_attention,
        "Xᵀ (P ⊙ (U Vᵀ − Σ_n P ⊙ (U Vᵀ))) K / 2",
        lambda X, W_q, W_k, W_v, U: X.T @ _attention_scores(X @ W_q, X @ W_k, X @ W_v, U) @ X @ W_k / 2),
    "self-attention by W_k": Identity(_SELF_ATTENTION, "W_k", _self_attention,
        "Xᵀ (P ⊙ (U Vᵀ − Σ_n P ⊙ (U Vᵀ)))ᵀ Q / 2",
        lambda X, W_q, W_k, W_v, U: X.T @ _attention_scores(X @ W_q, X @ W_k, X @ W_v, U).T @ X @ W_q / 2),
    "graph convolution": Identity("A:N,N X:N,d W:d,k U:N,k", "W",
                         lambda A, X, W, U: gc.sum(U * gc.relu(A @ X @ W)), "Xᵀ Aᵀ (U ⊙ 1[A X W > 0])",
                         lambda A, X, W, U: X.T @ A.T @ (U * (A @ X @ W > 0))),
    "recurrent cell": Identity("x:d h:h U:h,h W:h,d b:h u:h", "U",
                         lambda x, h, U, W, b, u: u @ gc.tanh(U @ h + W @ x + b).named("y"), "(u ⊙ (1 − y²)) hᵀ",
                         lambda x, h, U, W, b, u: np.outer(u * (1 - np.tanh(U @ h + W @ x + b) ** 2), h)),
    "gated recurrent unit": Identity("h:h z:h W:h,h u:h", "W",
                         lambda h, z, W, u: u @ (z * h + (1 - z) * gc.tanh(W @ h).named("g")),
                         "(u ⊙ (1 − g²) ⊙ (1 − z)) hᵀ",
                         lambda h, z, W, u: np.outer(u * (1 - z) * (1 - np.tanh(W @ h) ** 2), h)),
    "highway network": Identity("x:n W:n,n V:n,n u:n", "W",
                         lambda x, W, V, u: (lambda g, h: u @ (g * h + (1 - g) * x))(
                             gc.sigmoid(W @ x).named("g"), gc.tanh(V @ x).named("h")),
                         "(g ⊙ u ⊙ (1 − g) ⊙ (h − x)) xᵀ",
                         lambda x, W, V, u: np.outer(u * (np.tanh(V @ x) - x) * logistic(W @ x) * (1 - logistic(W @ x)), x)),
    "gated linear unit": Identity("x:n W:m,n V:m,n u:m", "W",
                         lambda x, W, V, u: u @ ((V @ x) * gc.sigmoid(W @ x).named("g")),
                         "(g ⊙ u ⊙ (V x) ⊙ (1 − g)) xᵀ",
                         lambda x, W, V, u: np.outer(u * (V @ x) * logistic(W @ x) * (1 - logistic(W @ x)), x)),
    "dropout mask": Identity("X:N,d M:N,d W:d,k U:N,k", "X", lambda X, M, W, U: gc.sum(U * ((M * X) @ W)),
                         "M ⊙ (U Wᵀ)", lambda X, M, W, U: M * (U @ W.T)),
}
NORMALISATION = {
    "layer norm": Identity("X:N,d G:N,d", "X", lambda X, G: gc.sum(G * _normalised(X, 1)),
                         "s ⊙ (G − mean_d(G) − xhat ⊙ mean_d(G ⊙ xhat))", lambda X, G: normalised_gradient(X, G, 1)),
    "layer norm with scale and shift by X": Identity("X:N,d G:N,d gamma:d beta:d", "X",
                         lambda X, G, gamma, beta: gc.sum(G * (_normalised(X, 1) * gamma + beta)),
                         "s ⊙ (G ⊙ γ − mean_d(G ⊙ γ) − xhat ⊙ mean_d(G ⊙ xhat ⊙ γ))",
                         lambda X, G, gamma, beta: normalised_gradient(X, G * gamma, 1)),
    "layer norm by γ": Identity("X:N,d G:N,d gamma:d beta:d", "gamma",
                         lambda X, G, gamma, beta: gc.sum(G * (_normalised(X, 1) * gamma + beta)),
                         "Σ_n G ⊙ xhat", lambda X, G, gamma, beta: (G * standardised(X, 1)[0]).sum(0)),
    "layer norm by β": Identity("X:N,d G:N,d gamma:d beta:d", "beta",
                         lambda X, G, gamma, beta: gc.sum(G * (_normalised(X, 1) * gamma + beta)),
                         "Σ_n G", lambda X, G, gamma, beta: G.sum(0)),
    "RMS norm": Identity("X:N,d G:N,d", "X", lambda X, G: gc.sum(G * _root_mean_square(X)),
                         "s ⊙ (G − xhat ⊙ mean_d(G ⊙ xhat))",
                         lambda X, G: (lambda s: s * (G - X * s * (G * X * s).mean(1, keepdims=True)))(
                             1 / np.sqrt((X * X).mean(1, keepdims=True) + 1e-5))),
    "batch norm": Identity("X:N,d G:N,d", "X", lambda X, G: gc.sum(G * _normalised(X, 0)),
                         "s ⊙ (G − mean_n(G) − xhat ⊙ mean_n(G ⊙ xhat))", lambda X, G: normalised_gradient(X, G, 0)),
}
# fmt: on
FAMILIES: Sequence[Mapping[str, Identity]] = (
    LINEAR,
    TRACES,
    QUADRATIC,
    FROBENIUS,
    NORMS,
    SOFTMAX,
    LIKELIHOODS,
    ELEMENTWISE,
    CONVOLUTION,
    NETWORKS,
    NORMALISATION,
)  # fmt: skip
IDENTITIES = {title: identity for family in FAMILIES for title, identity in family.items()}
