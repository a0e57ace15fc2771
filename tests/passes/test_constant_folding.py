"""Nodes of constants are computed at compile time, to the last bit, unless that makes them larger."""

import numpy as np

import graphc as gc
from graphc.ir.graph import Graph
from graphc.passes.constant_folding import ConstantFolding
from tests.passes.before_after import check_text


def _ops(graph: Graph) -> list[str]:
    return [n.op.name for n in graph.nodes]


def test_constants_below_an_input_become_one() -> None:
    x = gc.input("x", (2,), "float64")
    c = gc.constant(np.array([1.0, -0.0])) / gc.constant(np.array([np.inf, 1.0]))
    fired = check_text(
        ConstantFolding(),
        [x],
        [x * c],
        """
        x : float64[2] = input
        %1 : float64[2] = constant(value=[ 1., -0.])
        %2 : float64[2] = constant(value=[inf,  1.])
        %3 : float64[2] = divide(%1, %2)
        %4 : float64[2] = multiply(x, %3)
        return %4
        """,
        """
        x : float64[2] = input
        %1 : float64[2] = constant(value=[ 0., -0.])
        %2 : float64[2] = multiply(x, %1)
        return %2
        """,
    )
    assert fired == {"divide": 1}


def test_a_reduction_of_a_large_constant_is_folded() -> None:
    """The result is no larger than what it was made of."""
    big = gc.constant(np.ones((300, 300)))
    after = ConstantFolding()(Graph((), (big.sum(axis=0),)))
    assert _ops(after) == ["constant"]


def test_a_symbolic_size_is_no_constant() -> None:
    x = gc.input("x", ("N",))
    y = x * gc.sum(gc.broadcast_to(gc.constant(np.float32(1)), x.shape))
    assert "sum" in _ops(ConstantFolding()(Graph((x,), (y,))))


def test_nodes_of_constants_are_computed_with_nan_and_infinity() -> None:
    with np.errstate(all="ignore"):
        source = np.array([np.inf, -np.inf, np.nan, -0.0, 0.0])
        expected = np.log(source) / source
    c = gc.constant(source)
    after = ConstantFolding()(Graph((), (gc.log(c) / c,)))
    assert _ops(after) == ["constant"]
    found = after.outputs[0].attrs["value"]
    np.testing.assert_array_equal(found, expected)
    assert not found.flags.writeable


def test_large_results_broadcasts_and_draws_are_not_folded() -> None:
    big = gc.broadcast_to(gc.constant(np.float32(1)), (1000, 1000))
    outer = gc.constant(np.ones((300, 1))) * gc.constant(np.ones(300))
    draw = gc.random_uniform((2,)) * 2.0
    after = ConstantFolding()(Graph((), (big, outer, draw)))
    assert [o.op.name for o in after.outputs] == ["broadcast_to", "multiply", "multiply"]


def test_a_constant_index_out_of_range_is_reported_by_the_run() -> None:
    x = gc.input("x", (3,))
    index = gc.constant(np.array([7])) + gc.constant(np.array([1]))
    after = ConstantFolding()(Graph((x,), (gc.take(x, index, 0),)))
    assert "index_check" in _ops(after)
