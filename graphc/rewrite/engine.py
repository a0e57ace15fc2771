"""The rewriting engine: a graph and rules enter, the graph in which no rule applies any more leaves.

Nodes are visited bottom up, each once a sweep; at a node, rules are tried in their order until none
applies. Sweeps are repeated until one changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from graphc.errors import GraphError
from graphc.ir.build import carried_over
from graphc.ir.dimension import broadcast_shapes, same_shape
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import strengthened, weak_value
from graphc.ops.shape import broadcast_to
from graphc.rewrite.pattern import Call, Number, Variable
from graphc.rewrite.rule import Rule

# Rules that undo each other would go on for ever; the tests show that ours do not.
_MOST_SWEEPS = 20
_MOST_AT_A_NODE = 20


class Rewriting:
    """A pass that applies rules. ``name`` is what reports call it."""

    def __init__(self, name: str, rules: Sequence[Rule]) -> None:
        self.name = name
        self.rules = tuple(rules)
        # Rules by the op they rewrite and by the op one of its operands must have, where they demand one.
        self._free: dict[str, list[int]] = {}
        self._demanding: dict[tuple[str, str], list[int]] = {}
        self._known: dict[tuple[str, frozenset[str]], list[Rule]] = {}
        for number, rule in enumerate(self.rules):
            assert isinstance(rule.left, Call), f"{rule.name}: a rule rewrites an op"
            demanded = _demanded(rule.left)
            if not demanded:
                self._free.setdefault(rule.left.op, []).append(number)
            for op in demanded:
                self._demanding.setdefault((rule.left.op, op), []).append(number)

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        counts: Counter[str] = Counter() if fired is None else fired
        settled: set[Tensor] = set()  # no rule fits these; as nodes never change, none ever will
        for _ in range(_MOST_SWEEPS):
            before = counts.total()
            graph = self._sweep(graph, counts, settled)
            if counts.total() == before:
                break
        return graph

    def _sweep(self, graph: Graph, counts: Counter[str], settled: set[Tensor]) -> Graph:
        new: dict[Tensor, Tensor] = {}
        for node in graph.nodes:
            value = carried_over(node, new)
            for _ in range(_MOST_AT_A_NODE):
                replacement = None if value in settled else self._replacement(value, counts)
                if replacement is None:
                    settled.add(value)
                    break
                value = replacement
            new[node] = value
        return graph.replaced(new)

    def _candidates(self, node: Tensor) -> list[Rule]:
        """The rules that can match, in their order."""
        name, operands = key = (node.op.name, frozenset([i.op.name for i in node.inputs]))
        found = self._known.get(key)
        if found is None:
            numbers = set(self._free.get(name, ()))
            for operand in operands:
                numbers.update(self._demanding.get((name, operand), ()))
            found = self._known[key] = [self.rules[k] for k in sorted(numbers)]
        return found

    def _replacement(self, node: Tensor, counts: Counter[str]) -> Tensor | None:
        for rule in self._candidates(node):
            try:
                replacement = rule.apply(node)
                with inheriting(node.origins):
                    value = fitting(replacement, node)
            except GraphError:  # the right side cannot be built of these shapes or dtypes
                value = None
            if value is not None:
                counts[rule.name] += 1
                return value
        return None


def _demanded(left: Call) -> tuple[str, ...]:
    """Ops of which at least one operand must have one, for the pattern to match."""
    for argument in left.arguments:
        if isinstance(argument, Call):
            return (argument.op,)
    for argument in left.arguments:
        if isinstance(argument, Number) or (isinstance(argument, Variable) and argument.constant):
            return ("constant", "broadcast_to")
    return ()


def fitting(value: object, node: Tensor) -> Tensor | None:
    """A replacement in the node's shape and dtype; None where it does not have them."""
    if value is None:
        return None
    if weak_value(value) is not None:
        value = strengthened(value, node.dtype)
    assert isinstance(value, Tensor)
    if value is node or value.dtype != node.dtype:
        return None
    if same_shape(value.shape, node.shape):
        return value
    if same_shape(broadcast_shapes([value.shape, node.shape]), node.shape):
        return broadcast_to(value, node.shape)
    return None
