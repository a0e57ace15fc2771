"""How gradients flow through a network: a loss and a point enter, norms layer by layer leave.

Each layer multiplies the gradient by its Jacobian: where those are small, as with saturated sigmoids, the
gradient of the first layers vanishes; where they are large it explodes.

Source: X. Qiu, *Neural Networks and Deep Learning*, section 4.6.2 (nndl.github.io); X. Glorot, Y. Bengio,
"Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphc.autodiff import grad, vjp
from graphc.compiler import compile
from graphc.errors import GraphError
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, topological_order
from graphc.nn.parameters import parameters
from graphc.ops import random_normal, sqrt, square
from graphc.ops import sum as sum_over
from graphc.ops.elementwise import astype
from graphc.runtime.parameters import Parameters

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LayerFlow:
    """One layer: Euclidean norms of the loss's gradient by its parameters and by its output.

    ``jacobian`` is the Frobenius norm of its output's Jacobian by the output of the layer before,
    estimated from random directions; None for the first layer.
    """

    name: str
    parameters: dict[str, float]
    output: float
    jacobian: float | None


@dataclass(frozen=True)
class GradientFlow:
    """The layers of a network from input to output."""

    layers: tuple[LayerFlow, ...]

    @property
    def ratio(self) -> float:
        """The first layer's largest parameter gradient over the last layer's."""
        first, last = (max(self.layers[k].parameters.values()) for k in (0, -1))
        return first / last if last else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {"ratio": self.ratio, "layers": [asdict(layer) for layer in self.layers]}

    def table(self) -> str:
        """The figures as aligned text, a line for each parameter."""
        rows = [("layer", "parameter", "‖∂L/∂p‖", "‖∂L/∂output‖", "‖Jacobian‖")]
        for layer in self.layers:
            jacobian = "" if layer.jacobian is None else f"{layer.jacobian:.3g}"
            for number, (name, norm) in enumerate(layer.parameters.items()):
                first = (layer.name, f"{layer.output:.3g}", jacobian) if number == 0 else ("", "", "")
                rows.append((first[0], name, f"{norm:.3g}", first[1], first[2]))
        widths = [max(len(row[k]) for row in rows) for k in range(5)]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        return "\n".join([*lines, f"first layer / last layer: {self.ratio:.3g}"])

    def plot(self, path: str | os.PathLike[str]) -> None:
        """The norms against depth, on a logarithmic axis; needs the extra ``plot`` (Matplotlib)."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        depth = range(1, len(self.layers) + 1)
        series = {
            "gradient by the parameters": [max(layer.parameters.values()) for layer in self.layers],
            "gradient by the output": [layer.output for layer in self.layers],
            "Jacobian of the layer": [layer.jacobian or np.nan for layer in self.layers],
        }
        for label, values in series.items():
            axes.semilogy(depth, np.maximum(values, np.finfo(float).tiny), marker="o", label=label)
        axes.set_xlabel("layer, from input to output")
        axes.set_ylabel("norm")
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
        figure.savefig(path)


def gradient_flow(
    loss: Tensor,
    at: Mapping[Any, Any],
    params: Mapping[str, Array] | None = None,
    *,
    probes: int = 8,
    seed: int = 0,
) -> GradientFlow:
    """The norms of gradients and Jacobians of a network, layer by layer.

    ``loss`` is a 0-dimensional tensor, ``at`` gives its inputs' arrays by name or tensor, ``params`` the
    parameters' (their first values from ``seed`` if left out). A layer is a scope with trainable
    parameters; a parameter outside any scope is a layer of its own. Raises GraphError where the loss has
    no trainable parameters.

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
    layers = _layers(loss, trainable)
    outputs = [output for _, _, output in layers]
    gradients = grad(loss, [*trainable, *outputs])
    norms = [_norm(g) for g in gradients]
    jacobians = [
        _norm(vjp(after, before, random_normal(after.shape, "float32")))
        for before, after in itertools.pairwise(outputs)
    ]
    inputs = [n for n in topological_order([loss]) if n.op.name == "input"]
    store = Parameters()
    store.declare([n for n in topological_order([loss]) if n.op.name == "parameter"], seed)
    for name, value in (params or {}).items():
        if name in store:
            store[name] = value
    function = compile((norms, jacobians), inputs, params=store, seed=seed)
    values = [at[i] if i in at else at[i.name] for i in inputs]
    runs = [function(*values) for _ in range(probes)]
    measured = [float(v) for v in runs[0][0]]
    # E‖Jᵀu‖² = ‖J‖² over the Frobenius norm, for standard normal u.
    estimated = [float(np.sqrt(np.mean([run[1][k] ** 2 for run in runs]))) for k in range(len(jacobians))]
    by_parameter = {p.name or "": norm for p, norm in zip(trainable, measured, strict=False)}
    return GradientFlow(
        tuple(
            LayerFlow(
                name,
                {p.name or "": by_parameter[p.name or ""] for p in owned},
                measured[len(trainable) + k],
                estimated[k - 1] if k else None,
            )
            for k, (name, owned, _) in enumerate(layers)
        )
    )


def _norm(x: Tensor) -> Tensor:
    return sqrt(sum_over(square(astype(x, "float64"))))


def _layers(loss: Tensor, trainable: list[Tensor]) -> list[tuple[str, list[Tensor], Tensor]]:
    """Name, parameters and output of each layer, in the order in which the network runs them."""
    order = topological_order([loss])
    groups: dict[str, list[Tensor]] = {}
    for parameter in trainable:
        scope, _, own = (parameter.name or "").rpartition("/")
        groups.setdefault(scope or own, []).append(parameter)
    found = []
    position = {node: k for k, node in enumerate(order)}
    for name, owned in groups.items():
        reached = depends_on(order, owned)
        inside = [n for n in order if n in reached and n.inputs and "/".join(n.scope) == name]
        readers = [n for n in order if any(i is p for p in owned for i in n.inputs)]
        output = inside[-1] if inside else readers[-1]
        found.append((name, owned, output))
    return sorted(found, key=lambda layer: position[layer[2]])
