"""A step written by hand: linear regression by stochastic gradient descent with momentum, in plain NumPy.

The loop promises to know nothing of graphs, so its own tests run without a compiler. Random noise
that follows from the call counter stands for dropout.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]


class HandWrittenStep:
    def __init__(self, rate: float = 0.1, features: int = 3) -> None:
        self.params = {"w": np.zeros(features), "momentum/w": np.zeros(features), "count": np.array(0)}
        self.calls = 0
        self.rate = rate

    def __call__(self, x: Array, t: Array) -> dict[str, Any]:
        noise = np.random.default_rng(self.calls).normal(size=x.shape) * 0.01
        self.calls += 1
        w, momentum = self.params["w"], self.params["momentum/w"]
        with np.errstate(all="ignore"):
            error = (x + noise) @ w - t
            loss = np.mean(error**2)
            momentum[...] = 0.9 * momentum + 2 * (x + noise).T @ error / len(x)
            w[...] -= self.rate * momentum
        self.params["count"][...] += 1
        return {"loss": loss, "worst": np.abs(error).max()}


def _line(rows: int = 103) -> dict[str, Array]:
    generator = np.random.default_rng(5)
    x = generator.normal(size=(rows, 3))
    return {"x": x, "t": x @ np.array([1.0, -2.0, 0.5])}


@pytest.fixture
def hand_written_step() -> type[HandWrittenStep]:
    """The class, since a test that resumes needs several."""
    return HandWrittenStep


@pytest.fixture
def line() -> dict[str, Array]:
    """103 points near a plane: a number that no batch size used here divides."""
    return _line()
