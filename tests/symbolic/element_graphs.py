# ruff: noqa: E501  (the table reads better with one graph a line)
"""Small graphs of every family, for the element oracle: the table of cases, and their rational points."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

import graphc as gc
from graphc.ops import convolution, indexing, pooling, shape
from graphc.ops.convolution import Geometry

Array = np.ndarray[Any, Any]
Sizes = tuple[int | str, ...]


@dataclass(frozen=True)
class Case:
    """A graph over declared float64 inputs; a shape in ``labels`` declares integers below the number there.

    ``points`` says how elements are drawn: distinct ones of both signs (``any``), above 0 (``positive``),
    within (−1, 1) (``unit``), or few values often (``ties``). All are multiples of 1/64, exact in binary.
    """

    id: str
    build: Callable[..., gc.Tensor]
    shapes: tuple[Sizes, ...]
    sizes: Mapping[str, int] = field(default_factory=dict)
    points: str = "any"
    labels: Mapping[int, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.id

    def inputs(self) -> list[gc.Tensor]:
        return [
            gc.input(f"x{k}", s, "int64" if k in self.labels else "float64")
            for k, s in enumerate(self.shapes)
        ]

    def arrays(self) -> list[Array]:
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        concrete = [tuple(self.sizes[n] if isinstance(n, str) else n for n in s) for s in self.shapes]
        return [
            rng.integers(0, self.labels[k], s) if k in self.labels else drawn(rng, s, self.points)
            for k, s in enumerate(concrete)
        ]


def drawn(rng: np.random.Generator, sizes: tuple[int, ...], points: str = "any") -> Array:
    """Multiples of 1/64: exact rationals."""
    count = int(np.prod(sizes))
    if points == "ties":
        return rng.integers(-1, 2, sizes).astype(float)
    steps = rng.choice(np.arange(1, 62), count, replace=count > 61)
    if points == "any":
        return (steps * rng.choice([-1, 1], count) / 32).reshape(sizes)
    if points == "positive":
        return ((steps + 8) / 32).reshape(sizes)
    return (steps * rng.choice([-1, 1], count) / 64).reshape(sizes)


def _case(label: str, build: Callable[..., gc.Tensor], *shapes: Sizes, **more: Any) -> Case:
    names = {n for s in shapes for n in s if isinstance(n, str)}
    sizes = {n: k for n, k in {"N": 3, "M": 2, "T": 2, "L": 5}.items() if n in names}
    return Case(label, build, shapes, **{"sizes": sizes, **more})


def _lstm(x: gc.Tensor, h: gc.Tensor, c: gc.Tensor, w: gc.Tensor, u: gc.Tensor) -> gc.Tensor:
    return gc.concatenate(gc.nn.lstm_cell(x, (h, c), w, u), axis=-1)


def _attention(x: gc.Tensor, wq: gc.Tensor, wk: gc.Tensor, wv: gc.Tensor) -> gc.Tensor:
    q, k, v = x @ wq, x @ wk, x @ wv
    return gc.softmax(q @ k.T / np.sqrt(2.0), axis=-1) @ v


def _perceptron(x: gc.Tensor, w: gc.Tensor, b: gc.Tensor, v: gc.Tensor) -> gc.Tensor:
    return gc.tanh(x @ w + b) @ v


def _power_of_two_views(x: gc.Tensor) -> gc.Tensor:
    return gc.square(x.reshape(3, 4).T.reshape(6, 2))


def _elementwise() -> list[Case]:
    grouped: dict[str, dict[str, tuple[Callable[..., gc.Tensor], ...]]] = {
        "any": {
            "exponentials": (gc.exp, gc.exp2, gc.expm1, gc.tanh, gc.sigmoid, gc.softplus),
            "circular functions": (gc.sin, gc.cos, gc.arctan, gc.erf),
            "hyperbolic functions": (gc.sinh, gc.cosh, gc.arcsinh, gc.cbrt),
            "rational functions": (gc.negative, gc.square, gc.reciprocal, lambda x: x**3),
            "kinks": (gc.abs, gc.relu, lambda x: gc.clip(x, -0.5, 0.75), lambda x: gc.maximum(x, 0.25)),
            "steps": (
                lambda x: x * gc.sign(x),
                lambda x: x * gc.floor(x),
                lambda x: x + gc.stop_gradient(x) * x,
            ),
            "gated activations": (gc.nn.silu, gc.nn.gelu, gc.nn.mish),
            "piecewise activations": (gc.nn.elu, gc.nn.leaky_relu, gc.nn.hardsigmoid),
        },
        "positive": {
            "logarithms": (gc.log, gc.log2, gc.log10, gc.log1p),
            "roots": (gc.sqrt, gc.rsqrt, lambda x: x**1.5, lambda x: 2**x),
        },
        "unit": {"inverse functions": (gc.arcsin, gc.arccos, gc.arctanh, gc.tan)},
    }
    found = [
        _case(label, lambda x, many=many: gc.stack([f(x) for f in many]), (2, 2), points=points)
        for points, table in grouped.items()
        for label, many in table.items()
    ]
    return [
        *found,
        _case("arithmetic broadcast", lambda x, y: (x + y) * (x - y) / (2 + y * y), ("N", 1), (2,)),
        _case("a scalar for a matrix", lambda x, y: x * y - y / x, (), (2, 2)),
        _case("power of two tensors", lambda x, y: x**y, (2, 2), (2,), points="positive"),
        _case("distances", lambda x, y: gc.hypot(x, y) + gc.arctan2(x, y) + gc.logaddexp(x, y), (2, 2), (2, 1)),
        _case("maximum and minimum", lambda x, y: gc.maximum(x, y) * gc.minimum(x, 2 * y), (2, 3), (3,)),
        _case("maximum with ties", gc.maximum, (3, 3), (3,), points="ties"),
        _case("remainder", lambda x, y: gc.remainder(x + 3, y), (3,), (3,), points="positive"),
        _case("where", lambda x, y: gc.where(x > y, x * y, gc.sin(y)), (2, 3), (3,)),
        _case("where guards a root", lambda x: gc.where(x > 0, gc.sqrt(gc.where(x > 0, x, 1.0)), x), (2, 3)),
        _case("inverse hyperbolic cosine", lambda x: gc.arccosh(x + 1), (2, 2), points="positive"),
        _case("a factor that absorbs", lambda x, y: gc.ops.absorbing_multiply(x, y) * x, (2, 2), (2,)),
        _case("through float32", lambda x: 3 * x.astype("float32").astype("float64"), (2, 2)),
        _case("no elements", lambda x, y: gc.exp(x) * y, (0, 2), (2,)),
        _case("an operand thrice", lambda x: x * gc.sin(x) / (1 + x * x), (1, 3)),
    ]  # fmt: skip


def _reductions() -> list[Case]:
    return [
        _case("sum", lambda x: gc.square(gc.sum(x, axis=0)), ("N", 2)),
        _case("mean", lambda x: gc.square(gc.mean(x, axis=(0, 2), keepdims=True)), (2, 2, 2)),
        _case("mean over a symbolic axis", lambda x: x - gc.mean(x, axis=0), ("N", 2)),
        _case("variance", partial(gc.var, axis=0, ddof=1), ("N", 2)),
        _case("prod", partial(gc.prod, axis=1), (2, 3)),
        _case("prod of all", gc.prod, (2, 2)),
        _case("prod with zeros", lambda x: gc.prod(x * np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), axis=1), (2, 3)),
        _case("max", partial(gc.max, axis=1), ("N", 3)),
        _case("max with ties", lambda x: gc.max(x * 2, axis=0), (3, 3), points="ties"),
        _case("min over two axes", partial(gc.min, axis=(0, 2)), (2, 2, 2)),
        _case("logsumexp", partial(gc.logsumexp, axis=1), (2, 3)),
        _case("logsumexp of all", lambda x: gc.logsumexp(x * x), ("N", 2)),
        _case("softmax", partial(gc.softmax, axis=-1), (2, 3)),
        _case("softmax over a symbolic axis", lambda x: gc.softmax(2 * x, axis=0), ("N", 2)),
        _case("softmax of one class", lambda x: gc.softmax(x, axis=1) * x, (2, 1)),
        _case("log_softmax", partial(gc.log_softmax, axis=-1), (2, 3)),
        _case("cumsum", lambda x: gc.square(gc.cumsum(x)), (4,)),
        _case("cumsum over a symbolic axis", lambda x: gc.exp(gc.cumsum(x, axis=0)), ("N", 2)),
        _case("sum over no elements", lambda x, y: gc.sum(x, axis=1) + y, (2, 0), (2,)),
        _case("sum over size 1", lambda x: gc.tanh(gc.sum(x, axis=1)), (2, 1)),
    ]  # fmt: skip


def _linear_algebra() -> list[Case]:
    return [
        _case("matmul", gc.matmul, ("N", 2), (2, 3)),
        _case("matmul of a batch", gc.matmul, (2, 1, 1, 2), (2, 2, 2)),
        _case("matmul of vectors", lambda x, y, a: gc.tanh(x @ a) @ y, (2,), (3,), (2, 3)),
        _case("matmul with an empty inner axis", lambda x, y: x @ y + 1, (2, 0), (0, 2)),
        _case("quadratic form", lambda x, a: x @ a @ x, (3,), (3, 3)),
        _case("einsum of three", partial(gc.einsum, "ij,jk,kl->li"), (2, 2), (2, "M"), ("M", 2), sizes={"M": 2}),
        _case("einsum diagonal", lambda x: gc.exp(gc.einsum("iij->ij", x)), (2, 2, 3)),
        _case("einsum trace", lambda x, y: gc.einsum("ij,ji->", x, y), (2, 3), (3, 2)),
        _case("bilinear", partial(gc.einsum, "ni,oij,nj->no"), (2, 2), (2, 2, 2), (2, 2)),
        _case("kron", gc.kron, (2, 1), (2, 2)),
        _case("outer and trace", lambda x, y: gc.trace(gc.tanh(gc.outer(x, y))), (3,), (3,)),
    ]  # fmt: skip


def _views() -> list[Case]:
    return [
        _case("reshape", _power_of_two_views, (2, 6)),
        _case("reshape (6, 4) to (8, 3)", lambda x: gc.square(x.reshape(8, 3).T.reshape(4, 6)), (6, 4)),
        _case("reshape with symbolic sizes", lambda x: gc.sin(x.reshape(-1, 2)), ("N", 2, 2)),
        _case("transpose", lambda x: gc.exp(gc.transpose(x, (2, 0, 1))), (2, 1, "N")),
        _case("broadcast", lambda x: gc.square(gc.broadcast_to(x, (2, 2, 3)) * np.arange(12.0).reshape(2, 2, 3)), (2, 1)),
        _case("slice", lambda x: gc.square(x[1:, ::-2]), ("N", 4)),
        _case("slice from the end", lambda x: x[-2:] * x[:2], ("N", 2)),
        _case("strided part", lambda x: gc.square(shape.strided_part(x, (1, 3), (2, 2), (2, -3))), (4, 4)),
        _case("flip", lambda x: gc.flip(x, 0) * x, ("N", 2)),
        _case("pad", lambda x: gc.square(gc.pad(x, ((1, 2), (0, 1)), constant_values=0.5)), (2, 2)),
        _case("pad by reflection", lambda x: gc.square(gc.pad(x, ((2, 1), (1, 0)), "reflect")), (3, 2)),
        _case("pad by wrapping", lambda x: gc.exp(gc.pad(x, ((0, 2),), "wrap")), ("N",)),
        _case("embed", lambda x: gc.square(shape.embed(x, (5, 4), (4, 0), (-3, 2))), (2, 2)),
        _case("concatenate", lambda x, y: gc.square(gc.concatenate([x, y, x], axis=1)), (2, 1), (2, "N")),
        _case("stack and roll", lambda x, y: gc.roll(gc.stack([x, y], axis=1), 1, axis=0) * x[:, None], ("N", 2), ("N", 2)),
        _case("tile and repeat", lambda x: gc.tile(x, (2, 1)) * gc.repeat(x, 2, axis=0), (2, 2)),
        _case("split and join", lambda x: gc.concatenate([a * a for a in gc.split(x, 3)[::-1]]), (6,)),
        _case("triangle", lambda x: gc.tril(x) @ gc.triu(x, 1), (3, 3)),
    ]  # fmt: skip


def _indexing() -> list[Case]:
    return [
        _case("take with repeats", lambda x: gc.square(gc.take(x, [2, 0, 2, -1], axis=0)), (3, 2)),
        _case("take by an input", lambda x, i: gc.square(gc.take(x, i, axis=1)), (2, 3), (4,), labels={1: 3}),
        _case("embedding of words", lambda x, i, w: gc.tanh(gc.take(x, i, axis=0) @ w), (4, 2), ("N", 2), (2, 2), labels={1: 4}),
        _case("take_along_axis", lambda x, i: gc.take_along_axis(gc.exp(x), i[:, None], axis=1), ("N", 3), ("N",), labels={1: 3}),
        _case("pairs of indices", lambda x: gc.square(x[[0, 1, 1], [2, 0, 0]]), (2, 3)),
        _case("scatter_add", lambda g, i: gc.square(indexing.scatter_add(g, i, 0, 3)), (4, 2), (4,), labels={1: 3}),
        _case("one_hot", lambda x, i: gc.exp(x) * gc.one_hot(i, 3, "float64"), ("N", 3), ("N",), labels={1: 3}),
        _case("concat, slice, flip, gather, cube", lambda x, y: gc.take(gc.flip(gc.concatenate([x, y])[1:6], 0), [0, 3, 0, 4], axis=0) ** 3, (4,), (3,)),
    ]  # fmt: skip


def _geometry(
    stride: tuple[int, ...], padding: tuple[tuple[int, int], ...], dilation: tuple[int, ...], groups: int = 1
) -> Geometry:
    return Geometry(stride, padding, dilation, groups)


def _convolutions() -> list[Case]:
    plain = _geometry((1, 1), ((0, 0), (0, 0)), (1, 1))
    general = _geometry((2, 3), ((1, 1), (2, 2)), (2, 1), 2)
    odd = _geometry((2,), ((1, 2),), (2,))
    depthwise = _geometry((2,), ((1, 0),), (1,), 2)
    conv, back, weight = (
        convolution.convolution,
        convolution.transposed_convolution,
        convolution.filter_gradient,
    )
    return [
        _case("convolution", partial(conv, geometry=plain), (1, 2, 3, 3), (2, 2, 2, 2)),
        _case("convolution squared", lambda x, w: gc.square(conv(x, w, plain)), (1, 1, 3, 3), (1, 1, 2, 2)),
        _case("convolution of a symbolic batch", partial(conv, geometry=odd), ("N", 1, 5), (2, 1, 2)),
        _case("convolution of a symbolic length", partial(conv, geometry=_geometry((1,), ((1, 1),), (1,))), (1, 2, "L"), (1, 2, 3)),
        _case("convolution: stride, dilation, padding, groups", partial(conv, geometry=general), (2, 2, 4, 4), (2, 1, 2, 2)),
        _case("depthwise convolution", partial(conv, geometry=depthwise), (2, 2, 5), (4, 1, 2)),
        _case("convolution of no example", partial(conv, geometry=odd), (0, 1, 5), (2, 1, 2)),
        _case("convolution over three axes", partial(conv, geometry=_geometry((1, 2, 1), ((0, 0), (1, 0), (0, 1)), (1, 1, 2))), (1, 1, 2, 3, 3), (1, 1, 2, 2, 2)),
        _case("transposed convolution", partial(back, size=(4, 4), geometry=general), (1, 2, 2, 3), (2, 1, 2, 2)),
        _case("transposed convolution squared", lambda u, w: gc.square(back(u, w, (5,), odd)), (1, 2, 3), (2, 1, 2)),
        _case("filter gradient", partial(weight, size=(2,), geometry=odd), (2, 1, 5), (2, 2, 3)),
        _case("filter gradient in groups", partial(weight, size=(2, 2), geometry=general), (1, 2, 4, 4), (1, 2, 2, 3)),
        _case("conv2d with a bias, relu and pooling", lambda x, w, b: gc.nn.avg_pool2d(gc.relu(gc.nn.conv2d(x, w, b, padding=1)), 2), (1, 1, 3, 3), (2, 1, 2, 2), (2,)),
        _case("conv_transpose2d", lambda x, w: gc.nn.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1), (1, 1, 2, 2), (1, 2, 3, 3)),
        _case("convolve", gc.convolve, ("L",), (3,)),
        _case("window", lambda x: gc.square(gc.window(x, (2, 2), stride=(1, 2), dilation=(2, 1), padding=((1, 0), (0, 1)))), (3, 3)),
        _case("fold", lambda y: gc.square(gc.fold(y, 7, stride=2, dilation=3)), (2, 2, 2)),
        _case("max_pool", lambda x: pooling.max_pool(x, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)), (1, 4, 4)),
        _case("max_pool overlapping", lambda x: gc.square(pooling.max_pool(x, (3, 2), (1, 2), ((1, 0), (1, 1)), (1, 2))), (3, 4)),
        _case("max_pool with ties", lambda x: pooling.max_pool(x, (2,), (1,), ((1, 0),), (1,)), (2, 6), points="ties"),
        _case("avg_pool2d", lambda x: gc.square(gc.nn.avg_pool2d(x, 2, stride=1, padding=1, count_include_pad=False)), (1, 3, 3)),
    ]  # fmt: skip


def _networks() -> list[Case]:
    nn = gc.nn
    return [
        _case("perceptron", _perceptron, ("N", 2), (2, 2), (2,), (2, 1)),
        _case("layer normalisation", lambda x, g, b: nn.layer_norm(x, (3,), g, b), (2, 3), (3,), (3,)),
        _case("root-mean-square normalisation", lambda x, g: nn.rms_norm(x, (3,), g, eps=0.125), (2, 3), (3,)),
        _case("group normalisation", lambda x: nn.group_norm(x, 2), (1, 4, 1)),
        _case("batch normalisation", lambda x, g, b: nn.batch_norm(x, None, None, g, b, training=True), (3, 2), (2,), (2,)),
        _case("batch normalisation of images", lambda x: nn.batch_norm(x, None, None, training=True), (2, 1, 2)),
        _case("attention head", _attention, (2, 2), (2, 2), (2, 2), (2, 2)),
        _case("causal attention", lambda q, k, v: nn.scaled_dot_product_attention(q, k, v, is_causal=True), (2, 2), (2, 2), (2, 2)),
        _case("cross entropy of class numbers", lambda x, w, b, t: nn.cross_entropy(x @ w + b, t), (3, 2), (2, 3), (3,), (3,), labels={3: 3}),
        _case("cross entropy of a symbolic batch", lambda x, t: nn.cross_entropy(x, t), ("N", 3), ("N",), labels={1: 3}),
        _case("cross entropy with label smoothing", lambda x, t: nn.cross_entropy(x, t, label_smoothing=0.25), (2, 3), (2,), labels={1: 3}),
        _case("logistic regression", lambda x, w: gc.mean(gc.softplus(x @ w) - (x @ w) * np.array([1.0, 0.0, 1.0])), (3, 2), (2,)),
        _case("mean squared error", lambda x, w, t: nn.mse_loss(x @ w, t), ("N", 2), (2, 2), ("N", 2)),
        _case("LSTM cell", _lstm, (1, 1), (1, 1), (1, 1), (4, 1), (4, 1)),
        _case("GRU cell", gc.nn.gru_cell, (1, 2), (1, 1), (3, 2), (3, 1)),
        _case("residual block", lambda x, w, v: x + gc.tanh(x @ w) @ v, (2, 2), (2, 2), (2, 2)),
        _case("gated linear unit", lambda x: gc.nn.glu(x, axis=1), (2, 4)),
    ]  # fmt: skip


CASES: list[Case] = [
    *_elementwise(), *_reductions(), *_linear_algebra(), *_views(), *_indexing(), *_convolutions(), *_networks(),
]  # fmt: skip
