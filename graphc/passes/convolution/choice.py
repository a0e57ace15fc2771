"""The choice of an algorithm: convolutions enter; each leaves as the simpler ops of the cheapest algorithm.

The convolutions of one layer, forward and backward, share what they copy or transform if they use one
algorithm. So they are chosen for together: those of one geometry and one set of sizes in the graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from graphc.ir.build import carried_over
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ops.convolution import OPS
from graphc.passes.convolution.algorithm import Algorithm
from graphc.passes.convolution.batch_last import BATCH_LAST
from graphc.passes.convolution.cost import Problem
from graphc.passes.convolution.depthwise import DEPTHWISE
from graphc.passes.convolution.fourier import FOURIER
from graphc.passes.convolution.phases import by_phases
from graphc.passes.convolution.windows import WINDOWS
from graphc.passes.convolution.winograd import F_2_3, F_2_5, F_3_2, F_4_3

BY_PHASES = by_phases(BATCH_LAST)
ALGORITHMS = (
    WINDOWS, BATCH_LAST, F_2_3, F_4_3, F_2_5, F_3_2, FOURIER, DEPTHWISE,
    BY_PHASES, by_phases(F_3_2), by_phases(FOURIER),
)  # fmt: skip
# Images of a batch from which on its windows are copied with the batch innermost.
_MANY = 8


def candidates(node: Tensor) -> tuple[Algorithm, ...]:
    """The algorithms that can write the node."""
    without = (WINDOWS,) if Problem.of(node).batch >= _MANY else (BATCH_LAST, BY_PHASES)
    return tuple([a for a in ALGORITHMS if a not in without and a.fits(node)])


def choose(problems: Sequence[Problem], offered: Sequence[Algorithm]) -> Algorithm:
    """The cheapest of some algorithms for all of some problems."""
    return min(offered, key=lambda algorithm: sum(map(algorithm.seconds, problems)))


@dataclass(frozen=True, eq=False)
class Layer:
    """Convolutions of one geometry and one set of sizes: a node of each kind, and the algorithms for all."""

    problems: dict[Problem, Tensor]
    offered: tuple[Algorithm, ...]


# An algorithm for each layer.
Choice = Callable[[Sequence[Layer]], Sequence[Algorithm]]


def by_cost(layers: Sequence[Layer]) -> list[Algorithm]:
    """The algorithms of the least estimated cost."""
    return [choose(list(layer.problems), layer.offered) for layer in layers]


def _chosen(nodes: Sequence[Tensor], choice: Choice) -> dict[Tensor, Algorithm]:
    layers: dict[tuple[Problem, tuple[Algorithm, ...]], dict[Problem, list[Tensor]]] = {}
    for node in nodes:
        problem, offered = Problem.of(node), candidates(node)
        layer = layers.setdefault((replace(problem, kind=""), offered), {})
        layer.setdefault(problem, []).append(node)
    algorithms = choice(
        [
            Layer({problem: group[0] for problem, group in problems.items()}, offered)
            for (_, offered), problems in layers.items()
        ]
    )
    found: dict[Tensor, Algorithm] = {}
    for algorithm, problems in zip(algorithms, layers.values(), strict=True):
        found.update((node, algorithm) for group in problems.values() for node in group)
    return found


class ConvolutionLowering:
    """The pass; ``choice`` chooses for all layers of a graph at once."""

    name = "convolution_lowering"

    def __init__(self, choice: Choice = by_cost) -> None:
        self._choice = choice

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        nodes = [n for n in graph.nodes if n.op in OPS]
        if not nodes:
            return graph
        chosen = _chosen(nodes, self._choice)
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            new[node] = carried_over(node, new)
            if node in chosen:
                with inheriting(node.origins):
                    new[node] = chosen[node].lowered(new[node])
                if fired is not None:
                    fired[f"{node.op.name} by {chosen[node].name}"] += 1
        return graph.replaced(new)
