"""Pairs of graphs: those that are one function, and those that only look like it.

Sizes are numbers and names, N and M.
"""

from __future__ import annotations

from collections.abc import Callable

import graphc as gc

x, y, z = (gc.input(n, (3, 4)) for n in "xyz")
c, d = gc.input("c", (3, 4), "bool"), gc.input("d", (3, 4), "bool")
k = gc.input("k", (3, 4), "int64")
A, B, C = gc.input("A", ("N", 4)), gc.input("B", (4, "M")), gc.input("C", ("M", 2))
v = gc.input("v", (12,))
largest = gc.max(x, axis=1, keepdims=True)


S, u, w = gc.input("S", (3, 3)), gc.input("u", (3,)), gc.input("w", (3,))
image = gc.input("image", ("N", 2, 5, 5))
kernel, other = gc.input("kernel", (3, 2, 3, 3)), gc.input("other", (3, 2, 3, 3))


def _layer_norm(a: gc.Tensor) -> gc.Tensor:
    """Without ε."""
    centred = a - gc.mean(a, axis=1, keepdims=True)
    return centred / gc.sqrt(gc.mean(gc.square(centred), axis=1, keepdims=True))


def _slope(function: Callable[[gc.Tensor], gc.Tensor]) -> gc.Tensor:
    return gc.grad(gc.sum(function(x)), x)


def _toeplitz(filter: gc.Tensor) -> gc.Tensor:
    """The matrix of the full convolution with three numbers."""
    return sum((filter[k] * gc.eye(14, 12, -k) for k in range(3)), gc.zeros((14, 12)))


def _attention(q: gc.Tensor, k: gc.Tensor, v: gc.Tensor) -> gc.Tensor:
    return gc.softmax(q @ k.T / 2, axis=1) @ v


def _kronecker(a: gc.Tensor, b: gc.Tensor) -> gc.Tensor:
    return gc.reshape(gc.einsum("ij,kl->ikjl", a, b), (9, 16))


IDENTITIES: dict[str, tuple[gc.Tensor, gc.Tensor]] = {
    "binomial": (gc.square(x + y), x * x + 2 * x * y + y * y),
    "cubes": ((x + y) ** 3, x**3 + 3 * x * x * y + 3 * x * y * y + y**3),
    "partial fractions": (1 / x - 1 / (x + 1), 1 / (x * (x + 1))),
    "quotient": (x / (gc.square(x) + 1) + y / (gc.square(x) + 1), (x + y) / (1 + x * x)),
    "transposed product": ((A @ B).T, B.T @ A.T),
    "associative product": ((A @ B) @ C, A @ (B @ C)),
    "einsum": (gc.einsum("ij,jk,kl->il", A, B, C), A @ B @ C),
    "trace": (gc.trace(x @ y.T), gc.sum(x * y)),
    "Kronecker product": (gc.sum(_kronecker(x, y)), gc.sum(x) * gc.sum(y)),
    "variance": (gc.mean(gc.square(x - gc.mean(x))), gc.mean(gc.square(x)) - gc.square(gc.mean(x))),
    "symbolic variance": (
        gc.mean(gc.square(A - gc.mean(A, axis=0)), axis=0),
        gc.mean(gc.square(A), axis=0) - gc.square(gc.mean(A, axis=0)),
    ),
    "reshape": (gc.sum(gc.reshape(x, (12,))), gc.sum(x)),
    "reshape there and back": (
        gc.reshape(gc.reshape(v, (3, 4)).T, (12,)).reshape((4, 3)).T, v.reshape((3, 4)),
    ),
    "flip": (gc.sum(gc.flip(x) * y), gc.sum(x * gc.flip(y))),
    "cut": (gc.concatenate([x[:, :1], x[:, 1:]], axis=1), x),
    "padded": (gc.pad(x, 1, constant_values=2.0)[1:-1, 1:-1], x),
    "cumsum": (gc.cumsum(x, axis=0), gc.tril(gc.ones((3, 3))) @ x),
    "taken": (gc.take(x, [2, 1, 0], axis=0), gc.flip(x, 0)),
    "convolution": (
        gc.convolve(v, gc.input("w", (3,)), "same"), gc.convolve(gc.input("w", (3,)), v, "full")[1:-1],
    ),
    "square root": (gc.sqrt(gc.square(x)), gc.abs(x)),
    "abs": (gc.abs(x * gc.exp(y)), gc.exp(y) * gc.abs(-x)),
    "maximum": (gc.maximum(x, y), (x + y + gc.abs(x - y)) / 2),
    "maximum and minimum": (gc.maximum(x, y) * gc.minimum(x, y), x * y),
    "relu": (gc.relu(x) - gc.relu(-x), x),
    "where": (gc.where(x > y, x, y), gc.maximum(y, x)),
    "clip": (gc.clip(x, -1, 1), gc.minimum(gc.maximum(x, -1.0), 1.0)),
    "trace of a cycle": (gc.trace(S @ x @ y.T), gc.trace(x @ y.T @ S)),
    "Frobenius norm": (gc.sum(gc.square(A @ B)), gc.trace(A @ B @ B.T @ A.T)),
    "symmetric part": (u @ S @ u, u @ ((S + S.T) / 2) @ u),
    "rank one": (gc.einsum("i,j->ij", u, w) @ w, u * (w @ w)),
    "identity matrix": (gc.eye(3) @ x, x),
    "diagonal matrix": ((gc.eye(3) * u) @ x, u[:, None] * x),
    "columns": (gc.stack([x[:, i] for i in range(4)], axis=1), x),
    "sum of parts": (gc.sum(gc.concatenate([x, 2 * x], axis=0)), 3 * gc.sum(x)),
    "even and odd": (gc.sum(x[:, ::2] * y[:, ::2]) + gc.sum(x[:, 1::2] * y[:, 1::2]), gc.sum(x * y)),
    "sum of what is padded": (gc.sum(gc.pad(x, 2)), gc.sum(x)),
    "differences of sums": (gc.cumsum(v)[1:] - gc.cumsum(v)[:-1], v[1:]),
    "reshape of many": (gc.reshape(A, (-1,)) * 2, gc.reshape(2 * A, (-1,))),
    "blocks": ((x[:, :2] @ y[:, :2].T) + (x[:, 2:] @ y[:, 2:].T), x @ y.T),
    "convolutions commute": (gc.convolve(v, w), gc.convolve(w, v)),
    "convolution is a Toeplitz product": (gc.convolve(v, w), _toeplitz(w) @ v),
    "convolution is linear": (
        gc.nn.conv2d(image, kernel + 2 * other), gc.nn.conv2d(image, kernel) + 2 * gc.nn.conv2d(image, other),
    ),
    "strided convolution": (
        gc.nn.conv2d(image, kernel, stride=2), gc.nn.conv2d(image, kernel)[:, :, ::2, ::2],
    ),
    "padded convolution": (
        gc.nn.conv2d(image, kernel, padding=1),
        gc.nn.conv2d(gc.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1))), kernel),
    ),
    "pointwise convolution": (
        gc.nn.conv2d(image, kernel[:, :, :1, :1]), gc.einsum("ncij,oc->noij", image, kernel[:, :, 0, 0]),
    ),
    "softmax of a shift": (gc.softmax(x + y[:, :1], axis=1), gc.softmax(x, axis=1)),
    "softmax of two": (gc.softmax(x[:, :2], axis=1)[:, 0], gc.sigmoid(x[:, 0] - x[:, 1])),
    "cross-entropy": (
        -gc.sum(S * gc.log_softmax(S, axis=1)), gc.sum(S * (gc.logsumexp(S, axis=1, keepdims=True) - S)),
    ),
    "layer norm of a multiple": (_layer_norm(gc.exp(y[:, :1]) * x), _layer_norm(x)),
    "layer norm of a shift": (_layer_norm(x + y[:, :1]), _layer_norm(x)),
    "standardised columns": (
        (A + 3 - gc.mean(A + 3, axis=0)) / gc.std(A + 3, axis=0),
        (A - gc.mean(A, axis=0)) / gc.std(A, axis=0),
    ),
    "order of keys": (_attention(A, gc.flip(x, 0), gc.flip(S, 0)), _attention(A, x, S)),
    "slope of sigmoid": (_slope(gc.sigmoid), gc.sigmoid(x) * (1 - gc.sigmoid(x))),
    "slope of tanh": (_slope(gc.tanh), 1 - gc.square(gc.tanh(x))),
    "slope of softplus": (_slope(gc.softplus), gc.sigmoid(x)),
    "slope of silu": (_slope(gc.nn.silu), gc.sigmoid(x) * (1 + x * (1 - gc.sigmoid(x)))),
    "softplus": (gc.softplus(x) - gc.softplus(-x), x),
    "log of sigmoid": (gc.log(gc.sigmoid(x)), -gc.softplus(-x)),
    "odds": (gc.log(gc.sigmoid(x) / (1 - gc.sigmoid(x))), x),
    "tanh of a sum": (
        gc.tanh(x + y), (gc.tanh(x) + gc.tanh(y)) / (1 + gc.tanh(x) * gc.tanh(y)),
    ),
    "least": (gc.min(x, axis=1), -gc.max(-x, axis=1)),
    "sigmoid": (gc.sigmoid(x) + gc.sigmoid(-x), gc.ones_like(x)),
    "tanh": (gc.tanh(x), 2 * gc.sigmoid(2 * x) - 1),
    "hyperbolic": (gc.square(gc.cosh(x)) - gc.square(gc.sinh(x)), gc.ones_like(x)),
    "circle": (gc.square(gc.sin(x)) + gc.square(gc.cos(x)), gc.ones_like(x)),
    "log of a product": (gc.log(gc.exp(x) * gc.sigmoid(y)), x - gc.softplus(-y)),
    "exp of a sum": (gc.exp(x + gc.sum(y)), gc.exp(gc.sum(y)) * gc.exp(x)),
    "exp2": (gc.exp2(x), gc.exp(x * gc.log(gc.full((), 2.0)))),
    "softmax": (
        gc.softmax(x, axis=1), gc.exp(x - largest) / gc.sum(gc.exp(x - largest), axis=1, keepdims=True),
    ),
    "softmax sums to 1": (gc.sum(gc.softmax(A, axis=1), axis=1), gc.ones_like(gc.sum(A, axis=1))),
    "logsumexp": (gc.logsumexp(x + 3.0, axis=1), gc.logsumexp(x, axis=1) + 3.0),
    "log of softmax": (gc.log(gc.softmax(x, axis=0)), gc.log_softmax(x, axis=0)),
    "largest of a shift": (gc.max(x + y[:, :1], axis=1), gc.max(x, axis=1) + y[:, 0]),
    "de Morgan": (~(c & d), ~c | ~d),
    "comparison": (~(x < y), x >= y),
    "one of three": ((x < y) | (x > y), x != y),
    "masked": (gc.where(c, x, 0) + gc.where(~c, x, 0), x),
    "branches": (gc.where(c, gc.where(c, x, y), z), gc.where(c, x, z)),
    "branch that is never defined": (gc.where(x > 0, gc.log(x), 0) * 2, gc.where(x > 0, 2 * gc.log(x), 0)),
    "integers": ((k + 1) * (k - 1), k * k - 1),
    "rounded integers": (gc.floor(gc.astype(k, "float32") + x) - gc.astype(k, "float32"), gc.floor(x)),
    "casts": (gc.astype(gc.astype(x, "float64"), "float32"), x),
    "decimals": (x * 0.1 + x * 0.2, 0.3 * x),
    "nothing to differ": (gc.zeros((0, 3)), gc.ones((0, 3))),
    "is not a number": (gc.isnan(x), gc.isnan(x)),
}  # fmt: skip

UNDECIDED: dict[str, tuple[gc.Tensor, gc.Tensor]] = {
    # Ranges of unknown sizes are not put together: Σ over 2N less Σ over the last N.
    "sum of parts of unknown size": (gc.sum(gc.concatenate([A, 2 * A], axis=0)), 3 * gc.sum(A)),
    # No law leads from a product over an axis to a sum.
    "product of exponentials": (gc.prod(gc.exp(x), axis=1), gc.exp(gc.sum(x, axis=1))),
    # Addition theorems are known for exp and tanh alone.
    "sine of a sum": (gc.sin(x + y), gc.sin(x) * gc.cos(y) + gc.cos(x) * gc.sin(y)),
    # Values at points where a sine or an arc of it are known are not.
    "arcs": (gc.arcsin(x) + gc.arccos(x), gc.arccos(gc.zeros_like(x))),
    # max over an axis is one function of the whole: order within it is not looked into.
    "largest of both": (
        gc.max(gc.concatenate([x, y], axis=1), axis=1), gc.maximum(gc.max(x, axis=1), gc.max(y, axis=1)),
    ),
}  # fmt: skip
"""True, and found neither proved nor refuted."""

DIFFERENT: dict[str, tuple[gc.Tensor, gc.Tensor]] = {
    "sign": (x - y, y - x),
    "square root": (gc.sqrt(gc.square(x)), x),
    "transposed": (gc.trace(x @ y.T), gc.trace(x @ gc.flip(y).T)),
    "only for size 1": (A - gc.mean(A, axis=0), gc.zeros_like(A)),
    "sum for mean": (gc.sum(A, axis=0), gc.mean(A, axis=0)),
    "only without ties": (gc.astype(x > y, "float32") + gc.astype(y > x, "float32"), gc.ones_like(x)),
    "only for what is not 0": (gc.where(x == 0, 5.0, y / x), gc.where(x == 0, 7.0, y / x)),
    "only where a condition holds": (
        gc.where(c, y / gc.astype(c, "float32"), 5.0), gc.where(c, y / gc.astype(c, "float32"), 7.0),
    ),
    "not both": (
        gc.where(c, y / gc.astype(c, "float32"), 5.0), y + 5.0 - 5.0 * gc.astype(c, "float32"),
    ),
    "log of a square": (gc.log(gc.square(x)), 2 * gc.log(gc.abs(x)) + 1e-3),
    "softmax of a multiple": (gc.softmax(2 * x, axis=1), gc.softmax(x, axis=1)),
    "layer norm of a negative": (_layer_norm(-x), _layer_norm(x)),
    "layer norm with ε": (_layer_norm(2 * x), 2 * (x - gc.mean(x, axis=1, keepdims=True)) / gc.sqrt(
        gc.mean(gc.square(2 * (x - gc.mean(x, axis=1, keepdims=True))), axis=1, keepdims=True) + 1e-3,
    )),
    "trace of another order": (gc.trace(S @ x @ y.T), gc.trace(S @ y @ x.T)),
    "convolution with a flip": (gc.convolve(v, w), gc.convolve(v, gc.flip(w))),
    "strided convolution begun later": (
        gc.nn.conv2d(image, kernel)[:, :, :2, :2], gc.nn.conv2d(image, kernel)[:, :, 1:, 1:],
    ),
    "convolution and correlation": (
        gc.nn.conv2d(image, kernel), gc.nn.conv2d(image, gc.flip(kernel, (2, 3))),
    ),
    "log of a sum": (gc.logsumexp(x, axis=1), gc.sum(x, axis=1)),
    "slope of sigmoid": (_slope(gc.sigmoid), gc.sigmoid(x) * gc.sigmoid(x)),
    "relu at 0": (gc.astype(x >= 0, "float32"), gc.astype(x > 0, "float32")),
    "order of values": (_attention(A, gc.flip(x, 0), S), _attention(A, x, S)),
    "variance with n − 1": (
        gc.var(x, axis=1), gc.sum(gc.square(x - gc.mean(x, axis=1, keepdims=True)), axis=1) / 3,
    ),
    "diagonal and all": (gc.sum(S * gc.eye(3)), gc.sum(S)),
    "exclusive sum": (gc.cumsum(v), gc.cumsum(v) - v),
    "softmax of the other axis": (gc.softmax(x, axis=0), gc.softmax(x, axis=1)),
    "order of a product": (x[:, :3] @ y[:, :3], y[:, :3] @ x[:, :3]),
    "order of digits": (gc.reshape(x, (12,)), gc.reshape(x.T, (12,))),
    "constant in the padding": (gc.pad(x, 1, constant_values=2.0), gc.pad(x, 1)),
    "exclusive": (c ^ d, c | d),
    "integers": (k // 2, gc.astype(gc.astype(k, "float32") / 2, "int64")),
    "rounding": (gc.round(x), gc.floor(x + 0.5)),
    "cumulative": (gc.cumsum(x, axis=0), gc.tril(gc.ones((3, 3)), -1) @ x),
    "draws": (gc.random_normal((3,)), gc.random_normal((3,))),
    "small but clear": (x, x * 1.0001),
}  # fmt: skip
