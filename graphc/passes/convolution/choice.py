"""The choice of an algorithm: a convolution node enters, its lowering by the cheapest algorithm leaves."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.tensor import Tensor
from graphc.passes.convolution.algorithm import Algorithm
from graphc.passes.convolution.batch_last import BATCH_LAST
from graphc.passes.convolution.cost import Problem
from graphc.passes.convolution.depthwise import DEPTHWISE
from graphc.passes.convolution.windows import WINDOWS
from graphc.passes.convolution.winograd import F_2_3, F_2_5, F_4_3

ALGORITHMS = (WINDOWS, BATCH_LAST, F_2_3, F_4_3, F_2_5, DEPTHWISE)
# Images of a batch from which on its windows are copied with the batch innermost.
_MANY = 8


def candidates(node: Tensor) -> list[Algorithm]:
    """The algorithms that can write the node."""
    without = WINDOWS if Problem.of(node).batch >= _MANY else BATCH_LAST
    return [a for a in ALGORITHMS if a is not without and a.fits(node)]


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
