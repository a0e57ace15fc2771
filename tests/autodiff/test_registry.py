"""Every op has its derivative rule, and every rule agrees with differences, with its twin and with torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.autodiff.batching import BATCHING
from graphc.autodiff.conventions import CONVENTIONS
from graphc.autodiff.rule import NoDerivative
from graphc.autodiff.rules import RULES
from graphc.ops import REGISTRY
from graphc.runtime.interpreter import interpret
from tests.samples import SAMPLES, Sample

FLOATING = [s for s in SAMPLES if s.smooth and s.differentiable()]


def _prepared(sample: Sample) -> tuple[gc.Tensor, list[gc.Tensor], dict[gc.Tensor, Any], Any]:
    rng = np.random.default_rng(7)
    inputs = sample.inputs()
    y = sample.build(*inputs)
    values = dict(zip(inputs, sample.arrays(rng), strict=True))
    return y, [inputs[i] for i in sample.differentiable()], values, rng


def _run(outputs: list[gc.Tensor], values: dict[gc.Tensor, Any], sample: Sample) -> list[Any]:
    return interpret(outputs, values, sizes=sample.sizes)


def _difference(
    outputs: list[gc.Tensor], values: dict[gc.Tensor, Any], directions: dict[gc.Tensor, Any], sample: Sample
) -> list[Any]:
    """Central differences of fourth order along a direction."""

    def at(step: float) -> list[Any]:
        moved = {t: v + step * directions[t] if t in directions else v for t, v in values.items()}
        return _run(outputs, moved, sample)

    h = 1e-3
    near, far = zip(at(h), at(-h), strict=True), zip(at(2 * h), at(-2 * h), strict=True)
    return [(8 * (a - b) - (c - d)) / (12 * h) for (a, b), (c, d) in zip(near, far, strict=True)]


def test_every_op_has_a_rule() -> None:
    assert {op.name for op in REGISTRY.values() if op not in RULES} == set()
    assert set(RULES) == set(REGISTRY.values())
    assert all(rule.reason for rule in RULES.values() if isinstance(rule, NoDerivative))


def test_every_op_with_inputs_can_be_batched() -> None:
    sources = {op for op in REGISTRY.values() if op.family in ("source", "random")}
    assert set(REGISTRY.values()) - set(BATCHING) == sources


def test_conventions_are_told_once() -> None:
    assert len({c.name for c in CONVENTIONS}) == len(CONVENTIONS)


@pytest.mark.parametrize("sample", FLOATING, ids=str)
def test_first_derivatives_equal_differences_and_each_other(sample: Sample) -> None:
    y, wrt, values, rng = _prepared(sample)
    (value,) = _run([y], values, sample)
    if y.dtype.kind != "f":
        pytest.skip("the result is no real number")
    u = rng.normal(size=value.shape)
    v = {t: rng.normal(size=values[t].shape) for t in wrt}
    cotangent = gc.input("u", y.shape, "float64")
    tangents = {t: gc.input(f"v{k}", t.shape, "float64") for k, t in enumerate(wrt)}
    moved = gc.jvp(y, wrt, list(tangents.values()))
    given = {**values, **{tangents[t]: v[t] for t in wrt}, cotangent: u}
    pulled = _run(gc.vjp(y, wrt, cotangent), given, sample)
    (pushed,) = _run([moved], given, sample)
    for t, g in zip(wrt, pulled, strict=True):
        assert g.shape == values[t].shape and g.dtype == values[t].dtype
    assert pushed.shape == value.shape
    (expected,) = _difference([y], values, v, sample)
    np.testing.assert_allclose(pushed, expected, rtol=1e-6, atol=1e-6)
    left = float(np.sum(u * pushed))
    right = float(sum(np.sum(g * v[t]) for g, t in zip(pulled, wrt, strict=True)))
    scale = 1 + float(np.sum(np.abs(u * pushed)))
    assert abs(left - right) <= 1e-12 * scale
    for t, g in zip(wrt, pulled, strict=True):
        (slope,) = _difference([y], values, {t: v[t]}, sample)
        np.testing.assert_allclose(np.sum(g * v[t]), np.sum(u * slope), rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("sample", FLOATING, ids=str)
def test_second_derivatives_by_two_ways_equal_differences(sample: Sample) -> None:
    y, wrt, values, rng = _prepared(sample)
    if y.dtype.kind != "f":
        pytest.skip("the result is no real number")
    (value,) = _run([y], values, sample)
    # Fixed weights and a square make every second derivative nonzero.
    weights = gc.input("weights", y.shape, "float64")
    values[weights] = rng.normal(size=value.shape)
    loss = (weights * (y + 0.5 * y * y)).sum()
    gradients = gc.grad(loss, wrt)
    v = {t: rng.normal(size=values[t].shape) for t in wrt}
    symbols = {t: gc.input(f"v{k}", t.shape, "float64") for k, t in enumerate(wrt)}
    run_with = {**values, **{symbols[t]: v[t] for t in wrt}}
    forward = gc.hvp(loss, wrt, [symbols[t] for t in wrt])
    inner = gc.constant(0.0, "float64")
    for t, g in zip(wrt, gradients, strict=True):
        inner = inner + (g * symbols[t]).sum()
    backward = gc.grad(inner, wrt)
    over = _run(forward, run_with, sample)
    twice = _run(backward, run_with, sample)
    expected = _difference(gradients, values, v, sample)
    for a, b, c in zip(over, twice, expected, strict=True):
        np.testing.assert_allclose(a, c, rtol=2e-6, atol=2e-6 * (1 + np.max(np.abs(c), initial=0.0)))
        np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-10 * (1 + np.max(np.abs(a), initial=0.0)))


@pytest.mark.parametrize("sample", [s for s in FLOATING if s.torch is not None], ids=str)
def test_gradients_equal_torch(sample: Sample) -> None:
    torch = pytest.importorskip("torch")
    y, wrt, values, rng = _prepared(sample)
    inputs = list(values)
    (value,) = _run([y], values, sample)
    if y.dtype.kind != "f":
        pytest.skip("the result is no real number")
    u = rng.normal(size=value.shape)
    arrays = [torch.tensor(values[t], requires_grad=any(t is w for w in wrt)) for t in inputs]
    result = sample.torch(*arrays)  # type: ignore[misc]
    result.backward(torch.tensor(u.reshape(tuple(result.shape))))
    cotangent = gc.input("u", y.shape, "float64")
    pulled = _run(gc.vjp(y, wrt, cotangent), {**values, cotangent: u}, sample)
    leaves = [a for t, a in zip(inputs, arrays, strict=True) if any(t is w for w in wrt)]
    for mine, leaf in zip(pulled, leaves, strict=True):
        grad = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
        np.testing.assert_allclose(mine, grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sample", FLOATING, ids=str)
def test_jacobians_of_both_modes_agree(sample: Sample) -> None:
    y, wrt, values, _ = _prepared(sample)
    if y.dtype.kind != "f":
        pytest.skip("the result is no real number")
    for t in wrt:
        reverse, forward, value = _run(
            [gc.jacobian(y, t, "reverse"), gc.jacobian(y, t, "forward"), y], values, sample
        )
        assert reverse.shape == forward.shape == value.shape + values[t].shape
        np.testing.assert_allclose(reverse, forward, rtol=1e-12, atol=1e-12)
        if value.size:
            place = np.unravel_index(value.size // 2, value.shape)
            row = np.zeros(value.shape)
            row[place] = 1.0
            cotangent = gc.input("u", y.shape, "float64")
            (pulled,) = _run([gc.vjp(y, t, cotangent)], {**values, cotangent: row}, sample)
            np.testing.assert_allclose(reverse[place], pulled, rtol=1e-12, atol=1e-12)
