"""A thousand random graphs of view ops: the symbolic gradient is reverse mode's, however it is composed."""

import pytest

import graphc as gc
from graphc.ir.traversal import topological_order
from tests.symbolic.agreement import MODES, assert_equal, symbolic_gradients
from tests.symbolic.view_graphs import ViewGraph, view_graph

_EACH = 50
_COUNT = 1000


def _check(graph: ViewGraph) -> None:
    wrt = list(graph.inputs)
    symbolic = {mode: symbolic_gradients(graph.output, wrt, mode) for mode in MODES}
    outputs = [*gc.grad(graph.output, wrt), *(g for many in symbolic.values() for g in many)]
    flat = gc.interpret(outputs, graph.values)
    expected, rest = flat[: len(wrt)], flat[len(wrt) :]
    for k, gradient in enumerate(rest):
        mode, tensor = MODES[k // len(wrt)], wrt[k % len(wrt)]
        assert_equal(gradient, expected[k % len(wrt)], f"mode {mode}, by {tensor.name}")


@pytest.mark.parametrize("first", range(0, _COUNT, _EACH))
def test_gradients_equal_reverse_mode_in_every_mode(first: int) -> None:
    failed = []
    for seed in range(first, first + _EACH):
        graph = view_graph(seed)
        try:
            _check(graph)
        except Exception as error:
            failed.append(f"{graph}\n{type(error).__name__}: {error}")
    assert not failed, f"{len(failed)} of {_EACH} graphs:\n\n" + "\n\n".join(failed[:5])


def test_the_graphs_are_the_same_for_the_same_seed_and_use_every_op() -> None:
    again = [str(view_graph(seed)) for seed in (0, 1, 2)]
    assert again == [str(view_graph(seed)) for seed in (0, 1, 2)]
    used = {node.op.name for seed in range(100) for node in topological_order([view_graph(seed).output])}
    assert used >= {
        "reshape", "transpose", "slice", "flip", "pad", "concatenate", "broadcast_to", "take", "index_check",
        "window", "fold", "embed", "einsum", "sum", "cumsum", "square", "tanh", "multiply", "add", "where",
    }  # fmt: skip
