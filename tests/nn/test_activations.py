from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from graphc import nn, ops
from graphc.autodiff import grad
from graphc.errors import GraphError, ShapeError
from graphc.runtime.interpreter import interpret

# Away from the corners of the piecewise linear ones (0, ±0.5, ±1, ±2, ±3, 6).
POINTS = np.array([-30.0, -4.3, -2.2, -1.4, -0.7, -0.3, -1e-3, 1e-3, 0.2, 0.8, 1.7, 2.6, 4.1, 5.9, 7.3, 30.0])

IN_TORCH = {
    "sigmoid": {}, "tanh": {}, "hardsigmoid": {}, "hardtanh": {"min_val": -1.5, "max_val": 2.5}, "relu": {},
    "relu6": {}, "leaky_relu": {"negative_slope": 0.2}, "elu": {"alpha": 0.7}, "selu": {},
    "celu": {"alpha": 1.7}, "softsign": {}, "silu": {}, "gelu": {"approximate": "tanh"}, "mish": {},
    "logsigmoid": {}, "tanhshrink": {}, "softshrink": {"lambd": 0.4}, "hardshrink": {"lambd": 0.6},
}  # fmt: skip


@pytest.mark.parametrize("name", IN_TORCH)
@pytest.mark.parametrize("given", [False, True])
def test_torch_agrees(name, given, against_torch):
    functional = pytest.importorskip("torch").nn.functional
    options = IN_TORCH[name] if given else {}
    ours, theirs = getattr(nn, name), getattr(functional, name)
    # PyTorch rounds the constants of these two to float32; the closed forms below are exact.
    rtol = 1e-6 if name in ("hardsigmoid", "celu") else 1e-10
    against_torch(lambda x: ours(x, **options), lambda x: theirs(x, **options), POINTS, rtol=rtol)


@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_softplus_is_torchs_where_torch_uses_the_formula(beta, against_torch):
    functional = pytest.importorskip("torch").nn.functional
    against_torch(lambda x: nn.softplus(x, beta), lambda x: functional.softplus(x, beta), POINTS[POINTS < 8])


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_over_any_axis(name, axis, against_torch):
    functional = pytest.importorskip("torch").nn.functional
    x = np.random.default_rng(0).standard_normal((3, 4, 2)) * 5
    against_torch(lambda x: getattr(nn, name)(x, axis), lambda x: getattr(functional, name)(x, axis), x)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_glu(axis, against_torch):
    functional = pytest.importorskip("torch").nn.functional
    x = np.random.default_rng(0).standard_normal((2, 4, 6))
    against_torch(lambda x: nn.glu(x, axis), lambda x: functional.glu(x, axis), x)


@pytest.mark.parametrize("shape, channels", [((5,), 1), ((4, 3), 3), ((4, 3, 2, 2), 3), ((4, 3), 1)])
def test_prelu_and_the_gradient_of_its_weight(shape, channels, against_torch):
    functional = pytest.importorskip("torch").nn.functional
    generator = np.random.default_rng(0)
    x, weight = generator.standard_normal(shape), generator.standard_normal(channels)
    against_torch(nn.prelu, functional.prelu, x, weight)


# Formulas written by hand, with the derivative where it has a closed form of its own.
def _sigma(x):
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


_normal = NormalDist()
CLOSED_FORMS = {
    "sigmoid": (_sigma, lambda x: _sigma(x) * _sigma(-x)),
    "tanh": (math.tanh, lambda x: 1 / math.cosh(x) ** 2),
    "hard_logistic": (lambda x: max(min(0.25 * x + 0.5, 1), 0), lambda x: 0.25 * (abs(x) < 2)),
    "hardsigmoid": (lambda x: min(max(x + 3, 0), 6) / 6, lambda x: (abs(x) < 3) / 6),
    "hardtanh": (lambda x: min(max(x, -1), 1), lambda x: float(abs(x) < 1)),
    "relu": (lambda x: max(x, 0), lambda x: float(x > 0)),
    "relu6": (lambda x: min(max(x, 0), 6), lambda x: float(0 < x < 6)),
    "leaky_relu": (lambda x: max(x, 0.01 * x), lambda x: 1.0 if x > 0 else 0.01),
    "elu": (lambda x: x if x > 0 else math.expm1(x), lambda x: 1.0 if x > 0 else math.exp(x)),
    "selu": (
        lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
        lambda x: 1.0507009873554805 * (1 if x > 0 else 1.6732632423543772 * math.exp(x)),
    ),
    "softplus": (lambda x: math.log1p(math.exp(x)) if x < 25 else x + math.exp(-x), _sigma),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "silu": (lambda x: x * _sigma(x), lambda x: _sigma(x) * (1 + x * _sigma(-x))),
    "swish": (lambda x: x * _sigma(x), lambda x: _sigma(x) * (1 + x * _sigma(-x))),
    "gelu": (
        lambda x: 0.5 * x * math.erfc(-x / math.sqrt(2)),
        lambda x: _normal.cdf(x) + x * _normal.pdf(x),
    ),
    "mish": (lambda x: x * math.tanh(math.log1p(math.exp(x))), None),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_closed_form(name):
    value, derivative = CLOSED_FORMS[name]
    x = ops.input("x", POINTS.shape, "float64")
    y = nn.ACTIVATIONS[name].function(x)
    found, slope = interpret([y, grad(y.sum(), x)], {x: POINTS})
    np.testing.assert_allclose(found, [value(p) for p in POINTS], 1e-12, 1e-14)
    if derivative is not None:
        np.testing.assert_allclose(slope, [derivative(p) for p in POINTS], 1e-9, 1e-14)


@pytest.mark.parametrize("alpha", [0.4, 1.7])
def test_celu_is_its_formula(alpha):
    x = ops.input("x", POINTS.shape, "float64")
    y = nn.celu(x, alpha)
    value, slope = interpret([y, grad(y.sum(), x)], {x: POINTS})
    expected = [p if p > 0 else alpha * math.expm1(p / alpha) for p in POINTS]
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    np.testing.assert_allclose(slope, [1.0 if p > 0 else math.exp(p / alpha) for p in POINTS], rtol=1e-13)


def test_swish_with_a_learned_beta():
    x, beta = ops.input("x", (3,), "float64"), ops.parameter("beta", (), dtype="float64")
    y = nn.swish(x, beta)
    at = np.array([-1.5, 0.3, 2.0])
    value, slope = interpret([y, grad(y.sum(), beta)], {x: at, beta: 1.7})
    s = 1 / (1 + np.exp(-1.7 * at))
    np.testing.assert_allclose(value, at * s)
    np.testing.assert_allclose(slope, (at**2 * s * (1 - s)).sum())


def test_hard_logistic_is_the_tangent_of_the_logistic_function():
    x = ops.input("x", (), "float64")
    found = interpret(
        [nn.sigmoid(x), nn.hard_logistic(x), grad(nn.sigmoid(x), x), grad(nn.hard_logistic(x), x)], {x: 0.0}
    )
    assert [float(v) for v in found] == [0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_maxout_is_the_largest_piece(axis, against_torch):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((6, 6, 6))

    def theirs(x):
        return torch.movedim(x, axis, -1).unflatten(-1, (2, 3)).amax(-1).movedim(-1, axis)

    against_torch(lambda x: nn.maxout(x, 3, axis), theirs, x)


def test_maxout_of_symbolic_batch():
    x = ops.input("x", ("N", 4), "float64")
    (value,) = interpret([nn.maxout(x, 2)], {x: [[1, 5, 7, 2], [0, -1, -3, -2]]})
    assert value.tolist() == [[5, 7], [0, -2]]


@pytest.mark.parametrize("name", [n for n, entry in nn.ACTIVATIONS.items() if entry.is_plain])
def test_table_names_the_limits(name):
    entry = nn.ACTIVATIONS[name]
    x = ops.input("x", (2,), "float64")
    left, right = interpret([entry.function(x)], {x: [-1e5, 1e5]})[0]
    for value, limit in ((left, entry.limits[0]), (right, entry.limits[1])):
        if limit is None:
            assert abs(value) >= 900
        else:
            assert value == pytest.approx(limit, abs=2e-5)
    assert entry.latex and entry.saturates


@pytest.mark.parametrize("name", [n for n, entry in nn.ACTIVATIONS.items() if entry.is_plain])
def test_extremes_give_no_nan_and_float32_stays(name):
    x = ops.input("x", (5,), "float32")
    y = nn.ACTIVATIONS[name].function(x)
    slope = grad(y.sum(), x)
    assert y.dtype == slope.dtype == np.float32
    for array in interpret([y, slope], {x: [-1e30, -500, 0, 500, 1e30]}):
        assert np.isfinite(array).all(), name


@pytest.mark.parametrize(
    "name, slope", [("relu", 0.0), ("leaky_relu", 0.01), ("elu", 1.0), ("softsign", 1.0)]
)
def test_the_derivative_at_zero(name, slope):
    x = ops.input("x", (), "float64")
    (found,) = interpret([grad(getattr(nn, name)(x), x)], {x: 0.0})
    assert found == slope


def test_errors_name_the_argument():
    x = ops.input("x", ("N", 7))
    with pytest.raises(ShapeError, match=r"maxout: axis 1 of \(N, 7\) does not divide into 3"):
        nn.maxout(x, 3)
    with pytest.raises(ShapeError, match="does not divide into 2"):
        nn.glu(x)
    with pytest.raises(GraphError, match="approximate = 'sine'"):
        nn.gelu(x, approximate="sine")
    with pytest.raises(GraphError, match="min_val = 1"):
        nn.hardtanh(x, 1, 0)
    with pytest.raises(ShapeError, match=r"the weight has shape \(5,\)"):
        nn.prelu(x, ops.parameter("a", (5,)))
    with pytest.raises(GraphError, match="number of pieces is 0"):
        nn.maxout(x, 0)
