"""One derivation for every size: graphs over symbolic sizes, derived once and run at several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ops import convolution, indexing, shape
from graphc.ops.convolution import Geometry
from tests.symbolic.agreement import MODES, assert_equal, symbolic_gradients, weighted

Sizes = tuple[int | str, ...]
Build = Callable[..., gc.Tensor]
ODD = Geometry((2,), ((1, 2),), (2,))

# The graph, the shapes of its inputs, and the least that N, M and L may be.
GRAPHS: dict[str, tuple[Build, tuple[Sizes, ...], int]] = {
    "slice from 1": (lambda x: gc.square(x[1:]), (("N", 2),), 2),
    "slice to −1": (lambda x: x[:-1] * x[1:], (("N",),), 2),
    "last two": (lambda x: gc.square(x[-2:]), (("N", 3),), 2),
    "every second": (lambda x: gc.square(x[1::2]), (("N",),), 2),
    "reversed": (lambda x: x[::-1] * gc.sin(x), (("N", 2),), 1),
    "from the end by twos": (lambda x: gc.square(x[::-2]), (("N",),), 1),
    "pad": (lambda x: gc.square(gc.pad(x, ((1, 2), (0, 1)), constant_values=1.5)), (("N", "M"),), 1),
    "pad by reflection": (lambda x: gc.square(gc.pad(x, ((2, 1),), "reflect")), (("N",),), 1),
    "pad by wrapping": (lambda x: gc.square(gc.pad(x, ((2, 5),), "wrap")), (("N",),), 1),
    "concatenate": (lambda x, y: gc.square(gc.concatenate([x, y, x[:1]])), (("N", 2), ("M", 2)), 1),
    "concatenate and cut": (lambda x, y: gc.square(gc.concatenate([x, y])[1:-1]), (("N",), ("M",)), 1),
    "concatenate and reverse": (lambda x, y: gc.concatenate([x, y])[::-1] ** 3, (("N",), ("M",)), 1),
    "stack": (lambda x: gc.square(gc.stack([x, gc.sin(x)], axis=0)), (("N", 2),), 1),
    "roll": (lambda x: gc.roll(x, 1, axis=0) * x, (("N", 2),), 1),
    "tile": (lambda x: gc.square(gc.tile(x, (2, 2)) + 1), (("N", "M"),), 1),
    "repeat": (lambda x: gc.sin(gc.repeat(x, 3, axis=0)), (("N", 2),), 1),
    "flatten": (lambda x: gc.square(gc.cumsum(x.flatten())), (("N", "M"),), 1),
    "flatten and back": (lambda x: gc.sin(x.flatten()).reshape("N", "M").T, (("N", "M"),), 1),
    "split an axis": (lambda x: gc.square(gc.sum(x.reshape("N", 2, 3), axis=1)), (("N", 6),), 1),
    "merge axes": (lambda x: gc.square(x.reshape(-1, 4)), (("N", 2, 2),), 1),
    "reshape, transpose, reshape": (
        lambda x: gc.square(x.reshape("N", 2, 3).transpose(1, 0, 2).reshape(2, -1)),
        (("N", 6),),
        1,
    ),
    "regroup rows": (lambda x: gc.square(x.reshape(-1, 3).T), (("N", 6),), 1),
    "heads of attention": (
        lambda x: gc.softmax(x.reshape("N", "M", 2, 2).transpose(0, 2, 1, 3), axis=2),
        (("N", "M", 4),),
        1,
    ),
    "transpose": (lambda x: gc.exp(x.transpose(2, 0, 1)), (("N", 2, "M"),), 1),
    "broadcast": (lambda x, y: gc.square(x[:, None] - y[None, :]), (("N", 2), ("M", 2)), 1),
    "outer": (lambda x, y: gc.sin(gc.outer(x, y)), (("N",), ("M",)), 1),
    "triangle": (lambda x: gc.square(gc.tril(x @ x.T)), (("N", 2),), 1),
    "matmul": (lambda x, w, v: gc.tanh(x @ w) @ v, (("N", "M"), ("M", 3), (3, "L")), 1),
    "einsum": (lambda x, y: gc.einsum("nml,mk->lkn", x, y), (("N", "M", 2), ("M", 3)), 1),
    "covariance": (
        lambda x: (
            gc.square((x - gc.mean(x, axis=0)).T @ (x - gc.mean(x, axis=0)))
            / gc.ops.sources.dimension_value(x.shape[0], "float64")
        ),
        (("N", 2),),
        1,
    ),
    "mean": (lambda x: gc.square(gc.mean(x, axis=(0, 2))), (("N", 2, "M"),), 1),
    "variance": (lambda x: gc.var(x, axis=0), (("N", "M"),), 1),
    "layer normalisation": (lambda x, g: gc.nn.layer_norm(x, ("M",), g), (("N", "M"), ("M",)), 3),
    "softmax": (lambda x: gc.softmax(x, axis=0) * x, (("N", "M"),), 1),
    "log-softmax": (lambda x: gc.square(gc.log_softmax(x, axis=1)), (("N", "M"),), 1),
    "logsumexp": (lambda x: gc.square(gc.logsumexp(x, axis=(0, 1))), (("N", "M"),), 1),
    "product": (lambda x: gc.prod(x, axis=1), (("N", "M"),), 1),
    "maximum": (lambda x: gc.square(gc.max(x, axis=0)), (("N", "M"),), 1),
    "minimum of all": (lambda x: gc.square(gc.min(x)), (("N", "M"),), 1),
    "cumulative sum": (lambda x: gc.square(gc.cumsum(x, axis=0)), (("N", "M"),), 1),
    "causal attention": (
        lambda q, k, v: gc.nn.scaled_dot_product_attention(q, k, v, is_causal=True),
        (("N", 2), ("N", 2), ("N", 2)),
        1,
    ),
    "take the ends": (lambda x: gc.square(gc.take(x, [0, -1, 0], axis=0)), (("N", 2),), 1),
    "scatter": (
        lambda x: gc.square(indexing.scatter_add(x, gc.arange("N"), 0, x.shape[0] + 2)),
        (("N", 2),),
        1,
    ),
    "window": (lambda x: gc.square(gc.window(x, 3, stride=2)), ((2, "L"),), 3),
    "window dilated and padded": (
        lambda x: gc.square(gc.window(x, 2, stride=3, dilation=2, padding=1)),
        (("L",),),
        3,
    ),
    "fold": (lambda y: gc.square(gc.fold(y, y.shape[0] * 2 + 1, stride=2)), (("N", 3),), 1),
    "embed": (lambda x: gc.square(shape.embed(x, (2 * x.shape[0] + 1, 2), (1, 0), (2, 1))), (("N", 2),), 1),
    "convolution": (
        lambda x, w: gc.square(convolution.convolution(x, w, ODD)),
        (("N", 1, "L"), (2, 1, 2)),
        2,
    ),
    "convolution, relu, pooling": (
        lambda x, w: gc.nn.max_pool1d(gc.relu(gc.nn.conv1d(x, w, padding=1)), 2),
        (("N", 1, "L"), (2, 1, 3)),
        2,
    ),
    "average pooling": (lambda x: gc.square(gc.nn.avg_pool1d(x, 3, stride=2)), (("N", 1, "L"),), 3),
    "convolve": (gc.convolve, (("L",), (3,)), 3),
}


def _at(sizes: dict[str, int], shape: Sizes) -> tuple[int, ...]:
    return tuple(sizes[n] if isinstance(n, str) else n for n in shape)


@pytest.mark.parametrize("name", GRAPHS)
def test_one_derivation_serves_every_size(name: str) -> None:
    build, shapes, least = GRAPHS[name]
    wrt = [gc.input(f"x{k}", s, "float64") for k, s in enumerate(shapes)]
    loss, weights = weighted(build(*wrt))
    y = next(i for i in loss.inputs[0].inputs if i is not weights)
    graphs = [g for mode in MODES for g in symbolic_gradients(loss, wrt, mode)]
    reverse = gc.grad(loss, wrt)
    for n, m, l in ((1, 1, 1), (2, 3, 4), (3, 2, 5), (4, 1, 7), (5, 4, 6)):
        sizes = {"N": max(n, least), "M": max(m, least), "L": max(l, least)}
        rng = np.random.default_rng(n)
        values: dict[gc.Tensor, Any] = {
            t: rng.permutation(np.arange(1.0, np.prod(_at(sizes, s)) + 1)).reshape(_at(sizes, s)) / 8 - 1.3
            for t, s in zip(wrt, shapes, strict=True)
        }
        (value,) = gc.interpret([y], values, sizes=sizes)
        values[weights] = rng.uniform(0.5, 2.0, value.shape)
        found = gc.interpret([*graphs, *reverse], values, sizes=sizes)
        expected = found[len(graphs) :]
        for k, gradient in enumerate(found[: len(graphs)]):
            tensor = k % len(wrt)
            assert_equal(
                gradient, expected[tensor], f"{MODES[k // len(wrt)]}, {sizes}, by {wrt[tensor].name}"
            )
