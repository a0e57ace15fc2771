"""The engine: outputs with their cotangents and nodes to differentiate by enter; their derivatives leave."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from graphc.ir.dimension import Shape
from graphc.ir.dtype import is_float
from graphc.ir.origin import inheriting, user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, topological_order
from graphc.ops.elementwise import astype
from graphc.ops.loop import Loop
from graphc.symbolic.index.composition import Flow, Mode, budget_error
from graphc.symbolic.index.elimination import eliminated
from graphc.symbolic.index.forms import index
from graphc.symbolic.index.known_sums import Assumption
from graphc.symbolic.index.lets import Let
from graphc.symbolic.index.loop_parts import Pieces, part_of
from graphc.symbolic.index.loops import turned_round
from graphc.symbolic.index.raising import Raised, TermRaiser
from graphc.symbolic.index.risk import certain
from graphc.symbolic.index.simplification import Simplifier
from graphc.symbolic.index.terms import Read, Term

BUDGET = 512
"""Terms of one closed form."""
# When a closed form is still short: measured by reading, not by time.
_PRODUCTS = ("convolution", "linear algebra", "loop")
# Ops that read at computed or overlapping places: two of them in one closed form hardly raise to ops.
_PLACING = frozenset(
    ("fold", "window", "max_pool", "take", "scatter_add", "reshape", "embed", "cumsum", "prod")
)
FULL_WANTED, CUTS, SHORT_NODES, SHORT_PRODUCTS, SHORT_TERMS = 6, 40, 24, 3, 8


@dataclass(frozen=True, eq=False)
class Outcome:
    """The lets in the order in which they were found, the mode, and what could not be raised."""

    lets: Mapping[Tensor, Let]
    mode: Mode
    residue: tuple[str, ...]
    flow: Flow


class Engine:
    """Derives lets from the outputs down to the wanted nodes.

    ``outputs`` come with their cotangents, or one alone with None, which is derived itself: by all of its
    elements at once where ``prefix`` is its shape. ``guarding`` are the outputs in whose cotangents a zero
    was chosen.
    """

    def __init__(
        self,
        outputs: Mapping[Tensor, Tensor | None],
        wrt: Sequence[Tensor],
        mode: Mode | None = None,
        budget: int = BUDGET,
        prefix: Shape = (),
        assume: Iterable[Assumption] = (),
        guarding: Collection[Tensor] = (),
    ) -> None:
        order = topological_order(outputs)
        self._outputs = dict(outputs)
        self._guarding = guarding
        self._wrt = list(dict.fromkeys(wrt))
        below = set(order)
        moving = depends_on(order, [w for w in self._wrt if w in below])
        self._moving = active = {n for n in moving if is_float(n.dtype)}
        self._flow = Flow(order, active, [o for o in outputs if o in active], prefix)
        self._prefix = prefix
        self._simplifier = Simplifier(order, assume)
        self._certain = certain(order)
        self._order = {n: i for i, n in enumerate(order)}
        self._wanted = [w for w in self._wrt if w in self._flow.reaching]
        self._budget = budget
        self._residue: list[str] = []
        self.mode: Mode = mode or self._chosen()

    # -- mode ----------------------------------------------------------------------------------------
    def _chosen(self) -> Mode:
        """Closed form while it is short; cuts where it would grow, or multiply what is better shared."""
        wanted = self._wanted
        outputs = set(self._flow.outputs)
        if len(wanted) <= FULL_WANTED and all(self._is_short(w, outputs) for w in wanted):
            return "full"
        needed = self._needed("dominators")
        if len(needed) <= CUTS and all(self._is_short(n, stops) for n, stops in needed.items()):
            return "dominators"
        return "everywhere"

    def _is_short(self, node: Tensor, stops: set[Tensor]) -> bool:
        between = self._flow.between(node, stops)
        return (
            len(between) <= SHORT_NODES
            and sum(n.op.family in _PRODUCTS for n in between) <= SHORT_PRODUCTS
            and sum(n.op.family == "convolution" or n.op.name in _PLACING for n in between) <= 1
            and self._flow.paths(node, stops, SHORT_TERMS) <= SHORT_TERMS
        )

    def _check_growth(self, node: Tensor, stops: set[Tensor]) -> None:
        if self.mode == "everywhere":
            return
        # Each use of a node has a term of its own in any mode: what swells is the paths of a use.
        allowed = self._budget + len(self._flow.users(node))
        count = self._flow.paths(node, stops, allowed)
        if count > allowed:
            raise budget_error(node, self.mode, count, self._budget, user_location())

    # -- lets ----------------------------------------------------------------------------------------
    def outcome(self) -> Outcome:
        """Every let that the wanted nodes need."""
        needed = self._needed(self.mode)
        lets: dict[Tensor, Let] = {}
        reads: dict[Tensor, Read | None] = {}
        for output, cotangent in self._outputs.items():
            names = index(self._flow.variables(output))
            reads[output] = None if cotangent is None else Read(cotangent, names, output in self._guarding)
        wanted, given = set(self._wrt), {o for o in self._outputs if o in self._flow.loops}
        for node in sorted(needed.keys() | given, key=self._order.__getitem__, reverse=True):
            stops = needed.get(node, set())
            self._check_growth(node, stops)
            # What reads one part of a loop's result needs no derivative by the whole.
            apart: Set[Tensor] = set() if node in wanted else self._flow.parts.get(node, set())
            composed = self._flow.composed(node, stops, reads, apart)
            if node in self._flow.loops:
                pieces = Pieces(Loop(node), self._prefix)
                for part in sorted(apart, key=self._order.__getitem__):
                    place = part_of(part)
                    assert place is not None
                    pieces.put(place, self._given(part, reads))
                if composed:
                    lets[node] = self._let(node, stops, composed)
                    pieces.put_whole(lets[node].raised)
                self._turn_round(pieces)
            else:
                lets[node] = let = self._let(node, stops, composed)
                reads[node] = Read(let.tensor, index(self._flow.variables(node)), let.guarding)
        return Outcome(lets, self.mode, tuple(dict.fromkeys(self._residue)), self._flow)

    def _given(self, node: Tensor, reads: Mapping[Tensor, Read | None]) -> Raised:
        """The derivative by a cut; of the output itself it is 1 where the indices are the same."""
        read = reads[node]
        if read is None:
            return self._let(node, set(), self._flow.composed(node, set(), reads)).raised
        return Raised(read.tensor, read.guarding)

    def _needed(self, mode: Mode) -> dict[Tensor, set[Tensor]]:
        """The nodes whose derivative gets a name, with the cuts next above each."""
        cuts = self._flow.cuts(mode, self._wanted)
        needed: dict[Tensor, set[Tensor]] = {}
        stack = list(self._wanted)
        while stack:
            node = stack.pop()
            if node in needed:
                continue
            stops = self._flow.next_above(node, cuts)
            needed[node] = stops
            stack += [s for s in stops if s not in self._flow.outputs or self._flow.users(s)]
        return needed

    def _turn_round(self, pieces: Pieces) -> None:
        """Derive a loop: the step by this engine, the loop over it by the recurrence turned round."""
        loop = pieces.loop.node

        def derive(
            seeds: Mapping[Tensor, Tensor], guarding: Collection[Tensor], wrt: Sequence[Tensor]
        ) -> Mapping[Tensor, Let]:
            inner = Engine(seeds, wrt, "everywhere", self._budget, self._prefix, guarding=guarding)
            outcome = inner.outcome()
            self._residue += outcome.residue
            return outcome.lets

        wanted = [p for p, i in enumerate(loop.inputs) if i in self._flow.reaching and i in self._moving]
        with inheriting(loop.origins, "backward"):
            self._flow.turned[loop] = turned_round(pieces, wanted, derive)

    def _let(self, node: Tensor, stops: set[Tensor], composed: Sequence[Term]) -> Let:
        left: list[Term] = []
        rules: list[str] = []
        for term in composed:
            found = eliminated(term)
            rules += found.rules
            if found.term is not None:
                left.append(found.term)
        shape = (*self._prefix, *node.shape)
        simple = self._simplifier.simplified(left, shape, self._flow.above(node, stops))
        rules += simple.rules
        raiser = TermRaiser(node.dtype, self._certain)
        with inheriting(node.origins, "backward"):
            raised = raiser.tensor(simple.terms, shape)
            tensor = astype(raised.tensor, node.dtype)
        self._residue += raiser.residue
        return Let(
            node, tuple(composed), tuple(left), tuple(simple.terms), tuple(dict.fromkeys(rules)), tensor,
            raised.guarding,
        )  # fmt: skip
