from __future__ import annotations

import math

import numpy as np
import pytest

from graphc import init
from graphc.errors import GraphError, ShapeError

F32, F64 = np.dtype("float32"), np.dtype("float64")
SHAPE, CONV = (400, 300), (64, 32, 5, 5)


def _draw(initializer, shape, dtype=F64, seed=0):
    return initializer(shape, dtype, np.random.default_rng(seed))


def _close_to(values, mean, variance, kurtosis):
    """Mean and variance within five standard deviations of their estimators."""
    n = values.size
    assert abs(values.mean() - mean) < 5 * math.sqrt(variance / n)
    # Var of the sample variance is about (kurtosis − 1) σ⁴ / n.
    assert abs(values.var() - variance) < 5 * variance * math.sqrt((kurtosis - 1) / n)


UNIFORM, NORMAL = 1.8, 3.0  # kurtosis


# The published variances.
@pytest.mark.parametrize(
    "initializer, shape, variance, kurtosis",
    [
        (init.glorot_uniform(), SHAPE, 2 / 700, UNIFORM),
        (init.glorot_normal(), SHAPE, 2 / 700, NORMAL),
        (init.glorot_uniform(gain=5 / 3), SHAPE, 25 / 9 * 2 / 700, UNIFORM),
        (init.glorot_normal(), CONV, 2 / (25 * 96), NORMAL),
        (init.he_uniform(), SHAPE, 2 / 400, UNIFORM),
        (init.he_normal(), SHAPE, 2 / 400, NORMAL),
        (init.he_normal(mode="fan_out"), SHAPE, 2 / 300, NORMAL),
        (init.he_normal("leaky_relu", 0.2), SHAPE, 2 / 1.04 / 400, NORMAL),
        (init.he_normal("linear"), CONV, 1 / (25 * 32), NORMAL),
        (init.he_uniform(mode="fan_out"), CONV, 2 / (25 * 64), UNIFORM),
        (init.lecun_uniform(), SHAPE, 1 / 400, UNIFORM),
        (init.lecun_normal(), SHAPE, 1 / 400, NORMAL),
        (init.uniform(-2, 2), SHAPE, 16 / 12, UNIFORM),
        (init.normal(0, 3), SHAPE, 9, NORMAL),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_moments(initializer, shape, variance, kurtosis, seed):
    _close_to(_draw(initializer, shape, seed=seed), 0, variance, kurtosis)


@pytest.mark.parametrize(
    "initializer, bound",
    [
        (init.glorot_uniform(), math.sqrt(6 / 700)),
        (init.he_uniform(), math.sqrt(6 / 400)),
        (init.lecun_uniform(), math.sqrt(3 / 400)),
    ],
)
def test_uniform_bounds_are_the_published_ones(initializer, bound):
    largest = abs(_draw(initializer, SHAPE)).max()
    assert bound * 0.999 < largest <= bound


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gain_is_torchs(nonlinearity):
    torch_init = pytest.importorskip("torch").nn.init
    slope = 0.3 if nonlinearity == "leaky_relu" else None
    expected = torch_init.calculate_gain(nonlinearity, slope)
    assert init.gain(nonlinearity, 0.3) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("shape", [(8, 6, 3, 3), (8, 6, 5), (4, 2, 3, 3, 3)])
def test_fans_of_convolutions_are_torchs(shape):
    torch = pytest.importorskip("torch")
    assert init.fans(shape) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))


def test_fans_of_small_ranks():
    assert init.fans((7, 5)) == (7, 5) and init.fans((7,)) == (7, 7) and init.fans(()) == (1, 1)


def test_truncated_normal():
    stats = pytest.importorskip("scipy.stats")
    values = _draw(init.truncated_normal(1.0, 0.5, -1.5, 2.0), SHAPE)
    assert values.min() >= 1 - 0.75 and values.max() <= 1 + 1.0
    expected = stats.truncnorm(-1.5, 2.0, loc=1.0, scale=0.5)
    _close_to(values, expected.mean(), expected.var(), 3.0)
    assert stats.kstest(values.ravel()[:20000], expected.cdf).pvalue > 1e-3
    assert _draw(init.truncated_normal(), ()).shape == ()


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (3, 2, 4, 4), (0, 3)])
def test_orthogonal(shape):
    q = _draw(init.orthogonal(2.0), shape).reshape(shape[0], math.prod(shape[1:])) / 2.0
    product = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-12)


def test_orthogonal_is_uniform_in_sign():
    signs = [np.sign(_draw(init.orthogonal(), (3, 3), seed=s)[0, 0]) for s in range(200)]
    assert abs(np.mean(signs)) < 5 / math.sqrt(200)
    assert np.mean([np.linalg.det(_draw(init.orthogonal(), (3, 3), seed=s)) for s in range(200)]) < 0.5


def test_structured():
    assert _draw(init.identity(2.0), (2, 3)).tolist() == [[2, 0, 0], [0, 2, 0]]
    assert _draw(init.zeros(), (2,)).tolist() == [0, 0] and _draw(init.ones(), (2,)).tolist() == [1, 1]
    assert _draw(init.constant(3), (1, 2), F32).tolist() == [[3, 3]]
    weight = _draw(init.dirac(), (2, 3, 3, 3))
    assert weight.sum() == 2 and weight[0, 0, 1, 1] == weight[1, 1, 1, 1] == 1


def test_dirac_hands_channels_through():
    torch = pytest.importorskip("torch")
    weight = torch.tensor(_draw(init.dirac(), (3, 3, 3, 3)))
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    assert torch.equal(torch.nn.functional.conv2d(x, weight, padding=1), x)


EVERY = [
    init.zeros(), init.ones(), init.constant(2), init.uniform(), init.normal(), init.truncated_normal(),
    init.glorot_uniform(), init.glorot_normal(), init.he_uniform(), init.he_normal(), init.lecun_uniform(),
    init.lecun_normal(), init.orthogonal(), init.identity(),
]  # fmt: skip


@pytest.mark.parametrize("initializer", EVERY)
def test_dtype_shape_and_seed(initializer):
    a, b = _draw(initializer, (4, 3), F32, 7), _draw(initializer, (4, 3), F64, 7)
    assert a.dtype == F32 and b.dtype == F64 and a.shape == (4, 3)
    np.testing.assert_array_equal(a, b.astype(F32))  # one seed, the same numbers in every precision
    np.testing.assert_array_equal(a, _draw(initializer, (4, 3), F32, 7))
    assert _draw(initializer, (0, 3)).shape == (0, 3)


def test_aliases():
    assert init.xavier_uniform is init.glorot_uniform and init.kaiming_normal is init.he_normal


def test_errors():
    with pytest.raises(GraphError, match="no gain is known for 'rulu'"):
        init.he_normal("rulu")
    with pytest.raises(GraphError, match="mode = 'fan_middle'"):
        init.he_normal(mode="fan_middle")
    with pytest.raises(GraphError, match="low = 1 is above high = 0"):
        init.uniform(1, 0)
    with pytest.raises(GraphError, match="std = -1 is negative"):
        init.normal(0, -1)
    with pytest.raises(GraphError, match="next to no mass"):
        init.truncated_normal(low=9, high=10)
    for initializer, shape in ((init.orthogonal(), (3,)), (init.identity(), (3,)), (init.dirac(), (3, 3))):
        with pytest.raises(ShapeError, match="axes"):
            _draw(initializer, shape)
