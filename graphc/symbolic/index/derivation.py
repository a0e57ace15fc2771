"""The derivation of a graph of tensors: every let in index and in matrix notation, and the steps to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from graphc.ir.dtype import is_float
from graphc.ir.origin import Location
from graphc.ir.tensor import Tensor
from graphc.ops.loop import SCAN
from graphc.symbolic.composition import Mode
from graphc.symbolic.derivation import Derivation
from graphc.symbolic.index.affine import Variable, of
from graphc.symbolic.index.definitions import Definition, definition
from graphc.symbolic.index.engine import Outcome
from graphc.symbolic.index.formulas import IndexFormulas, Letters
from graphc.symbolic.index.known_sums import Assumption
from graphc.symbolic.index.lets import Let
from graphc.symbolic.index.terms import Read, Term, reads_of
from graphc.symbolic.naming import Names
from graphc.symbolic.notation import (
    Formula,
    Name,
    Partial,
    Row,
    display,
    equation,
    latex,
    matrix_formula,
    name_of,
    text,
)

# Nodes that only arrange or sign elements need no name of their own in formulas.
_PLAIN = frozenset({"transpose", "reshape", "broadcast_to", "negative", "constant", "dimension", "astype"})


@dataclass(frozen=True, eq=False)
class Side:
    """What one side of a step is, for its numeric check: terms to add up, a tensor, or a difference.

    ``read`` is the operand by which a node's own derivative is meant.
    """

    kind: str
    node: Tensor | None = None
    terms: tuple[Term, ...] = ()
    definition: Definition | None = None
    read: Tensor | None = None


@dataclass(frozen=True, eq=False)
class TensorStep:
    """One line of a derivation: by ``rule``, ``before`` = ``after``, as formulas in index notation.

    ``matrix`` is the same equation in matrix notation, where there is one. ``label`` names the node it is
    about, ``location`` the user's line that built it. ``error`` is the largest relative difference of the
    two sides at random points, where the derivation was checked.
    """

    rule: str
    label: str
    op: str
    location: Location
    before: Formula
    after: Formula
    matrix: Formula | None = None
    sides: tuple[Side, Side] | None = field(default=None, repr=False)
    error: float | None = None

    def text(self) -> str:
        """``before = after`` on one line."""
        return text(equation(self.before, self.after))

    def latex(self) -> str:
        """The two sides as LaTeX, aligned at the sign of equality."""
        return latex(equation(self.before, self.after), aligned=True)


@dataclass(frozen=True, eq=False)
class TensorDerivation(Derivation):
    """The derivative of a graph of tensors with the way that led to it.

    ``lets`` are the derivatives of the output by the nodes at which it was cut, nearest to the output first,
    each over those before it.
    """

    y: Tensor
    wrt: tuple[Tensor, ...]
    result: Any
    mode: Mode
    gradients: tuple[Tensor, ...]
    outcome: Outcome = field(repr=False)
    order: tuple[Tensor, ...] = field(repr=False)
    cotangent: Tensor | None = field(default=None, repr=False)
    prefix: tuple[Any, ...] = field(default=(), repr=False)
    assumptions: tuple[Assumption, ...] = field(default=(), repr=False)
    errors: tuple[float | None, ...] = field(default=(), repr=False)

    @property
    def residue(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.outcome.residue

    @property
    def lets(self) -> tuple[Let, ...]:
        """The derivatives by the cuts and by what was asked for."""
        return tuple(self.outcome.lets.values())

    # -- names ---------------------------------------------------------------------------------------
    @cached_property
    def _read(self) -> Counter[Tensor]:
        """In how many places of the lets each tensor is read."""
        found: Counter[Tensor] = Counter()
        for let in self.lets:
            found.update(r.tensor for t in let.simplified for r in _reads(t))
        return found

    @cached_property
    def _shown(self) -> tuple[Let, ...]:
        """The lets worth a name: asked for, named by the user, or used more than once."""
        wanted = set(self.wrt)
        seen: set[Tensor] = set()
        found = []
        for let in self.lets:
            useful = let.node.name is not None or self._read[let.tensor] > 1 or self.mode == "dominators"
            if let.node in wanted or (useful and let.tensor not in seen and not _is_plain(let)):
                found.append(let)
                seen.add(let.tensor)
        return tuple(found)

    @cached_property
    def _named(self) -> tuple[Tensor, ...]:
        """The nodes that formulas call by a name."""
        cut = {let.node for let in self._shown}
        return tuple(
            n
            for n in self.order
            if n.inputs
            and (
                n.name is not None
                or n in cut
                or (self._read[n] > 1 and n.op.name not in _PLAIN and is_float(n.dtype))
                or n.op is SCAN
                or n is self.y
            )
        )

    @cached_property
    def _names(self) -> Mapping[Tensor, Formula]:
        """A name for every node; those of formulas first, so that their numbers are small."""
        named = list(self._named)
        first = [*[n for n in self.order if not n.inputs], *[n for n in named if n is not self.y]]
        rest = [n for n in self.order if n not in set(first) and n is not self.y]
        words = Names([*first, *rest], self._prefix_of_names)
        found: dict[Tensor, Formula] = {
            n: name_of(n, words) for n in (*first, *rest) if n.op.name not in ("constant", "dimension")
        }
        taken = {f.word for f in found.values() if isinstance(f, Name)}
        if self.y.name is not None or self.y in found:
            found[self.y] = name_of(self.y, Names([*first, *rest, self.y], self._prefix_of_names))
        elif self.y.shape == () and "L" not in taken:
            found[self.y] = Name("L")
        else:
            found[self.y] = name_of(self.y, Names([*first, self.y], self._prefix_of_names))
        return found

    @cached_property
    def _turned(self) -> dict[Tensor, Formula]:
        """A name for what each recurrence turned round computes, by its loop, nearest to the output first."""
        found = self.outcome.flow.turned
        loops = [n for n in reversed(self.order) if n in found and found[n].node is not None]
        letter = next(c for c in ("λ", "ν", "lambda_") if Name(c) not in self._names.values())
        if len(loops) == 1:
            return {loops[0]: Name(letter)}
        return {loop: Name(f"{letter}_{number}") for number, loop in enumerate(loops, 1)}

    @property
    def _prefix_of_names(self) -> str:
        """A letter for nodes without a name that the user has not numbered himself."""
        given = [n.name.rsplit("/", 1)[-1] for n in self.order if n.name]
        free = (c for c in "havgsq" if not any(re.fullmatch(rf"{c}_?\d+", word) for word in given))
        return next(free, "node")

    def _partial(self, node: Tensor) -> Formula:
        return Partial(self._names[self.y], self._names[node])

    @cached_property
    def _lets_by_name(self) -> dict[Tensor, Formula]:
        """Each let's tensor with the name of the first let that it is."""
        turned = self.outcome.flow.turned
        found = {node: name for loop, name in self._turned.items() if (node := turned[loop].node) is not None}
        for let in self._shown:
            if self._names.get(let.tensor) is None:
                found.setdefault(let.tensor, self._partial(let.node))
        if self.cotangent is not None:
            found.setdefault(self.cotangent, self._partial(self.y))
        return found

    @cached_property
    def _matrix_names(self) -> dict[Tensor, Formula]:
        sources = {n: f for n, f in self._names.items() if not n.inputs and n.op.name != "constant"}
        named = {n: self._names[n] for n in self._named}
        return {**sources, **named, **self._lets_by_name}

    # -- formulas ------------------------------------------------------------------------------------
    def _matrix(self, let: Let) -> Formula:
        mine = self._partial(let.node)
        known = self._matrix_names.get(let.tensor)
        if known is not None and known != mine:
            return equation(mine, known)
        return equation(mine, matrix_formula(let.tensor, self._matrix_names))

    @cached_property
    def formulas(self) -> tuple[Formula, ...]:
        """The equations of ``text()``: definitions of what has a name, then the derivatives."""
        used = self._used()
        definitions = [
            equation(self._names[n], matrix_formula(n, self._matrix_names))
            for n in self._named
            if n in used or n is self.y
        ]
        return (*definitions, *self._derivatives())

    def _derivatives(self) -> list[Formula]:
        """The lets, and each recurrence turned round before what reads it."""
        found = [(self._place[let.node], self._matrix(let)) for let in self._shown]
        found += [
            (self._place[loop], equation(name, self._recurrence(loop))) for loop, name in self._turned.items()
        ]
        return [formula for _, formula in sorted(found, key=lambda f: -f[0])]

    @cached_property
    def _place(self) -> dict[Tensor, int]:
        return {n: i for i, n in enumerate(self.order)}

    def _recurrence(self, loop: Tensor) -> Formula:
        """The recurrence turned round as the loop that it is."""
        node = self.outcome.flow.turned[loop].node
        assert node is not None
        names = {tensor: name for tensor, name in self._matrix_names.items() if tensor is not node}
        return matrix_formula(node, names)

    def _turned_round(self, loop: Tensor) -> TensorStep:
        name, made = self._turned[loop], self._recurrence(loop)
        return self._step("recurrence turned round", loop, name, made, equation(name, made))

    def _used(self) -> set[Tensor]:
        """The named nodes that some shown formula needs."""
        found = {let.node for let in self._shown} | set(self._read) | set(self._turned)
        for node in reversed(self._named):
            if node in found or node is self.y or node.name is not None:
                found.add(node)
        return found

    def text(self) -> str:
        """The definitions, then each derivative by those before it, in matrix notation, one a line.

        >>> import graphc as gc
        >>> X, W, b = gc.input("X", ("N", 4)), gc.parameter("W", (4, 3)), gc.parameter("b", (3,))
        >>> Y = gc.input("Y", ("N", 3))
        >>> loss = (0.5 * gc.sum(gc.square(X @ W + b - Y))).named("L")
        >>> print(gc.symbolic.grad(loss, [W, b], mode="full").text())
        h_1 = X W + b − Y
        L = ‖h_1‖² / 2
        ∂L/∂b = Σ_n h_1
        ∂L/∂W = Xᵀ h_1
        """
        return "\n".join(map(text, self.formulas))

    def latex(self) -> str:
        """The lines of ``text()`` as one aligned display that compiles as it stands (with amsmath)."""
        return display(self.formulas)

    # -- steps ---------------------------------------------------------------------------------------
    @cached_property
    def steps(self) -> tuple[TensorStep, ...]:
        """Definitions, derivatives of ops, then for each let: chain rule, deltas, simplification, raising."""
        found: list[TensorStep] = []
        for node in self.order:
            if node.inputs and node in self.outcome.flow.reaching:
                found += self._definition(node)
        loops = list(self._turned)
        for let in self.lets:
            while loops and self._place[loops[0]] > self._place[let.node]:
                found.append(self._turned_round(loops.pop(0)))
            found += self._derived(let)
        if self.errors:
            found = [replace(s, error=e) for s, e in zip(found, self.errors, strict=True)]
        return tuple(found)

    def _step(
        self, rule: str, node: Tensor, before: Formula, after: Formula,
        matrix: Formula | None = None, sides: tuple[Side, Side] | None = None,
    ) -> TensorStep:  # fmt: skip
        label = text(self._names[node])
        return TensorStep(rule, label, node.op.name, node.location, before, after, matrix, sides)

    @cached_property
    def _writer(self) -> IndexFormulas:
        return IndexFormulas({**self._names, **self._all_lets})

    @cached_property
    def _all_lets(self) -> dict[Tensor, Formula]:
        found = dict(self._lets_by_name)
        for let in self.lets:
            found.setdefault(let.tensor, self._partial(let.node))
        return found

    def _definition(self, node: Tensor) -> list[TensorStep]:
        made = definition(node)
        if made is None:
            return []
        steps = []
        for before, after in made.formulas(self._names[node], self._writer):
            names = {n: f for n, f in self._names.items() if n is not node}
            whole = equation(self._names[node], matrix_formula(node, names))
            sides = (Side("node", node), Side("definition", node, definition=made))
            steps.append(self._step("definition", node, before, after, whole, sides))
        active = self.outcome.flow.differentials.get(node)
        if active is not None:
            slopes = made.slopes(active, self._names[node], self._writer)
            for slot, (before, after) in zip(active.slots, slopes, strict=True):
                sides = (Side("moved", node, read=slot.tensor), Side("slopes", node, read=slot.tensor))
                steps.append(self._step(f"derivative of {node.op.name}", node, before, after, None, sides))
        return steps

    def _derived(self, let: Let) -> list[TensorStep]:
        outputs = [Variable(s) for s in (*self.prefix, *let.node.shape)]
        letters = Letters()
        left = self._writer.element(self._partial(let.node), [of(v) for v in outputs], letters)
        if not let.composed:
            return [self._step("derived apart", let.node, left, left, self._matrix(let))]
        stages = [
            ("chain rule", let.composed, True),
            (_rule(let.rules, "delta elimination"), let.eliminated, False),
            (_rule(let.rules, "simplification"), let.simplified, False),
        ]
        steps: list[TensorStep] = []
        before = left
        side = Side("derivative", let.node)
        for rule, terms, deltas in stages:
            names = Letters([text(letters.of(v)) for v in outputs])
            for v in outputs:
                names.set(v, letters.of(v))
            after = self._writer.sum(terms, outputs, names, deltas)
            mine = Side("terms", let.node, terms)
            if after != before:
                steps.append(self._step(rule, let.node, before, after, None, (side, mine)))
                before = after
            side = mine
        raised = (side, Side("node", let.tensor))
        steps.append(self._step("raising to ops", let.node, left, before, self._matrix(let), raised))
        return steps

    def rows(self) -> list[Row]:
        """The steps as rows of a page."""
        return [
            Row(
                step.rule,
                f"{step.label} · {step.op} · {step.location}",
                by_index=equation(step.before, step.after),
                by_matrix=step.matrix,
                check="" if step.error is None else f"differs by {step.error:.0e}",
                agrees=None if step.error is None else step.error <= 1e-6,
            )
            for step in self.steps
        ]

    def __repr__(self) -> str:
        wrt = ", ".join(text(self._names[w]) for w in self.wrt)
        return f"<derivation of {text(self._names[self.y])} by {wrt}: {self.mode}, {len(self.lets)} lets>"


def _reads(term: Term) -> Sequence[Read]:
    return list(reads_of(a for a, _ in term.factors))


def _is_plain(let: Let) -> bool:
    """Whether the let is another one's elements in another arrangement, which needs no name."""
    if len(let.simplified) != 1:
        return not let.simplified
    (term,) = let.simplified
    return len(term.factors) <= 1 and all(isinstance(a, Read) and n == 1 for a, n in term.factors)


def _rule(rules: Sequence[str], fallback: str) -> str:
    deltas = ("single index", "unit delta", "mixed radix", "digit split")
    chosen = [r for r in rules if (r in deltas) == (fallback == "delta elimination")]
    return ", ".join(chosen) or fallback
