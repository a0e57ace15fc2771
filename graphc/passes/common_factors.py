"""Common factors: a number that multiplies all that is made of a value enters; it leaves in the value's own.

A gradient is linear in the loss's factor: a step w − η·∂L/∂w multiplies every gradient by η, and 1/N stands
at the loss. Asked from the users towards the sources, all want η; so η goes into 1/N, once, and no gradient
is multiplied by anything.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.build import rebuilt
from graphc.ir.graph import Graph
from graphc.ir.origin import inheriting
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import multiply
from graphc.ops.shape import broadcast_to
from graphc.ops.sources import filled
from graphc.passes.linearity import bearers, may_move, scaled_operand
from graphc.rewrite.cost import elements
from graphc.rewrite.pattern import the_number

# Each attempt takes a factor's path away that did not hold; paths are few.
_MOST_ATTEMPTS = 8


class CommonFactors:
    """The pass."""

    name = "common_factors"

    def __call__(self, graph: Graph, fired: Counter[str] | None = None) -> Graph:
        facts = _Facts(graph)
        refused: set[Tensor] = set()
        for _ in range(_MOST_ATTEMPTS if facts.scaled else 0):
            plan = _Plan(graph, facts, refused)
            if not plan.removed:
                return graph
            if not plan.failed:
                if fired is not None:
                    fired["absorbed a factor"] += len(plan.removed)
                return plan.applied()
            refused |= plan.failed
        return graph


class _Facts:
    """What no attempt changes.

    ``scaled`` gives the operand and the number of each product with a number; ``numbers`` are constants of
    one number, and 0-dimensional nodes made of sizes alone; ``choices`` the operands that can bear a node's
    factor, smallest first.
    """

    def __init__(self, graph: Graph) -> None:
        self.scaled: dict[Tensor, tuple[Tensor, float]] = {}
        self.numbers: set[Tensor] = set()
        self.choices: dict[Tensor, list[tuple[int, ...]]] = {}
        for node in graph.nodes:
            if self._is_number(node):
                self.numbers.add(node)
                continue
            scaled = scaled_operand(node)
            if scaled is not None:
                self.scaled[node] = scaled
            choices = list(bearers(node))
            if len(choices) > 1:
                sizes = [elements(i.shape) for i in node.inputs]
                choices = [c for _, c in sorted((sizes[c[0]], c) for c in choices)]
            if choices:
                self.choices[node] = choices

    def _is_number(self, node: Tensor) -> bool:
        if node.ndim == 0 and node.op.name in ("constant", "dimension"):
            return True
        if node.op.name in ("constant", "broadcast_to"):
            return the_number(node) is not None
        return node.ndim == 0 and bool(node.inputs) and all(i in self.numbers for i in node.inputs)


class _Plan:
    """Which factor each node takes on; ``removed`` are products with a number that become their operand."""

    def __init__(self, graph: Graph, facts: _Facts, refused: set[Tensor]) -> None:
        self.graph, self.facts = graph, facts
        self.choice: dict[Tensor, tuple[int, ...]] = {}  # the operands that bear a node's factor
        self.factor: dict[Tensor, float] = {}
        self.failed: set[Tensor] = set()
        self.removed: set[Tensor] = set()
        self._find_bearers(refused)
        self._ask()

    def _find_bearers(self, refused: set[Tensor]) -> None:
        """From the sources on: a node can take on a factor if it is a number, or can ask an operand."""
        able: set[Tensor] = set()
        for node in self.graph.nodes:
            if node in self.facts.numbers:
                if may_move(1.0, node.dtype):
                    able.add(node)
                continue
            if node in refused:
                continue
            for choice in self.facts.choices.get(node, ()):
                if all(node.inputs[k] in able for k in choice):
                    self.choice[node] = choice
                    able.add(node)
                    break

    def _ask(self) -> None:
        """From the users back: a node takes on what all its users ask of it."""
        asked: dict[Tensor, set[float]] = {root: {1.0} for root in self.graph.roots}
        for node in reversed(self.graph.nodes):
            if node in self.facts.numbers:  # each user may have its own
                for operand in node.inputs:
                    asked.setdefault(operand, set()).add(1.0)
                continue
            wanted = asked[node]
            factor = next(iter(wanted)) if len(wanted) == 1 else 1.0
            if len(wanted) > 1 or (
                factor != 1.0 and not (node in self.choice and may_move(factor, node.dtype))
            ):
                self.failed.add(node)
                factor = 1.0
            self.factor[node] = factor
            scaled = self.facts.scaled.get(node)
            if scaled is not None and scaled[0] in self.choice and may_move(scaled[1] * factor, node.dtype):
                self.removed.add(node)
                asked.setdefault(scaled[0], set()).add(scaled[1] * factor)
                continue
            chosen = self.choice.get(node, ()) if factor != 1.0 else ()
            for k, operand in enumerate(node.inputs):
                asked.setdefault(operand, set()).add(factor if k in chosen else 1.0)

    def applied(self) -> Graph:
        new: dict[Tensor, Tensor] = {}
        for node in self.graph.nodes:
            if node in self.removed:
                new[node] = new[self.facts.scaled[node][0]]
                continue
            factor = self.factor.get(node, 1.0)
            chosen = self.choice.get(node, ()) if factor != 1.0 else ()
            inputs = [
                _scaled(operand, new[operand], factor)
                if k in chosen and operand in self.facts.numbers
                else new[operand]
                for k, operand in enumerate(node.inputs)
            ]
            new[node] = rebuilt(node, tuple(inputs))
        return self.graph.replaced(new)


def _scaled(old: Tensor, new: Tensor, factor: float) -> Tensor:
    """A number times the factor."""
    number = the_number(old)
    with inheriting(old.origins):
        if number is None:
            return multiply(new, filled(factor, new.dtype))
        scaled = filled(number * factor, old.dtype)
        return broadcast_to(scaled, old.shape) if old.shape else scaled
