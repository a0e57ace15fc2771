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
from graphc.passes.dead_nodes import DeadNodes
from graphc.passes.elementary_functions import ElementaryFunctions
from graphc.passes.factor_places import FactorPlaces
from graphc.passes.loop_bodies import LoopBodies
from graphc.passes.loop_results import LoopResults
from graphc.passes.loop_values import LoopValues
from graphc.passes.lowering import Lowering
from graphc.passes.output_masks import OutputMasks
from graphc.passes.product_chains import ProductChains
from graphc.passes.product_sums import ProductSums
from graphc.passes.products import Products
from graphc.passes.shared_factors import SharedFactors
from graphc.passes.stabilisation import Stabilisation
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
    *CLEANING,
    Stabilisation(),
    Lowering(),
    ElementaryFunctions(),
    WindowSums(),
    Broadcasts(),
    *CLEANING,
    Rewriting("simplification", (*rules.EXACT, *rules.STRENGTH)),
    *CHEAPER,
)
FAST: tuple[Pass, ...] = _with_loops(
    *CLEANING,
    Stabilisation(),
    Lowering(),
    ElementaryFunctions(absolute=True),
    WindowSums(),
    Broadcasts(),
    *CLEANING,
    Rewriting("fast_math", (*rules.EXACT, *rules.STRENGTH, *rules.FAST_MATH)),
    *CHEAPER,
)
PIPELINES: dict[str, tuple[Pass, ...]] = {"none": NONE, "exact": EXACT, "default": DEFAULT, "fast": FAST}


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
