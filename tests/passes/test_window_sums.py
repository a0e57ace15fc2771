"""Sums over windows and their derivatives: shifted additions, with the sums of the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import run
from graphc.passes.window_sums import WindowSums

CASES: dict[str, tuple[tuple[int, ...], Any, dict[str, Any]]] = {
    "side by side": ((2, 3, 6, 8), (2, 4), {"stride": (2, 4)}),
    "side by side, a rest": ((2, 3, 7, 9), (2, 2), {"stride": 2}),
    "overlapping": ((2, 3, 7, 8), (3, 2), {"stride": (2, 1)}),
    "every place": ((1, 2, 5, 6), (3, 3), {}),
    "gaps": ((1, 2, 9, 8), (2, 1), {"stride": (3, 2)}),
    "dilated": ((1, 1, 9, 8), (3, 2), {"dilation": (2, 3)}),
    "padded": ((2, 2, 6, 6), (3, 3), {"stride": 2, "padding": 1}),
    "one axis": ((2, 3, 7), 3, {"stride": 2}),
    "one window": ((2, 4, 5), (4, 5), {}),
}


def _lowered(x: Tensor, outputs: list[Tensor]) -> list[Tensor]:
    inputs = tuple(n for n in Graph((), tuple(outputs)).nodes if n.op.name == "input")
    return list(run(Graph(inputs, tuple(outputs)), (WindowSums(),), Verifier())[0].outputs)


@pytest.mark.parametrize("name", CASES)
def test_sums_and_derivatives_are_those_of_the_definition(name: str) -> None:
    shape, size, options = CASES[name]
    x = gc.input("x", shape, "float64")
    windows = gc.window(x, size, **options)
    rank = len(size) if isinstance(size, tuple) else 1
    y = gc.sum(windows, axis=tuple(range(windows.ndim - rank, windows.ndim)))
    u = gc.input("u", y.shape, "float64")
    outputs = [y, *gc.grad(gc.sum(y * u), [x])]
    after = _lowered(x, outputs)
    assert not {n.op.name for n in Graph((), tuple(after)).nodes} & {"window", "fold"}
    rng = np.random.default_rng(0)
    values = {i: rng.standard_normal(i.shape) for i in (x, u)}
    for found, wanted in zip(gc.interpret(after, values), gc.interpret(outputs, values), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_windows_of_values_that_differ_are_folded_as_they_are() -> None:
    y = gc.input("y", (2, 3, 2), "float64")
    (after,) = _lowered(y, [gc.fold(y, (6,), stride=2)])
    assert after.op.name == "fold"
    long = gc.fold(gc.broadcast_to(gc.input("z", (2, 1, 1), "float64"), (2, 1, 40)), (40,))
    (after,) = _lowered(long, [long])
    assert after.op.name == "fold"


@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"padding": 1, "count_include_pad": False}])
@pytest.mark.parametrize("size", [None, "H"])
def test_average_pooling_is_pytorch_s(options: dict[str, Any], size: Any) -> None:
    torch = pytest.importorskip("torch")
    x = gc.input("x", (2, 3, size or 9, 8), "float64")
    y = gc.nn.avg_pool2d(x, 3, 2, **options)
    f = gc.compile([y, *gc.grad(gc.sum(y * y), [x])], [x])
    assert "fold" not in f.source
    array = np.random.default_rng(0).standard_normal((2, 3, 9, 8))
    leaf = torch.tensor(array, requires_grad=True)
    truth = torch.nn.functional.avg_pool2d(leaf, 3, 2, **options)
    (truth * truth).sum().backward()
    found = f(array)
    np.testing.assert_allclose(found[0], truth.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found[1], leaf.grad.numpy(), rtol=1e-12, atol=1e-14)
