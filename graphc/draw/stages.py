"""A graph's nodes enter; what a picture of a convolutional network shows leaves: feature maps and vectors.

A *stage* is one thing that is drawn: the stacked maps that a convolution or a pooling gives, the vector of a
dense layer, a sum of two paths. What changes elements but not the form, such as a bias, an activation or a
normalisation, belongs to the stage it is applied to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from graphc.draw.labels import inlined, op_label, own_name
from graphc.draw.spatial_labels import WINDOWED, by, format_maps, spatial_label, window_size
from graphc.ir.dimension import Shape, same_shape
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on

Kind = Literal["maps", "vector", "joint"]
_ACTIVATIONS = frozenset({"sigmoid", "tanh", "relu", "softplus", "erf", "softmax", "log_softmax", "clip"})
_JOINING = frozenset({"add", "subtract", "multiply", "maximum", "minimum", "divide"})
# What only prepares the next convolution: it shows no stage of its own.
_PREPARING = frozenset({"pad", "take", "transpose"})
_SHOWN = 2


@dataclass(eq=False)
class Stage:
    """One thing that is drawn: ``nodes`` in the order of computation, ``shape`` with the batch left out.

    ``applied`` are names of what does not change its form, such as activations.
    """

    kind: Kind
    nodes: list[Tensor]
    sources: list[Stage]
    shape: Shape
    applied: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        """What makes it of its sources, e.g. ``conv 5×5``; the sign of a joint; nothing for an input."""
        first = self.nodes[0]
        if first.op.name == "input":
            return ""
        if first.op.name == "window" and any(n.op.name == "sum" for n in self.nodes[1:]):
            size = window_size(first)
            stride = first.attrs["stride"]
            step = "" if tuple(size) == tuple(stride) else f" /{by(sorted(set(stride)))}"
            return f"avg pool {by(size)}{step}"
        if first.op.name in WINDOWED:
            return spatial_label(first, padding=False)
        if first.op.family == "linear algebra":
            return "dense" if _has_weights(first) else op_label(first, inlined(first, set()))
        ops = [n.op.name for n in self.nodes]
        if "reshape" in ops and "broadcast_to" in ops:
            return "repeat"
        if ops[0] in ("mean", "sum", "max") and self.kind == "vector" and self.sources[0].kind == "maps":
            return f"global {ops[0]}"
        if ops[-1] == "reshape" and self.kind == "vector":
            return "flatten"
        return op_label(first, inlined(first, set())).split(" axis=")[0]

    @property
    def caption(self) -> str:
        """Its size: channels @ the sizes of a map, or the number of elements of a vector."""
        if self.kind == "joint":
            return ""
        if self.kind == "vector":
            return by(self.shape)
        return format_maps(self.shape)

    @property
    def name(self) -> str:
        """The user's name of it: the input's, else the innermost scope, without mere numbers."""
        first = self.nodes[0]
        if first.op.name == "input":
            return own_name(first)
        named = first.scope[-1] if first.scope else next((own_name(n) for n in self.nodes if n.name), "")
        return "" if named.isdigit() else named


def stages_of(order: Sequence[Tensor]) -> list[Stage]:
    """The stages of the forward part of a graph, sources before their users."""
    forward = [n for n in order if n.role == "forward"]
    data = depends_on(forward, [n for n in forward if n.op.name == "input"])
    reader = _Reader(forward, data)
    for node in forward:
        if node in data:
            reader.read(node)
    shown: set[Stage] = set()
    for stage in reversed(reader.stages):
        if stage in shown or not _is_preparation(stage):
            shown.update((stage, *stage.sources))
    return [s for s in reader.stages if s in shown]


class _Reader:
    """Reads nodes one after another and keeps which stage each is in."""

    def __init__(self, order: Sequence[Tensor], data: set[Tensor]) -> None:
        self.data = data
        self.stages: list[Stage] = []
        self.stage_of: dict[Tensor, Stage] = {}
        self.blocks = _blocks(order, data)

    def read(self, node: Tensor) -> None:
        sources = list(dict.fromkeys(self.stage_of[i] for i in node.inputs if i in self.stage_of))
        if node.op.name == "input" or not sources:
            self._begin(node, [])
            return
        whole = self.blocks.get(node.scope)
        if whole is not None and self._read_block(node, whole, sources):
            return
        single = len(sources) == 1
        if not single and node.op.name in _JOINING:
            self._begin(node, sources, "joint")
        elif _makes(node) or not single:
            self._begin(node, [self._without_preparation(s) for s in sources])
        elif self._goes_on(node, sources[0]):
            self._join(node, sources[0])
        else:
            self._begin(node, sources)

    def _read_block(self, node: Tensor, output: Tensor, sources: list[Stage]) -> bool:
        """Whether the node is inside a layer that is read as one: a normalisation, a flattening."""
        inside = [s for s in sources if s.nodes[-1].scope == node.scope]
        outside = [s for s in sources if s not in inside]
        stage = inside[0] if inside else outside[0]
        if len(inside) > 1 or any(s not in stage.sources and s is not stage for s in outside):
            return False
        if stage in inside or _form(output) == stage.shape:
            named = stage not in inside and not node.scope[-1].isdigit()
            self._join(node, stage, node.scope[-1] if named else None)
            if stage in inside and node is output:
                stage.shape = _form(node)
                stage.kind = _kind(node)
        else:
            self._begin(node, outside, shape=_form(output))
        return True

    def _goes_on(self, node: Tensor, stage: Stage) -> bool:
        if same_shape(_form(node), stage.shape) or node.op.name == "transpose" or node.ndim == 0:
            return True
        if stage.nodes[0].op.name == "window":  # its sum makes it a pooling
            return node.op.family == "reduction" and all(n.op.family != "reduction" for n in stage.nodes)
        moving = len(stage.sources) == 1 and all(
            n.op.family == "shape" and not _makes(n) for n in stage.nodes
        )
        return moving and node.op.family == "shape" and _kind(node) == stage.kind

    def _begin(
        self, node: Tensor, sources: list[Stage], kind: Kind | None = None, shape: Shape | None = None
    ) -> None:
        form = _form(node) if shape is None else shape
        stage = Stage(kind or ("maps" if len(form) > 1 else "vector"), [node], sources, form)
        self.stages.append(stage)
        self.stage_of[node] = stage

    def _join(self, node: Tensor, stage: Stage, name: str | None = None) -> None:
        if name is None and (node.op.name in _ACTIVATIONS):
            name = op_label(node, inlined(node, set())).split(" axis=")[0]
        if name and len(stage.applied) < _SHOWN and name not in stage.applied:
            stage.applied.append(name)
        stage.nodes.append(node)
        self.stage_of[node] = stage
        if stage.kind != "joint" and node.ndim and node.op.name != "transpose":
            stage.shape, stage.kind = _form(node), _kind(node)
        elif node.op.name == "transpose" and stage.nodes[0].op.name == "input":
            stage.shape = _form(node)  # channels first, as the convolution reads it

    def _without_preparation(self, stage: Stage) -> Stage:
        while _is_preparation(stage):
            stage = stage.sources[0]
        return stage


def _is_preparation(stage: Stage) -> bool:
    return all(n.op.name in _PREPARING and n.inputs[0].op.name != "parameter" for n in stage.nodes)


def _form(node: Tensor) -> Shape:
    """The shape of one example."""
    return node.shape[1:] if node.ndim > 1 else node.shape


def _kind(node: Tensor) -> Kind:
    return "maps" if len(_form(node)) > 1 else "vector"


def _has_weights(node: Tensor) -> bool:
    return any(i.op.name == "parameter" or not i.inputs for i in node.inputs)


def _makes(node: Tensor) -> bool:
    """Whether the op always gives a stage of its own."""
    return node.op.name in WINDOWED or node.op.family == "linear algebra"


def _blocks(order: Iterable[Tensor], data: set[Tensor]) -> dict[tuple[str, ...], Tensor]:
    """Scopes without convolutions, poolings, products and scopes inside them, with the last node of each."""
    last: dict[tuple[str, ...], Tensor] = {}
    broken: set[tuple[str, ...]] = {()}
    for node in order:
        if node in data and node.op.name != "input":
            last[node.scope] = node
            broken.update(node.scope[:depth] for depth in range(1, len(node.scope)))
            if _makes(node):
                broken.add(node.scope)
    return {scope: node for scope, node in last.items() if scope not in broken}
