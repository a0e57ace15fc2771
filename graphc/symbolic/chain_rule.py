"""The chain rule: a composition enters, the product of its local derivatives leaves, factor by factor."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from graphc.errors import GraphError, UnsupportedError
from graphc.ir.dtype import is_float
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, topological_order
from graphc.symbolic.index.composition import Flow
from graphc.symbolic.jacobian_chain import JacobianChain, JacobianFactor
from graphc.symbolic.naming import Names, identifier
from graphc.symbolic.notation import Formula, Partial, name_of
from graphc.symbolic.scalar_chain import ScalarChain, scalar_chain


def chain(y: Tensor, wrt: Tensor, *, through: Sequence[Tensor] | None = None) -> ScalarChain | JacobianChain:
    """The derivative of ``y`` by ``wrt`` as a product of local derivatives, that of ``y`` first.

    Both kinds of chain have ``.factors``, ``.values(at)``, ``.text(at)`` and ``.latex(at)``, where ``at``
    gives the inputs and parameters by tensor or by name. In a scalar graph with one path each node is a
    factor, and the first says that y is the last of them. Else each factor is the Jacobian between two
    neighbours among the nodes that every path from ``wrt`` to ``y`` passes: a graph of shape
    above.shape + below.shape, with its formula, and as a matrix of raveled elements its value. What
    branches between two such nodes is one factor. ``through`` chooses among these nodes, so that a layer
    is one factor whatever it is made of.

    Raises GraphError where ``y`` does not depend on ``wrt`` or a node of ``through`` is passed by,
    UnsupportedError where several paths have no node in common, or the derivative is 0 by convention.
    Source: X. Qiu, *Neural Networks and Deep Learning*, sections 4.4 and 4.5.

    >>> import graphc as gc
    >>> x, w, b = gc.input("x", ()), gc.parameter("w", ()), gc.parameter("b", ())
    >>> f = gc.reciprocal(1 + gc.exp(-(w * x + b))).named("f")
    >>> gc.symbolic.chain(f, w).values({"x": 1, "w": 0, "b": 0}).factors
    (1.0, -0.25, 1.0, 1.0, -1.0, 1.0, 1.0)
    >>> x, W = gc.input("x", (3,)), gc.parameter("W", (2, 3))
    >>> print(gc.symbolic.chain(gc.tanh(W @ x).named("y"), x).text())
    h_1 = W x
    y = tanh(h_1)
    ∂y/∂x = ∂y/∂h_1 · ∂h_1/∂x
    (∂y/∂h_1)[i,j] = (1 − y[i]²) δ[i,j]     (2,) × (2,)
    (∂h_1/∂x)[i,j] = W[i,j]                 (2,) × (3,)
    """
    if through is None and all(n.shape == () for n in topological_order([y])):
        try:
            return scalar_chain(y, wrt)
        except UnsupportedError as several_paths:
            try:
                return _jacobian_chain(y, wrt)
            except UnsupportedError:
                raise several_paths from None
    return _jacobian_chain(y, wrt, through)


def _jacobian_chain(y: Tensor, wrt: Tensor, through: Sequence[Tensor] | None = None) -> JacobianChain:
    """The chain between the nodes that every path from ``wrt`` to ``y`` passes, or those in ``through``."""
    cuts, paths = _cuts(y, wrt)
    if through is not None:
        among = set(cuts)
        for node in through:
            if node not in among:
                raise GraphError(
                    f"{node!r} does not lie on every path from {wrt!r} to {y!r}", op="symbolic.chain",
                    location=user_location(), remedy="choose among the nodes of chain(y, wrt)",
                )  # fmt: skip
        chosen = set(through)
        cuts = [wrt, *[n for n in cuts[1:-1] if n in chosen], y]
    elif len(cuts) == 2 and paths > 2:
        raise UnsupportedError(
            f"several paths lead from {wrt!r} to {y!r}, and no node between them lies on all: they meet here",
            op=y.op.name, location=y.location, remedy="use symbolic.grad, which sums over paths",
        )  # fmt: skip
    names = _named(topological_order([y]), cuts)
    factors = [
        JacobianFactor(above, below, Partial(names[above], names[below]), names)
        for below, above in pairwise(cuts)
    ]
    return JacobianChain(y, wrt, tuple(factors[::-1]), names)


def _cuts(y: Tensor, wrt: Tensor) -> tuple[list[Tensor], int]:
    """The nodes on every differentiable path, from ``wrt`` to ``y``, and how many lie on any."""
    order = topological_order([y])
    active = {n for n in depends_on(order, [wrt]) if is_float(n.dtype)} if wrt in set(order) else set()
    if y is wrt or y not in active:
        raise GraphError(
            f"no chain leads from {wrt!r} to {y!r}", op="symbolic.chain", location=user_location(),
            remedy="differentiate by a node that y is computed from",
        )  # fmt: skip
    flow = Flow(order, active, [y])
    on_path = {wrt}
    stack = [wrt]
    while stack:
        for user in flow.users(stack.pop()):
            if user not in on_path:
                on_path.add(user)
                stack.append(user)
    if y not in on_path:
        raise UnsupportedError(
            "the derivative is 0 by convention on every path, so there is no chain of factors",
            op=y.op.name, location=y.location, remedy="use symbolic.grad",
        )  # fmt: skip
    path = [n for n in order if n in on_path]
    number = {n: i for i, n in enumerate(path)}
    found, furthest = [], 0
    for i, node in enumerate(path):
        if furthest <= i:  # no edge passes it by
            found.append(node)
        furthest = max([furthest, *[number[u] for u in flow.users(node)]])
    return found, len(path)


def _named(order: Sequence[Tensor], cuts: Sequence[Tensor]) -> dict[Tensor, Formula]:
    """Names for the sources and the nodes of the chain: the user's, else h_1, h_2, … and f."""
    sources = [n for n in order if n.op.name in ("input", "parameter") or n.op.family == "random"]
    names = Names([*sources, *[n for n in cuts if n.name and n.inputs]])
    for number, node in enumerate(cuts):
        if node not in names.symbol:
            last = number == len(cuts) - 1
            names.symbol[node] = names.fresh(identifier("f" if last else f"h_{number}" if number else "x"))
    return {n: name_of(n, names) for n in names.symbol}
