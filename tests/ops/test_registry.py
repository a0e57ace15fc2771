"""Every op has samples, and every sample runs: shape and dtype are those inferred, torch agrees."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.dimension import evaluate_dim
from graphc.ir.traversal import topological_order
from graphc.ops import REGISTRY
from graphc.runtime.interpreter import interpret
from tests.samples import SAMPLES, Sample

IDS = [s.id for s in SAMPLES]


def test_every_op_has_a_sample() -> None:
    assert set(REGISTRY) - {"input", "parameter"} == {s.op for s in SAMPLES}


def test_sample_names_are_unique() -> None:
    assert len(set(IDS)) == len(IDS)


def test_op_names_are_their_keys() -> None:
    assert all(op.name == name for name, op in REGISTRY.items())


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_values_have_the_inferred_type(sample: Sample, dtype: str) -> None:
    inputs = sample.inputs(dtype)
    output = sample.build(*inputs)
    assert any(node.op.name == sample.op for node in topological_order([output]))
    arrays = sample.arrays(np.random.default_rng(0), dtype)
    (value,) = interpret([output], dict(zip(inputs, arrays, strict=True)), cast=False)
    assert value.dtype == output.dtype
    assert value.shape == tuple(evaluate_dim(size, sample.sizes) for size in output.shape)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.torch], ids=lambda s: s.id)
def test_values_equal_torch(sample: Sample) -> None:
    torch = pytest.importorskip("torch")
    inputs = sample.inputs()
    arrays = sample.arrays(np.random.default_rng(1))
    (value,) = interpret([sample.build(*inputs)], dict(zip(inputs, arrays, strict=True)))
    assert sample.torch is not None
    expected = sample.torch(*(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays)).numpy()
    np.testing.assert_allclose(value, expected.reshape(value.shape), rtol=1e-12, atol=1e-14)
    assert value.size == expected.size


def _smooth() -> list[Sample]:
    return [s for s in SAMPLES if s.smooth and s.differentiable()]


@pytest.mark.parametrize("sample", _smooth(), ids=lambda s: s.id)
def test_complex_step_equals_central_differences(sample: Sample) -> None:
    inputs = sample.inputs()
    output = sample.build(*inputs)
    rng = np.random.default_rng(2)
    arrays = sample.arrays(rng)
    directions = [
        rng.standard_normal(a.shape) if i in sample.differentiable() else 0 for i, a in enumerate(arrays)
    ]

    def at(step: complex) -> np.ndarray:
        moved = [
            a + step * d if i in sample.differentiable() else a
            for i, (a, d) in enumerate(zip(arrays, directions, strict=True))
        ]
        (value,) = interpret([output], dict(zip(inputs, moved, strict=True)), cast=False)
        return value

    slope = np.imag(at(1e-30j)) / 1e-30
    differences = (at(1e-6) - at(-1e-6)) / 2e-6
    np.testing.assert_allclose(slope, differences, rtol=1e-6, atol=1e-6)
