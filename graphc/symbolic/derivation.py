"""A derivation: what symbolic differentiation leaves, the resulting graphs and every step towards them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graphc.files import write_atomically
from graphc.ir.tensor import Tensor
from graphc.symbolic.composition import Mode
from graphc.symbolic.notation import Row, page


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

    @abstractmethod
    def rows(self) -> list[Row]:
        """The steps as rows of a page."""

    def to_html(self) -> str:
        """The steps as one page with formulas in MathML: no scripts, nothing from outside."""
        return page(repr(self).strip("<>").replace("derivation", "Derivation", 1), self.rows(), self.residue)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write ``to_html()`` to a file."""
        return write_atomically(path, lambda file: file.write(self.to_html().encode()))


def restructured(like: Any, values: Sequence[Any]) -> Any:
    """The values as one, a list, a tuple or a dict, as ``like`` is."""
    if isinstance(like, Mapping):
        return dict(zip(like, values, strict=True))
    if isinstance(like, (list, tuple)):
        return type(like)(values)
    return values[0]
