"""Growing a region: nodes in order and a value to begin at enter; the steps that share its rows leave.

A region takes in every step that can be computed for some rows alone. A sum over all rows (the gradient of a
weight) ends it: the rows give their parts of the sum, and what reads the sum comes after the region.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from graphc.codegen.tiling.parts import Needs, Part, needs, reshaped
from graphc.codegen.views import is_view, owner
from graphc.ir.dimension import Dim
from graphc.ir.tensor import Tensor
from graphc.rewrite.cost import elements

_PARTS = 4  # of a sum over the rows, about
WINDOW = 300  # nodes among which a region begins: so the search is linear in the nodes of a graph
_IDLE = 150  # nodes in a row that are no members, behind which a region ends


@dataclass(eq=False)
class Growth:
    """``split`` gives each member its part, ``summed`` each sum over the rows the parts of its operands.

    ``after`` are the nodes outside that need a member, among the first ``seen`` nodes that were looked at.
    """

    rows: Dim
    split: dict[Tensor, Part] = field(default_factory=dict)
    summed: dict[Tensor, tuple[Part, ...]] = field(default_factory=dict)
    after: set[Tensor] = field(default_factory=set)
    seen: int = 0


def grown(order: Sequence[Tensor], seed: Tensor, part: Part, rows: Dim, begin: int = 0) -> Growth:
    """The region that begins at a value: a source that is split so, or a step that becomes a member.

    It ends where many nodes in a row are none of it. None before ``begin`` is the seed or reads it.
    """
    region = Growth(rows)
    split, summed = region.split, region.summed
    parts = {} if seed.inputs else {seed: part}  # of the members, and of a source that it begins at
    behind: set[Tensor] = set()  # what no member may read: sums, and the nodes after
    known_here, members = parts.keys(), split.keys()
    last = WINDOW
    region.seen = len(order)
    for position, node in enumerate(islice(order, begin, None), begin):
        if position - last > _IDLE:
            region.seen = position
            break
        inputs = node.inputs
        if node is seed and inputs:
            if not _fits(needs(node, part, rows), node, split, rows):
                break
            split[node] = parts[node] = part
            last = position + 1
        elif not behind.isdisjoint(inputs):
            behind.add(node)
        elif not known_here.isdisjoint(inputs):
            known = {i: parts[i] for i in inputs if i in parts}
            joined = next(_splits(node, known, split, rows), None)
            if joined is not None:
                split[node] = parts[node] = joined
                last = position + 1
            elif (found := _sum(node, known, rows)) is not None and _pays(node, region):
                summed[node] = found
                behind.add(node)
                last = position + 1
            elif not members.isdisjoint(inputs):
                behind.add(node)
    region.after = behind - summed.keys()
    return region


def pull_in(region: Growth, order: Sequence[Tensor], users: Mapping[Tensor, Sequence[Tensor]]) -> None:
    """Add what is computed before the region for its members alone, row by row."""
    split, summed = region.split, region.summed
    for node in reversed(order):
        read = users.get(node)
        if not read or any(user not in split and user not in summed for user in read):
            continue
        if node in split or node in summed or node in region.after or not node.inputs:
            continue
        wanted = {p for user in read for p in _wanted(region, user, node)}
        part = next(iter(wanted), None)
        if len(wanted) != 1 or part is None:
            continue
        if _fits(needs(node, part, region.rows), node, region.split, region.rows):
            region.split[node] = part


def _wanted(region: Growth, user: Tensor, node: Tensor) -> list[Part | None]:
    """The parts of an operand that a user needs; None for the whole, also where it is no member."""
    if user in region.split:
        found = needs(user, region.split[user], region.rows)
    else:
        found = region.summed.get(user)
    if found is None:
        return [None]
    return [p for i, p in zip(user.inputs, found, strict=True) if i is node]


def _splits(
    node: Tensor, known: Mapping[Tensor, Part], split: Mapping[Tensor, Part], rows: Dim
) -> Iterator[Part]:
    """Parts of the node's value that go with what is known of its operands."""
    for position, operand in enumerate(node.inputs):
        part = known.get(operand)
        if part is None:
            continue
        for candidate in _candidates(node, operand, part, rows):
            found = needs(node, candidate, rows)
            if found is not None and found[position] == part and _fits(found, node, split, rows):
                yield candidate


def _candidates(node: Tensor, operand: Tensor, part: Part, rows: Dim) -> Iterator[Part]:
    if node.op.name == "reshape":
        found = reshaped(part, operand.shape, node.shape, rows)
        if found is not None:
            yield found
    else:
        yield from [p for a in range(node.ndim) if (p := part.moved(a)).is_in(node.shape, rows)]


def _fits(found: Needs, node: Tensor, split: Mapping[Tensor, Part], rows: Dim) -> bool:
    """Whether members have the parts that are needed, and all else can be split or is there as a whole."""
    if found is None or all(p is None for p in found):
        return False
    for operand, part in zip(node.inputs, found, strict=True):
        if operand in split:
            if split[operand] != part:
                return False
        elif part is not None and not can_split(operand, part, rows):
            return False
    return True


def can_split(node: Tensor, part: Part, rows: Dim) -> bool:
    """Whether some rows of a value outside are a slice of it, or a view of slices."""
    while part.outer != 1:
        found = needs(node, part, rows) if is_view(node) else None
        if found is None or found[0] is None:
            return False
        node, part = node.inputs[0], found[0]
    return True


def _pays(node: Tensor, region: Growth) -> bool:
    """Whether keeping parts of a sum costs less than keeping its operands for a product behind the region."""
    inside = [i for i in node.inputs if i in region.split]
    kept = sum([elements(owner(i).shape) for i in inside])
    return node.op.name == "sum" or _PARTS * elements(node.shape) <= kept


def _sum(node: Tensor, known: Mapping[Tensor, Part], rows: Dim) -> tuple[Part, ...] | None:
    """The parts of the operands, where the node's value is the sum of what the rows give."""
    match node.op.name:
        case "sum":
            part = known[node.inputs[0]]
            return (part,) if part.axis in node.attrs["axis"] else None
        case "matmul":
            x, y = node.inputs
            found = (known.get(x), known.get(y))
            one = found[0] or found[1]
            assert one is not None
            parts = (one.moved(x.ndim - 1), one.moved(max(0, y.ndim - 2)))
            for operand, part, seen in zip(node.inputs, parts, found, strict=True):
                if seen is None:
                    if not (part.is_in(operand.shape, rows) and can_split(operand, part, rows)):
                        return None
                elif seen != part:
                    return None
            return parts
    return None
