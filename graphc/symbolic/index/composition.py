"""Composition: a graph enters; the derivative by each wanted node leaves, cut into lets.

A *cut* is a node at which the derivative of the output gets a name, a let; between two cuts the differential
is composed in closed form, from the lower cut towards the upper one, by substituting indices: no delta
arises on the way. Three choices of cuts:

* ``full``: none. One closed form from the parameter to the output.
* ``dominators``: every node that lies on all paths from a cut below it to the output.
* ``everywhere``: every node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Literal

import networkx

from graphc.errors import GraphError
from graphc.ir.dimension import Shape
from graphc.ir.tensor import Tensor
from graphc.ops.loop import SCAN
from graphc.ops.reductions import SOFTMAX
from graphc.symbolic.index.affine import Affine, Variable, fresh
from graphc.symbolic.index.differentials import Differential, differential
from graphc.symbolic.index.forms import index, variables_for
from graphc.symbolic.index.loop_parts import part_of
from graphc.symbolic.index.loops import Turned
from graphc.symbolic.index.terms import Read, Term

Mode = Literal["full", "dominators", "everywhere"]


@dataclass(frozen=True, eq=False)
class Segment:
    """The derivative by one node, as terms over the lets of the nodes above it that were cut at."""

    node: Tensor
    terms: tuple[Term, ...]


class Flow:
    """The part of a graph that lies between what is differentiated by and the output.

    ``outputs`` are the nodes whose derivative is given from outside (the output itself, or each of
    several). ``prefix`` is the shape of an output of which all elements are differentiated at once (a
    Jacobian): its axes come first in every let.
    """

    def __init__(
        self, order: Sequence[Tensor], active: set[Tensor], outputs: Iterable[Tensor], prefix: Shape = ()
    ) -> None:
        self.outputs = set(outputs)
        self._prefix = prefix
        self._order = {n: i for i, n in enumerate(order)}
        self._active = active
        self.differentials: dict[Tensor, Differential] = {}
        self.loops: set[Tensor] = set()
        self._variables: dict[Tensor, tuple[Variable, ...]] = {}
        # Of each loop: the nodes that read one part of its result, and the derivative by its operands.
        self.parts: dict[Tensor, set[Tensor]] = {}
        self.turned: dict[Tensor, Turned] = {}
        self._users: dict[Tensor, list[Tensor]] = {}
        reaching = set(self.outputs)
        softmaxes = {(n.inputs[0], n.attrs["axis"]): n for n in order if n.op is SOFTMAX}
        for node in reversed(order):
            if node not in reaching or node not in active:
                continue
            if not node.inputs or not any(i in active for i in node.inputs):
                continue
            if node.op is SCAN:
                self.loops.add(node)
                for operand in dict.fromkeys(i for i in node.inputs if i in active):
                    reaching.add(operand)
                    self._users.setdefault(operand, []).append(node)
                continue
            found = differential(node, active, softmaxes)
            self.differentials[node] = found
            if part_of(node) is not None:
                self.parts.setdefault(node.inputs[0], set()).add(node)
            for slot in found.slots:
                reaching.add(slot.tensor)
                users = self._users.setdefault(slot.tensor, [])
                if not users or users[-1] is not node:
                    users.append(node)
        self.reaching = reaching

    def users(self, node: Tensor) -> list[Tensor]:
        """The nodes through which a node reaches an output, in topological order."""
        return self._users.get(node, [])[::-1]

    def paths(self, node: Tensor, stops: set[Tensor], budget: int) -> int:
        """How many terms the closed form from a node up to the stops has."""
        counts: dict[Tensor, int] = {node: 1}
        total = 0
        for above in self.between(node, stops):
            reads = self._reads(above)
            count = sum(counts.get(tensor, 0) for tensor in reads)
            counts[above] = count
            if above in stops:
                total += count
                counts[above] = 0
            if total > budget or count > budget:
                return budget + 1
        return total

    def _reads(self, node: Tensor) -> list[Tensor]:
        """The tensors by which the node moves, once for each way."""
        if node in self.loops:
            return [i for i in node.inputs if i in self._active]
        return [slot.tensor for slot in self.differentials[node].slots]

    def variables(self, node: Tensor) -> tuple[Variable, ...]:
        """The indices of a node's elements, as its differential and its let name them."""
        if node not in self._variables:
            made = self.differentials.get(node)
            self._variables[node] = variables_for(node) if made is None else made.variables
        return self._variables[node]

    def between(self, node: Tensor, stops: set[Tensor]) -> list[Tensor]:
        """The nodes on the paths from a node to the stops, stops included, in topological order."""
        found: set[Tensor] = set()
        stack = [node]
        while stack:
            current = stack.pop()
            if current in stops and current is not node:
                continue
            for user in self._users.get(current, []):
                if user not in found:
                    found.add(user)
                    stack.append(user)
        return sorted(found, key=self._order.__getitem__)

    def above(self, node: Tensor, stops: set[Tensor]) -> set[Tensor]:
        """The nodes that move with a node, up to the stops."""
        return {node, *self.between(node, stops)}

    # -- cuts ----------------------------------------------------------------------------------------
    def cuts(self, mode: Mode, wanted: Iterable[Tensor]) -> set[Tensor]:
        """The nodes at which the derivative gets a name of its own."""
        apart = self.outputs | self.loops | {part for parts in self.parts.values() for part in parts}
        if mode == "full":
            return apart
        if mode == "everywhere":
            return apart | set(self.differentials)
        above = self._dominators()
        found = apart
        for start in wanted:
            uses = self.users(start)
            # What is used many times has few dominators: then each use is a start of its own.
            for node in [start] if len(uses) == 1 else uses:
                if node is not start:
                    found.add(node)
                stop = above.get(node)
                while stop is not None and stop not in found:
                    found.add(stop)
                    stop = above.get(stop)
        return found

    def next_above(self, node: Tensor, cuts: set[Tensor]) -> set[Tensor]:
        """The cuts that the paths from a node meet first."""
        found: set[Tensor] = set()
        seen: set[Tensor] = set()
        stack = self.users(node)
        while stack:
            user = stack.pop()
            if user in cuts:
                found.add(user)
            elif user not in seen:
                seen.add(user)
                stack += self.users(user)
        return found

    def _dominators(self) -> dict[Tensor, Tensor | None]:
        """For each node, the nearest one above it through which all its paths to the outputs go."""
        # By number: networkx compares nodes, and == of tensors builds a graph.
        nodes = sorted(self.reaching, key=self._order.__getitem__)
        number = {n: i for i, n in enumerate(nodes)}
        end = len(nodes)
        graph: networkx.DiGraph[int] = networkx.DiGraph()
        graph.add_node(end)
        graph.add_edges_from((end, number[o]) for o in self.outputs)
        graph.add_edges_from(
            (number[user], number[node]) for node in nodes for user in self._users.get(node, [])
        )
        found = networkx.immediate_dominators(graph, end)
        return {
            n: nodes[d] if (d := found.get(i, end)) not in (None, end, i) else None for n, i in number.items()
        }

    # -- terms ---------------------------------------------------------------------------------------
    def composed(
        self,
        node: Tensor,
        stops: set[Tensor],
        lets: Mapping[Tensor, Read | None],
        without: Set[Tensor] = frozenset(),
    ) -> list[Term]:
        """The derivative by a node: closed forms up to the stops times the stops' lets.

        A stop whose let is None is the output itself, whose derivative by itself is 1. Ways through the
        nodes ``without`` are left out.
        """
        start = self.variables(node)
        opens: dict[Tensor, list[Term]] = {node: [Term(target=index(start))]}
        names: dict[Tensor, tuple[Variable, ...]] = {node: start}
        found: list[Term] = []
        if node in self.outputs and node in lets:
            found.append(self._closed(opens[node][0], start, lets[node]))
        for above in self.between(node, stops):
            if above in without:
                continue
            if above in self.loops:
                found += self._of_loop(above, opens, names)
                continue
            made = self.differentials[above]
            terms = [
                _chained(slot.term, below, names[slot.tensor])
                for slot in made.slots
                for below in opens.get(slot.tensor, ())
            ]
            names[above] = made.variables
            if above in stops or (above in self.outputs and above in lets):
                found += [self._closed(t, made.variables, lets[above]) for t in terms]
            opens[above] = [] if above in stops else terms
        return found

    def _of_loop(
        self, loop: Tensor, opens: Mapping[Tensor, list[Term]], names: Mapping[Tensor, tuple[Variable, ...]]
    ) -> list[Term]:
        """The terms by which nodes reach the output through a loop: its own derivative is made apart."""
        found = []
        for position, made in self.turned[loop].operands.items():
            operand = loop.inputs[position]
            for term in opens.get(operand, ()):
                read = Read(made.tensor, index(names[operand]), made.guarding)
                found.append(self._closed(term, names[operand], read))
        return found

    def _closed(self, term: Term, variables: tuple[Variable, ...], let: Read | None) -> Term:
        """The term times the derivative of the output by the cut, summed over the cut's indices."""
        new = fresh(variables)
        made = term.renamed_apart().substituted(new)
        inner = _variables(new)
        if let is None:
            leading = index(inner) if self._prefix else ()
            return replace(made, bound=(*inner, *made.bound), target=(*leading, *made.target))
        outer = tuple([Variable(size, "o") for size in self._prefix])
        places = tuple([e.substituted(new) for e in let.index])
        read = Read(let.tensor, (*index(outer), *places), let.guarding)
        return replace(
            made,
            factors=((read, 1), *made.factors),
            bound=(*outer, *inner, *made.bound),
            target=(*index(outer), *made.target),
        )


def _variables(new: Mapping[Variable, Affine]) -> tuple[Variable, ...]:
    return tuple([v for e in new.values() if (v := e.variable) is not None])


def _chained(upper: Term, lower: Term, variables: Sequence[Variable]) -> Term:
    """The upper term with the differential at its target replaced by the lower term."""
    apart = upper.renamed_apart()
    below = lower.renamed_apart().substituted(dict(zip(variables, apart.target, strict=True)))
    return replace(apart, target=()).times(below)


def budget_error(node: Tensor, mode: str, count: int, budget: int, location: Any) -> GraphError:
    """The report that a closed form would grow beyond its budget."""
    return GraphError(
        f"the closed form ({mode}) by {node!r} has more than {budget} terms"
        if count > budget
        else f"the closed form ({mode}) by {node!r} has {count} terms",
        op="symbolic.grad", location=location,
        remedy='leave mode out, or take mode="everywhere", whose size grows linearly; or raise budget=',
    )  # fmt: skip
