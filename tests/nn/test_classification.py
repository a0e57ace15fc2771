from __future__ import annotations

import itertools

import numpy as np
import pytest

from graphc import nn, ops
from graphc.autodiff import grad
from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.runtime.interpreter import interpret

GENERATOR = np.random.default_rng(2)
WEIGHT = GENERATOR.random(5) + 0.1
REDUCTIONS = ["mean", "sum", "none"]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def _cases(shape):
    rest = (shape[0], *shape[2:]) if len(shape) > 1 else ()
    return GENERATOR.standard_normal(shape) * 3, GENERATOR.integers(0, 5, rest)


@pytest.mark.parametrize("shape", [(5,), (4, 5), (4, 5, 3), (2, 5, 3, 2)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_class_numbers(shape, reduction, smoothing, weighted, against_torch, torch):
    x, t = _cases(shape)
    weight = WEIGHT if weighted else None
    against_torch(
        lambda x: nn.cross_entropy(x, t, weight, reduction=reduction, label_smoothing=smoothing),
        lambda x: torch.nn.functional.cross_entropy(
            x, torch.tensor(t), None if weight is None else torch.tensor(weight),
            reduction=reduction, label_smoothing=smoothing,
        ),
        x,
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(5,), (4, 5), (4, 5, 3)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_probabilities_and_their_gradient(shape, reduction, smoothing, weighted, against_torch, torch):
    x, _ = _cases(shape)
    t = np.exp(GENERATOR.standard_normal(shape))
    t /= t.sum(axis=min(1, len(shape) - 1), keepdims=True)
    weight = WEIGHT if weighted else None
    against_torch(
        lambda x, t: nn.cross_entropy(x, t, weight, reduction=reduction, label_smoothing=smoothing),
        lambda x, t: torch.nn.functional.cross_entropy(
            x, t, None if weight is None else torch.tensor(weight),
            reduction=reduction, label_smoothing=smoothing,
        ),
        x,
        t,
    )  # fmt: skip


@pytest.mark.parametrize(
    "reduction, smoothing, weighted", [*itertools.product(REDUCTIONS, [0.0, 0.2], [False, True])]
)
@pytest.mark.parametrize("ignored", [-100, 3])
def test_ignored_targets(reduction, smoothing, weighted, ignored, against_torch, torch):
    x = GENERATOR.standard_normal((6, 5))
    t = np.array([0, ignored, 2, 3, ignored, 4])
    weight = WEIGHT if weighted else None
    against_torch(
        lambda x: nn.cross_entropy(x, t, weight, ignored, reduction, smoothing),
        lambda x: torch.nn.functional.cross_entropy(
            x, torch.tensor(t), None if weight is None else torch.tensor(weight),
            ignore_index=ignored, reduction=reduction, label_smoothing=smoothing,
        ),
        x,
    )  # fmt: skip


def test_all_ignored_is_nan_as_in_torch():
    x, t = ops.input("x", (2, 5), "float64"), ops.input("t", (2,), "int64")
    (value,) = interpret([nn.cross_entropy(x, t)], {x: np.zeros((2, 5)), t: [-100, -100]})
    assert np.isnan(value)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_nll_loss(reduction, weighted, against_torch, torch):
    x, t = _cases((4, 5, 2))
    t[0, 0] = -100
    weight = WEIGHT if weighted else None
    against_torch(
        lambda x: nn.nll_loss(x, t, weight, reduction=reduction),
        lambda x: torch.nn.functional.nll_loss(
            x, torch.tensor(t), None if weight is None else torch.tensor(weight), reduction=reduction
        ),
        x,
    )


@pytest.mark.filterwarnings("ignore:reduction.*batchmean:UserWarning")  # torch's, about its own mean
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div(reduction, log_target, against_torch, torch):
    x = np.log(GENERATOR.dirichlet(np.ones(5), 4))
    t = GENERATOR.dirichlet(np.ones(5), 4)
    against_torch(
        lambda x, t: nn.kl_div(x, t, reduction, log_target),
        lambda x, t: torch.nn.functional.kl_div(x, t, reduction=reduction, log_target=log_target),
        x,
        np.log(t) if log_target else t,
    )


def test_kl_div_of_a_certain_target_is_finite():
    x, t = ops.input("x", (2,), "float64"), np.array([1.0, 0.0])
    loss = nn.kl_div(x, t, "sum")
    value, slope = interpret([loss, grad(loss, x)], {x: np.log([0.25, 0.75])})
    assert value == pytest.approx(np.log(4)) and slope.tolist() == [-1, 0]


@pytest.mark.parametrize("dtype", ["bool", "int32", "float64"])
def test_one_hot_equals_class_numbers(dtype):
    x, t = ops.input("x", ("N", 5), "float64"), ops.input("t", ("N",), "uint8")
    hot = ops.input("hot", ("N", 5), dtype)
    numbers = np.array([1, 4, 0])
    logits = GENERATOR.standard_normal((3, 5))
    found = interpret(
        [nn.cross_entropy(x, t, label_smoothing=0.1), nn.cross_entropy(x, hot, label_smoothing=0.1)],
        {x: logits, t: numbers, hot: np.eye(5)[numbers]},
    )
    assert found[0] == pytest.approx(float(found[1]), rel=1e-14)


def test_class_axis_last():
    x = GENERATOR.standard_normal((4, 3, 5))
    t = GENERATOR.integers(0, 5, (4, 3))
    a, b = ops.input("a", x.shape, "float64"), ops.input("b", (4, 5, 3), "float64")
    found = interpret(
        [nn.cross_entropy(a, t, WEIGHT, axis=-1), nn.cross_entropy(b, t, WEIGHT)], {a: x, b: x.swapaxes(1, 2)}
    )
    assert found[0] == pytest.approx(float(found[1]), rel=1e-14)


def test_logits_far_apart_and_float32():
    x, t = ops.input("x", (2, 3), "float32"), ops.input("t", (2,), "int64")
    loss = nn.cross_entropy(x, t, label_smoothing=0.1)
    slope = grad(loss, x)
    assert loss.dtype == slope.dtype == np.float32
    for array in interpret([loss, slope], {x: [[1e4, 0, -1e4], [0, 1e30, 0]], t: [2, 1]}):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("wrong", [-1, 5, -99])
def test_a_class_number_out_of_range_is_an_error_at_the_call(wrong):
    x, t = ops.input("x", ("N", 5)), ops.input("t", ("N",), "int64")
    with pytest.raises(IndexError):
        interpret([nn.cross_entropy(x, t)], {x: np.zeros((2, 5)), t: [0, wrong]})


def test_errors_name_shapes_and_dtypes():
    x = ops.input("x", ("N", 10))
    with pytest.raises(ShapeError, match=r"the target \(N, 1\)") as caught:
        nn.cross_entropy(x, ops.input("t", ("N", 1), "int64"))
    assert "class numbers (N,)" in str(caught.value) and caught.value.location.filename == __file__
    with pytest.raises(DTypeError, match="class numbers are integers, but the target has dtype float32"):
        nn.cross_entropy(x, ops.input("t", ("N",)))
    with pytest.raises(DTypeError, match="the input has dtype int64"):
        nn.cross_entropy(ops.input("x", ("N", 10), "int64"), ops.input("t", ("N",), "int64"))
    with pytest.raises(ShapeError, match=r"class weights have shape \(3,\)"):
        nn.cross_entropy(x, ops.input("t", ("N",), "int64"), weight=np.ones(3))
    with pytest.raises(GraphError, match=r"label_smoothing = 1\.5"):
        nn.cross_entropy(x, ops.input("t", ("N",), "int64"), label_smoothing=1.5)
    with pytest.raises(GraphError, match="reduction = 'max'"):
        nn.cross_entropy(x, ops.input("t", ("N",), "int64"), reduction="max")
