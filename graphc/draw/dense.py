"""A graph enters; the network it declares leaves: inputs, dense layers, and blocks of everything else.

A dense layer is a product of an activation and a parameter matrix, then perhaps a bias, then perhaps
an elementwise activation function.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from graphc.draw.labels import inlined, op_label, own_name
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import users

_ACTIVATIONS_ALONG_AXIS = frozenset({"softmax", "log_softmax"})
_PASSED_THROUGH = frozenset({"transpose", "broadcast_to", "reshape", "astype"})
_LISTED_OPS = 3


@dataclass(eq=False)
class Unit:
    """One column of the picture: an input, a dense layer, or a block of other ops.

    ``width`` is the number of neurons (None: not drawn as neurons); ``weight`` and ``bias`` are the
    layer's parameters, ``transposed`` tells that the weight is stored as (out, in).
    """

    kind: Literal["input", "dense", "block"]
    nodes: list[Tensor]
    sources: list[Unit] = field(default_factory=list)
    width: int | None = None
    weight: Tensor | None = None
    bias: Tensor | None = None
    transposed: bool = False
    activation: list[Tensor] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The layer's scope, else the user's name of its result or its weight, else its ops."""
        first = self.nodes[0]
        if self.kind == "input":
            return first.name or "input"
        if first.scope:
            return first.scope[-1]
        if self.kind == "block":
            return listed(self.nodes)
        named = next((own_name(n) for n in reversed(self.nodes) if n.name), "")
        return named or ("neuron" if self.width == 1 else "layer")

    @property
    def activation_name(self) -> str:
        """The activation function as text, empty where the layer is linear."""
        named = next((n.name for n in reversed(self.activation) if n.name), "")
        return named if named and len(self.activation) > 1 else listed(self.activation)


def listed(nodes: list[Tensor]) -> str:
    """The signs of a few ops in the order they are applied."""
    signs = [op_label(n, inlined(n, set())) for n in nodes]
    if len(signs) > _LISTED_OPS:
        return f"{', '.join(signs[:_LISTED_OPS])}, … ({len(signs)} ops)"
    return ", ".join(signs)


def network_of(order: list[Tensor]) -> list[Unit]:
    """The units of the forward part of a graph, sources before their users."""
    units: list[Unit] = []
    unit_of: dict[Tensor, Unit] = {}
    readers = users(order)
    for node in order:
        if node.role != "forward":
            continue
        if node.op.name == "input":
            unit_of[node] = Unit("input", [node], width=_features(node))
            units.append(unit_of[node])
            continue
        data = [unit_of[i] for i in node.inputs if i in unit_of]
        if not data:  # parameters, constants, and what is computed from them alone
            continue
        distinct = list(dict.fromkeys(data))
        unit = _dense(node, unit_of) or _joined(node, distinct, unit_of)
        if unit is None:
            unit = Unit("block", [node], distinct)
        if unit.nodes[-1] is node and len(unit.nodes) == 1:
            units.append(unit)
        unit_of[node] = unit
    for unit in units:
        if unit.kind == "input" and not _read_by_dense(unit.nodes[0], readers, unit_of):
            unit.width = None
    return units


def _features(node: Tensor) -> int | None:
    if not node.shape:
        return 1
    return node.shape[-1] if isinstance(node.shape[-1], int) else 1 if len(node.shape) == 1 else None


def _read_by_dense(node: Tensor, readers: dict[Tensor, list[Tensor]], unit_of: dict[Tensor, Unit]) -> bool:
    return any(r in unit_of and unit_of[r].kind == "dense" for r in readers[node])


def _parameter_below(node: Tensor) -> tuple[Tensor | None, bool]:
    """The parameter that a node is a mere rearrangement of, and whether it was transposed."""
    transposed = False
    while node.op.name in _PASSED_THROUGH:
        transposed ^= node.op.name == "transpose"
        node = node.inputs[0]
    return (node if node.op.name == "parameter" else None), transposed


def _dense(node: Tensor, unit_of: dict[Tensor, Unit]) -> Unit | None:
    """The dense layer that this product of an activation and a parameter begins, if it is one."""
    if node.op.name not in ("matmul", "multiply"):
        return None
    (left, right) = node.inputs
    data, other, flipped = (left, right, False) if left in unit_of else (right, left, True)
    weight, transposed = _parameter_below(other)
    if weight is None or data not in unit_of:
        return None
    if node.op.name == "multiply":
        if weight.shape or data.shape not in ((), (1,)):  # a scalar neuron: w·x
            return None
        return Unit("dense", [node], [unit_of[data]], width=1, weight=weight)
    if len(weight.shape) > 2:
        return None
    transposed ^= flipped and len(weight.shape) == 2
    sizes = [int(s) for s in weight.shape]
    outputs = 1 if len(sizes) == 1 else sizes[0 if transposed else 1]
    return Unit("dense", [node], [unit_of[data]], width=outputs, weight=weight, transposed=transposed)


def _joined(node: Tensor, sources: list[Unit], unit_of: dict[Tensor, Unit]) -> Unit | None:
    """The unit that this node goes on, or None where it begins one of its own."""
    if len(sources) != 1:
        return None
    unit = sources[0]
    if unit.kind == "dense":
        parameters = [p for p in (_parameter_below(i)[0] for i in node.inputs) if p is not None]
        elementwise = node.op.family == "elementwise" or node.op.name in _ACTIVATIONS_ALONG_AXIS
        if node.op.name == "add" and len(parameters) == 1 and unit.bias is None and not unit.activation:
            unit.bias = parameters[0]
        elif elementwise and len(parameters) <= 1 and not _mixes_rows(node):
            unit.activation.append(node)
        else:
            return None
        unit.nodes.append(node)
        return unit
    if unit.kind == "block" and unit.nodes[0].scope == node.scope:
        unit.nodes.append(node)
        return unit
    return None


def _mixes_rows(node: Tensor) -> bool:
    return node.op.name in _ACTIVATIONS_ALONG_AXIS and node.attrs["axis"] != len(node.shape) - 1
