"""Windows folded by blocks: the kernel against sums written out, and where generated code takes it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.kernels import fold_into
from graphc.ir.build import apply
from graphc.ops.windows import FOLD


def written_out(y, shape, axes, stride):
    out = np.zeros(shape)
    rank = len(axes)
    for place in itertools.product(*map(range, y.shape)):
        at = list(place[: y.ndim - rank])
        for axis, r, s in zip(axes, place[y.ndim - rank :], stride, strict=True):
            at[axis] = at[axis] * s + r
        out[tuple(at)] += y[place]
    return out


@pytest.mark.parametrize("spare", [0, 1, 2, 5])
@pytest.mark.parametrize(
    ("windows", "size", "axes", "stride"),
    [
        ((2, 3, 2, 4), (6, 6), (1, 2), (4, 4)),
        ((2, 3, 1, 2), (4, 3), (1, 2), (2, 1)),
        ((3, 2, 3), (2, 2), (1, 2), (2, 2)),
        ((2, 4, 3), (2,), (1,), (3,)),  # gaps between the windows
        ((4, 2), (7,), (0,), (2,)),
        ((2, 0, 3, 2), (3, 3), (1, 2), (2, 2)),  # no window
        ((1, 1, 1), (1, 5), (0, 1), (3, 2)),
    ],
)
def test_blocks_are_sums_written_out(windows, size, axes, stride, spare):
    y = np.random.default_rng(0).normal(size=(*windows, *size))
    shape = list(windows)
    for axis, k, s in zip(axes, size, stride, strict=True):
        shape[axis] = max(0, (windows[axis] - 1) * s + k) + spare
    expected = written_out(y, shape, axes, stride)
    blocks = [-(-n // stride[axes.index(a)]) if a in axes else n for a, n in enumerate(shape)]
    out = np.full(shape, np.nan)
    fold_into(y, out, axes, stride, (1,) * len(axes), np.full((*stride, *blocks), np.nan))
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-14)
    plain = np.full(shape, np.nan)
    fold_into(y, plain, axes, stride, (1,) * len(axes))
    np.testing.assert_allclose(plain, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("batch", [1, 4, 33, "N"])
def test_generated_code_takes_blocks_where_little_lies_together(batch):
    y = gc.input("y", (3, 5, batch, 6), "float64")
    whole = apply(FOLD, (y,), axes=(1,), shape=(22,), stride=(4,), dilation=(1,))
    f = gc.compile(whole, [y], optimize="exact")
    assert ("scratch" in f.source) == (batch in (1, 4))
    value = np.random.default_rng(1).normal(size=(3, 5, 2 if batch == "N" else batch, 6))
    expected = written_out(value, (3, 22, value.shape[2]), (1,), (4,))
    np.testing.assert_allclose(f(value), expected, rtol=0, atol=1e-14)
