"""A rewriting rule is data: a name, a pattern, what replaces it, when, and how exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from graphc.ir.dtype import BOOL
from graphc.ir.origin import Origin, inheriting, merged_origins
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.rewrite.pattern import Bindings, Pattern, built, matches

# What replaces a match: a pattern, or a function of the matched node and what was bound.
Replacement = Pattern | Callable[[Tensor, Bindings], Tensor | None]


@dataclass(frozen=True)
class Rule:
    """``left`` becomes ``right`` where ``when`` holds.

    ``exact`` rules give the same bits for every input, NaN, infinities, −0.0 and empty shapes
    included. ``fast_math`` rules agree to a relative ``bound`` for variables drawn from ``domain``
    (variable name → interval), which is where the left side itself neither overflows nor cancels.
    """

    name: str
    left: Pattern
    right: Replacement
    when: Callable[[Bindings], bool] | None = None
    kind: Literal["exact", "fast_math"] = "exact"
    bound: float = 0.0
    domain: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    # For tests: shapes or dtypes that the variables need for the rule to fire.
    example: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, node: Tensor) -> Any:
        """What replaces the node, or None where the rule does not fire."""
        for bound in matches(self.left, node, {}):
            if not _of_one_dtype(bound) or (self.when is not None and not self.when(bound)):
                continue
            with inheriting(_matched_origins(node, bound)):
                if isinstance(self.right, Pattern):
                    return built(self.right, bound)
                replacement = self.right(node, bound)
            if replacement is not None:
                return replacement
        return None

    def __str__(self) -> str:
        right = self.right if isinstance(self.right, Pattern) else self.right.__name__
        return f"{self.name}: {self.left} → {right}"


def _of_one_dtype(bound: Bindings) -> bool:
    """Whether the variables agree in dtype, conditions aside.

    Else the left side converts in the middle: x + (−y) is not x − y for an int64 x and a uint8 y,
    since −y wraps around in uint8.
    """
    return len({v.dtype for v in bound.values() if isinstance(v, Tensor) and v.dtype != BOOL}) <= 1


def _matched_origins(node: Tensor, bound: Bindings) -> tuple[Origin, ...]:
    """The places all nodes of the match come from: what replaces them comes from those."""
    known = {v for v in bound.values() if isinstance(v, Tensor)}
    if known.issuperset(node.inputs):
        return node.origins
    matched = topological_order([node], stop=known)
    return merged_origins(*[n.origins for n in reversed(matched) if n not in known])


def rule(name: str, left: Pattern, right: Replacement, **options: Any) -> Rule:
    """An exact rule."""
    return Rule(name, left, right, **options)


def fast(name: str, left: Pattern, right: Replacement, bound: float, **options: Any) -> Rule:
    """A rule that agrees to a relative bound."""
    return Rule(name, left, right, kind="fast_math", bound=bound, **options)
