from __future__ import annotations

import numpy as np
import pytest

from graphc import ops, optim
from graphc.errors import GraphError
from graphc.runtime.interpreter import interpret

VALUES = [np.array([3.0, -4.0]), np.array([[12.0]]), np.array(0.5)]


def _run(clip, limit, dtype="float64", values=VALUES):
    inputs = [ops.input(f"g{i}", v.shape, dtype) for i, v in enumerate(values)]
    clipped = clip(inputs, limit)
    assert all(c.dtype == dtype for c in clipped)
    return interpret(clipped, dict(zip(inputs, values, strict=True)))


def test_by_value():
    found = _run(optim.clip_by_value, 3.5)
    assert [f.tolist() for f in found] == [[3.0, -3.5], [[3.5]], 0.5]


def test_by_norm_bounds_each():
    found = _run(optim.clip_by_norm, 1.0)
    np.testing.assert_allclose([np.linalg.norm(f) for f in found], [1.0, 1.0, 0.5], rtol=1e-6)
    np.testing.assert_allclose(found[0], [0.6, -0.8], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_by_global_norm_keeps_the_direction(dtype):
    found = _run(optim.clip_by_global_norm, 1.0, dtype)
    together = np.concatenate([f.ravel() for f in found])
    original = np.concatenate([v.ravel() for v in VALUES])
    np.testing.assert_allclose(np.linalg.norm(together), 1.0, rtol=1e-6)
    np.testing.assert_allclose(together, original / np.linalg.norm(original), rtol=1e-6)


def test_small_gradients_are_left_and_zeros_stay_finite():
    for clip in (optim.clip_by_norm, optim.clip_by_global_norm):
        for found, value in zip(_run(clip, 100.0), VALUES, strict=True):
            np.testing.assert_array_equal(found, value)
        assert _run(clip, 1.0, values=[np.zeros(3)])[0].tolist() == [0, 0, 0]


def test_structure_is_kept():
    g, h = ops.input("g", (2,)), ops.input("h", (3,))
    assert list(optim.clip_by_global_norm({"a": g, "b": h}, 1.0)) == ["a", "b"]
    assert isinstance(optim.clip_by_norm((g, h), 1.0), tuple)
    assert isinstance(optim.clip_by_value([g], 1.0), list)
    assert optim.clip_by_global_norm([], 1.0) == []


def test_global_norm():
    inputs = [ops.input(f"g{i}", v.shape, "float64") for i, v in enumerate(VALUES)]
    (found,) = interpret([optim.global_norm(inputs)], dict(zip(inputs, VALUES, strict=True)))
    assert found == pytest.approx(np.sqrt(9 + 16 + 144 + 0.25))


def test_errors():
    g = ops.input("g", (2,))
    for clip in (optim.clip_by_value, optim.clip_by_norm, optim.clip_by_global_norm):
        with pytest.raises(GraphError, match="the limit is 0"):
            clip([g], 0)
    with pytest.raises(GraphError, match="Tensor was given"):
        optim.clip_by_value(g, 1.0)
    with pytest.raises(GraphError, match="there are no gradients"):
        optim.global_norm([])
