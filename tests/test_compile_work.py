"""The work of compiling, counted in calls of functions: a further layer costs what the one before did."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

import graphc as gc


def _trained(outputs: gc.Tensor, inputs: list[gc.Tensor]) -> tuple[gc.Tensor, list[gc.Tensor], dict]:
    rule = gc.optim.SGD(0.1)
    return outputs, inputs, rule.updates(outputs, gc.parameters(outputs)) | gc.nn.state_updates(outputs)


def _residual(norm: str | None, batch: int | str, blocks: int):
    net = gc.nn.Sequential(
        gc.nn.Conv2d(1, 8, 3, padding=1),
        *[gc.nn.ResidualBlock(8, 8, norm=norm) for _ in range(blocks)],
        gc.nn.GlobalAvgPool(),
        gc.nn.Dense(8, 10),
    )
    x, label = gc.input("x", (batch, 1, 28, 28)), gc.input("label", (batch,), "int64")
    return _trained(gc.nn.cross_entropy(net(x, training=True), label, ignore_index=None), [x, label])


def _attention(layers: int):
    x = y = gc.input("x", ("N", 16, 32))
    for k in range(layers):
        q, key, v = (y @ gc.parameter(f"{name}{k}", (32, 32)) for name in "qkv")
        y = gc.nn.LayerNorm(32, name=f"norm{k}")(y + gc.nn.scaled_dot_product_attention(q, key, v))
    return _trained((y * y).mean(), [x])


def _chain(length: int):
    x = y = gc.input("x", ("N",), "float64")
    for k in range(length):
        y = (gc.tanh(y) if k % 2 else gc.sin(y)) * 0.999
    return [y.sum(), gc.grad(y.sum(), x)], [x], {}


def _recurrent(steps: int):
    x = gc.input("x", ("N", steps, 4))
    w, u = gc.parameter("w", (4, 8)), gc.parameter("u", (8, 8))
    h = gc.tanh(x[:, 0] @ w)
    for k in range(1, steps):
        h = gc.tanh(x[:, k] @ w + h @ u)
    return _trained((h * h).mean(), [x])


NETWORKS: dict[str, tuple[Callable, int]] = {
    "residual blocks": (lambda n: _residual(None, "N", n), 3),
    "residual blocks of a known batch": (lambda n: _residual(None, 32, n), 2),
    "residual blocks with batch statistics": (lambda n: _residual("batch", "N", n), 2),
    "attention": (_attention, 3),
    "elementwise chain": (_chain, 100),
    "unrolled recurrence": (_recurrent, 12),
}


def _calls(make: Callable, size: int) -> int:
    """How many functions are called to compile the network, Python's and built-in ones."""
    outputs, inputs, updates = make(size)
    count = 0

    def event(frame: object, what: str, argument: object) -> None:
        nonlocal count
        count += what in ("call", "c_call")

    sys.setprofile(event)
    try:
        gc.compile(outputs, inputs, updates=updates)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", NETWORKS)
def test_work_is_linear_in_depth(name: str) -> None:
    make, size = NETWORKS[name]
    _calls(make, size)  # what is found out once about sizes is known afterwards
    small, medium, large = (_calls(make, k * size) for k in (1, 2, 4))
    # Twice the layers that came from the first to the second size: twice their work, but for the ends. A
    # quadratic part that makes up a tenth of the work at twice the size would show as a fifth more.
    assert (large - medium) / (medium - small) < 2.2, (small, medium, large)
