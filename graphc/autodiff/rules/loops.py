"""Derivatives of the loop: of any order, and loops again.

Reverse mode is one loop that runs the other way. It carries the cotangents of the carries, reads the
carries' recorded values, and computes the inner values of each step once more from them. What the
constants are owed is added up over the steps: a product of matrices as one product of all steps' rows
after the loop, anything else in a carry of the loop. Forward mode is a loop of tangents over the recorded
values. Neither runs the loop itself again.

Source: Griewank & Walther, *Evaluating Derivatives*, chapter 12, on checkpoints at every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphc.autodiff.loop_cotangents import StepSums, taken_apart
from graphc.autodiff.pieces import full, like, total
from graphc.autodiff.rule import ForwardWalks, Reached, ReverseWalks, Rule
from graphc.ir.dtype import DType, is_float, result_dtype
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, topological_order
from graphc.ops.elementwise import add, astype
from graphc.ops.loop import SCAN, Loop, looped, placeholder

Pair = tuple[Tensor, Tensor]  # a placeholder and what it stands for


@dataclass(frozen=True, slots=True, eq=False)
class LoopRule:
    """The rule of an op that holds a body: its readings are given the sweeps, to use them on it."""

    flows: bool = True
    masking: tuple[int, ...] = ()

    def cotangents(
        self, node: Tensor, cotangent: Tensor, wanted: Sequence[bool], masked: bool, walks: ReverseWalks
    ) -> tuple[list[Tensor | None], set[int]]:
        return _Backward(Loop(node), cotangent, wanted, masked, walks).cotangents()

    def tangent(self, node: Tensor, tangents: Sequence[Tensor | None], walks: ForwardWalks) -> Tensor | None:
        return _tangent(Loop(node), tangents, walks)

    def vjp(self, node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
        raise AssertionError("a loop's cotangents are computed together")

    def jvp(self, node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
        raise AssertionError("a loop's tangent needs the forward sweep")


def _moving(loop: Loop, sources: Sequence[Tensor], reached_from: Reached) -> dict[Tensor, None]:
    """The placeholders that a derivative reaches from some of them: over the steps, carries join in."""
    moving = dict.fromkeys(sources)
    body = loop.body
    while True:
        reached = reached_from(body.order, moving)
        more = [c for c, n in zip(body.carries, body.next, strict=True) if n in reached and c not in moving]
        if not more:
            return moving
        moving |= dict.fromkeys(more)


def _read_before(loop: Loop, results: Sequence[Tensor]) -> list[Pair]:
    """The carries that a step of a derivative reads, with their values before each step."""
    read = set(topological_order(results))
    return [(c, loop.before(k)) for k, c in enumerate(loop.body.carries) if c in read]


# -- reverse mode ------------------------------------------------------------------------------------
class _Backward:
    """The loop that pulls one cotangent back."""

    def __init__(
        self, loop: Loop, cotangent: Tensor, wanted: Sequence[bool], masked: bool, walks: ReverseWalks
    ) -> None:
        self.loop, self.body, self.masked, self.walks = loop, loop.body, masked, walks
        self.given = taken_apart(loop, cotangent)
        self.wanted = [p for p, w in zip(self.body.placeholders, wanted, strict=True) if w]
        self.wanted_set = set(self.wanted)
        floats = [p.dtype for p in self.wanted if is_float(p.dtype)]
        self.dtype: DType = result_dtype(loop.node.dtype, *floats)  # of all that the new loop carries
        moving = _moving(loop, self.wanted, walks.reached)
        alive = self._alive()
        self.carried = [k for k, c in enumerate(self.body.carries) if k in alive and c in moving]
        self.owed = {k: self._placeholder(self.body.carries[k]) for k in self.carried}
        self.xs: list[Pair] = []

    def _placeholder(self, node: Tensor) -> Tensor:
        return placeholder(f"grad_{node.name}", node.shape, self.dtype)

    def _alive(self) -> set[int]:
        """The carries on which something that has a cotangent depends, this step or a later one."""
        body, given = self.body, self.given
        alive = set(given.final) | set(given.before) | set(given.after)
        while True:
            heads = [body.next[k] for k in alive] + [body.outputs[k] for k in given.outputs]
            below = set(topological_order(heads))
            more = {k for k, c in enumerate(body.carries) if c in below} - alive
            if not more:
                return alive
            alive |= more

    def _slice_of(self, sequence: Tensor, name: str) -> Tensor:
        """The placeholder of one more sequence that the new loop reads."""
        slot = placeholder(name, sequence.shape[1:], sequence.dtype)
        self.xs.append((slot, sequence))
        return slot

    def _seeds(self) -> dict[Tensor, Tensor]:
        """The cotangents of a step's results, by node."""
        seeds: dict[Tensor, Tensor] = {}

        def seed(node: Tensor, value: Tensor) -> None:
            seeds[node] = add(seeds[node], value) if node in seeds else value

        for k in self.carried:
            value = astype(self.owed[k], self.loop.node.dtype)
            if k in self.given.after:
                name = f"grad_{self.body.carries[k].name}_t"
                value = add(value, self._slice_of(self.given.after[k], name))
            seed(self.body.next[k], value)
        for k, sequence in self.given.outputs.items():
            seed(self.body.outputs[k], self._slice_of(sequence, f"grad_{self.body.outputs[k].name or 'y'}_t"))
        return seeds

    def _masked_seeds(self, seeds: Mapping[Tensor, Tensor]) -> set[Tensor]:
        """The results whose cotangents are zero where a ``where`` of this step or a later one is."""
        if self.masked:
            return set(seeds)
        carries = {self.body.carries[k]: k for k in self.carried}
        masked: set[Tensor] = set()
        while True:
            only = self.walks.masked(seeds, list(carries), masked)
            kept = [k for c, k in carries.items() if c in only and k not in self.given.after]
            more = {self.body.next[k] for k in kept if k not in self.given.before} - masked
            if not more:
                return masked
            masked |= more

    def cotangents(self) -> tuple[list[Tensor | None], set[int]]:
        """The cotangent of each operand that is wanted and owed one, and which of them are masked."""
        body = self.body
        seeds = self._seeds()
        if not seeds:
            return [None] * len(body.placeholders), set()
        wrt = list(dict.fromkeys([*self.wanted, *[body.carries[k] for k in self.carried]]))
        masked = self._masked_seeds(seeds)
        found = self.walks.sweep(seeds, wrt, masked)
        only_masked = self.walks.masked(seeds, wrt, masked)
        next = self._next(found)
        known = dict(zip(body.xs, self.loop.operands[1], strict=True)) | dict(self.xs)
        known |= dict(_read_before(self.loop, [*next, *found.values()]))
        sums = self._sums(found, known)
        totals = {c: self._placeholder(c) for c in sums.inside}
        next += [add(totals[c], astype(value, self.dtype)) for c, value in sums.inside.items()]
        backward = self._looped(next, list(totals.values()), known, sums.outputs)
        results = sums.after(backward)
        for x in body.xs:
            if x in self.wanted_set and x in found:
                results[x] = [sums.stacked(found[x], backward)]
        for number, slot in enumerate([*[body.carries[k] for k in self.carried], *totals]):
            assert backward is not None
            results.setdefault(slot, []).append(backward.final(number))
        owed = [
            total(results[p]) if p in results and p in self.wanted_set else None for p in body.placeholders
        ]
        return owed, {k for k, p in enumerate(body.placeholders) if p in only_masked}

    def _next(self, found: Mapping[Tensor, Tensor]) -> list[Tensor]:
        """The cotangents of the carries before a step."""
        values = []
        for k in self.carried:
            carry = self.body.carries[k]
            value = astype(found[carry], self.dtype) if carry in found else like(self.owed[k], 0.0)
            if k in self.given.before:
                early = self._slice_of(self.given.before[k], f"grad_{carry.name}_before")
                value = add(value, astype(early, self.dtype))
            values.append(value)
        return values

    def _sums(self, found: Mapping[Tensor, Tensor], known: Mapping[Tensor, Tensor]) -> StepSums:
        """How what the constants are owed is added up, beside the cotangents of the sequences."""
        outputs = [found[x] for x in self.body.xs if x in self.wanted_set and x in found]
        order = topological_order(list(found.values()))
        sums = StepSums(outputs, known, depends_on(order, [*self.owed.values(), *known]))
        for c in self.body.constants:
            if c in self.wanted_set and c in found:
                sums.take(c, found[c])
        return sums

    def _looped(
        self,
        next: Sequence[Tensor],
        totals: Sequence[Tensor],
        known: Mapping[Tensor, Tensor],
        outputs: Sequence[Tensor],
    ) -> Loop | None:
        """The new loop; None where nothing depends on a step, or all sums have their operands already."""
        if not next and not outputs:
            return None
        given, at = self.given, self.loop.node.attrs
        starts = [
            astype(given.final[k], self.dtype) if k in given.final else like(self.owed[k], 0.0)
            for k in self.carried
        ]
        return looped(
            [*zip(self.owed.values(), starts, strict=True), *[(t, like(t, 0.0)) for t in totals]],
            list(known.items()), next, [astype(o, self.dtype) for o in outputs],
            length=at["length"], reverse=not at["reverse"],
            record=[*[True] * len(self.owed), *[False] * len(totals)],
            bound=dict(zip(self.body.constants, self.loop.operands[2], strict=True)),
        )  # fmt: skip


# -- forward mode ------------------------------------------------------------------------------------
def _tangent(loop: Loop, tangents: Sequence[Tensor | None], walks: ForwardWalks) -> Tensor | None:
    """The packed tangent: a loop of the same layout, whose carries are the carries' tangents."""
    body = loop.body
    given = {p: t for p, t in zip(body.placeholders, tangents, strict=True) if t is not None}
    moving = _moving(loop, list(given), walks.reached)
    moved = {p: placeholder(f"tangent_{p.name}", p.shape, p.dtype) for p in (*body.carries, *moving)}
    seeds = {p: moved[p] for p in moving}
    found = walks.sweep(seeds, body.results)
    if not found and not any(c in given for c in body.carries):
        return None  # a carry that moves is one of the results before its first step, whatever a step does
    results = [found[r] if r in found else like(r, 0.0) for r in body.results]
    count = len(body.carries)
    starts = [given[c] if c in given else full(0.0, c.shape, c.dtype) for c in body.carries]
    xs = [*zip(body.xs, loop.operands[1], strict=True), *_read_before(loop, results)]
    xs += [(moved[x], given[x]) for x in body.xs if x in given]
    bound = dict(zip(body.constants, loop.operands[2], strict=True))
    bound |= {moved[c]: given[c] for c in body.constants if c in given}
    at = loop.node.attrs
    carries = [(moved[c], start) for c, start in zip(body.carries, starts, strict=True)]
    return looped(
        carries, xs, results[:count], results[count:], length=at["length"], reverse=at["reverse"],
        record=at["record"], bound=bound,
    ).node  # fmt: skip


RULES: dict[Op, Rule] = {SCAN: LoopRule()}
