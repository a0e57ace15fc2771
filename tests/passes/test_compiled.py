"""Every pipeline, compiled, gives the value and the gradients of random graphs.

The interpreter on the graph as written is the oracle. Pipelines that change rounding are given graphs without
kinks: on which side of a kink a value lies may hang on its last bit.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import graphc as gc
from graphc.passes.pipelines import PIPELINES
from tests.passes.random_graphs import Drawn, graphs

MANY = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def check(drawn: Drawn, name: str, tolerance: float) -> None:
    outputs = [drawn.output, *gc.grad(drawn.output, drawn.inputs)]
    arrays = drawn.arrays()
    f = gc.compile(outputs, drawn.inputs, optimize=name)
    values = dict(zip(drawn.inputs, arrays, strict=True))
    expected = gc.interpret(outputs, values, sizes={"N": drawn.size})
    for _ in range(2):  # the second call finds used buffers
        for found, wanted in zip(f(*arrays), expected, strict=True):
            assert found.dtype == wanted.dtype and found.shape == wanted.shape
            scale = np.abs(wanted).max(initial=1.0)
            np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("name", ["none", "exact"])
@MANY
@given(drawn=graphs())
def test_pipelines_that_keep_rounding(name: str, drawn: Drawn) -> None:
    check(drawn, name, 1e-12)


@pytest.mark.parametrize("name", ["default", "fast"])
@MANY
@given(drawn=graphs(kinks=False))
def test_pipelines_that_change_rounding(name: str, drawn: Drawn) -> None:
    check(drawn, name, 1e-9)


def test_every_pipeline_is_tested() -> None:
    assert set(PIPELINES) == {"none", "exact", "default", "fast"}
