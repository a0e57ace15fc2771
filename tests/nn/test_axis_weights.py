from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.nn.axis_weights import index_range, number, taps_matrix, weighted


@pytest.mark.parametrize("size", [4, "H"])
def test_equal_positions_add_their_weights(size):
    x = gc.input("x", (2, size, 3), "float64")
    rows = index_range(2)
    first, second = (rows * 0, rows * 0.0 + 0.25), (rows * (number(x.shape[1]) - 1), rows * 0.0 + 0.5)
    table = gc.constant(taps_matrix([first, second], x.shape[1]))
    (found,) = gc.interpret([table * x.sum()], {x: np.full((2, 4, 3), 1 / 24)})
    np.testing.assert_allclose(found, [[0.75, 0, 0, 0], [0.25, 0, 0, 0.5]])


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (0, 3, 2, 2)])
def test_weighted_sums_along_each_axis(axis, shape):
    generator = np.random.default_rng(axis)
    matrix, value = generator.standard_normal((6, shape[axis])), generator.standard_normal(shape)
    x = gc.input("x", shape, "float64")
    (found,) = gc.interpret([weighted(x, axis, matrix)], {x: value})
    expected = np.moveaxis(np.tensordot(matrix, value, (1, axis)), 0, axis)
    np.testing.assert_allclose(found, expected, atol=1e-14)
