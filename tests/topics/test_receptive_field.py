"""TOPICS row 18: dilation enlarges the receptive field, and the report says by how much."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc

F64 = "float64"


def _support(y: gc.Tensor, x: gc.Tensor, place: tuple[int, ...]) -> list[tuple[int, int]]:
    """First and last index, along each axis, where the gradient of one element of y by x is not zero."""
    shape = tuple(int(n) for n in x.shape)
    (slope,) = gc.interpret([gc.grad(y[place], x)], {x: np.zeros(shape)})
    return [(int(i.min()), int(i.max())) for i in np.nonzero(slope)]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2, 3, 4])
def test_the_effective_kernel(size: int, dilation: int) -> None:
    x = gc.input("x", (1, 1, 40), F64)
    y = gc.nn.conv1d(x, np.ones((1, 1, size)), dilation=dilation)
    effective = size + (size - 1) * (dilation - 1)
    field = gc.nn.receptive_field(y, x)
    assert field.size == (effective,) and field.stride == (1,)
    first, last = _support(y, x, (0, 0, 7))[-1]
    assert (first, last) == (7, 7 + effective - 1)
    (slope,) = gc.interpret([gc.grad(y[0, 0, 7], x)], {x: np.zeros((1, 1, 40))})
    assert np.count_nonzero(slope) == size, "as many weights as before"


def test_doubling_dilations_see_exponentially_far_with_linearly_many_weights() -> None:
    """A stack of dilations 1, 2, 4, … of kernel 2 sees 2^depth samples, a plain one depth + 1 (WaveNet)."""
    x = gc.input("x", (1, 1, 300), F64)
    plain = dilated = x
    for depth in range(1, 8):
        plain = gc.nn.conv1d(plain, np.ones((1, 1, 2)))
        dilated = gc.nn.conv1d(dilated, np.ones((1, 1, 2)), dilation=2 ** (depth - 1))
        assert gc.nn.receptive_field(plain, x).size == (depth + 1,)
        assert gc.nn.receptive_field(dilated, x).size == (2**depth,)


NETWORKS = {
    "dilated": lambda x, w: gc.nn.conv2d(gc.nn.conv2d(x, w, dilation=2), w, dilation=(1, 3)),
    "strided and padded": lambda x, w: gc.nn.conv2d(
        gc.nn.conv2d(x, w, stride=2, padding=1), w, stride=(1, 2)
    ),
    "pooled": lambda x, w: gc.nn.avg_pool2d(gc.nn.conv2d(x, w, padding=1), 2, stride=3),
    "transposed": lambda x, w: gc.nn.conv2d(gc.nn.conv_transpose2d(x, w, stride=2), w, dilation=2),
    "residual": lambda x, w: x + gc.nn.conv2d(gc.nn.conv2d(x, w, padding=2, dilation=2), w, padding=1),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_report_is_the_support_of_the_input_gradient(name: str) -> None:
    x = gc.input("x", (1, 1, 26, 23), F64)
    y = NETWORKS[name](x, np.ones((1, 1, 3, 3)))
    field = gc.nn.receptive_field(y, x)
    rows, columns = y.shape[2:]
    assert isinstance(rows, int) and isinstance(columns, int)
    for place in ((0, 0), (rows // 2, columns // 2), (rows - 1, columns - 1)):
        box = field.box((0, 0, *place))
        assert [(s.start, s.stop - 1) for s in box] == _support(y, x, (0, 0, *place))[2:]
