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
    "overlapping": ((2, 3, 9, 8), 3, 2),
    "every place": ((1, 2, 5, 6), 3, 1),
    "padded": ((2, 2, 6, 7), 3, 2, {"padding": 1}),
    "padded at the end": ((1, 2, 5, 6), 2, 2, {"padding": ((0, 1), (0, 1))}),
    "more in front": ((1, 2, 5, 6), (3, 4), (1, 2), {"padding": ((1, 0), (2, 1))}),
    "same": ((2, 1, 7, 5), 3, 2, {"padding": "same"}),
    "a last window": ((2, 2, 6, 5), 3, 2, {"ceil_mode": True}),
    "dilated": ((1, 2, 9, 8), 3, (1, 2), {"dilation": (2, 1)}),
    "dilated and padded": ((1, 2, 9, 8), 3, 2, {"dilation": 2, "padding": 1}),
    "one axis, padded": ((2, 3, 8), 3, 2, {"padding": 1}),
    "three axes, padded": ((1, 2, 4, 3, 5), 3, 2, {"padding": 1}),
    "channels last": ((2, 6, 7, 3), 3, 2, {"padding": 1, "layout": "NHWC"}),
    "large": ((1, 1, 14, 15), 7, 2, {"padding": 3}),
}
LONG = {"long": ((1, 1, 40), 20, 1)}


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
@pytest.mark.parametrize("name", POOLING | LONG)
def test_masks_give_what_indices_give(name: str, dtype: str) -> None:
    shape, size, stride, *rest = (POOLING | LONG)[name]
    options = rest[0] if rest else {}
    x = gc.input("x", shape, dtype)
    u, t = gc.input("u", _pool(x, size, stride, **options).shape, dtype), gc.input("t", shape, dtype)
    outputs = _outputs(x, size, stride, u, t, **options)
    after, fired = _lowered(outputs)
    assert fired >= 3 if name in POOLING else fired == 0
    ops = {n.op.name for n in Graph((), after).nodes}
    assert not ops & {"window_index", "scatter_add"} or name in LONG
    rng = np.random.default_rng(0)
    for kind in ("any", "ties", "nothing but −∞"):
        values = {i: rng.standard_normal(i.shape).astype(dtype) for i in (x, u, t)}
        if kind == "ties":
            values[x] = np.round(values[x])
            values[x][rng.random(shape) < 0.15] = np.nan
            values[x][rng.random(shape) < 0.1] = -np.inf
            values[x][rng.random(shape) < 0.1] = np.inf
        elif kind == "nothing but −∞":
            values[x][:] = -np.inf
        with np.errstate(all="ignore"):
            wanted, found = gc.interpret(outputs, values), gc.interpret(after, values)
        for a, b in zip(found, wanted, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("level", ["default", "fast"])
@pytest.mark.parametrize("name", ["overlapping", "padded", "every place", "one axis, padded", "dilated"])
def test_a_gradient_is_what_each_window_gives_its_first_maximum(name: str, level: str) -> None:
    """By brute force: window by window, element by element."""
    shape, size, stride, *rest = POOLING[name]
    options = rest[0] if rest else {}
    x = gc.input("x", shape, "float64")
    y = _pool(x, size, stride, **options)
    u = gc.input("u", y.shape, "float64")
    f = gc.compile([y, *gc.grad(gc.sum(y * u), [x])], [x, u], optimize=level)
    assert "window_index" not in f.source and "add.at" not in f.source
    rng = np.random.default_rng(1)
    array, cotangent = np.round(rng.standard_normal(shape) * 2), rng.standard_normal(u.shape)
    largest, gradient = np.zeros(u.shape), np.zeros(shape)
    attrs = y.attrs
    for place in np.ndindex(*u.shape):
        lead, window = place[:2], place[2:]
        elements = []
        for offset in np.ndindex(*attrs["size"]):
            at = tuple(
                p * s + o * d - before
                for p, o, s, d, (before, _) in zip(
                    window, offset, attrs["stride"], attrs["dilation"], attrs["padding"], strict=True
                )
            )
            if all(0 <= a < n for a, n in zip(at, shape[2:], strict=True)):
                elements.append((*lead, *at))
        first = max(elements, key=lambda e: array[e])  # the first, where several are largest
        largest[place] = array[first]
        gradient[first] += cotangent[place]
    found = f(array, cotangent)
    np.testing.assert_array_equal(found[0], largest)
    np.testing.assert_allclose(found[1], gradient, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"ceil_mode": True}, {"dilation": 2}])
def test_the_first_maximum_is_pytorch_s(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    x = gc.input("x", (2, 3, 9, 8), "float64")
    y = gc.nn.max_pool2d(gc.nn.relu(x), 3, 2, **options)
    f = gc.compile([y, *gc.grad(gc.sum(y * y + y), [x])], [x])
    array = np.round(np.random.default_rng(2).standard_normal((2, 3, 9, 8)) * 1.5)
    leaf = torch.tensor(array, requires_grad=True)
    truth = torch.nn.functional.max_pool2d(torch.relu(leaf), 3, 2, **options)
    (truth * truth + truth).sum().backward()
    found = f(array)
    np.testing.assert_array_equal(found[0], truth.detach().numpy())
    np.testing.assert_allclose(found[1], leaf.grad.numpy(), rtol=1e-13)


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "padding": 1}, {"stride": 1, "padding": ((0, 1), (1, 0))}]
)
def test_symbolic_sizes(options: dict[str, Any]) -> None:
    """Whether windows reach the end of an axis is known at the call only."""
    x = gc.input("x", ("N", "H", "W"), "float64")
    y = gc.nn.max_pool2d(x, (2, 3), **options)
    outputs = [y, *gc.grad(gc.sum(y * y), [x])]
    f = gc.compile(outputs, [x])
    assert "window_index" not in f.source
    for shape in ((2, 4, 6), (1, 5, 7), (3, 2, 3)):
        array = np.round(np.random.default_rng(0).standard_normal(shape))
        wanted = gc.interpret(outputs, {x: array})
        for found, truth in zip(f(array), wanted, strict=True):
            np.testing.assert_array_equal(found, truth)


def test_nothing_is_put_on_padding() -> None:
    """Where all elements of a window are −∞, so is its padding: the first element of the window is chosen."""
    x = gc.input("x", (1, 1, 4), "float64")
    (gradient,) = gc.grad(gc.sum(_pool(x, 3, 3, padding=1)), [x])
    (after,), fired = _lowered([gradient])
    assert fired == 1
    (found,) = gc.interpret([after], {x: np.full((1, 1, 4), -np.inf)})
    np.testing.assert_array_equal(found, [[[1, 0, 1, 0]]])


def test_the_batch_is_not_mixed() -> None:
    """A network with overlapping, padded pooling runs in tiles of its images, forward and backward."""
    x, w = gc.input("x", (16, 8, 33, 33)), gc.input("w", (16, 8, 3, 3))
    y = gc.nn.max_pool2d(gc.nn.relu(gc.nn.conv2d(x, w, padding=1)), 3, 2, padding=1)
    f = gc.compile([gc.sum(y * y), *gc.grad(gc.sum(y * y), [w])], [x, w])
    assert f.stats["regions"] == 1


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


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 1)])
def test_unpooling_puts_by_masks(size: int, stride: int) -> None:
    """Values back at the places that pooling took them from: no place is ever a number."""
    x = gc.input("x", (2, 3, 7, 7), "float64")
    y, places = _pool(x, size, stride, return_indices=True)
    v = gc.input("v", y.shape, "float64")
    back = gc.nn.max_unpool2d(v, places, size, stride, output_size=(7, 7))
    outputs = [back, *gc.grad(gc.sum(back * back), [v])]
    f = gc.compile(outputs, [x, v])
    assert "window_index" not in f.source and "add.at" not in f.source
    rng = np.random.default_rng(0)
    arrays = np.round(rng.standard_normal(x.shape)), rng.standard_normal(v.shape)
    wanted = gc.interpret(outputs, dict(zip((x, v), arrays, strict=True)))
    for found, truth in zip(f(*arrays), wanted, strict=True):
        np.testing.assert_allclose(found, truth, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("sides", [(6, 9), (13, 12), (16, 6)])
def test_adaptive_pooling_with_even_windows_is_pooling(sides: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    x = gc.input("x", (2, 3, *sides), "float64")
    y = gc.nn.adaptive_max_pool2d(x, (6, 3) if sides[1] % 3 == 0 else 6)
    (gradient,) = gc.grad(gc.sum(y * y), [x])
    f = gc.compile([y, gradient], [x])
    assert ("add.at" in f.source) == (sides == (16, 6))  # its windows have 3 or 4 elements
    array = np.round(np.random.default_rng(0).standard_normal(x.shape) * 2)
    leaf = torch.tensor(array, requires_grad=True)
    truth = torch.nn.functional.adaptive_max_pool2d(leaf, y.shape[2:])
    (truth * truth).sum().backward()
    found = f(array)
    np.testing.assert_array_equal(found[0], truth.detach().numpy())
    np.testing.assert_allclose(found[1], leaf.grad.numpy(), rtol=1e-13)
