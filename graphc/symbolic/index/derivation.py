"""The derivation of a graph of tensors: lets in index and in matrix notation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphc.ir.tensor import Tensor
from graphc.symbolic.composition import Mode
from graphc.symbolic.derivation import Derivation
from graphc.symbolic.index.engine import Let


@dataclass(frozen=True, eq=False)
class TensorDerivation(Derivation):
    """The derivative of a graph of tensors with the way that led to it."""

    y: Tensor
    wrt: tuple[Tensor, ...]
    result: Any
    mode: Mode
    gradients: tuple[Tensor, ...]
    residue: tuple[str, ...] = ()
    lets: tuple[Let, ...] = field(default=(), repr=False)

    @property
    def steps(self) -> Sequence[Any]:
        return self.lets

    def text(self) -> str:
        return "\n".join(map(repr, self.lets))

    def latex(self) -> str:
        return self.text()
