"""The messages of mistakes, word for word: each names the op, what was seen, the line and the remedy."""

import re
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphError

F32 = np.float32


def _x() -> gc.Tensor:
    return gc.input("x", ("N", 784))


def _w() -> gc.Tensor:
    return gc.input("w", (100, 10))


def _compiled() -> gc.Function:
    x = gc.input("x", ("N", 3))
    t = gc.input("t", ("N",), "int64")
    return gc.compile((x.sum(axis=1) * t.astype("float32")), [x, t])


def _truth() -> None:
    if _x() > 0:
        raise AssertionError


MISTAKES: dict[str, Callable[[], object]] = {
    "matmul_inner_sizes": lambda: _x() @ _w(),
    "broadcast_sizes": lambda: gc.input("a", (3, 4)) + gc.input("b", (5, 4)),
    "broadcast_symbols": lambda: gc.input("a", ("N",)) * gc.input("b", ("M",)),
    "negative_size": lambda: gc.input("a", (-1, 2)),
    "float_size": lambda: gc.input("a", (2.5,)),
    "empty_dimension_name": lambda: gc.input("a", ("",)),
    "tensor_as_shape": lambda: gc.input("a", _x()),
    "array_as_shape": lambda: gc.input("a", np.array([2, 3])),
    "unknown_dtype": lambda: gc.input("a", (2,), "float33"),
    "complex_dtype": lambda: gc.input("a", (2,), "complex64"),
    "empty_name": lambda: gc.input("", (2,)),
    "truth_value": _truth,
    "python_int": lambda: range(gc.input("n", (), "int64")),
    "python_float": lambda: float(gc.input("a", ())),
    "numpy_array": lambda: np.asarray(_x()),
    "assignment": lambda: _x().__setitem__(0, 1),
    "length_of_symbol": lambda: len(_x()),
    "length_of_scalar": lambda: len(gc.input("a", ())),
    "unknown_numpy_function": lambda: np.linalg.svd(_x()),
    "axis_out_of_range": lambda: _x().sum(axis=2),
    "axis_twice": lambda: _x().sum(axis=(0, 0)),
    "reshape_count": lambda: gc.input("a", (2, 3)).reshape(4, 2),
    "reshape_two_unknown": lambda: gc.input("a", (2, 3)).reshape(-1, -1),
    "concatenate_sizes": lambda: gc.concatenate([gc.input("a", (2, 3)), gc.input("b", (2, 4))], axis=0),
    "einsum_sizes": lambda: gc.einsum("ij,jk->ik", gc.input("a", (2, 3)), gc.input("b", (4, 5))),
    "einsum_operands": lambda: gc.einsum("ij,jk->ik", gc.input("a", (2, 3))),
    "too_many_indices": lambda: gc.input("a", (2, 3))[0, 0, 0],
    "index_out_of_range": lambda: gc.input("a", (2, 3))[5],
    "boolean_mask": lambda: gc.input("a", (2, 3))[gc.input("m", (2, 3), "bool")],
    "transpose_axes": lambda: gc.transpose(gc.input("a", (2, 3)), (0, 0)),
    "broadcast_to": lambda: gc.broadcast_to(gc.input("a", (2, 3)), (2, 4)),
    "where_condition": lambda: gc.where(gc.input("a", (3,)), 1.0, 2.0),
    "bool_subtract": lambda: gc.input("a", (3,), "bool") - gc.input("b", (3,), "bool"),
    "number_too_large": lambda: gc.input("a", (3,), "uint8") + 300,
    "parameter_symbolic_shape": lambda: gc.parameter("w", ("N", 3)),
    "parameter_without_shape": lambda: gc.parameter("w"),
    "parameter_shape_of_value": lambda: gc.parameter("w", (2, 3), value=np.zeros(4)),
    "scope_without_name": lambda: gc.scope(""),
    "grad_of_a_matrix": lambda: gc.grad(_x(), _x()),
    "grad_by_integers": lambda: (lambda t: gc.grad(t.astype("float32").sum(), t))(
        gc.input("t", (3,), "int64")
    ),
    "missing_input": lambda: gc.compile(_x().sum(), []),
    "input_not_needed": lambda: (lambda x: gc.compile(x.sum(), [x, gc.input("extra", (2,))]))(_x()),
    "two_inputs_of_one_name": lambda: (lambda a, b: gc.compile(a + b, [a, b]))(
        gc.input("a", (2,)), gc.input("a", (2,))
    ),
    "two_parameters_of_one_name": lambda: gc.compile(gc.parameter("w", (2,)) + gc.parameter("w", (2,)), []),
    "size_not_told": lambda: gc.compile(gc.ones(("N", 2)), []),
    "output_no_tensor": lambda: gc.compile(3.0, []),
    "update_shape": lambda: (lambda w: gc.compile(w, [], updates={w: w.sum()}))(gc.parameter("w", (2,))),
    "update_dtype": lambda: (lambda w: gc.compile(w, [], updates={w: w.astype("float64")}))(
        gc.parameter("w", (2,))
    ),
    "update_of_no_parameter": lambda: (lambda x: gc.compile(x, [x], updates={x: x}))(gc.input("x", (2,))),
    "unknown_pipeline": lambda: gc.compile(_x(), [_x()], optimize="best"),
    "call_dtype": lambda: _compiled()(np.zeros((2, 3)), np.zeros(2, np.int64)),
    "call_rank": lambda: _compiled()(np.zeros(3, F32), np.zeros(2, np.int64)),
    "call_size": lambda: _compiled()(np.zeros((2, 4), F32), np.zeros(2, np.int64)),
    "call_symbol": lambda: _compiled()(np.zeros((2, 3), F32), np.zeros(5, np.int64)),
    "call_missing": lambda: _compiled()(np.zeros((2, 3), F32)),
    "call_unknown_name": lambda: _compiled()(x=np.zeros((2, 3), F32), y=0),
    "call_with_a_tensor": lambda: _compiled()(_x(), np.zeros(2, np.int64)),
    "parameter_set_shape": lambda: _set_parameter(np.zeros(3)),
    "nan": lambda: gc.compile(gc.log(gc.parameter("w", (2,), init=-1.0)).sum(), [], debug="nan")(),
}


def _set_parameter(value: np.ndarray) -> None:
    w = gc.parameter("w", (2,))
    gc.compile(w.sum(), []).params["w"] = value


@pytest.mark.parametrize("name", MISTAKES)
def test_message(name: str, snapshot) -> None:
    with pytest.raises(GraphError) as caught:
        MISTAKES[name]()
    text = re.sub(r"at \S*?(test_error_messages\.py):\d+", r"at \1:LINE", str(caught.value))
    assert text == snapshot
    assert "remedy" in text
    if not name.startswith("parameter_set"):
        assert "test_error_messages.py" in text, "the user's own line is named"
