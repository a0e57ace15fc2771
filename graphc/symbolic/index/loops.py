"""Loops: the derivative by the parts of a loop's result enters; that by each of its operands leaves.

A loop is the recurrence h' = f(h, x, c), y = g(h, x, c). With λ the derivative by the carry and ȳ that by an
output, its derivative is the recurrence turned round,

    λ = (∂f/∂h)ᵀ λ' + (∂g/∂h)ᵀ ȳ,   x̄ = (∂f/∂x)ᵀ λ' + (∂g/∂x)ᵀ ȳ,   c̄ = Σ_t (∂f/∂c)ᵀ λ' + (∂g/∂c)ᵀ ȳ,

which is back-propagation through time (Werbos 1990). The step's own derivative is derived by the engine. In a
Jacobian λ, ȳ and what is found have the axes of the output in front.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphc.ir.body import Body
from graphc.ir.dtype import DType, is_float, result_dtype
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on, topological_order
from graphc.ops.elementwise import add, astype
from graphc.ops.loop import Loop, looped, placeholder
from graphc.ops.shape import broadcast_to, moveaxis
from graphc.ops.sources import filled
from graphc.symbolic.index.lets import Let
from graphc.symbolic.index.loop_parts import Pieces
from graphc.symbolic.index.loop_sums import StepSums
from graphc.symbolic.index.raising import Raised

Derive = Callable[[Mapping[Tensor, Tensor], Collection[Tensor], Sequence[Tensor]], Mapping[Tensor, Let]]
"""Of outputs with their cotangents, those whose zeros were chosen, and nodes: the derivatives by these."""


@dataclass(frozen=True, eq=False)
class Turned:
    """A recurrence turned round: its loop, where one is left, and the derivative by each operand."""

    node: Tensor | None
    operands: Mapping[int, Raised]


def turned_round(pieces: Pieces, wanted: Iterable[int], derive: Derive) -> Turned:
    """The derivative by each wanted operand, by its position; one that has none is left out."""
    loop = pieces.loop
    chosen = [p for p in wanted if is_float(loop.node.inputs[p].dtype)]
    return _Backward(pieces, chosen, derive).turned()


class _Backward:
    """The recurrence of the derivatives, on its way to a loop."""

    def __init__(self, pieces: Pieces, wanted: Sequence[int], derive: Derive) -> None:
        self._pieces, self._derive = pieces, derive
        self._loop, self._prefix = pieces.loop, pieces.prefix
        self._body = body = self._loop.body
        self._outside = dict(zip(body.constants, self._loop.operands[2], strict=True))
        self._wanted = dict.fromkeys(body.placeholders[p] for p in wanted)
        dtypes = [p.dtype for p in self._wanted]
        self._dtype: DType = result_dtype(self._loop.node.dtype, *dtypes)  # of all that is carried
        self._carried = _carried(body, pieces, self._wanted)
        self._later = {
            k: self._given(f"{body.carries[k].name} later", body.carries[k]) for k in self._carried
        }
        # The derivatives by parts as sequences, by the placeholders that stand for them in a step.
        self._sequences: dict[Tensor, Tensor] = {}
        self._after = {k: self._part(p, body.next[k], "after") for k, p in pieces.after.items()}
        self._before = {k: self._part(p, body.carries[k], "before") for k, p in pieces.before.items()}
        self._outputs = {k: self._part(p, body.outputs[k], "output") for k, p in pieces.outputs.items()}

    def _given(self, name: str, like: Tensor) -> Tensor:
        return placeholder(name, (*self._prefix, *like.shape), self._dtype)

    def _part(self, piece: Raised, like: Tensor, name: str) -> Raised:
        """What stands for one step's slice of a derivative by stacked values."""
        given = placeholder(f"{like.name or 'y'} {name}", piece.tensor.shape[1:], piece.tensor.dtype)
        self._sequences[given] = piece.tensor
        return Raised(given, piece.guarding)

    # -- the step ------------------------------------------------------------------------------------
    def _seeds(self, chosen: Collection[int]) -> dict[Tensor, Raised]:
        """The derivatives by a step's results, the zeros of λ being chosen for the carries told."""
        seeds: dict[Tensor, Raised] = {}

        def seed(node: Tensor, value: Raised) -> None:
            held = seeds.get(node)
            seeds[node] = value if held is None else _both(held, value)

        for k in self._carried:
            value = Raised(astype(self._later[k], self._loop.node.dtype), k in chosen)
            seed(self._body.next[k], _both(value, self._after[k]) if k in self._after else value)
        for k, given in self._outputs.items():
            seed(self._body.outputs[k], given)
        return seeds

    def _derived(self) -> tuple[Mapping[Tensor, Let], set[int]]:
        """The step's derivatives, and the carries at which every zero of λ was chosen, at every step.

        Those given from outside count as chosen beside those of a step: whether it makes or keeps them so,
        its derivative tells.
        """
        body = self._body
        wrt = list(dict.fromkeys([*self._wanted, *[body.carries[k] for k in self._carried]]))
        chosen = set(self._carried) if self._pieces.all_guarding else set()
        for _ in range(len(self._carried) + 2):
            lets, kept = self._supposing(chosen, wrt)
            if kept == chosen:
                return lets, chosen
            chosen = kept if chosen < kept else set()
        return self._supposing(set(), wrt)[0], set()

    def _supposing(
        self, chosen: Collection[int], wrt: Sequence[Tensor]
    ) -> tuple[Mapping[Tensor, Let], set[int]]:
        """The step's derivatives, zeros of λ being chosen at some carries; where they are before it."""
        seeds = self._seeds(chosen)
        guarding = {n for n, seed in seeds.items() if seed.guarding}
        lets = self._derive({n: seed.tensor for n, seed in seeds.items()}, guarding, wrt)
        return lets, {k for k in self._carried if self._keeps_zeros(k, lets)}

    def _keeps_zeros(self, k: int, lets: Mapping[Tensor, Let]) -> bool:
        let, before = lets.get(self._body.carries[k]), self._before.get(k)
        return (let is None or let.guarding) and (before is None or before.guarding)

    def _earlier(self, k: int, let: Let | None) -> Tensor:
        """λ before the step."""
        value = self._zeros(self._body.carries[k]) if let is None else astype(let.tensor, self._dtype)
        before = self._before.get(k)
        return value if before is None else add(value, astype(before.tensor, self._dtype))

    def _zeros(self, like: Tensor) -> Tensor:
        return broadcast_to(filled(0.0, self._dtype), (*self._prefix, *like.shape))

    # -- the loop ------------------------------------------------------------------------------------
    def turned(self) -> Turned:
        """The loop and what it finds."""
        if not self._carried and not self._outputs:
            return Turned(None, {})
        body, length = self._body, self._loop.node.attrs["length"]
        lets, chosen = self._derived()
        by_steps = {x: lets[x] for x in body.xs if x in self._wanted and x in lets}
        given = [*body.carries, *body.xs, *self._sequences, *self._later.values()]
        owed = [let.tensor for let in by_steps.values()]
        sums = StepSums(given, owed)
        inside = sums.split({c: lets[c] for c in body.constants if c in self._wanted and c in lets})
        totals = {c: self._given(f"{c.name} so far", c) for c in inside}
        next = [self._earlier(k, lets.get(body.carries[k])) for k in self._carried]
        next += [add(totals[c], astype(let.tensor, self._dtype)) for c, let in inside.items()]
        known = self._known({*topological_order([*next, *owed, *sums.outputs]), *sums.read})
        back = self._looped(list(totals.values()), next, sums.outputs, known)

        stacked = dict(known)
        if back is not None:
            stacked |= {output: back.output(number) for number, output in enumerate(sums.outputs)}
            stacked |= {self._later[k]: back.before(number) for number, k in enumerate(self._carried)}
        found = sums.after(stacked, self._outside, length, self._prefix)
        for x, let in by_steps.items():
            found[x] = Raised(moveaxis(stacked[let.tensor], 0, len(self._prefix)), let.guarding)
        if back is not None:
            guarding = [k in chosen for k in self._carried] + [let.guarding for let in inside.values()]
            for number, p in enumerate([*[body.carries[k] for k in self._carried], *inside]):
                found[p] = Raised(back.final(number), guarding[number])
        operands = {
            position: Raised(astype(found[p].tensor, p.dtype), found[p].guarding)
            for position, p in enumerate(body.placeholders)
            if p in self._wanted and p in found
        }
        return Turned(None if back is None else back.node, operands)

    def _known(self, read: Collection[Tensor]) -> dict[Tensor, Tensor]:
        """The sequences that are there, by what stands for them: those of carries only if read."""
        known = dict(zip(self._body.xs, self._loop.operands[1], strict=True)) | self._sequences
        return known | {c: self._loop.before(k) for k, c in enumerate(self._body.carries) if c in read}

    def _looped(
        self,
        totals: Sequence[Tensor],
        next: Sequence[Tensor],
        outputs: Sequence[Tensor],
        known: Mapping[Tensor, Tensor],
    ) -> Loop | None:
        """The loop from the last step to the first; None where all sums have their terms already."""
        if not next and not outputs:
            return None
        body, at = self._body, self._loop.node.attrs
        final = self._pieces.final
        starts = [
            astype(final[k].tensor, self._dtype) if k in final else self._zeros(body.carries[k])
            for k in self._carried
        ]
        zeros = [broadcast_to(filled(0.0, self._dtype), t.shape) for t in totals]
        return looped(
            [*zip(self._later.values(), starts, strict=True), *zip(totals, zeros, strict=True)],
            list(known.items()), next, [astype(o, self._dtype) for o in outputs],
            length=at["length"], reverse=not at["reverse"], bound=self._outside,
            record=[*[True] * len(starts), *[False] * len(totals)],
        )  # fmt: skip


def _both(first: Raised, second: Raised) -> Raised:
    return Raised(add(first.tensor, second.tensor), first.guarding and second.guarding)


def _carried(body: Body, pieces: Pieces, wanted: Iterable[Tensor]) -> list[int]:
    """The carries whose λ is needed: they move with what is wanted, and what has a derivative with them."""
    alive = set(pieces.final) | set(pieces.after) | set(pieces.before)
    moving = set(wanted)
    while True:
        heads = [*[body.next[k] for k in alive], *[body.outputs[k] for k in pieces.outputs]]
        below = set(topological_order(heads))
        above = depends_on(body.order, moving)
        more = {k for k, c in enumerate(body.carries) if c in below} - alive
        moved = {c for c, n in zip(body.carries, body.next, strict=True) if n in above} - moving
        if not more and not moved:
            return [k for k, c in enumerate(body.carries) if k in alive and c in moving]
        alive |= more
        moving |= moved
