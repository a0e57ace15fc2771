"""Whole networks: the symbolic gradient is raised to ops without residue and equals reverse mode's."""

import numpy as np
import pytest

import graphc as gc
from graphc.bench.engines import NETWORKS
from graphc.ir.traversal import topological_order


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_of_a_network_is_fully_raised(name):
    loss, values = NETWORKS[name](2)
    parameters = list(gc.parameters(loss))
    derivation = gc.symbolic.grad(loss, parameters)
    assert derivation.residue == ()
    step = gc.compile([*derivation.gradients, *gc.grad(loss, parameters)], list(values))
    results = step(*values.values())
    count = len(parameters)
    largest = max(np.abs(r).max() for r in results[count:])
    for found, expected in zip(results[:count], results[count:], strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5 * largest)


@pytest.mark.parametrize("name", ["LeNet", "8 residual blocks"])
def test_convolutions_stay_convolutions(name):
    """A gradient of one is one of the three ops of its family, not a sum of products of windows."""
    loss, _ = NETWORKS[name](2)
    derivation = gc.symbolic.grad(loss, list(gc.parameters(loss)))
    forward = set(topological_order([loss]))
    convolutions = sum(n.op.name == "convolution" for n in forward)
    made = [n.op.name for n in topological_order(derivation.gradients) if n not in forward]
    assert made.count("filter_gradient") == convolutions
    assert made.count("transposed_convolution") == convolutions - 1  # none by the image
    assert "window" not in made and "fold" not in made
