"""Small graphs to draw, each with what is known about it by hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import graphc as gc


class Mlp(NamedTuple):
    prediction: Any
    loss: Any
    parameters: dict[str, Any]


def mlp() -> Mlp:
    """Two dense layers and a squared error: 2 inputs, 4 parameters, 9 ops, 3 scopes."""
    x, t = gc.input("x", ("N", 4)), gc.input("t", ("N", 2))
    parameters = {}
    h = x
    for name, (fan_in, fan_out) in {"hidden": (4, 3), "out": (3, 2)}.items():
        with gc.scope(name):
            w = gc.parameter("W", (fan_in, fan_out))
            b = gc.parameter("b", (fan_out,))
            h = h @ w + b
            h = gc.tanh(h) if name == "hidden" else gc.softmax(h, axis=-1)
        parameters |= {f"{name}/W": w, f"{name}/b": b}
    with gc.scope("loss"):
        loss = ((h - t) ** 2).mean()
    return Mlp(h, loss, parameters)


def sigmoid_by_parts() -> tuple[list[Any], dict[Any, float]]:
    """σ(wx + b) at x=1, w=0, b=0, with the values of Qiu, Neural Networks and Deep Learning, §4.5."""
    x, w, b = gc.input("x"), gc.input("w"), gc.input("b")
    h1 = (w * x).named("h1")
    h2 = (h1 + b).named("h2")
    h3 = (h2 * -1.0).named("h3")
    h4 = gc.exp(h3).named("h4")
    h5 = (h4 + 1.0).named("h5")
    h6 = gc.reciprocal(h5).named("h6")
    nodes = [x, w, b, h1, h2, h3, h4, h5, h6]
    return nodes, dict(zip(nodes, (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.5), strict=True))
