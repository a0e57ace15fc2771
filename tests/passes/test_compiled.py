"""Every pipeline, compiled, gives the value and the gradients of random graphs.

The interpreter on the graph as written is the oracle. Pipelines that change rounding are given graphs without
kinks: on which side of a kink a value lies may hang on its last bit.
"""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import graphc as gc
from graphc.passes.pipelines import PIPELINES
from tests.passes.random_graphs import Drawn, graphs

# No shrinking: a failing graph is reported as it was drawn, within the time of a run.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
MANY = settings(max_examples=40, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))


def check(drawn: Drawn, name: str, tolerance: float) -> None:
    """The value and the gradients of a drawn graph, compiled, against the interpreter."""
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


@pytest.mark.parametrize("left_out", range(len(PIPELINES["default"])))
@settings(max_examples=6, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(drawn=graphs(kinks=False, most=80))
def test_each_pass_may_be_left_out(left_out: int, drawn: Drawn) -> None:
    """Lowering aside: the emitters know no shorthand."""
    passes = PIPELINES["default"]
    if passes[left_out].name in ("lowering", "loop_bodies"):
        return
    with patch.dict(PIPELINES, {"default": (*passes[:left_out], *passes[left_out + 1 :])}):
        check(drawn, "default", 1e-9)


def test_every_pipeline_is_tested() -> None:
    assert set(PIPELINES) == {"none", "exact", "default", "fast"}
