"""The pipelines: each is one tuple of passes, run from top to bottom and verified after each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.passes.broadcasts import Broadcasts
from graphc.passes.common_factors import CommonFactors
from graphc.passes.common_subexpressions import CommonSubexpressions
from graphc.passes.constant_folding import ConstantFolding
from graphc.passes.contractions import Contractions
from graphc.passes.convolution import ConvolutionLowering
from graphc.passes.dead_nodes import DeadNodes
from graphc.passes.elementary_functions import ElementaryFunctions
from graphc.passes.factor_places import FactorPlaces
from graphc.passes.loop_bodies import LoopBodies
from graphc.passes.loop_results import LoopResults
from graphc.passes.loop_values import LoopValues
from graphc.passes.lowering import Lowering
from graphc.passes.ordered_copies import OrderedCopies
from graphc.passes.output_masks import OutputMasks
from graphc.passes.part_sums import PartSums
from graphc.passes.pooling_lowering import lowered_max_pool
from graphc.passes.pooling_masks import PoolingMasks
from graphc.passes.product_chains import ProductChains
from graphc.passes.product_sums import ProductSums
from graphc.passes.products import Products
from graphc.passes.selections import Selections
from graphc.passes.shared_factors import SharedFactors
from graphc.passes.stabilisation import Stabilisation
from graphc.passes.transposes import Transposes
from graphc.passes.window_sums import WindowSums
from graphc.rewrite import rules
from graphc.rewrite.engine import Rewriting


class Pass(Protocol):
    """A graph enters, an equivalent graph leaves; ``fired`` counts what was done."""

    name: str

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        """Run the pass."""


CLEANING: tuple[Pass, ...] = (
    DeadNodes(),
    ConstantFolding(),
    CommonSubexpressions(),
)


# Other orders of the same sums and products, by what they cost; rounding changes.
CHEAPER: tuple[Pass, ...] = (
    CommonSubexpressions(),
    OutputMasks(),
    ProductChains(),
    CommonFactors(),
    FactorPlaces(),
    Products(),
    Contractions(),
    CommonSubexpressions(),
    SharedFactors(),
    Products(),
    Rewriting("cleaning", rules.SHAPE),
    CommonSubexpressions(),
    ProductSums(),
)


def _with_loops(*passes: Pass) -> tuple[Pass, ...]:
    """The passes, then the same on the bodies of loops; what came out of a body may exist already."""
    first = (LoopValues(), LoopResults())
    return (*first, *passes, LoopBodies((*first, *passes), behind=CommonSubexpressions()))


# Poolings are taken apart where the order of their comparisons is free, convolutions where that of sums is.
_LOWERING: tuple[Pass, ...] = (
    ConvolutionLowering(),
    Lowering({"max_pool": lowered_max_pool}),
    WindowSums(),
)

NONE: tuple[Pass, ...] = (Lowering(), LoopBodies((Lowering(),)))
EXACT: tuple[Pass, ...] = _with_loops(
    *CLEANING,
    Rewriting("simplification", rules.EXACT),
    Lowering(),
    Broadcasts(),
    *CLEANING,
    Rewriting("simplification", rules.EXACT),
)
DEFAULT: tuple[Pass, ...] = _with_loops(
    Selections(),
    PoolingMasks(),
    *CLEANING,
    Stabilisation(),
    *_LOWERING,
    ElementaryFunctions(),
    Broadcasts(),
    *CLEANING,
    Transposes(),
    Rewriting("simplification", (*rules.EXACT, *rules.STRENGTH)),
    *CHEAPER,
    PartSums(),
    OrderedCopies(),
)
FAST: tuple[Pass, ...] = _with_loops(
    Selections(),
    PoolingMasks(),
    *CLEANING,
    Stabilisation(),
    *_LOWERING,
    ElementaryFunctions(absolute=True),
    Broadcasts(),
    *CLEANING,
    Transposes(),
    Rewriting("fast_math", (*rules.EXACT, *rules.STRENGTH, *rules.FAST_MATH)),
    *CHEAPER,
    PartSums(),
    OrderedCopies(),
)
PIPELINES: dict[str, tuple[Pass, ...]] = {"none": NONE, "exact": EXACT, "default": DEFAULT, "fast": FAST}

# Pipelines whose graphs run in tiles: a sum over tiles is rounded in another order than a sum at once.
TILED = frozenset({"default", "fast"})


def pass_names(passes: Sequence[Pass]) -> tuple[str, ...]:
    """The names of the passes, each once, in order."""
    return tuple(dict.fromkeys(step.name for step in passes))


def without(passes: Sequence[Pass], name: str) -> tuple[Pass, ...]:
    """The passes less those of this name, in the bodies of loops too: to see what they are good for."""
    kept = (step for step in passes if step.name != name)
    return tuple(step.without(name) if isinstance(step, LoopBodies) else step for step in kept)


def replaced(passes: Sequence[Pass], step: Pass) -> tuple[Pass, ...]:
    """The passes with another in the place of those of its name, in the bodies of loops too."""
    found = (step if old.name == step.name else old for old in passes)
    return tuple(old.replaced(step) if isinstance(old, LoopBodies) else old for old in found)


@dataclass(frozen=True, eq=False)
class PassRecord:
    """What one pass did."""

    name: str
    before: Graph
    after: Graph
    fired: Counter[str]
    seconds: float


def run(graph: Graph, passes: Sequence[Pass], verifier: Verifier) -> tuple[Graph, list[PassRecord]]:
    """The graph after all passes, and what each did."""
    records = []
    for step in passes:
        fired: Counter[str] = Counter()
        start = time.perf_counter()
        after = step(graph, fired)
        records.append(PassRecord(step.name, graph, after, fired, time.perf_counter() - start))
        if after is not graph:
            verifier.verify(after, step.name)
        graph = after
    return graph, records
