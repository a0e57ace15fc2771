"""Every pipeline keeps the value of random graphs; the interpreter on the graph as written is the oracle."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import PIPELINES, run

# Bounded functions, so that a random graph neither overflows nor amplifies rounding without limit.
UNARY = (gc.tanh, gc.sigmoid, gc.sin, gc.relu, gc.negative, gc.abs, gc.square, gc.stop_gradient)
BINARY = (gc.add, gc.subtract, gc.multiply, gc.maximum, gc.minimum)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[gc.Tensor], gc.Tensor]:
    """An elementwise, reducing and rearranging graph of 5 to 60 nodes over two inputs of shape (3, 4)."""
    inputs = [gc.input("x", (3, 4), "float64"), gc.input("y", (3, 4), "float64")]
    nodes = list(inputs)
    for _ in range(draw(st.integers(5, 60))):
        a = nodes[draw(st.integers(0, len(nodes) - 1))]
        b = nodes[draw(st.integers(0, len(nodes) - 1))]
        match draw(st.integers(0, 5)):
            case 0:
                node = draw(st.sampled_from(UNARY))(a)
            case 1:
                node = draw(st.sampled_from(BINARY))(a, b)
            case 2:
                node = draw(st.sampled_from(BINARY))(a, draw(st.sampled_from(NUMBERS)))
            case 3:
                node = (
                    draw(st.sampled_from((gc.sum, gc.mean, gc.max)))(
                        a, axis=draw(st.integers(0, 1)), keepdims=True
                    )
                    + b
                )
            case 4:
                node = gc.transpose(gc.reshape(gc.transpose(a), (4, 3)))
            case _:
                node = gc.where(a > b, a, b)
        nodes.append(gc.tanh(node) if node.op.name in ("square", "multiply", "add", "subtract") else node)
    return inputs, nodes[-1]


@pytest.mark.parametrize("name", PIPELINES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=graphs(), seed=st.integers(0, 2**16))
def test_a_random_graph_keeps_its_value(
    name: str, drawn: tuple[list[gc.Tensor], gc.Tensor], seed: int
) -> None:
    inputs, output = drawn
    rng = np.random.default_rng(seed)
    values = {i: rng.uniform(-2, 2, (3, 4)) for i in inputs}
    after, _ = run(Graph(tuple(inputs), (output,)), PIPELINES[name], Verifier())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, found = gc.interpret([output, *after.outputs], values)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
