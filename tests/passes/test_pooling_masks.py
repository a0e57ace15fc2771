"""Pooling by masks: values and derivatives are those by indices, at ties and at what is not a number too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.verifier import Verifier
from graphc.passes.lowering import Lowering
from graphc.passes.pipelines import run
from graphc.passes.pooling_lowering import lowered_max_pool
from graphc.passes.pooling_masks import PoolingMasks

POOLING = {
    "halves": ((2, 3, 6, 8), 2, 2),
    "a rest": ((2, 1, 7, 9), (2, 3), (2, 3)),
    "gaps": ((1, 2, 9, 8), 2, 3),
    "gaps beyond the end": ((1, 2, 8, 5), (2, 1), (3, 4)),
    "one axis": ((2, 3, 9), 3, 3),
    "three axes": ((1, 2, 4, 6, 5), 2, 2),
    "one window": ((2, 3, 4, 4), 4, 4),
    "no example": ((0, 2, 4, 4), 2, 2),
    "windows of one": ((2, 2, 4, 4), 1, 2),
}
OVERLAPPING = {"overlapping": ((2, 3, 9, 8), 3, 2), "long": ((1, 1, 40), 20, 1)}


def _pool(x: Tensor, size: Any, stride: Any, **options: Any) -> Tensor:
    function = (gc.nn.max_pool1d, gc.nn.max_pool2d, gc.nn.max_pool3d)[x.ndim - 3]
    return function(x, size, stride, **options)


def _outputs(x: Tensor, size: Any, stride: Any, u: Tensor, t: Tensor, **options: Any) -> list[Tensor]:
    """The value, a gradient of a loss that is not linear in it, its tangent and a second derivative."""
    y = _pool(x, size, stride, **options)
    loss = gc.sum(u * (y + y * y / 2))
    (gradient,) = gc.grad(loss, [x])
    return [y, gradient, gc.jvp(y, [x], [t]), *gc.hvp(loss, [x], [t])]


def _lowered(outputs: list[Tensor]) -> tuple[tuple[Tensor, ...], int]:
    passes = (PoolingMasks(), Lowering({"max_pool": lowered_max_pool}))
    inputs = tuple(n for n in Graph((), tuple(outputs)).nodes if n.op.name == "input")
    after, records = run(Graph(inputs, tuple(outputs)), passes, Verifier())
    return after.outputs, sum(records[0].fired.values())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", POOLING | OVERLAPPING)
def test_masks_give_what_indices_give(name: str, dtype: str) -> None:
    shape, size, stride = (POOLING | OVERLAPPING)[name]
    x = gc.input("x", shape, dtype)
    u, t = gc.input("u", _pool(x, size, stride).shape, dtype), gc.input("t", shape, dtype)
    outputs = _outputs(x, size, stride, u, t)
    after, fired = _lowered(outputs)
    assert fired >= 3 if name in POOLING else fired == 0
    ops = {n.op.name for n in Graph((), after).nodes}
    assert not ops & {"window_index", "scatter_add"} or name in OVERLAPPING
    rng = np.random.default_rng(0)
    for ties in (False, True):
        values = {i: rng.standard_normal(i.shape).astype(dtype) for i in (x, u, t)}
        if ties:
            values[x] = np.round(values[x])
            values[x][rng.random(shape) < 0.15] = np.nan
            values[x][rng.random(shape) < 0.1] = -np.inf
            values[x][rng.random(shape) < 0.1] = np.inf
        with np.errstate(all="ignore"):
            wanted, found = gc.interpret(outputs, values), gc.interpret(after, values)
        for a, b in zip(found, wanted, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_symbolic_sizes() -> None:
    """Whether windows reach the end of an axis is known at the call only."""
    x = gc.input("x", ("N", "H", "W"), "float64")
    y = gc.nn.max_pool2d(x, (2, 3))
    outputs = [y, *gc.grad(gc.sum(y * y), [x])]
    f = gc.compile(outputs, [x])
    assert "window_index" not in f.source
    for shape in ((2, 4, 6), (1, 5, 7), (3, 2, 3)):
        array = np.round(np.random.default_rng(0).standard_normal(shape))
        wanted = gc.interpret(outputs, {x: array})
        for found, truth in zip(f(array), wanted, strict=True):
            np.testing.assert_array_equal(found, truth)


def test_padding_keeps_indices() -> None:
    """Where all elements of a window are −∞, so is its padding: only the index knows which is which."""
    x = gc.input("x", (1, 1, 4), "float64")
    (gradient,) = gc.grad(gc.sum(_pool(x, 3, 3, padding=1)), [x])
    (after,), fired = _lowered([gradient])
    assert fired == 0
    found, wanted = gc.interpret([after, gradient], {x: np.full((1, 1, 4), -np.inf)})
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("level", ["default", "fast"])
@pytest.mark.parametrize("batch", [3, "N"])
def test_a_layer_with_relu_and_bias(level: str, batch: Any) -> None:
    """ReLU and the sum for the bias are taken on the pooled image, with the same results."""
    x, b = gc.input("x", (batch, 4, 6, 6), "float64"), gc.input("b", (4,), "float64")
    y = _pool(gc.nn.relu(x + gc.reshape(b, (4, 1, 1))), 2, 2)
    outputs = [y, *gc.grad(gc.sum(y * y), [x, b])]
    after, _ = run(Graph((x, b), tuple(outputs)), (PoolingMasks(),), Verifier())
    relus = [n for n in after.nodes if n.op.name == "relu"]
    assert [n.shape[-1] for n in relus] == [3]
    assert all(n.inputs[0].shape[-1] == 3 for n in after.nodes if n.op.name == "sum" and n.ndim == 1)
    rng = np.random.default_rng(0)
    arrays = np.round(rng.standard_normal((3, 4, 6, 6))), np.array([0.0, 0.5, -1.0, 1.0])
    found = gc.compile(outputs, [x, b], optimize=level)(*arrays)
    wanted = gc.interpret(outputs, {x: arrays[0], b: arrays[1]})
    for ours, truth in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, truth, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16"])
def test_other_dtypes(dtype: str) -> None:
    x = gc.input("x", (2, 5, 6), dtype)
    values = {x: (np.arange(60) * 7 % 50).reshape(2, 5, 6).astype(dtype)}
    for options in ({}, {"padding": 1}):
        y = _pool(x, 3, 2, **options)
        (after,), _ = _lowered([y])
        found, wanted = gc.interpret([after, y], values)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_masking_is_exact_for_every_bit() -> None:
    """where(mask, x, 0) multiplies bits: NaN, infinities and signed zeros stay what they are."""
    x, m = gc.input("x", (6,), "float32"), gc.input("m", (6,), "bool")
    f = gc.compile(gc.where(m, x, 0.0), [x, m], optimize="none")
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.0], np.float32)
    np.testing.assert_array_equal(f(special, np.ones(6, bool)).view(np.int32), special.view(np.int32))
    np.testing.assert_array_equal(f(special, np.zeros(6, bool)).view(np.int32), np.zeros(6, np.int32))
