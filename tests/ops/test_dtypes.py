"""The dtype and value of results against NumPy's function of the same name, over all dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc import ops as gc
from graphc.errors import DTypeError
from graphc.ir.dtype import SUPPORTED
from graphc.ops import elementwise
from graphc.runtime.interpreter import interpret

DTYPES = [str(d) for d in SUPPORTED]
UFUNCS = [op for op in elementwise.OPS if op.ufunc is not None]


def _array(dtype: str, shape: tuple[int, ...] = (2, 3)) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 4, shape).astype(dtype)


def _compare(ours: Callable[..., Any], theirs: Callable[..., Any], *arrays: np.ndarray) -> None:
    """graphc gives what NumPy gives, or both refuse the dtypes."""
    inputs = [gc.input(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]
    with np.errstate(all="ignore"):
        try:
            expected = np.asarray(theirs(*arrays))
        except TypeError:
            with pytest.raises(DTypeError):
                ours(*inputs)
            return
        node = ours(*inputs)
        (value,) = interpret([node], dict(zip(inputs, arrays, strict=True)), cast=False)
    assert node.dtype == expected.dtype
    assert value.dtype == expected.dtype
    assert value.shape == expected.shape
    np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("op", UFUNCS, ids=lambda op: op.name)
def test_ufuncs_over_all_dtypes(op: Any) -> None:
    assert op.ufunc is not None
    for first in DTYPES:
        for second in DTYPES if op.ufunc.nin == 2 else [first]:
            arrays = [_array(first), _array(second, (3,))][: op.ufunc.nin]
            _compare(getattr(gc, op.name), op.ufunc, *arrays)


@pytest.mark.parametrize("number", [2, 2.5, True, -1, np.float32(2), np.int8(1), np.float64(0.5)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_weak_as_in_numpy(dtype: str, number: Any) -> None:
    x = gc.input("x", (2, 3), dtype)
    array = _array(dtype)
    for name in ("add", "multiply", "divide", "maximum", "less"):
        try:
            expected = getattr(np, name)(array, number)
        except OverflowError:  # −1 is no unsigned number
            expected = None
        if expected is None or (name == "less" and number == -1 and dtype.startswith("u")):
            with pytest.raises(DTypeError, match="does not fit"):
                getattr(gc, name)(x, number)
            continue
        node = getattr(gc, name)(x, number)
        (value,) = interpret([node], {x: array}, cast=False)
        assert value.dtype == node.dtype == expected.dtype, name
        np.testing.assert_array_equal(value, expected)


REDUCTIONS = ["sum", "mean", "prod", "max", "min", "any", "all", "argmax", "argmin"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str, dtype: str) -> None:
    ours, theirs = getattr(gc, name), getattr(np, name)
    several: list[Any] = [] if name.startswith("arg") else [(0, 2), (-1, 0), ()]
    for axis in (None, 0, -1, *several):
        for keepdims in (False, True):
            _compare(
                lambda x, a=axis, k=keepdims: ours(x, axis=a, keepdims=k),
                lambda x, a=axis, k=keepdims: theirs(x, axis=a, keepdims=k),
                _array(dtype, (2, 3, 4)),
            )


@pytest.mark.parametrize("name", ["sum", "prod", "any", "all", "mean"])
def test_reductions_of_nothing(name: str) -> None:
    x = np.zeros((2, 0, 3), "float32")
    if name == "mean":  # NumPy warns and gives NaN
        node_input = gc.input("x", x.shape)
        with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
            (value,) = interpret([gc.mean(node_input, axis=1)], {node_input: x})
        assert np.isnan(value).all()
        return
    _compare(lambda t: getattr(gc, name)(t, axis=1), lambda t: getattr(np, name)(t, axis=1), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cumsum(dtype: str) -> None:
    for axis in (None, 0, -1):
        _compare(
            lambda x, a=axis: gc.cumsum(x, axis=a), lambda x, a=axis: np.cumsum(x, axis=a), _array(dtype)
        )


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "float16"])
@pytest.mark.parametrize("name", ["var", "std"])
def test_variance(name: str, dtype: str) -> None:
    array = _array(dtype, (3, 4))
    x = gc.input("x", array.shape, dtype)
    for axis in (None, 0, (0, 1)):
        for ddof in (0, 1):
            node = getattr(gc, name)(x, axis=axis, ddof=ddof)
            (value,) = interpret([node], {x: array}, cast=False)
            expected = getattr(np, name)(array, axis=axis, ddof=ddof)
            assert value.dtype == node.dtype == expected.dtype
            np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.parametrize("first", DTYPES)
def test_products_and_joins_promote(first: str) -> None:
    for second in DTYPES:
        a, b = _array(first, (2, 3)), _array(second, (3, 2))
        _compare(gc.matmul, np.matmul, a, b)
        _compare(gc.dot, np.dot, a, b)
        _compare(lambda x, y: gc.einsum("ij,jk", x, y), lambda x, y: np.einsum("ij,jk", x, y), a, b)
        _compare(lambda x, y: gc.concatenate([x, y.T]), lambda x, y: np.concatenate([x, y.T]), a, b)
        _compare(lambda x, y: gc.where(x > 1, x, y.T), lambda x, y: np.where(x > 1, x, y.T), a, b)


@pytest.mark.parametrize("dtype", DTYPES)
def test_conversions(dtype: str) -> None:
    for target in DTYPES:
        _compare(lambda x, t=target: gc.astype(x, t), lambda x, t=target: x.astype(t), _array(dtype))


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "bool"])
def test_clip(dtype: str) -> None:
    _compare(lambda x: gc.clip(x, 2, 3), lambda x: np.clip(x, 2, 3), _array(dtype))
    _compare(lambda x: gc.clip(x, None, 2), lambda x: np.clip(x, None, 2), _array(dtype))
    _compare(lambda x: gc.clip(x, 1.5, 2.5), lambda x: np.clip(x, 1.5, 2.5), _array(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_real_functions_take_the_dtype_of_exp(dtype: str) -> None:
    array = _array(dtype)
    x = gc.input("x", array.shape, dtype)
    wide = array.astype("float64")
    expected = {
        "sigmoid": 1 / (1 + np.exp(-wide)),
        "softplus": np.log1p(np.exp(wide)),
        "softmax": np.exp(wide) / np.exp(wide).sum(-1, keepdims=True),
        "logsumexp": np.log(np.exp(wide).sum()),
    }
    for name, closed_form in expected.items():
        node = getattr(gc, name)(x)
        (value,) = interpret([node], {x: array}, cast=False)
        assert value.dtype == node.dtype == np.exp(array).dtype
        np.testing.assert_allclose(value, closed_form, rtol=4e-3 if value.dtype == "float16" else 1e-6)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "sigmoid", "softplus"])
def test_stable_functions_do_not_overflow(name: str) -> None:
    torch = pytest.importorskip("torch")
    rows = np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4], [np.inf, 0, 1], [-np.inf, 0, 1], [np.nan, 0, 1]])
    x = gc.input("x", rows.shape, "float64")
    reduces = name in ("softmax", "log_softmax", "logsumexp")
    node = getattr(gc, name)(x, axis=1) if reduces else getattr(gc, name)(x)
    (value,) = interpret([node], {x: rows})
    other = torch.nn.functional.softplus if name == "softplus" else getattr(torch, name)
    expected = other(torch.from_numpy(rows), **({"dim": 1} if reduces else {})).numpy()
    np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_logsumexp_of_nothing_is_minus_infinity() -> None:
    x = gc.input("x", (2, 0))
    (value,) = interpret([gc.logsumexp(x, axis=1)], {x: np.zeros((2, 0))})
    assert np.all(value == -np.inf)
