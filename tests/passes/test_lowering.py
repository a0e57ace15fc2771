"""Lowered ops keep their meaning: NumPy, closed forms, and SciPy where it is installed."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.passes.lowering import LOWERINGS, Lowering
from graphc.passes.pipelines import PIPELINES

EQUATIONS = {
    "ab->ba": ((2, 3),),
    "ab->a": ((2, 3),),
    "ab->": ((2, 3),),
    "aa->a": ((3, 3),),
    "aab->b": ((3, 3, 2),),
    "ab,bc->ac": ((2, 3), (3, 4)),
    "ab,bc->ca": ((2, 3), (3, 4)),
    "ab,cb->ac": ((2, 3), (4, 3)),
    "a,a->": ((3,), (3,)),
    "a,b->ab": ((2,), (3,)),
    "ab,b->a": ((2, 3), (3,)),
    "a,ab->b": ((2,), (2, 3)),
    "ab,ab->ab": ((2, 3), (2, 3)),
    "ab,ab->a": ((2, 3), (2, 3)),
    "abc,acd->abd": ((2, 3, 4), (2, 4, 5)),
    "abc,bad->cdab": ((2, 3, 4), (3, 2, 5)),
    "abcd,cdbe->ae": ((2, 3, 4, 5), (4, 5, 3, 6)),
    "abx,bcy->ac": ((2, 3, 2), (3, 4, 3)),
    "aab,bc->ac": ((3, 3, 2), (2, 4)),
    "ab,bc->acb": ((2, 3), (3, 4)),
    ",ab->ab": ((), (2, 3)),
    "ab,bc,cd->ad": ((2, 3), (3, 4), (4, 5)),
    "ab,bc,cd->da": ((2, 3), (3, 4), (4, 5)),
    "a,b,c->abc": ((2,), (3,), (4,)),
    "ab,ac,ad->bcd": ((2, 3), (2, 4), (2, 5)),
    "a,ab,b,b->": ((2,), (2, 3), (3,), (3,)),
    "ab,bc->ac ": ((0, 3), (3, 4)),
    "ab,bc ->ac": ((2, 0), (0, 4)),
}


def _lowered(output: gc.Tensor, values: dict[gc.Tensor, np.ndarray]) -> tuple[list[str], np.ndarray]:
    after = Lowering()(Graph(tuple(values), (output,)))
    Verifier().verify(after, "lowering")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (value,) = gc.interpret(after.outputs, values)
    return [n.op.name for n in after.nodes], value


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "int64"])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_an_einsum_equals_numpy(equation: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-5, 6, s).astype(dtype) for s in EQUATIONS[equation]]
    inputs = [gc.input(f"x{k}", a.shape, dtype) for k, a in enumerate(arrays)]
    ops, value = _lowered(gc.einsum(equation, *inputs), dict(zip(inputs, arrays, strict=True)))
    expected = np.einsum(equation, *arrays)
    assert value.dtype == expected.dtype
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    if not any(len(set(t)) < len(t) for t in equation.replace(" ", "").split("->")[0].split(",")):
        assert "einsum" not in ops


def test_an_einsum_of_booleans_stays() -> None:
    x, y = gc.input("x", (2, 3), "bool"), gc.input("y", (3, 2), "bool")
    assert (
        _lowered(gc.einsum("ab,bc->ac", x, y), {x: np.ones((2, 3), bool), y: np.ones((3, 2), bool)})[0][-1]
        == "einsum"
    )


def test_an_einsum_over_symbolic_sizes() -> None:
    q, k, v = (gc.input(n, ("B", "T", "H", 4), "float64") for n in "qkv")
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, 3, 5, 4)) for _ in "qkv"]
    equation = "bqhd,bkhd,bkhe->bqhe"
    ops, value = _lowered(gc.einsum(equation, q, k, v), dict(zip((q, k, v), arrays, strict=True)))
    assert ops.count("matmul") == 2 and "einsum" not in ops
    np.testing.assert_allclose(value, np.einsum(equation, *arrays), rtol=1e-12)


def test_a_chain_of_three_takes_the_cheap_order() -> None:
    """(100×1)(1×100)(100×1): the right pair first needs 200 multiplications, the left pair 20 000."""
    shapes = (100, 1), (1, 100), (100, 1)
    inputs = [gc.input(f"x{k}", s) for k, s in enumerate(shapes)]
    after = Lowering()(Graph(tuple(inputs), (gc.einsum("ab,bc,cd->ad", *inputs),)))
    assert not any(n.shape == (100, 100) for n in after.nodes)


SPECIAL = np.array(
    [[0.0, 1.0, 2.0], [-np.inf, -np.inf, -np.inf], [1.0, np.inf, 2.0], [np.nan, 0.0, 1.0], [1e4, -1e4, 0.0]]
)


def test_logsumexp_equals_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    x = gc.input("x", SPECIAL.shape, "float64")
    _, value = _lowered(gc.logsumexp(x, axis=1), {x: SPECIAL})
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(value, special.logsumexp(SPECIAL, axis=1), rtol=1e-14)
    assert value[1] == -np.inf and value[2] == np.inf


@pytest.mark.parametrize("function", [gc.softmax, gc.log_softmax])
def test_softmax_keeps_what_infinity_means(function: Callable[..., gc.Tensor]) -> None:
    x = gc.input("x", SPECIAL.shape, "float64")
    y = function(x, axis=1)
    _, value = _lowered(y, {x: SPECIAL})
    (expected,) = gc.interpret([y], {x: SPECIAL})
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    assert np.isnan(value[1:4]).all()


@pytest.mark.parametrize("function", [gc.softmax, gc.log_softmax])
def test_softmax_of_an_empty_axis_is_empty(function: Callable[..., gc.Tensor]) -> None:
    x = gc.input("x", (2, 0))
    assert _lowered(function(x, axis=1), {x: np.zeros((2, 0), np.float32)})[1].shape == (2, 0)


@pytest.mark.parametrize("level", PIPELINES)
@pytest.mark.parametrize("function", [gc.softmax, gc.log_softmax, gc.logsumexp])
def test_an_axis_may_be_empty_at_the_call(function: Callable[..., gc.Tensor], level: str) -> None:
    x = gc.input("x", ("N", 3))
    y = function(x, axis=0)
    outputs = [y, gc.grad(gc.sum(y), x)]
    nothing = np.zeros((0, 3), np.float32)
    found = gc.compile(outputs, [x], optimize=level)(nothing)
    np.testing.assert_array_equal(found[0], np.full(3, -np.inf) if y.ndim == 1 else nothing)
    np.testing.assert_array_equal(found[1], nothing)


def test_a_mean_of_float16_does_not_overflow() -> None:
    x = gc.input("x", (1000,), "float16")
    ops, value = _lowered(gc.mean(x), {x: np.full(1000, 100, np.float16)})
    assert value.dtype == np.float16 and value == 100
    assert "mean" not in ops


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "float64"])
def test_a_mean_over_a_symbolic_axis_equals_numpy(dtype: str) -> None:
    x = gc.input("x", ("N", 3), dtype)
    array = np.arange(12).reshape(4, 3).astype(dtype)
    _, value = _lowered(gc.mean(x, axis=0), {x: array})
    np.testing.assert_array_equal(value, array.mean(axis=0))
    assert value.dtype == array.mean(axis=0).dtype


def test_a_lowered_node_keeps_the_users_line() -> None:
    x = gc.input("x", (2, 3))
    y = gc.softmax(x, axis=1)
    after = Lowering()(Graph((x,), (y,)))
    assert {n.location.line for n in after.nodes if n.inputs} == {y.location.line}
    assert not any(n.op.name in LOWERINGS for n in after.nodes)


ROWS = np.array(
    [
        [0.0, 1.0, 2.0],
        [-np.inf, -np.inf, -np.inf],
        [-np.inf, 1.0, 2.0],
        [88.0, 89.0, 1000.0],
        [-1e4, -1e4, -2e4],
    ]
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
@pytest.mark.parametrize("shape", [(5, 3), ("N", "K")])
def test_rows_with_minus_infinity_equal_scipy(name: str, dtype: str, shape: tuple[int | str, ...]) -> None:
    special = pytest.importorskip("scipy.special")
    rows = ROWS.astype(dtype)
    x = gc.input("x", shape, dtype)
    _, value = _lowered(getattr(gc, name)(x, axis=1), {x: rows})
    with np.errstate(all="ignore"):
        expected = getattr(special, name)(rows, axis=1)
    tolerance = 1e-14 if dtype == "float64" else 1e-6
    np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance * 1e-3)
    assert value.dtype == dtype


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...ab,...bc->...ac", ((1, 5, 2, 3), (4, 1, 3, 2))),
        ("...a,...a->...", ((4, 1, 3), (5, 3))),
        ("...aa->...a", ((2, 3, 3),)),
    ],
)
def test_an_ellipsis_broadcasts_as_in_numpy(equation: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s) for s in shapes]
    inputs = [gc.input(f"x{k}", s, "float64") for k, s in enumerate(shapes)]
    _, value = _lowered(gc.einsum(equation, *inputs), dict(zip(inputs, arrays, strict=True)))
    np.testing.assert_allclose(value, np.einsum(equation, *arrays), rtol=1e-12)
