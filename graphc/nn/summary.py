"""Summaries: a model enters, a table of its layers with their shapes, parameters and products leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from graphc.analysis.layers import Group, grouped
from graphc.analysis.operations import multiply_adds
from graphc.errors import GraphError
from graphc.ir.dimension import Dim, Shape, element_count, simplified
from graphc.ir.origin import user_location
from graphc.ir.structure import flatten
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order, users
from graphc.nn.layer import Layer
from graphc.nn.parameters import check_names
from graphc.nn.summary_table import LayerSummary, Summary
from graphc.ops.sources import input as declared


# -- the function ----------------------------------------------------------------------------------
def summary(model: object, *inputs: object) -> Summary:
    """The layers of a network: what they are, the shapes they give, their parameters and multiply-adds.

    ``model`` is a layer or a function of tensors, with its ``inputs`` as tensors or as the shapes of float32
    inputs to declare; or it is a tensor, or a tuple, list or dict of them, and needs none. A layer is a
    scope; outside scopes each convolution, pooling, product and reshape begins one. Multiply-adds are those
    of convolutions and products, as papers count them; where all are proportional to a symbolic batch size
    they are shown for one example. What gradients add is left out. Nothing is computed.

    Raises GraphError for a model without inputs, and for what is none of these.

    >>> import graphc as gc
    >>> model = gc.nn.Sequential(gc.nn.Dense(784, 30, activation="relu"), gc.nn.Dense(30, 10))
    >>> print(gc.summary(model, ("N", 784)))
    layer  kind   output    parameters  multiply-adds per N
    ───────────────────────────────────────────────────────
    x      input  (N, 784)
    0      Dense  (N, 30)       23,550               23,520
    1      Dense  (N, 10)          310                  300
    ───────────────────────────────────────────────────────
    total                       23,860               23,820
    """
    outputs, model_layers = _outputs(model, inputs)
    order = [n for n in topological_order(outputs) if n.role == "forward"]
    unused = [
        p for layer in model_layers[:1] for p in layer.parameters(trainable=None) if p not in set(order)
    ]
    check_names([n for n in order if n.op.name == "parameter"])
    rows = [
        LayerSummary((n.name or "input",), "input", n.shape, 0, 0, 0) for n in order if n.op.name == "input"
    ]
    return Summary((*rows, *_rows(order, unused, model_layers)))


def _outputs(model: object, inputs: Sequence[object]) -> tuple[list[Tensor], list[Layer]]:
    """The tensors to look below, and the layer with all its parts."""
    if isinstance(model, Layer) or (callable(model) and not isinstance(model, Tensor)):
        if not inputs:
            raise _refused(
                "a model needs its inputs", 'give tensors or shapes, e.g. gc.summary(net, ("N", 784))'
            )
        result = model(*[_declared(x, k, len(inputs)) for k, x in enumerate(inputs)])
        return flatten(result, "summary")[0], list(model.layers()) if isinstance(model, Layer) else []
    if inputs:
        raise _refused("tensors have their inputs", "give the outputs alone, or a layer and its inputs")
    return flatten(model, "summary")[0], []


def _declared(given: object, place: int, count: int) -> Tensor:
    if isinstance(given, Tensor):
        return given
    if not isinstance(given, (tuple, list)):
        raise _refused(
            f"an input is a tensor or a shape, but {given!r} was given",
            'write e.g. ("N", 784), or gc.input(…) for another dtype',
        )
    return declared("x" if count == 1 else f"x{place}", tuple(given))


def _refused(message: str, remedy: str) -> GraphError:
    return GraphError(message, op="summary", location=user_location(), remedy=remedy)


# -- rows --------------------------------------------------------------------------------------------
@dataclass(eq=False)
class _Part:
    """A layer in the tree of layers.

    ``number`` is its place among those that the model declares, ``place`` that among the nodes of what it
    computes last; −1 where it has none.
    """

    path: tuple[str, ...]
    number: int = -1
    place: int = -1
    kind: str = ""
    shape: Shape | None = None
    group: Group | None = None
    parameters: list[Tensor] = field(default_factory=list)
    parts: dict[object, _Part] = field(default_factory=dict)


def _rows(order: Sequence[Tensor], unused: Sequence[Tensor], layers: Sequence[Layer]) -> list[LayerSummary]:
    root = _Part(())
    place = {node: k for k, node in enumerate(order)}
    for number, layer in enumerate(layers):  # those that compute nothing, such as dropout, have a row too
        for part in _down(root, layer.path)[-1:]:
            part.number = number if part.number < 0 else part.number
            part.kind = part.kind or type(layer).__name__
    for group in _with_parameters(order):
        way = _down(root, group.scope) or _down(root, (group.name,), key=group)
        way[-1].group = group
        way[-1].parameters += [n for n in group.nodes if n.op.name == "parameter"]
        for part in way if group.computed else ():
            if place[group.output] > part.place:
                part.place, part.shape = place[group.output], group.output.shape
    for parameter in unused:
        _down(root, parameter.scope or (parameter.name or "parameter",))[-1].parameters.append(parameter)
    found = []
    pending = [root]
    while pending:
        part = pending.pop()
        if part is not root:
            found.append(_row(part))
        pending.extend(reversed(_ordered(part.parts.values())))
    return found


def _down(root: _Part, path: tuple[str, ...], key: object = None) -> list[_Part]:
    """The parts from the outermost to that of this path, made where there are none."""
    way, part = [], root
    for depth, name in enumerate(path):
        part = part.parts.setdefault(name if key is None else key, _Part(path[: depth + 1]))
        way.append(part)
    return way


def _ordered(parts: Iterable[_Part]) -> list[_Part]:
    """In the order of computation; what computes nothing stands before what is declared after it."""
    found = list(parts)
    computed = sorted((p.number, p.place) for p in found if p.place >= 0 and p.number >= 0)
    end = max((p.place for p in found), default=0) + 1

    def key(part: _Part) -> tuple[int, bool, int]:
        after = next((place for number, place in computed if number > part.number), end)
        return (part.place, True, 0) if part.place >= 0 else (after, False, part.number)

    return sorted(found, key=key)


def _with_parameters(order: Sequence[Tensor]) -> list[Group]:
    """The layers; where a scope computes nothing, its parameters belong to what reads them first."""
    groups = grouped(order)
    of = {node: group for group in groups for node in group.nodes}
    readers = users(order)
    for group in groups:
        if group.computed:
            continue
        for node in list(group.nodes):
            reader = next((of[r] for r in readers[node] if of[r].computed), None)
            if reader is not None:
                group.nodes.remove(node)
                reader.nodes.insert(0, node)
    return [g for g in groups if g.nodes]


def _row(part: _Part) -> LayerSummary:
    group = part.group
    counts = [(int(element_count(p.shape)), p.attrs["trainable"]) for p in part.parameters]
    operations: Dim = 0
    for n in group.nodes if group is not None else ():
        operations = operations + multiply_adds(n)
    return LayerSummary(
        part.path,
        part.kind or (group.kind if group is not None else ""),
        part.shape,
        sum(n for n, trainable in counts if trainable),
        sum(n for n, trainable in counts if not trainable),
        simplified(operations),
    )
