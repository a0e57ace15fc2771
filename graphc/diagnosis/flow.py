"""How gradients flow through a network: a loss and a point enter, norms layer by layer leave.

Each layer multiplies the gradient by its Jacobian: where those are small, as with saturated sigmoids, the
gradient of the first layers vanishes; where they are large it explodes.

Source: X. Qiu, *Neural Networks and Deep Learning*, section 4.6.2 (nndl.github.io); X. Glorot, Y. Bengio,
"Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.autodiff import grad, vjp
from graphc.compiler import compile
from graphc.diagnosis.layers import Part, parts_of
from graphc.diagnosis.report import GradientFlow, LayerFlow
from graphc.errors import GraphError
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.nn.parameters import parameters
from graphc.ops import abs as absolute
from graphc.ops import constant, mean, ones_like, random_normal, sqrt, square
from graphc.ops import sum as sum_over
from graphc.ops.elementwise import astype
from graphc.runtime.parameters import Parameters

Array = np.ndarray[Any, Any]


def gradient_flow(
    loss: Tensor,
    at: Mapping[Any, Any],
    params: Mapping[str, Array] | None = None,
    *,
    probes: int = 8,
    seed: int = 0,
) -> GradientFlow:
    """The norms of gradients and Jacobians of a network, layer by layer.

    ``loss`` is a 0-dimensional tensor, ``at`` gives its inputs' arrays by name or tensor. ``params`` gives
    the parameters' arrays, such as ``f.params``; those it leaves out have their first values from ``seed``,
    those of an optimiser are left aside. A layer is a scope with trainable parameters; a parameter outside
    any scope is a layer of its own. The Jacobians' norms are estimated from ``probes`` random directions.

    Raises GraphError where the loss has no trainable parameters, an input has no value, a value belongs to
    no input, or ``probes`` is below 1; ShapeError where the loss is not 0-dimensional.

    >>> import numpy as np, graphc as gc
    >>> x = gc.input("x", ("N", 4))
    >>> net = gc.nn.Sequential(*[gc.nn.Dense(4, 4, activation="sigmoid") for _ in range(20)])
    >>> flow = gc.diagnosis.gradient_flow((net(x) ** 2).mean(), {"x": np.ones((8, 4), np.float32)})
    >>> flow.ratio < 1e-6
    True
    """
    trainable = parameters(loss)
    if not trainable:
        raise GraphError(
            "the loss has no trainable parameters", op="gradient_flow", location=user_location(),
            remedy="declare them with gc.parameter, trainable",
        )  # fmt: skip
    if probes < 1:
        raise GraphError(
            f"probes is {probes}", op="gradient_flow", location=user_location(), remedy="give 1 or more"
        )
    order = topological_order([loss])
    inputs = [n for n in order if n.op.name == "input"]
    values = _values(inputs, at)
    parts = parts_of(order, trainable)
    gradients = [_norm(g) for g in grad(loss, [*trainable, *(p.output for p in parts)])]
    function = compile(
        (gradients, [_jacobian_norm(p, parts) for p in parts], [_slope(p) for p in parts]),
        inputs, params=_stored(order, params, seed), seed=seed,
    )  # fmt: skip
    runs = [function(*values) for _ in range(probes)]
    norms, _, slopes = runs[0]
    by_parameter = {p.name or "": float(v) for p, v in zip(trainable, norms[: len(trainable)], strict=True)}
    layers = []
    for number, (part, output) in enumerate(zip(parts, norms[len(trainable) :], strict=True)):
        # E‖Jᵀu‖² = ‖J‖² over the Frobenius norm, for standard normal u.
        jacobian = float(np.sqrt(np.mean([run[1][number] ** 2 for run in runs])))
        layers.append(
            LayerFlow(
                part.name,
                {p.name or "": by_parameter[p.name or ""] for p in part.parameters},
                float(output),
                None if part.before is None else jacobian,
                None if part.bend is None else float(slopes[number]),
            )
        )
    return GradientFlow(tuple(layers))


def _values(inputs: Sequence[Tensor], at: Mapping[Any, Any]) -> list[Any]:
    names = {i.name for i in inputs}
    for key in at:
        if not any(key is i for i in inputs) and not (isinstance(key, str) and key in names):
            raise GraphError(
                f"a value is given for {key!r}, which the loss does not read",
                op="gradient_flow", location=user_location(),
                remedy=f"its inputs are {', '.join(sorted(map(repr, names))) or 'none'}",
            )  # fmt: skip
    for node in inputs:
        if node not in at and node.name not in at:
            raise GraphError(
                f"no value is given for the input {node.name!r}", op="gradient_flow",
                location=node.location, remedy=f"pass at={{{node.name!r}: array, …}}",
            )  # fmt: skip
    return [at[i] if i in at else at[i.name] for i in inputs]


def _stored(order: Sequence[Tensor], params: Mapping[str, Array] | None, seed: int) -> Parameters:
    """Parameters of their own, so that the diagnosis changes nobody's values."""
    store = Parameters()
    store.declare([n for n in order if n.op.name == "parameter"], seed)
    store.update({name: value for name, value in (params or {}).items() if name in store})
    return store


def _norm(x: Tensor) -> Tensor:
    return sqrt(sum_over(square(astype(x, "float64"))))


def _jacobian_norm(part: Part, parts: Sequence[Part]) -> Tensor:
    if part.before is None:
        return constant(np.float64(0))  # not shown
    direction = random_normal(part.output.shape, part.output.dtype)
    return _norm(vjp(part.output, parts[part.before].output, direction))


def _slope(part: Part) -> Tensor:
    """The mean |∂output/∂bend|: a Jacobian with nothing off its diagonal times ones is that diagonal."""
    if part.bend is None:
        return constant(np.float64(0))  # not shown
    return mean(astype(absolute(vjp(part.output, part.bend, ones_like(part.output))), "float64"))
