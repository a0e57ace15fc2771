"""Each algorithm, forced in one direction at a time, on the drawn calls of convolution that it fits.

The value and both gradients are the interpreter's on the graph as written, where each of the three ops has
its own NumPy meaning (held against PyTorch by the sweep in tests/nn).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, zip_longest

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ir.verifier import Verifier
from graphc.ops.convolution import OPS
from graphc.passes.convolution import choice
from graphc.passes.convolution.algorithm import Algorithm
from graphc.passes.convolution.windows import WINDOWS
from graphc.passes.lowering import Lowering
from graphc.passes.pipelines import run
from tests.nn.convolution_draws import Draw, draws
from tests.passes.convolution.configurations import Configuration, drawn

ALGORITHMS = {a.name: a for a in choice.ALGORITHMS}
DIRECTIONS = tuple(op.name for op in OPS)
CALLS = 25
# Filters of 16 elements and more whose size the stride divides are rare in the sweep: more are drawn.
MORE = {"fourier_by_phases": drawn(12, CALLS, phases=4)}
# Draws among which so many fit; Winograd's filters need one size and no stride.
MOST = 4000
# Of the largest result; what Winograd states in float64 is 5e-14, and the data here cancel.
BOUND = 1e-12


class _Forced:
    """One algorithm for the ops of one direction where it fits, windows for all else; counts."""

    def __init__(self, algorithm: Algorithm, direction: str) -> None:
        self.algorithm, self.direction, self.count = algorithm, direction, 0

    def __call__(self, node: Tensor) -> Tensor:
        if node.op.name != self.direction or not self.algorithm.fits(node):
            return WINDOWS.lowered(node)
        self.count += 1
        return self.algorithm.lowered(node)


def _fitting(algorithm: Algorithm) -> Iterator[tuple[Draw | Configuration, list[Tensor], Tensor]]:
    """Calls whose forward op the algorithm fits."""
    pairs = zip_longest(draws("conv", 77), draws("conv_transpose", 77))
    for draw in islice(chain.from_iterable(pairs), MOST):
        inputs = [gc.input(f"x{k}", s, "float64") for k, s in enumerate(draw.shapes)]
        (y,) = draw.ours(*inputs)
        if any(n.op in OPS and algorithm.fits(n) for n in topological_order([y])):
            yield draw, inputs, y
    for configuration in MORE.get(algorithm.name, []):
        x, w = gc.input("x", configuration.x, "float64"), gc.input("w", configuration.w, "float64")
        yield configuration, [x, w], configuration.ours(x, w)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_forced_in_one_direction(name: str, direction: str) -> None:
    forced = _Forced(ALGORITHMS[name], direction)
    lowering = Lowering(dict.fromkeys(DIRECTIONS, forced))
    calls = 0
    for draw, inputs, y in _fitting(ALGORITHMS[name]):
        u = gc.input("u", y.shape, "float64")
        outputs = [y, *gc.grad(gc.sum(u * y), inputs)]
        after, _ = run(Graph((*inputs, u), tuple(outputs)), (lowering,), Verifier())
        generator = np.random.default_rng(calls)
        arrays = [*draw.arrays(), generator.standard_normal(y.shape)]
        values = dict(zip([*inputs, u], arrays, strict=True))
        wanted = gc.interpret(outputs, values)
        for got, expected in zip(gc.interpret(after.outputs, values), wanted, strict=True):
            assert got.shape == expected.shape and got.dtype == expected.dtype
            off = np.abs(got - expected).max(initial=0)
            assert off <= BOUND * (1 + np.abs(expected).max(initial=0)), f"{name} {direction}: {draw}"
        calls += 1
        if calls == CALLS:
            break
    assert forced.count >= CALLS // 2, f"{name} was forced {forced.count} times in {calls} calls"
