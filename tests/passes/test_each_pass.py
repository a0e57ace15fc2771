"""Each pass of a pipeline left out, and each alone, keeps values and gradients.

Of the op registry's samples those are run again that the pass changed; a pass with no effect is not tested by
them but by random graphs. The interpreter on the graph as written is the oracle, the bound is in units of
what rounding does there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import PIPELINES, Pass, pass_names, run, without
from tests.nn.convolution_draws import KINDS, draws
from tests.passes.mixed_graphs import Mixed, Random, built, check
from tests.passes.rounding import BOUND, excess, reference
from tests.samples import SAMPLES, Sample

Values = Mapping[gc.Tensor, np.ndarray]

# The emitters know no shorthand, also not in the bodies of loops.
NEEDED = ("lowering", "loop_bodies")
NAMES = pass_names(PIPELINES["default"])
PARTS, GRAPHS = 8, 80
DETERMINISTIC = [s for s in SAMPLES if not s.op.startswith("random")]


def alone(passes: Sequence[Pass], name: str) -> tuple[Pass, ...]:
    """Of the passes those of this name, and those without which no code can be written."""
    for other in NAMES:
        if other != name and other not in NEEDED:
            passes = without(passes, other)
    return tuple(passes)


def variants(name: str) -> Iterator[tuple[Pass, ...]]:
    if name not in NEEDED:
        yield without(PIPELINES["default"], name)
    yield alone(PIPELINES["default"], name)


def _changed_by(graph: Graph) -> set[str]:
    """The names of the passes that did something, in the bodies of loops too."""
    _, records = run(graph, PIPELINES["default"], Verifier())
    return {r.name for r in records if r.after is not r.before and sum(r.fired.values())}


def _outputs(sample: Sample, inputs: Sequence[gc.Tensor]) -> list[gc.Tensor]:
    y = sample.build(*inputs)
    if y.dtype.kind != "f" or not sample.differentiable():
        return [y]
    return [y, *gc.grad(gc.sin(y).sum(), [inputs[i] for i in sample.differentiable()])]


def _held(
    label: str, inputs: Sequence[gc.Tensor], outputs: Sequence[gc.Tensor], values: Values, sizes: Any
) -> None:
    """Each pass that changes the graph, left out and alone, keeps the values."""
    graph = Graph(tuple(inputs), tuple(outputs))
    expected, spread = reference(outputs, values, sizes)
    for name in sorted(_changed_by(graph)):
        for passes in variants(name):
            after, _ = run(graph, passes, Verifier())
            found = gc.interpret(after.outputs, values, sizes=sizes)
            for got, wanted, far in zip(found, expected, spread, strict=True):
                off = excess(got, wanted, far)
                assert off <= BOUND, (
                    f"{label}: {name} among {len(passes)} passes is off by {off:.3g} roundings"
                )


@pytest.mark.parametrize("part", range(PARTS))
def test_samples_of_the_registry(part: int) -> None:
    for sample in DETERMINISTIC[part::PARTS]:
        inputs = sample.inputs()
        values = dict(zip(inputs, sample.arrays(np.random.default_rng(0)), strict=True))
        _held(sample.id, inputs, _outputs(sample, inputs), values, sample.sizes)


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_convolutions_and_poolings(kind: str) -> None:
    for draw in islice(draws(kind, 55), 25):
        arrays = draw.arrays()
        inputs = [gc.input(f"x{k}", a.shape, "float64") for k, a in enumerate(arrays)]
        (y, *_) = draw.ours(*inputs)
        outputs = [y, *gc.grad(gc.sum(y + y * y / 2), inputs)]
        _held(str(draw), inputs, outputs, dict(zip(inputs, arrays, strict=True)), {})


def _chain() -> Mixed:
    """Three matrices without their derivatives, which need the products in the order as written."""
    a, b, c = (gc.input(n, s, "float64") for n, s in (("a", ("N", 8)), ("b", (8, 8)), ("c", (8, 2))))
    return Mixed([a, b, c], [a @ b @ c], {}, [], {"N": 5}, 0)


@cache
def _graphs() -> list[tuple[Mixed, set[str]]]:
    """Random graphs from the smallest to the largest, and the passes that change each."""
    drawn = [_chain(), *(built(Random(np.random.default_rng(k)), most=30) for k in range(GRAPHS))]
    graphs = [Graph(tuple(d.inputs), tuple(d.outputs), tuple(d.updates.items())) for d in drawn]
    found = [(d, _changed_by(g)) for d, g in zip(drawn, graphs, strict=True)]
    sizes = {d: len(g.nodes) for d, g in zip(drawn, graphs, strict=True)}
    return sorted(found, key=lambda pair: sizes[pair[0]])


def _changes_a_sample(name: str) -> bool:
    made = ((s, s.inputs()) for s in DETERMINISTIC)
    return any(name in _changed_by(Graph(inputs, tuple(_outputs(s, inputs)))) for s, inputs in made)


@pytest.mark.parametrize("name", NAMES)
def test_random_graphs_that_it_changes(name: str) -> None:
    drawn = [d for d, changed in _graphs() if name in changed]
    assert drawn or _changes_a_sample(name), f"nothing is changed by {name}: draw more, or other ones"
    for one in drawn[:3]:
        for passes in variants(name):
            with patch.dict(PIPELINES, {"default": passes}):
                check(one, "default")
