"""What a node costs: a node enters, the number of its scalar operations leaves, symbolic where sizes are."""

from __future__ import annotations

from collections.abc import Callable

from graphc.ir.body import bodies_of
from graphc.ir.dimension import Dim, element_count, simplified
from graphc.ir.tensor import Tensor
from graphc.ops.convolution import trilinear_shapes


def operations(node: Tensor) -> Dim:
    """Scalar operations of one node; moving elements about is none.

    A product and the sum it goes into count as one.
    """
    match node.op.family:
        case "elementwise":
            return element_count(node.shape)
        case "reduction":
            return element_count(node.inputs[0].shape)
        case "loop":
            return _over_steps(node, operations)
    return _products(node)


def multiply_adds(node: Tensor) -> Dim:
    """Multiplications that go into a sum: those of convolutions and of products of tensors.

    What papers report of a network. As they do, it counts products with what is padded and leaves biases,
    activations, normalisation and pooling aside.

    >>> import graphc as gc
    >>> x, w = gc.input("x", (1, 3, 32, 32)), gc.parameter("w", (8, 3, 5, 5))
    >>> gc.analysis.multiply_adds(gc.nn.conv2d(x, w)) == 28 * 28 * 8 * 3 * 5 * 5
    True
    """
    if node.op.family == "loop":
        return _over_steps(node, multiply_adds)
    return _products(node) if len(node.inputs) > 1 else 0


def _over_steps(node: Tensor, count: Callable[[Tensor], Dim]) -> Dim:
    """What all steps of a loop cost together."""
    inside: Dim = 0
    for body in bodies_of(node):
        for inner in body.order:
            inside = inside + count(inner)
    return simplified(node.attrs["length"] * inside)


def _products(node: Tensor) -> Dim:
    """The terms of the sums that the node is."""
    match node.op.family, node.op.name:
        case "convolution", _:
            _, w, u = trilinear_shapes(node)
            return simplified(element_count((*u, *w[1:])))  # for every place, the filter's elements
        case _, "matmul":
            return element_count(node.shape) * node.inputs[0].shape[-1]
        case _, "einsum":
            terms = node.attrs["equation"].split("->")[0].split(",")
            sizes = {
                letter: size
                for term, operand in zip(terms, node.inputs, strict=True)
                for letter, size in zip(term, operand.shape, strict=True)
            }
            return element_count(sizes.values())
    return 0
