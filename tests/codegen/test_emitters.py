"""Generated code equals the interpreter: every op of the registry, at every sample's shapes."""

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.emitters import EMITTERS, NOT_EMITTED
from graphc.ops import REGISTRY
from tests.samples import SAMPLES


def test_every_op_has_an_emitter_or_a_reason() -> None:
    assert set(REGISTRY) == (set(EMITTERS) | set(NOT_EMITTED)) - {"copy", "add_part"}
    assert not set(EMITTERS) & set(NOT_EMITTED)


@pytest.mark.parametrize("optimize", ["none", "default"])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.id)
def test_generated_code_equals_the_interpreter(sample, optimize) -> None:
    rng = np.random.default_rng(0)
    inputs = sample.inputs()
    arrays = sample.arrays(rng)
    output = sample.build(*inputs)
    needed = [(i, a) for i, a in zip(inputs, arrays, strict=True)]
    function = gc.compile({"y": output}, [i for i, _ in needed], optimize=optimize)
    for call in range(2):  # the second call finds used buffers
        result = function(*[a for _, a in needed])["y"]
        (expected,) = gc.interpret([output], dict(needed), sizes=sample.sizes, call=call)
        assert result.dtype == expected.dtype == output.dtype
        assert result.shape == expected.shape
        if output.dtype.kind == "f":
            tolerance = 1e-12 if output.dtype == np.float64 else 2e-6
            np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(result, expected)
