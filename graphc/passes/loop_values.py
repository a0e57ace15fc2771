"""Loop values: what one loop computes in its steps and a later one would compute again is kept.

A derivative's loop reads the carries before each step and computes the step's inner values once more.
Those that cost more than a sum or a product become outputs of the first loop, written as they are
computed; the later loop reads them. That is the choice between time and memory which Griewank & Walther,
*Evaluating Derivatives*, chapter 12, call storing or recomputing; a pipeline without this pass recomputes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from graphc.ir.body import Body
from graphc.ir.build import apply, carried_over
from graphc.ir.dimension import same
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import substitute, users
from graphc.ops.loop import SCAN, Loop, looped, placeholder
from graphc.ops.shape import RESHAPE, SLICE
from graphc.rewrite.cost import is_costly


@dataclass
class _Wish:
    """What loops want of one: of a later one nodes to be kept, of an earlier one kept nodes to read."""

    kept: dict[Tensor, None] = field(default_factory=dict)
    read: dict[Tensor, Tensor] = field(default_factory=dict)  # a node of the body, and the loop that keeps it


class LoopValues:
    """The pass. It runs first: it knows the same values by their nodes, which are still the same objects."""

    name = "loop_values"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        loops = [node for node in graph.nodes if node.op is SCAN]
        wishes = {node: _Wish() for node in loops}
        for number, later in enumerate(loops):
            taken: set[Tensor] = set()
            for earlier in loops[:number]:
                for node in _worth_keeping(Loop(earlier), Loop(later), taken):
                    if node not in _results(earlier):
                        wishes[earlier].kept.setdefault(node)
                    wishes[later].read[node] = earlier
        if all(not wish.read for wish in wishes.values()):
            return graph
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            value = carried_over(node, new)
            if node in wishes:
                with inheriting(node.origins):
                    value = _fulfilled(Loop(value), node, wishes, new)
                if fired is not None:
                    fired["kept value of a loop"] += len(wishes[node].kept)
            new[node] = value
        return graph.replaced(new)


def _results(loop: Tensor) -> set[Tensor]:
    """The nodes of a loop's body whose values it keeps anyway."""
    body, record = loop.attrs["body"], loop.attrs["record"]
    return {*body.outputs, *[n for n, recorded in zip(body.next, record, strict=True) if recorded]}


def _common_placeholders(earlier: Loop, later: Loop) -> set[Tensor]:
    """The placeholders that stand for the same, at the same step, in both loops."""
    first, second = earlier.body, later.body
    operands = dict(zip(first.placeholders, earlier.node.inputs, strict=True))
    carries = {c: k for k, c in enumerate(first.carries)}
    found = set()
    carried = set(second.carries)
    for p, operand in zip(second.placeholders, later.node.inputs, strict=True):
        if p in carried:
            continue
        if _is_before(earlier, carries[p], operand) if p in carries else operands.get(p) is operand:
            found.add(p)
    return found


def _is_before(loop: Loop, number: int, operand: Tensor) -> bool:
    """Whether the operand is what a carry of the loop is before each step."""
    part = loop.layout.before[number]
    if part is None or operand.op is not RESHAPE or operand.inputs[0].op is not SLICE:
        return False
    piece = operand.inputs[0]
    return (
        piece.inputs[0] is loop.node
        and same(piece.attrs["start"][0], part.start)
        and same(piece.attrs["size"][0], part.size)
        and operand.ndim == len(part.shape)
    )


def _worth_keeping(earlier: Loop, later: Loop, taken: set[Tensor]) -> list[Tensor]:
    """Nodes of both bodies that the later one needs and that cost something; ``taken`` are kept already."""
    if not same(earlier.node.attrs["length"], later.node.attrs["length"]):
        return []
    common: set[Tensor] = _common_placeholders(earlier, later)
    if common.isdisjoint((*earlier.body.carries, *earlier.body.xs)):
        return []
    inside = set(earlier.body.order)
    readers = users(later.body.order)
    results = set(later.body.results)
    for node in later.body.order:
        known = node in inside and all(i in common for i in node.inputs)
        if node in taken or (known and (node.inputs or node.op.name != "input")):
            common.add(node)
    found: list[Tensor] = []
    dear: dict[Tensor, bool] = {}  # whether it would cost something to compute the node again
    for node in later.body.order:
        if node not in common or not node.inputs or node in taken:
            dear[node] = False
            continue
        dear[node] = is_costly(node) or any(dear[i] for i in node.inputs)
        needed = node in results or any(r not in common for r in _past_views(node, readers))
        if needed and dear[node] and not node.op.is_view and node.dtype == earlier.node.dtype:
            found.append(node)
            taken.add(node)
            dear[node] = False
    return found


def _past_views(node: Tensor, readers: Mapping[Tensor, list[Tensor]]) -> list[Tensor]:
    """Those that read the node, directly or through views."""
    found: list[Tensor] = []
    stack = list(readers[node])
    while stack:
        reader = stack.pop()
        if reader.op.is_view:
            stack += readers[reader]
        found.append(reader)
    return found


def _fulfilled(
    loop: Loop, original: Tensor, wishes: Mapping[Tensor, _Wish], new: Mapping[Tensor, Tensor]
) -> Tensor:
    """The loop that reads what earlier ones keep, and keeps what later ones read."""
    wish, body, at = wishes[original], loop.body, loop.node.attrs
    kept = list(wish.kept)
    if wish.read:
        slots = {n: placeholder(n.name or n.op.name, n.shape, n.dtype) for n in wish.read}
        sequences = [(slots[n], _kept_sequence(n, source, wishes, new)) for n, source in wish.read.items()]
        starts, xs, constants = loop.operands
        results = substitute([*body.results, *kept], {**{p: p for p in body.placeholders}, **slots})
        count = len(body.results)
        carried = len(body.carries)
        return looped(
            list(zip(body.carries, starts, strict=True)),
            [*zip(body.xs, xs, strict=True), *sequences],
            results[:carried], [*results[carried:count], *results[count:]],
            length=at["length"], reverse=at["reverse"], record=at["record"],
            bound=dict(zip(body.constants, constants, strict=True)), name=loop.node.name,
        ).node  # fmt: skip
    if not kept:
        return loop.node
    # The new outputs come last, so that all parts that are read already stay where they are.
    larger: Body = replace(body, outputs=(*body.outputs, *kept))
    return apply(SCAN, loop.node.inputs, loop.node.name, **{**at, "body": larger})


def _kept_sequence(
    node: Tensor, source: Tensor, wishes: Mapping[Tensor, _Wish], new: Mapping[Tensor, Tensor]
) -> Tensor:
    """Where a loop keeps a node: as a carry's value after each step, or as an output."""
    body, record = source.attrs["body"], source.attrs["record"]
    for number, result in enumerate(body.next):
        if result is node and record[number]:
            return Loop(new[source]).after(number)
    outputs = [*body.outputs, *wishes[source].kept]
    return Loop(new[source]).output(next(k for k, o in enumerate(outputs) if o is node))
