"""Usual spellings: their values and gradients neither overflow nor cancel, and equal the closed form."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special
from scipy.special import expit, log_expit

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import PIPELINES, run
from graphc.passes.stabilisation import Stabilisation
from graphc.passes.stable_quotients import StableQuotients
from tests.passes.before_after import check_text

Spelling = Callable[[gc.Tensor], gc.Tensor]
Form = Callable[[np.ndarray], np.ndarray]


def _sum(x: gc.Tensor) -> gc.Tensor:
    return gc.exp(x).sum(axis=1, keepdims=True)


def _logsumexp(x: np.ndarray) -> np.ndarray:
    return special.logsumexp(x, axis=1)


def _softmax(x: np.ndarray) -> np.ndarray:
    return special.softmax(x, axis=1)


def _log_softmax(x: np.ndarray) -> np.ndarray:
    return special.log_softmax(x, axis=1)


def _log_softmax_gradient(x: np.ndarray) -> np.ndarray:
    return 1 - x.shape[1] * _softmax(x)


def _sigmoid_gradient(x: np.ndarray) -> np.ndarray:
    return expit(x) * expit(-x)


def _softplus(x: np.ndarray) -> np.ndarray:
    return -log_expit(-x)


# A spelling, its value, and the gradient of its sum.
SPELLINGS: dict[str, tuple[Spelling, Form, Form]] = {
    "log Σ exp": (lambda x: gc.log(gc.exp(x).sum(axis=1)), _logsumexp, _softmax),
    "x − log Σ exp": (lambda x: x - gc.log(_sum(x)), _log_softmax, _log_softmax_gradient),
    "log (exp / Σ exp)": (lambda x: gc.log(gc.exp(x) / _sum(x)), _log_softmax, _log_softmax_gradient),
    "log softmax": (lambda x: gc.log(gc.softmax(x, axis=-1)), _log_softmax, _log_softmax_gradient),
    "exp / Σ exp": (lambda x: gc.exp(x) / _sum(x), _softmax, np.zeros_like),
    "log (1 + exp)": (lambda x: gc.log(1 + gc.exp(x)), _softplus, expit),
    "log (exp + 1)": (lambda x: gc.log(gc.exp(x) + 1), _softplus, expit),
    "log1p exp": (lambda x: gc.log1p(gc.exp(x)), _softplus, expit),
    "log (1 + exp −x)": (lambda x: gc.log(1 + gc.exp(-x)), lambda x: _softplus(-x), lambda x: -expit(-x)),
    "−log σ": (lambda x: -gc.log(gc.sigmoid(x)), lambda x: _softplus(-x), lambda x: -expit(-x)),
    "log (1 − σ)": (lambda x: gc.log(1 - gc.sigmoid(x)), lambda x: -_softplus(x), lambda x: -expit(x)),
    "log 1/(1 + exp −x)": (lambda x: gc.log(1 / (1 + gc.exp(-x))), log_expit, lambda x: expit(-x)),
    "1/(1 + exp −x)": (lambda x: 1 / (1 + gc.exp(-x)), expit, _sigmoid_gradient),
    "1/(1 + exp x)": (
        lambda x: 1 / (1 + gc.exp(x)), lambda x: expit(-x), lambda x: -expit(x) * expit(-x),
    ),
    "exp/(1 + exp)": (
        lambda x: gc.exp(x) / (1 + gc.exp(x)), expit, _sigmoid_gradient,
    ),
    "tanh by exp": (
        lambda x: (gc.exp(x) - gc.exp(-x)) / (gc.exp(x) + gc.exp(-x)), np.tanh, lambda x: 1 / np.cosh(x) ** 2,
    ),
    "log exp": (lambda x: gc.log(gc.exp(x)), lambda x: x, np.ones_like),
    "logaddexp by hand": (
        lambda x: gc.log(gc.exp(x) + gc.exp(-x)), lambda x: np.logaddexp(x, -x), np.tanh,
    ),
    "binary cross-entropy": (
        lambda x: -(0.25 * gc.log(gc.sigmoid(x)) + 0.75 * gc.log(1 - gc.sigmoid(x))),
        lambda x: 0.25 * _softplus(-x) + 0.75 * _softplus(x), lambda x: expit(x) - 0.25,
    ),
}  # fmt: skip
ROW = np.array([[1e3, -1e3, 800, -800, 5]])
EXTREME = np.concatenate([ROW, -ROW, ROW * 0.7, ROW * 1e-3])
MILD = np.linspace(-3, 3, 20).reshape(4, 5)


@pytest.mark.parametrize("points", [EXTREME, MILD], ids=["extreme", "mild"])
@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("optimize", ["default", "fast"])
def test_a_spelling_is_stable(name: str, points: np.ndarray, optimize: str) -> None:
    spelling, value, gradient = SPELLINGS[name]
    x = gc.input("x", (4, 5), "float64")
    y = spelling(x)
    found, slope = gc.compile([y, gc.grad(y.sum(), x)], [x], optimize=optimize)(points)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(found, value(points), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(slope, gradient(points), rtol=1e-11, atol=1e-11)


def test_cross_entropy_by_hand_has_the_gradient_of_the_textbook() -> None:
    """p·Σy − y: two products, a sum and a subtraction behind the softmax."""
    x, y = gc.input("x", (4, 5)), gc.input("y", (4, 5))
    loss = -(y * gc.log(gc.exp(x) / _sum(x))).sum()
    passes = (*PIPELINES["default"][2:5], Stabilisation())
    graph, _ = run(Graph((x, y), (gc.grad(loss, x),)), passes, Verifier())
    names = [n.op.name for n in graph.nodes if n.inputs and n.op.name not in ("reshape", "broadcast_to")]
    assert names.count("softmax") == 1 and "exp" not in names and "divide" not in names
    assert len(names) <= 8, names


def test_an_exponential_meets_its_sum() -> None:
    x, g = gc.input("x", (4, 5)), gc.input("g", (4, 1))
    e = gc.exp(x)
    total = e.sum(axis=1, keepdims=True)
    check_text(
        StableQuotients(),
        [x, g],
        [(g / total) * e],
        """
        g : float32[4, 1] = input
        x : float32[4, 5] = input
        %2 : float32[4, 5] = exp(x)
        %3 : float32[4, 1] = sum(%2, axis=(1,), keepdims=True)
        %4 : float32[4, 1] = divide(g, %3)
        %5 : float32[4, 5] = multiply(%4, %2)
        return %5
        """,
        """
        g : float32[4, 1] = input
        x : float32[4, 5] = input
        %2 : float32[4, 5] = softmax(x, axis=1)
        %3 : float32[4, 5] = multiply(g, %2)
        return %3
        """,
    )


def test_other_quotients_stay() -> None:
    x, y = gc.input("x", (4, 5)), gc.input("y", (4, 5))
    before = (gc.exp(x) / (2 + gc.exp(x)), gc.exp(x) / (1 + gc.exp(y)), (x / y) * y)
    after = StableQuotients()(Graph((x, y), before)).outputs
    assert after[0] is before[0] and after[2] is before[2]
    values = {x: np.full((4, 5), 2, np.float32), y: np.full((4, 5), -3, np.float32)}
    np.testing.assert_allclose(*(gc.interpret([o], values)[0] for o in (before[1], after[1])), rtol=1e-6)
