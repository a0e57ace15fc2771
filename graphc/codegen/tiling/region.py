"""A region's body: a grown region enters; the graph of one tile and its ties to the graph around leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from graphc.codegen.names import suggested_name
from graphc.codegen.tiling.growth import Growth, can_split
from graphc.codegen.tiling.parts import Part, attrs_for, needs
from graphc.codegen.tiling.sizes import Tiles
from graphc.codegen.views import is_view, owner
from graphc.ir.dimension import Dim, same_shape
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops.loop import placeholder


@dataclass(frozen=True, eq=False)
class Operand:
    """A value from around the region, its rows or the whole; ``inside`` stands for it."""

    outside: Tensor
    part: Part | None
    inside: Tensor


@dataclass(frozen=True, eq=False)
class Result:
    """A value of the graph around: the tiles' values side by side, or without a part their sum."""

    outside: Tensor
    part: Part | None
    inside: Tensor


@dataclass(frozen=True, eq=False)
class Region:
    """Steps that run in tiles of some rows.

    ``rows`` is how many there are; ``body`` is the graph of a tile, ``order`` its steps as the graph around
    has them in order. With ``lanes`` only so many parts of a sum are kept: each tile adds its own to that of
    its lane.
    """

    rows: Dim
    tiles: Tiles
    body: Graph
    operands: tuple[Operand, ...]
    results: tuple[Result, ...]
    order: tuple[Tensor, ...]
    lanes: int | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What is read of the graph around."""
        return tuple([o.outside for o in self.operands])

    @property
    def parts(self) -> Dim:
        """How many parts of a sum are kept."""
        return self.tiles.count if self.lanes is None else self.lanes

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What the graph around gets."""
        return tuple([r.outside for r in self.results])


def region_of(growth: Growth, order: Sequence[Tensor], used: Set[Tensor], tiles: Tiles) -> Region:
    """The region with the nodes of ``order``; ``used`` are those the graph around reads."""
    body = _Body(growth, tiles.rows)
    for node in order:
        if node in growth.split:
            body.add(node, growth.split[node])
        else:
            body.add_sum(node, growth.summed[node])
    results = tuple(
        [Result(n, growth.split.get(n), body.inside[n]) for n in order if n in used and not is_view(n)]
    )
    outputs = tuple([r.inside for r in results])
    read = set(topological_order(outputs))
    operands = tuple([o for o in body.operands.values() if o.inside in read])
    graph = Graph(tuple([o.inside for o in operands]), outputs)
    steps = tuple([body.inside[n] for n in order if body.inside[n] in read])
    return Region(growth.rows, tiles, graph, operands, results, steps)


class _Body:
    def __init__(self, growth: Growth, tile: Dim) -> None:
        self.growth, self.tile = growth, tile
        self.inside: dict[Tensor, Tensor] = {}
        self.operands: dict[tuple[Tensor, Part | None], Operand] = {}
        self._rebuilt: dict[tuple[Tensor, Part | None], Tensor] = {}

    def add(self, node: Tensor, part: Part) -> None:
        """A member, at the size of a tile."""
        self.inside[node] = self._split_view(node, part)

    def add_sum(self, node: Tensor, parts: Sequence[Part]) -> None:
        """A sum over the rows, of those of a tile."""
        operands = [self.split(i, p) for i, p in zip(node.inputs, parts, strict=True)]
        self.inside[node] = _over(node, operands, node.attrs)

    def split(self, node: Tensor, part: Part) -> Tensor:
        """The rows of a value."""
        if node in self.inside:
            return self.inside[node]
        if is_view(node) and (part.outer != 1 or node.op.name == "broadcast_to" or is_view(node.inputs[0])):
            key = (node, part)
            if key not in self._rebuilt and self._is_view_of_slices(node, part):
                self._rebuilt[key] = self._split_view(node, part)
            if key in self._rebuilt:
                return self._rebuilt[key]
        assert part.outer == 1, f"rows of {node!r} do not lie together"
        shape = list(node.shape)
        shape[part.axis] = part.size(self.tile)
        return self._operand(node, part, tuple(shape))

    def _is_view_of_slices(self, node: Tensor, part: Part) -> bool:
        rows = self.growth.rows
        found = needs(node, part, rows)
        return found is not None and all(
            p is None or i in self.inside or can_split(i, p, rows)
            for i, p in zip(node.inputs, found, strict=True)
        )

    def whole(self, node: Tensor) -> Tensor:
        """A value that is the same for all rows."""
        base = owner(node)
        if base.op.name in ("constant", "dimension", "arange"):
            return node
        if not is_view(node):
            return self._operand(node, None, node.shape)
        key = (node, None)
        if key not in self._rebuilt:
            self._rebuilt[key] = _over(node, [self.whole(i) for i in node.inputs], node.attrs)
        return self._rebuilt[key]

    def _split_view(self, node: Tensor, part: Part) -> Tensor:
        found = needs(node, part, self.growth.rows)
        assert found is not None
        operands = [
            self.whole(i) if p is None else self.split(i, p) for i, p in zip(node.inputs, found, strict=True)
        ]
        value = _over(node, operands, attrs_for(node, part, self.tile))
        expected = (*node.shape[: part.axis], part.size(self.tile), *node.shape[part.axis + 1 :])
        assert same_shape(value.shape, expected), f"{node!r} of a tile has shape {value.shape}"
        return value

    def _operand(self, node: Tensor, part: Part | None, shape: tuple[Dim, ...]) -> Tensor:
        key = (node, part)
        if key not in self.operands:
            inside = placeholder(suggested_name(node), shape, node.dtype)
            self.operands[key] = Operand(node, part, inside)
        return self.operands[key].inside


def _over(node: Tensor, operands: Sequence[Tensor], attrs: Mapping[str, object]) -> Tensor:
    """The node over other operands, with other attributes."""
    inputs = tuple(operands)
    shape, dtype = node.op.infer(inputs, attrs)
    return Tensor(node.op, inputs, attrs, shape, dtype, node.name, node.origins)
