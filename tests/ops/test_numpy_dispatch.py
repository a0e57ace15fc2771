# ruff: noqa: E501  (tables of cases)
"""NumPy's functions on tensors: each builds a node whose value is NumPy's on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc import ops as gc
from graphc.errors import DTypeError, GraphError, UnsupportedError
from graphc.ir.operators import NUMPY_FUNCTIONS
from graphc.ir.tensor import Tensor
from graphc.runtime.interpreter import interpret

A = np.arange(1.0, 7.0).reshape(2, 3)
CALLS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp, "tanh": np.tanh, "abs": np.abs, "positive": np.positive, "add": lambda x: np.add(x, 1),
    "array left": lambda x: A + x, "array right": lambda x: x * A, "array matmul": lambda x: A.T @ x,
    "matmul array": lambda x: x @ A.T, "numpy scalar": lambda x: np.float64(2) - x, "array compares": lambda x: x < A,
    "sum": lambda x: np.sum(x, 0, None, None, True), "mean": lambda x: np.mean(x, axis=1, keepdims=True),
    "prod": np.prod, "max": lambda x: np.max(x, axis=0), "amin": np.amin, "any": lambda x: np.any(x > 5),
    "argmax": lambda x: np.argmax(x, axis=1), "cumsum": lambda x: np.cumsum(x, 0), "var": lambda x: np.var(x, ddof=1),
    "std": lambda x: np.std(x, axis=0), "clip": lambda x: np.clip(x, 2, 4), "clip names": lambda x: np.clip(x, a_min=2, a_max=None),
    "round": np.round, "where": lambda x: np.where(x > 2, x, 0.0), "where array": lambda x: np.where(A > 2, x, A),
    "dot": lambda x: np.dot(x, A.T), "inner": lambda x: np.inner(A, x), "vdot": lambda x: np.vdot(x, A), "outer": lambda x: np.outer(x, A),
    "kron": lambda x: np.kron(x, A), "tensordot": lambda x: np.tensordot(x, A, axes=2), "einsum": lambda x: np.einsum("ij,kj->ik", x, A),
    "einsum optimize": lambda x: np.einsum("ij,kj->ik", x, A, optimize=True), "trace": np.trace, "diagonal": lambda x: np.diagonal(x, 1),
    "reshape": lambda x: np.reshape(x, (3, 2)), "ravel": np.ravel, "transpose": np.transpose, "broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3)),
    "concatenate": lambda x: np.concatenate([x, A], axis=1), "concatenate positional": lambda x: np.concatenate((A, x), 1), "stack": lambda x: np.stack([A, x], axis=-1),
    "flip": lambda x: np.flip(x, 1), "expand_dims": lambda x: np.expand_dims(x, 1), "squeeze": lambda x: np.squeeze(x[:1]),
    "moveaxis": lambda x: np.moveaxis(x, 0, 1), "swapaxes": lambda x: np.swapaxes(x, 0, 1), "tile": lambda x: np.tile(x, 2), "repeat": lambda x: np.repeat(x, 2, axis=0),
    "roll": lambda x: np.roll(x, 1, axis=1), "pad": lambda x: np.pad(x, 1, mode="reflect"), "pad value": lambda x: np.pad(x, 1, constant_values=3),
    "tril": np.tril, "triu": lambda x: np.triu(x, k=1), "take": lambda x: np.take(x, [0, 1], axis=1),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[0], [1]]), axis=1), "zeros_like": np.zeros_like, "full_like": lambda x: np.full_like(x, 2),
    "logical": lambda x: (x > 1) & ~(x > 3) | np.logical_not(x > 1), "invert": lambda x: np.invert(x > 2), "split": lambda x: np.split(x, 3, axis=1)[1],
    "method sum": lambda x: x.sum(axis=1), "method clip": lambda x: x.clip(2, 3), "method round": lambda x: x.round(), "method T": lambda x: x.T,
    "method dot": lambda x: x.dot(A.T), "method mean": lambda x: x.mean(0), "method repeat": lambda x: x.repeat(2, axis=1), "method std": lambda x: x.std(),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_equals_numpy(call: Callable[[Any], Any]) -> None:
    x = gc.input("x", A.shape, "float64")
    node = call(x)
    assert isinstance(node, Tensor)
    (value,) = interpret([node], {x: A})
    expected = np.asarray(call(A))
    assert value.dtype == expected.dtype
    np.testing.assert_allclose(value, expected, rtol=1e-14)


def test_sizes_are_read_without_nodes() -> None:
    x = gc.input("x", ("N", 3))
    assert np.shape(x) == x.shape
    assert np.ndim(x) == 2
    assert str(np.size(x)) == "3*N"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.add(x, 1, out=np.zeros((2, 3))), "the argument out= of numpy.add"),
        (lambda x: np.exp(x, where=A > 1), "the argument where= of numpy.exp"),
        (lambda x: np.sum(x, dtype="float32"), "the argument dtype= of numpy.sum"),
        (lambda x: np.sum(x, out=np.zeros(())), "the argument out= of numpy.sum"),
        (lambda x: np.round(x, 2), "rounding to 2 decimals"),
        (lambda x: np.where(x > 1), "whose size depends on values"),
        (lambda x: np.einsum(x, [0, 1], [0]), "lists of axis numbers"),
        (lambda x: np.add.reduce(x), "numpy.add.reduce has no graphc counterpart"),
        (lambda x: np.linalg.inv(x), "numpy.inv has no graphc counterpart"),
        (lambda x: np.sort(x), "numpy.sort has no graphc counterpart"),
        (lambda x: np.gcd(x, 2), "numpy.gcd has no graphc counterpart"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        call(gc.input("x", (2, 3), "float64"))
    assert message in str(caught.value)
    assert "remedy" in str(caught.value)


def test_bitwise_operators_need_bools() -> None:
    i = gc.input("i", (3,), "int64")
    for call in (lambda: i & 1, lambda: ~i, lambda: 1 | i, lambda: np.bitwise_xor(i, i)):
        with pytest.raises(DTypeError, match="no bitwise operations"):
            call()


def test_every_answer_is_a_function() -> None:
    assert all(callable(f) for f in NUMPY_FUNCTIONS.values())


def test_an_index_of_a_condition_is_no_numpy_where() -> None:
    with pytest.raises(UnsupportedError, match="boolean mask"):
        x = gc.input("x", (3,))
        x[x > 0]
