"""Drawn loops, their steps random over carries, sequences and constants: both engines agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.symbolic.agreement import MODES, assert_equal

DRAWS = 18


class _Drawn:
    """A loop over carries and sequences of one shape, with two matrices, a vector and a mask outside."""

    def __init__(self, seed: int) -> None:
        self.generator = rng = np.random.default_rng(seed)
        self.length, self.rows, self.width = (
            int(rng.integers(*range_)) for range_ in ((0, 4), (1, 3), (1, 4))
        )
        steps = "T" if seed % 2 else self.length
        sequences, carries = int(rng.integers(1, 3)), int(rng.integers(1, 4))
        shape = (self.rows, self.width)
        self.xs = [gc.input(f"x{k}", (steps, *shape), "float64") for k in range(sequences)]
        self.matrices = [gc.input(f"w{k}", (self.width, self.width), "float64") for k in range(2)]
        self.bias = gc.input("b", (self.width,), "float64")
        self.starts = [gc.input(f"h{k}", shape, "float64") for k in range(carries)]
        self.mask = gc.input("mask", (steps, self.rows, 1), "bool")
        self._program = rng.integers(0, 100, (int(rng.integers(3, 9)), 3)).tolist()
        self._next, self._outputs = rng.integers(0, 100, carries).tolist(), rng.integers(0, 4, 2).tolist()
        operands = (tuple(self.starts), (*self.xs, self.mask))
        self.carries, self.outputs = gc.scan(self._step, *operands, reverse=bool(rng.random() < 0.4))

    @property
    def wrt(self) -> list[gc.Tensor]:
        return [*self.xs, *self.matrices, self.bias, *self.starts]

    def _step(self, carry: Sequence[gc.Tensor], inputs: Sequence[gc.Tensor]) -> Any:
        shape = (self.rows, self.width)
        pool = [*carry, *inputs[:-1], gc.broadcast_to(self.bias, shape)]
        for op, i, j in self._program:
            a, b = pool[i % len(pool)], pool[j % len(pool)]
            pool.append(gc.broadcast_to(self._applied(op % 9, a, b, self.matrices[j % 2], inputs[-1]), shape))
        new = [gc.tanh(pool[-1 - i % 4]) if i % 3 else pool[i % len(pool)] for i in self._next]
        return tuple(new), tuple(pool[-1 - i] for i in self._outputs)

    def _applied(self, op: int, a: gc.Tensor, b: gc.Tensor, w: gc.Tensor, mask: gc.Tensor) -> gc.Tensor:
        match op:
            case 0:
                return gc.tanh(a @ w)
            case 1:
                return a * b
            case 2:
                return gc.sin(a) + b
            case 3:
                return gc.where(mask, a, gc.tanh(a) * b)
            case 4:
                return a @ w.T
            case 5:
                return gc.softmax(a, axis=-1) * b
            case 6:
                return gc.where(mask, gc.sqrt(gc.abs(a) + 0.1), a)
            case 7:
                return gc.concatenate([a[:, 1:], a[:, :1]], axis=1) * self.bias
            case _:
                return gc.sum(a, axis=1, keepdims=True) * w[0]

    def loss(self) -> gc.Tensor:
        """Of some of the results, at least one."""
        results = [*self.carries, *self.outputs]
        used = [r for r in results if self.generator.random() < 0.5] or results[:1]
        y = gc.sum(gc.square(used[0]))
        for number, result in enumerate(used[1:]):
            y = y * gc.cos(gc.sum(result)) if number % 2 else y + gc.sum(gc.sin(result))
        return y

    def values(self) -> dict[gc.Tensor, Any]:
        sizes = {"T": self.length}
        found = {
            t: self.generator.normal(size=[sizes.get(str(s), s) for s in t.shape]) * 0.6 for t in self.wrt
        }
        return {**found, self.mask: self.generator.random((self.length, self.rows, 1)) < 0.5}


def _agree(found: Sequence[gc.Tensor], expected: Sequence[gc.Tensor], values: Any, what: str) -> None:
    results = gc.interpret([*found, *expected], values)
    for a, b in zip(results[: len(found)], results[len(found) :], strict=True):
        assert_equal(a, b, what)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_a_drawn_loop(seed: int) -> None:
    drawn = _Drawn(seed)
    y, values, mode = drawn.loss(), drawn.values(), MODES[seed % 3]
    first = gc.symbolic.grad(y, drawn.wrt, mode=mode).result
    _agree(first, gc.grad(y, drawn.wrt), values, mode)
    by = drawn.matrices[0]
    _agree(
        [gc.symbolic.jacobian(drawn.carries[0], by, mode=mode).result, gc.symbolic.hessian(y, by).result],
        [gc.jacobian(drawn.carries[0], by), gc.hessian(y, by)], values, f"{mode}, Jacobian and Hessian",
    )  # fmt: skip
