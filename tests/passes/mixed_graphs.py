"""Random graphs of every family of ops, types and sizes: choices enter; inputs, outputs and updates leave.

A source of choices is hypothesis in a test, a generator of random numbers in a long run. Values stay near 1:
what grows is damped. Sizes may be symbolic, and none or one at the call; types may be mixed; kinks, ties and
comparisons occur, so a result is to be judged by ``rounding``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

import graphc as gc
from graphc.ir.dimension import evaluate_dim
from graphc.ir.traversal import topological_order
from tests.passes.graph_steps import SIZES, Builder, Choices
from tests.passes.rounding import BOUND, excess, reference

Array = np.ndarray[Any, Any]

MOST_ELEMENTS = 4000


@dataclass(frozen=True)
class Drawing:
    """Choices of hypothesis."""

    draw: st.DrawFn

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))


@dataclass(frozen=True)
class Random:
    """Choices of a generator."""

    generator: np.random.Generator

    def integer(self, low: int, high: int) -> int:
        return int(self.generator.integers(low, high + 1))


@dataclass(frozen=True, eq=False)
class Mixed:
    """A random graph: outputs and updates over inputs and parameters, and how to make arrays for it."""

    inputs: list[gc.Tensor]
    outputs: list[gc.Tensor]
    updates: dict[gc.Tensor, gc.Tensor]
    parameters: list[gc.Tensor]
    sizes: Mapping[str, int]
    seed: int
    below: Mapping[gc.Tensor, int] = field(default_factory=dict)

    def arrays(self) -> list[Array]:
        """Values of the inputs."""
        rng = np.random.default_rng(self.seed)
        return [self._array(rng, i) for i in self.inputs]

    def _array(self, rng: np.random.Generator, tensor: gc.Tensor) -> Array:
        shape = [s if isinstance(s, int) else self.sizes[str(s)] for s in tensor.shape]
        if tensor.dtype.kind == "b":
            return rng.integers(0, 2, shape).astype(bool)
        if tensor.dtype.kind == "i":
            return rng.integers(0, self.below[tensor], shape).astype(tensor.dtype)
        return rng.uniform(-1.5, 1.5, shape).astype(tensor.dtype)


def _count(shape: Iterable[Any]) -> float:
    largest = {name: max(options) for name, options in SIZES.items()}
    return float(np.prod([evaluate_dim(s, largest) for s in shape]))


def built(
    choices: Choices,
    *,
    floats: Sequence[str] = ("float64",),
    kinks: bool = True,
    least: int = 5,
    most: int = 60,
) -> Mixed:
    """A graph of ``least`` to ``most`` steps, its gradients, and updates of its parameters by them."""
    b = Builder(choices, floats, kinks)
    for _ in range(choices.integer(least, most)):
        node = b.step()
        if node is None or node.ndim > 5 or _count(node.shape) > MOST_ELEMENTS:
            continue
        if node.op.name in ("matmul", "einsum", "add", "convolution") and not b.one_in(3):
            node = b.damped(node)
        b.nodes.append(node)
    wrt = [t for t in (*b.inputs, *b.parameters) if t.dtype.kind == "f"]
    output = b.nodes[-1].astype("float64").sum() * 0.1
    # Every source counts, and so do some nodes that nothing else uses.
    for end in (*wrt, *b.nodes[-1 - choices.integer(0, 3) :]):
        output = output + gc.sin(end).sum() * 0.5
    for name in SIZES:  # sizes are fixed by inputs
        if not any(str(s) == name for i in wrt for s in i.shape):
            output = output + b.source((name,), "float64").sum()
    outputs = [output, b.nodes[-1], *b.some(b.nodes, 0, 3)]
    updates: dict[gc.Tensor, gc.Tensor] = {}
    found = dict(zip(wrt, gc.grad(output, wrt), strict=True))
    outputs += [found[t] for t in wrt if t.op.name == "input"]
    for p in b.parameters:
        if b.one_in(4):
            outputs.append(found[p])
        else:
            updates[p] = (p - 0.1 * found[p]).astype(p.dtype)
    needed = set(topological_order([*outputs, *updates.values()]))
    inputs = [i for i in b.inputs if i in needed]
    return Mixed(inputs, outputs, updates, b.parameters, b.sizes, choices.integer(0, 2**16), b.below)


@st.composite
def mixed_graphs(draw: st.DrawFn, **options: Any) -> Mixed:
    """The strategy: see ``built``."""
    return built(Drawing(draw), **options)


def check(drawn: Mixed, level: str, **options: Any) -> None:
    """Outputs and updates of the compiled graph are the interpreter's, within the bound of rounding."""
    outputs = [*drawn.outputs, *drawn.updates.values()]
    arrays = drawn.arrays()
    values = dict(zip(drawn.inputs, arrays, strict=True)) | {p: p.attrs["init"] for p in drawn.parameters}
    expected, spread = reference(outputs, values, drawn.sizes)
    f = gc.compile(drawn.outputs, drawn.inputs, updates=drawn.updates, optimize=level, **options)
    before = f.params.copy()
    for _ in range(2):  # the second call finds used buffers
        f.params.update(before)
        found = [*f(*arrays), *(f.params[p.name or ""] for p in drawn.updates)]
        for number, (got, wanted, far) in enumerate(zip(found, expected, spread, strict=True)):
            off = excess(np.asarray(got), wanted, far)
            assert off <= BOUND, f"output {number} of {len(found)} is off by {off:.3g} roundings"
