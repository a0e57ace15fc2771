"""Every op says what it reads: never less than its derivative does."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import graphc as gc
from graphc.analysis.reach import ALL_OF, REACH
from graphc.ir.dimension import evaluate_dim
from graphc.ops import REGISTRY
from graphc.runtime.interpreter import interpret
from tests.samples import SAMPLES, Sample

SMOOTH = [s for s in SAMPLES if s.smooth and s.differentiable()]


def test_every_op_has_a_rule_or_a_reason() -> None:
    assert {op.name for op in REACH} | set(ALL_OF) == set(REGISTRY)
    assert not {op.name for op in REACH} & set(ALL_OF)
    assert all(ALL_OF.values())


@pytest.mark.parametrize("sample", SMOOTH, ids=lambda s: s.id)
def test_nothing_that_is_read_is_left_out(sample: Sample) -> None:
    rng = np.random.default_rng(3)
    inputs = sample.inputs()
    y = sample.build(*inputs)
    values = dict(zip(inputs, sample.arrays(rng), strict=True))
    shape = interpret([y], values, sizes=sample.sizes)[0].shape
    places = list(product(*map(range, shape)))
    if not places:
        return
    for number in sample.differentiable():
        x = inputs[number]
        (jacobian,) = interpret([gc.jacobian(y, x)], values, sizes=sample.sizes)
        try:
            field = gc.nn.receptive_field(y, x, axis=tuple(range(x.ndim)))
        except gc.GraphError:
            assert not jacobian.any()
            continue
        for place in {places[0], places[-1], places[rng.integers(len(places))]}:
            box = tuple(
                slice(*(None if b is None else int(evaluate_dim(b, sample.sizes)) for b in (s.start, s.stop)))
                for s in field.box(place)
            )
            outside = np.array(jacobian[place] != 0)
            outside[box] = False
            assert not outside.any(), (place, box)
