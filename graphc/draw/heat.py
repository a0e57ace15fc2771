"""Heat: shares of the time by the user's origins enter; each drawn node's share and colour leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from graphc.draw.theme import Theme, Tone
from graphc.ir.origin import Origin
from graphc.ir.tensor import Tensor

Shares: TypeAlias = Mapping[tuple[Origin, str], float]
"""Shares of the whole by the origin of what takes them and the name of the op that does."""


class HasHeat(Protocol):
    """A measurement, such as the profile of a function."""

    @property
    def heat(self) -> Shares:
        """The shares."""


@dataclass(frozen=True)
class Heat:
    """``share`` of each node that has one; ``elsewhere`` is what belongs to no drawn node.

    ``hottest`` is the largest share that a colour has to show.
    """

    share: Mapping[Tensor, float]
    elsewhere: float
    hottest: float

    def fraction(self, share: float) -> float:
        """A share as a part of the largest."""
        return share / self.hottest if self.hottest else 0.0

    def label(self, share: float) -> str:
        """A share as text."""
        return f"{share:.1%}" if share >= 0.0005 else "< 0.1%"


def heat_of(given: HasHeat | Shares, order: Sequence[Tensor]) -> Heat:
    """The share of each node of a drawing.

    The program's ops are not always those that are drawn: passes have rewritten them. So the time of an op
    goes to the nodes of the same op from the same line, in equal parts; where there is none, to those whose
    own op took no time, since they were rewritten; else to all of the line. What only moves values mostly
    serves a rewritten op, such as the windows of a convolution, and goes there first.
    """
    shares: Shares = given if isinstance(given, Mapping) else given.heat
    by_origin: dict[Origin, list[Tensor]] = {}
    for node in order:
        if node.inputs or node.op.family in ("random", "loop"):
            for origin in dict.fromkeys(node.origins):
                by_origin.setdefault(origin, []).append(node)
    ops: dict[Origin, set[str]] = {}
    for origin, op in shares:
        ops.setdefault(origin, set()).add(op)
    found: dict[Tensor, float] = {}
    for (origin, op), share in shares.items():
        nodes = by_origin.get(origin, [])
        alike = [n for n in nodes if n.op.name == op]
        rewritten = [n for n in nodes if n.op.name not in ops[origin] and n.op.family != "shape"]
        moves = all(n.op.family == "shape" for n in alike)
        takers = (rewritten or alike if moves else alike) or nodes
        for node in takers:
            found[node] = found.get(node, 0.0) + share / len(takers)
    return Heat(found, max(0.0, 1.0 - sum(found.values())), max(found.values(), default=0.0))


def heat_tone(theme: Theme, fraction: float) -> Tone:
    """The colour of a node, from none to the most of the drawing's nodes."""
    steps = len(theme.heat) - 1
    place = min(max(fraction, 0.0), 1.0) * steps
    low = min(int(place), steps - 1)
    return Tone(_between(theme.heat[low], theme.heat[low + 1], place - low), theme.heat_line)


def _between(first: str, second: str, fraction: float) -> str:
    channels = [
        round(int(first[k : k + 2], 16) * (1 - fraction) + int(second[k : k + 2], 16) * fraction)
        for k in (1, 3, 5)
    ]
    return "#" + "".join(f"{c:02x}" for c in channels)
