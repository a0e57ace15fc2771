"""A derivation: what symbolic differentiation leaves, the resulting graphs and every step towards them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from graphc.ir.tensor import Tensor
from graphc.symbolic.composition import Mode


class Derivation(ABC):
    """The derivative of a graph with the way that led to it.

    ``result`` has the structure of ``wrt`` and is an ordinary graph: it can be compiled, drawn and
    differentiated again. ``mode`` tells where the derivative was cut into parts with names of their own:
    ``full`` nowhere (one closed form from the parameter to the output), ``dominators`` at the nodes that
    all paths to the output share, ``everywhere`` at every node. ``residue`` says what could not be
    expressed by ops and runs as plain index code; it is empty for most graphs.
    """

    y: Tensor
    wrt: tuple[Tensor, ...]
    result: Any
    mode: Mode
    gradients: tuple[Tensor, ...]
    residue: tuple[str, ...] = ()

    @property
    @abstractmethod
    def steps(self) -> Sequence[Any]:
        """Every step: its rule by name, the formula before and after, the user's line."""

    @abstractmethod
    def text(self) -> str:
        """The formulas, one equation a line."""

    @abstractmethod
    def latex(self) -> str:
        """The lines of ``text()`` as one aligned display that compiles as it stands (with amsmath)."""


def restructured(like: Any, values: Sequence[Any]) -> Any:
    """The values as one, a list, a tuple or a dict, as ``like`` is."""
    if isinstance(like, Mapping):
        return dict(zip(like, values, strict=True))
    if isinstance(like, (list, tuple)):
        return type(like)(values)
    return values[0]
