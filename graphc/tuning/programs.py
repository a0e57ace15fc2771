"""Programs to measure: a layer and an algorithm enter, a compiled function of the layer alone leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from graphc.ir.build import apply
from graphc.ir.dimension import Shape, evaluate_dim, symbols_of
from graphc.ir.tensor import Tensor
from graphc.ops.sources import input as declare
from graphc.passes.convolution import Algorithm
from graphc.passes.convolution.algorithm import batch_innermost, batch_outermost
from graphc.rewrite.cost import SIZE_HINT

Array = np.ndarray[Any, Any]
Call = Callable[[], object]
# Outputs and inputs enter, what computes the ones from the others leaves.
Build = Callable[[Sequence[Tensor], Sequence[Tensor]], Callable[..., object]]


def known(value: Any, sizes: Mapping[str, int]) -> Any:
    """An attribute or shape with numbers in the place of symbols, those not given being ``SIZE_HINT``."""
    if isinstance(value, tuple):
        return tuple([known(v, sizes) for v in value])
    if isinstance(value, sympy.Expr):
        return evaluate_dim(value, {s.name: sizes.get(s.name, SIZE_HINT) for s in symbols_of([value])})
    return value


class Program:
    """Some convolutions of one layer, of known sizes, each by itself.

    Arrays of examples are laid out as the algorithm's neighbours in a network lay them out, batch innermost
    if it has that: so no algorithm pays for a copy that it would not need there.
    """

    def __init__(self, nodes: Sequence[Tensor], sizes: Mapping[str, int], innermost: bool) -> None:
        self._inputs: dict[tuple[str, Shape, str], Tensor] = {}
        self._innermost = innermost
        self._nodes = [self._alone(node, sizes) for node in nodes]

    def _alone(self, node: Tensor, sizes: Mapping[str, int]) -> Tensor:
        """The same op on inputs of its own."""
        operands = {"convolution": "xw", "transposed_convolution": "uw", "filter_gradient": "xu"}
        names = operands[node.op.name]
        pairs = zip(names, node.inputs, strict=True)
        found = tuple([self._input(name, known(i.shape, sizes), i) for name, i in pairs])
        return apply(node.op, found, **{k: known(v, sizes) for k, v in node.attrs.items()})

    def _input(self, name: str, shape: Shape, like: Tensor) -> Tensor:
        laid_out = self._innermost and name != "w"
        key = (name, shape, like.dtype.name)
        if key not in self._inputs:
            stored = (*shape[1:], shape[0]) if laid_out else shape
            self._inputs[key] = declare(f"{name}{len(self._inputs)}", stored, like.dtype.name)
        found = self._inputs[key]
        return batch_outermost(found) if laid_out else found

    def call(self, algorithm: Algorithm, build: Build) -> Call:
        """The program by an algorithm, with its arguments."""
        outputs = []
        for node in self._nodes:
            found = algorithm.lowered(node)
            laid_out = self._innermost and node.op.name != "filter_gradient"
            outputs.append(batch_innermost(found) if laid_out else found)
        inputs = list(self._inputs.values())
        function = build(outputs, inputs)
        rng = np.random.default_rng(0)
        arrays: list[Array] = [rng.standard_normal(i.shape).astype(i.dtype) for i in inputs]
        return lambda: function(*arrays)
