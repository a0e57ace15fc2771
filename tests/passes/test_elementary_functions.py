"""Elementary functions: accurate to rounding everywhere, and chosen by cost."""

import numpy as np
import pytest
from scipy import special

import graphc as gc
from graphc.ir.graph import Graph
from graphc.passes.elementary_functions import ABSOLUTE, ElementaryFunctions
from graphc.rewrite.cost_table import AVX2, AVX512, element_cost

POINTS = np.concatenate(
    [np.linspace(-120, 120, 20_001), [0.0, -0.0, 1e-30, -1e-8, 700.0, -700.0, np.inf, -np.inf, np.nan]]
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softplus_is_accurate_to_four_roundings_of_its_value(dtype: str) -> None:
    x = gc.input("x", (len(POINTS),), dtype)
    after = ElementaryFunctions()(Graph((x,), (gc.softplus(x),))).outputs[0]
    assert after.op.name != "softplus"
    points = POINTS.astype(dtype)
    with np.errstate(all="ignore"):
        (found,) = gc.interpret([after], {x: points})
        exact = -special.log_expit(-points.astype(np.longdouble)).astype(np.longdouble)
    normal = np.isfinite(exact) & (exact > np.finfo(dtype).tiny)
    error = np.abs(found[normal] - exact[normal]) / exact[normal]
    assert error.max() <= 4 * np.finfo(dtype).eps
    assert found[points == np.inf] == np.inf and found[points == -np.inf] == 0
    assert np.isnan(found[-1])


def test_sigmoid_by_tanh_keeps_its_absolute_error_only() -> None:
    """Why ``optimize="default"`` does not take it: σ(−50) would be 0."""
    x = gc.input("x", (3,))
    points = np.array([-50, 0.3, 4], np.float32)
    (found,) = gc.interpret([ABSOLUTE["sigmoid"](x)], {x: points})
    np.testing.assert_allclose(found, special.expit(points), atol=2e-7)
    assert found[0] == 0 < special.expit(points)[0]


def test_sigmoid_by_tanh_is_for_vectors_of_512_bits() -> None:
    def by_tanh(table) -> float:
        return sum(
            element_cost(op, np.dtype("float32"), table) for op in ("multiply", "tanh", "multiply", "add")
        )

    float32 = np.dtype("float32")
    assert by_tanh(AVX512) < element_cost("sigmoid", float32, AVX512)
    assert by_tanh(AVX2) > element_cost("sigmoid", float32, AVX2)


def test_on_a_few_elements_one_call_is_cheaper_than_many() -> None:
    x = gc.input("x", (3,))
    y = gc.softplus(x)
    assert ElementaryFunctions()(Graph((x,), (y,))).outputs[0] is y


def test_a_symbolic_size_may_be_large() -> None:
    x = gc.input("x", ("N",))
    f = gc.compile(gc.softplus(x), [x])
    assert "logaddexp" not in f.source
    np.testing.assert_allclose(f(np.array([0, 2], np.float32)), np.log1p(np.exp([0, 2])), rtol=1e-6)
