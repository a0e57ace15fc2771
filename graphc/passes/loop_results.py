"""Loop results: what nothing reads of a loop's results is not kept, and not computed.

Loops are built with all that derivatives may ask for: every carry is recorded. Where only its last
value is read it needs one slot; an output or a carry on which nothing depends goes away.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from graphc.ir.build import rebuilt
from graphc.ir.dimension import same
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order, users
from graphc.ops.loop import SCAN, Loop, looped
from graphc.ops.loop_layout import Part
from graphc.ops.shape import SLICE, strided_part


@dataclass(frozen=True)
class _Kept:
    """What stays of a loop, by number, and what each reader reads: the part's kind and number."""

    carries: tuple[int, ...]
    record: tuple[bool, ...]
    outputs: tuple[int, ...]
    reads: dict[Tensor, tuple[str, int]]


class LoopResults:
    """The pass."""

    name = "loop_results"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        loops = [node for node in graph.nodes if node.op is SCAN]
        if not loops:
            return graph
        readers = users(graph.nodes)
        roots = set(graph.roots)
        kept = {n: _kept(Loop(n), readers[n]) for n in loops if n not in roots}
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            inputs = tuple([new[i] for i in node.inputs])
            stays = kept.get(node)
            source = kept.get(node.inputs[0]) if node.op is SLICE else None
            with inheriting(node.origins):
                if source is not None:
                    part = _part(Loop(inputs[0]), source, *source.reads[node])
                    new[node] = strided_part(inputs[0], (part.start,), (part.size,), (1,))
                elif stays is not None:
                    new[node] = _reduced(Loop(rebuilt(node, inputs)), stays)
                    if fired is not None:
                        fired["loop with fewer results"] += 1
                else:
                    new[node] = rebuilt(node, inputs)
        return graph.replaced(new)


def _kept(loop: Loop, readers: list[Tensor]) -> _Kept | None:
    """What the readers need; None where that is everything, or where one of them reads other parts."""
    at, body = loop.layout, loop.body
    reads: dict[Tensor, tuple[str, int]] = {}
    kinds = (("final", at.final), ("outputs", at.outputs), ("after", at.after), ("before", at.before))
    for reader in readers:
        if reader.op is not SLICE or reader.attrs["step"] != (1,):
            return None
        (start,), (size,) = reader.attrs["start"], reader.attrs["size"]
        for kind, parts in kinds:
            for number, part in enumerate(parts):
                if part is not None and same(part.start, start) and same(part.size, size):
                    reads.setdefault(reader, (kind, number))
        if reader not in reads:
            return None
    found = set(reads.values())
    outputs = tuple(k for k in range(len(body.outputs)) if ("outputs", k) in found)
    carries = {k for kind, k in found if kind != "outputs"}
    while True:
        heads = [body.next[k] for k in carries] + [body.outputs[k] for k in outputs]
        below = set(topological_order(heads))
        more = {k for k, c in enumerate(body.carries) if c in below} - carries
        if not more:
            break
        carries |= more
    order = tuple(sorted(carries))
    record = tuple(("after", k) in found or ("before", k) in found for k in order)
    everything = len(order) == len(body.carries) and len(outputs) == len(body.outputs)
    if everything and record == loop.node.attrs["record"]:
        return None
    return _Kept(order, record, outputs, reads)


def _reduced(loop: Loop, kept: _Kept) -> Tensor:
    body, (starts, sequences, constants) = loop.body, loop.operands
    return looped(
        [(body.carries[k], starts[k]) for k in kept.carries], list(zip(body.xs, sequences, strict=True)),
        [body.next[k] for k in kept.carries], [body.outputs[k] for k in kept.outputs],
        length=loop.node.attrs["length"], reverse=loop.node.attrs["reverse"], record=kept.record,
        bound=dict(zip(body.constants, constants, strict=True)), name=loop.node.name,
    ).node  # fmt: skip


def _part(loop: Loop, kept: _Kept, kind: str, number: int) -> Part:
    """Where a part lies in the reduced loop's results."""
    place = kept.outputs.index(number) if kind == "outputs" else kept.carries.index(number)
    part: Part | None = getattr(loop.layout, kind)[place]
    assert part is not None
    return part
