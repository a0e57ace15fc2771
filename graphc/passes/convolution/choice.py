"""The choice of an algorithm: a convolution node enters, its lowering by the cheapest algorithm leaves."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.tensor import Tensor
from graphc.passes.convolution.algorithm import Algorithm
from graphc.passes.convolution.batch_last import BATCH_LAST
from graphc.passes.convolution.cost import Problem
from graphc.passes.convolution.windows import WINDOWS

# Images of a batch from which on it pays to lay them out with the batch innermost.
_MANY = 8


def candidates(node: Tensor) -> list[Algorithm]:
    """The algorithms that can write the node."""
    if Problem.of(node).batch < _MANY:
        return [WINDOWS]
    return [a for a in (BATCH_LAST,) if a.fits(node)]


def choose(node: Tensor, offered: Sequence[Algorithm]) -> Algorithm:
    """The cheapest of some algorithms for a node."""
    problem = Problem.of(node)
    return min(offered, key=lambda algorithm: algorithm.seconds(problem))


def lowered_by_cost(node: Tensor) -> Tensor:
    """The node by the cheapest algorithm."""
    return choose(node, candidates(node)).lowered(node)


def lowered_by_windows(node: Tensor) -> Tensor:
    """The node by the plain algorithm, whose rounding is a product's own."""
    return WINDOWS.lowered(node)
