"""Every op, in every sample of the registry: the symbolic gradient is reverse mode's and forward mode's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import UnsupportedError
from graphc.ir.traversal import topological_order
from graphc.ops import REGISTRY
from graphc.runtime.interpreter import interpret
from tests.samples import SAMPLES, Sample
from tests.symbolic.agreement import MODES, assert_equal, symbolic_gradients, weighted

# A loop is differentiated as a whole by rules of its own: it may refuse, if it says why.
MAY_REFUSE: set[str] = set()

DIFFERENTIABLE = [s for s in SAMPLES if s.differentiable()]
SMOOTH = [s for s in DIFFERENTIABLE if s.smooth]


def _prepared(sample: Sample) -> tuple[gc.Tensor, list[gc.Tensor], dict[gc.Tensor, Any]]:
    """The sample's output, the inputs to differentiate by, and values."""
    rng = np.random.default_rng(11)
    inputs = sample.inputs()
    y = sample.build(*inputs)
    if y.dtype.kind != "f":
        pytest.skip("the result is no real number")
    values = dict(zip(inputs, sample.arrays(rng), strict=True))
    return y, [inputs[i] for i in sample.differentiable()], values


def _with_weights(
    y: gc.Tensor, values: dict[gc.Tensor, Any], sample: Sample
) -> tuple[gc.Tensor, dict[gc.Tensor, Any]]:
    loss, weights = weighted(y)
    (shape,) = [v.shape for v in interpret([y], values, sizes=sample.sizes)]
    drawn = np.random.default_rng(12).uniform(0.5, 2.0, shape)
    return loss, {**values, weights: drawn * (-1.0) ** np.arange(drawn.size).reshape(shape)}


def _symbolic(sample: Sample, y: gc.Tensor, wrt: list[gc.Tensor], mode: str) -> list[gc.Tensor]:
    try:
        return symbolic_gradients(y, wrt, mode)
    except UnsupportedError as error:
        if sample.op not in MAY_REFUSE:
            raise
        assert sample.op in str(error) and error.remedy
        pytest.skip(f"{sample.op} has no index form: {error}")


def test_every_op_with_float_inputs_has_a_sample() -> None:
    sampled = {s.op for s in DIFFERENTIABLE} | {"index_check", "input", "parameter"}
    assert {op.name for op in REGISTRY.values()} - sampled == set()


@pytest.mark.parametrize("sample", DIFFERENTIABLE, ids=str)
def test_gradients_equal_reverse_and_forward_mode(sample: Sample) -> None:
    y, wrt, values = _prepared(sample)
    loss, values = _with_weights(y, values, sample)
    graphs = {mode: _symbolic(sample, loss, wrt, mode) for mode in MODES}
    reverse = interpret(gc.grad(loss, wrt), values, sizes=sample.sizes)
    forward = interpret([gc.jacobian(loss, t, "forward") for t in wrt], values, sizes=sample.sizes)
    # Where a float32 lies between, each engine rounds at another place.
    narrow = any(node.dtype == np.float32 for node in topological_order([loss]))
    tolerance = 1e-6 if narrow else 1e-10
    for mode, gradients in graphs.items():
        symbolic = interpret(gradients, values, sizes=sample.sizes)
        for tensor, found, back, ahead in zip(wrt, symbolic, reverse, forward, strict=True):
            assert_equal(found, back, f"{mode} and reverse mode, by {tensor.name}", tolerance)
            assert_equal(found, ahead, f"{mode} and forward mode, by {tensor.name}", tolerance)


@pytest.mark.parametrize("sample", SMOOTH, ids=str)
def test_second_derivatives_by_applying_it_twice(sample: Sample) -> None:
    y, wrt, values = _prepared(sample)
    # The square makes every second derivative nonzero.
    loss, values = _with_weights(y + 0.5 * y * y, values, sample)
    directions = [gc.input(f"v{k}", t.shape, "float64") for k, t in enumerate(wrt)]
    rng = np.random.default_rng(13)
    values |= {v: rng.normal(size=values[t].shape) for v, t in zip(directions, wrt, strict=True)}

    def along(gradients: list[gc.Tensor]) -> gc.Tensor:
        total = gc.constant(0.0, "float64")
        for gradient, direction in zip(gradients, directions, strict=True):
            total = total + gc.sum(gradient * direction)
        return total

    slope = along(_symbolic(sample, loss, wrt, "everywhere"))
    twice = interpret(_symbolic(sample, slope, wrt, "everywhere"), values, sizes=sample.sizes)
    expected = interpret(gc.grad(along(gc.grad(loss, wrt)), wrt), values, sizes=sample.sizes)
    for tensor, found, reverse in zip(wrt, twice, expected, strict=True):
        assert_equal(found, reverse, f"by {tensor.name}")
