"""Lets: the derivatives that have a name, with the way that each was found."""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir.tensor import Tensor
from graphc.symbolic.index.raising import Raised
from graphc.symbolic.index.terms import Term


@dataclass(frozen=True, eq=False)
class Let:
    """One derivative ∂output/∂node: the terms as composed, with deltas eliminated, simplified; the graph."""

    node: Tensor
    composed: tuple[Term, ...]
    eliminated: tuple[Term, ...]
    simplified: tuple[Term, ...]
    rules: tuple[str, ...]
    tensor: Tensor
    guarding: bool

    @property
    def raised(self) -> Raised:
        """The graph alone."""
        return Raised(self.tensor, self.guarding)
