"""Stable quotients: products in which exp(x) meets its own inverse enter; sigmoids and softmaxes leave.

| above | below | becomes |
|---|---|---|
| eˣ | 1 + eˣ | σ(x) |
| eˣ | eˣ + eʸ | σ(x − y) |
| eˣ | Σ eˣ | softmax(x) |
| p > 0 | p | 1 |
| | 1 + eˣ | σ(−x) |
| σ(x) · e⁻ˣ | | σ(−x) |

So are the gradients of what the rules of stabilisation know: a gradient is made of the formula as it was
written, and there the exponential stands in one product and the division by its sum in another.
"""

from __future__ import annotations

from collections import Counter

import graphc.ops as ops
from graphc.errors import GraphError
from graphc.ir.build import apply, carried_over
from graphc.ir.dimension import same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ops.shape import broadcast_to
from graphc.ops.sources import filled
from graphc.passes.linearity import may_move
from graphc.passes.products import CHAINED, Chain, inner_nodes
from graphc.rewrite.pattern import the_number

_MOST_FACTORS = 16
_POSITIVE = frozenset({"exp", "softmax", "sigmoid", "softplus"})


class StableQuotients:
    """The pass."""

    name = "stable_quotients"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        if not any(n.op.name in _POSITIVE for n in graph.nodes):
            return graph
        inner = inner_nodes(graph)
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            value = carried_over(node, new)
            if value.op.name in CHAINED and node not in inner and may_move(1.0, value.dtype):
                with inheriting(value.origins):
                    stable = _stable(value)
                if stable is not None:
                    value = stable
                    if fired is not None:
                        fired["quotient of exponentials"] += 1
            new[node] = value
        return graph.replaced(new)


def _stable(value: Tensor) -> Tensor | None:
    """The product without what met its inverse; None where nothing did."""
    chain = _times(Chain(value.dtype), value)
    if _simplified(chain):
        return _fitting(_product(chain), value)
    for k, total in enumerate(chain.above):
        if total.op.name in ("add", "subtract"):
            rest = Chain(chain.dtype, chain.number, [*chain.above[:k], *chain.above[k + 1 :]], chain.below)
            terms = [_times(rest, term) for term in total.inputs]
            if all(map(_simplified, terms)):  # (y/p − (1 − y)/(1 − p)) · p · (1 − p), term by term
                first, second = map(_product, terms)
                if first is not None and second is not None:
                    return _fitting(apply(total.op, (first, second)), value)
    return None


def _times(chain: Chain, term: Tensor) -> Chain:
    """The chain times a term; what is a product of too many factors is one of them."""
    product = Chain(chain.dtype, chain.number, list(chain.above), list(chain.below))
    stack = [(term, False)]
    while stack:
        node, inverted = stack.pop()
        open_ = len(product.above) + len(product.below) + len(stack) < _MOST_FACTORS
        match node.op.name if open_ and node.dtype == product.dtype else None:
            case "negative":
                product.number = -product.number
                stack.append((node.inputs[0], inverted))
            case "reciprocal":
                stack.append((node.inputs[0], not inverted))
            case "multiply":
                stack += [(node.inputs[1], inverted), (node.inputs[0], inverted)]
            case "divide":
                stack += [(node.inputs[1], not inverted), (node.inputs[0], inverted)]
            case _:
                (product.below if inverted else product.above).append(node)
    return product


def _simplified(chain: Chain) -> bool:
    """Whether anything in the chain met its inverse; then it is gone from it."""
    chain.above = [part for factor in chain.above for part in _parts(factor)]
    chain.below = [part for factor in chain.below for part in _parts(factor)]
    changed = False
    while _met(chain) or _alone(chain):
        changed = True
    return changed


def _parts(factor: Tensor) -> list[Tensor]:
    return [factor.inputs[0]] * 2 if factor.op.name == "square" else [factor]


def _met(chain: Chain) -> bool:
    """Take out one factor above and one below that make something stable together."""
    for j, below in enumerate(chain.below):
        for i, above in enumerate(chain.above):
            value = _quotient(above, below)
            if value is not None:
                chain.above[i : i + 1] = value
                del chain.below[j]
                return True
    return False


def _quotient(above: Tensor, below: Tensor) -> list[Tensor] | None:
    value = _positive(above)
    if value is not None and value == _positive(below):
        return []
    if above.op.name != "exp":
        return None
    if _one_plus(below) is above:
        return [ops.sigmoid(above.inputs[0])]
    if below.op.name == "add" and all(i.op.name == "exp" for i in below.inputs):
        for power, other in (below.inputs, below.inputs[::-1]):
            if power is above:  # e^x / (e^x + e^y)
                return [ops.sigmoid(power.inputs[0] - other.inputs[0])]
    total = below.inputs[0] if below.op.name == "reshape" else below
    if total.op.name != "sum" or total.inputs[0] is not above or len(total.attrs["axis"]) != 1:
        return None
    (axis,) = total.attrs["axis"]
    kept = tuple([1 if a == axis else s for a, s in enumerate(above.shape)])
    return [ops.softmax(above.inputs[0], axis=axis)] if same_shape(below.shape, kept) else None


def _positive(node: Tensor) -> tuple[int, ...] | None:
    """What positive value the node is, None where it may be none: 1 − σ(x) is σ(−x)."""
    sign = 1
    if node.op.name == "subtract" and the_number(node.inputs[0]) == 1:
        node, sign = node.inputs[1], -1
        if node.op.name != "sigmoid":
            return None
    if node.op.name == "sigmoid":
        (x,) = node.inputs
        return (id(x.inputs[0]), -sign) if x.op.name == "negative" else (id(x), sign)
    return (id(node),) if node.op.name in _POSITIVE else None


def _alone(chain: Chain) -> bool:
    """Turn a divisor 1 + eˣ, or the factors σ(x) and e⁻ˣ, into one sigmoid."""
    for j, below in enumerate(chain.below):
        power = _one_plus(below)
        if power is not None:
            del chain.below[j]
            chain.above.append(ops.sigmoid(_minus(power.inputs[0])))
            return True
    for i, power in enumerate(chain.above):
        if power.op.name != "exp":
            continue
        for j, other in enumerate(chain.above):
            if other.op.name == "sigmoid" and _opposite(other.inputs[0], power.inputs[0]):
                chain.above[i] = ops.sigmoid(power.inputs[0])
                del chain.above[j]
                return True
    return False


def _one_plus(node: Tensor) -> Tensor | None:
    """eˣ where the node is 1 + eˣ."""
    if node.op.name != "add":
        return None
    for power, one in (node.inputs, node.inputs[::-1]):
        if power.op.name == "exp" and the_number(one) == 1 and same_shape(power.shape, node.shape):
            return power
    return None


def _minus(x: Tensor) -> Tensor:
    return x.inputs[0] if x.op.name == "negative" else ops.negative(x)


def _opposite(x: Tensor, y: Tensor) -> bool:
    return (y.op.name == "negative" and y.inputs[0] is x) or (x.op.name == "negative" and x.inputs[0] is y)


def _product(chain: Chain) -> Tensor | None:
    """The chain's factors multiplied and divided in order; None where they do not fit without the rest."""
    total: Tensor | None = None
    try:
        for factor in chain.above:
            total = factor if total is None else ops.multiply(total, factor)
        for factor in chain.below:
            total = ops.reciprocal(factor) if total is None else ops.divide(total, factor)
        if total is None:
            return filled(chain.number, chain.dtype)
        if chain.number == -1:
            total = ops.negative(total)
        elif chain.number != 1:
            total = ops.multiply(total, chain.number)
    except GraphError:
        return None
    return total


def _fitting(value: Tensor | None, like: Tensor) -> Tensor | None:
    if value is None or value.dtype != like.dtype:
        return None
    return value if same_shape(value.shape, like.shape) else broadcast_to(value, like.shape)
