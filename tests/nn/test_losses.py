from __future__ import annotations

import numpy as np
import pytest

from graphc import nn, ops
from graphc.autodiff import grad
from graphc.errors import GraphError, ShapeError
from graphc.runtime.interpreter import interpret

GENERATOR = np.random.default_rng(1)
Y, T = GENERATOR.standard_normal((4, 3)) * 2, GENERATOR.standard_normal((4, 3))
P, Q = GENERATOR.random((4, 3)), GENERATOR.random((4, 3))
REDUCTIONS = ["mean", "sum", "none"]


@pytest.fixture
def functional():
    return pytest.importorskip("torch").nn.functional


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "name, options",
    [
        ("mse_loss", {}),
        ("l1_loss", {}),
        ("huber_loss", {}),
        ("huber_loss", {"delta": 0.4}),
        ("smooth_l1_loss", {}),
        ("smooth_l1_loss", {"beta": 0.4}),
        ("smooth_l1_loss", {"beta": 0.0}),
    ],
)
def test_regression(name, options, reduction, against_torch, functional):
    ours, theirs = getattr(nn, name), getattr(functional, name)
    against_torch(
        lambda y, t: ours(y, t, reduction=reduction, **options),
        lambda y, t: theirs(y, t, reduction=reduction, **options),
        Y,
        T,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_hinge_embedding(reduction, against_torch, functional):
    signs = np.where(T > 0, 1.0, -1.0)
    against_torch(
        lambda y: nn.hinge_embedding_loss(y, signs, margin=0.8, reduction=reduction),
        lambda y: functional.hinge_embedding_loss(y, _tensor(signs), margin=0.8, reduction=reduction),
        Y,
    )


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_hinge_is_its_formula(squared, dtype):
    y, t = ops.input("y", Y.shape, "float64"), ops.input("t", Y.shape, dtype)
    signs = np.where(T > 0, 1, -1)
    (found,) = interpret([nn.hinge_loss(y, t, 0.9, squared, reduction="none")], {y: Y, t: signs})
    expected = np.maximum(0, 0.9 - signs * Y)
    np.testing.assert_allclose(found, expected**2 if squared else expected)


def _tensor(array):
    return pytest.importorskip("torch").tensor(array)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy(reduction, weighted, against_torch, functional):
    weight = GENERATOR.random((4, 3)) if weighted else None
    against_torch(
        lambda p, t: nn.binary_cross_entropy(p, t, weight, reduction),
        lambda p, t: functional.binary_cross_entropy(
            p, t, None if weight is None else _tensor(weight), reduction=reduction
        ),
        P,
        Q,
    )


def test_binary_cross_entropy_at_certainty(functional):
    p = ops.input("p", (4,), "float64")
    t = np.array([0.0, 1.0, 0.0, 1.0])
    at = np.array([0.0, 1.0, 1.0, 0.0])
    loss = nn.binary_cross_entropy(p, t, reduction="none")
    value, slope = interpret([loss, grad(loss.sum(), p)], {p: at})
    np.testing.assert_allclose(
        value, functional.binary_cross_entropy(_tensor(at), _tensor(t), reduction="none")
    )
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted, positive", [(False, False), (True, False), (False, True), (True, True)])
def test_binary_cross_entropy_with_logits(reduction, weighted, positive, against_torch, functional):
    weight = GENERATOR.random((4, 3)) if weighted else None
    pos_weight = GENERATOR.random(3) * 3 if positive else None
    against_torch(
        lambda x, t: nn.binary_cross_entropy_with_logits(x, t, weight, reduction, pos_weight),
        lambda x, t: functional.binary_cross_entropy_with_logits(
            x,
            t,
            None if weight is None else _tensor(weight),
            reduction=reduction,
            pos_weight=None if pos_weight is None else _tensor(pos_weight),
        ),
        Y,
        Q,
    )


def test_logits_far_out_are_exact():
    x = ops.input("x", (4,), "float64")
    loss = nn.binary_cross_entropy_with_logits(x, np.array([0.0, 1.0, 1.0, 0.0]), reduction="none")
    value, slope = interpret([loss, grad(loss.sum(), x)], {x: [-40, 40, -900, 0]})
    np.testing.assert_allclose(value, [np.exp(-40), np.exp(-40), 900, np.log(2)], rtol=1e-13)
    np.testing.assert_allclose(slope, [np.exp(-40), -np.exp(-40), -1, 0.5], rtol=1e-13)


def test_integer_and_bool_targets_of_binary_losses():
    x = ops.input("x", (3,), "float32")
    bits = np.array([True, False, True])
    losses = [
        nn.binary_cross_entropy_with_logits(x, t) for t in (bits, bits.astype(int), bits.astype("float32"))
    ]
    found = interpret(losses, {x: [0.3, -2, 1]})
    assert found[0] == found[1] == found[2]
    assert all(loss.dtype == np.float32 for loss in losses)


@pytest.mark.parametrize(
    "function",
    [
        nn.mse_loss,
        nn.l1_loss,
        nn.huber_loss,
        nn.hinge_loss,
        nn.kl_div,
        nn.binary_cross_entropy,
        nn.binary_cross_entropy_with_logits,
    ],
)
def test_targets_are_not_broadcast(function):
    y, t = ops.input("y", ("N", 1)), ops.input("t", ("N",))
    with pytest.raises(
        ShapeError, match=rf"{function.__name__}: the input has shape \(N, 1\), the target \(N,\)"
    ):
        function(y, t)


@pytest.mark.parametrize("function", [nn.mse_loss, nn.l1_loss, nn.huber_loss, nn.hinge_loss, nn.kl_div])
def test_unknown_reduction(function):
    y = ops.input("y", ("N",))
    with pytest.raises(GraphError, match="reduction = 'average' is unknown"):
        function(y, y, reduction="average")


def test_bad_constants():
    y = ops.input("y", ("N",))
    with pytest.raises(GraphError, match="delta = 0 is not positive"):
        nn.huber_loss(y, y, delta=0)
    with pytest.raises(GraphError, match="beta = -1 is not positive"):
        nn.smooth_l1_loss(y, y, beta=-1)
