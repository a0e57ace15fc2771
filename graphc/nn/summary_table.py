"""The figures of each layer enter, totals, a table and plain data leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy

from graphc.analysis.columns import aligned
from graphc.ir.dimension import Dim, Shape, format_shape, simplified


@dataclass(frozen=True)
class LayerSummary:
    """One layer, without the layers inside it.

    ``path`` are the scopes it stands in and its own name, ``shape`` that of its result (None where it
    computes nothing), ``trainable`` and ``fixed`` the numbers of its parameters' elements,
    ``operations`` its multiply-adds.
    """

    path: tuple[str, ...]
    kind: str
    shape: Shape | None
    trainable: int
    fixed: int
    operations: Dim

    @property
    def name(self) -> str:
        return "/".join(self.path)


@dataclass(frozen=True)
class Summary:
    """The layers of a network in the order of computation, those inside a layer after it."""

    layers: tuple[LayerSummary, ...]

    @property
    def trainable(self) -> int:
        """How many numbers are trained."""
        return sum(layer.trainable for layer in self.layers)

    @property
    def fixed(self) -> int:
        """How many numbers are kept, but not trained: running statistics, frozen weights."""
        return sum(layer.fixed for layer in self.layers)

    @property
    def parameters(self) -> int:
        """How many numbers are kept."""
        return self.trainable + self.fixed

    @property
    def operations(self) -> Dim:
        """Multiply-adds of one forward pass; symbolic where sizes are."""
        return simplified(sum((layer.operations for layer in self.layers), start=0))

    @property
    def per(self) -> sympy.Symbol | None:
        """The size of the batch, where it is symbolic and all multiply-adds are proportional to it."""
        inputs = [layer.shape for layer in self.layers if layer.kind == "input" and layer.shape]
        first = inputs[0][0] if inputs else None
        counts = [layer.operations for layer in self.layers]
        if not isinstance(first, sympy.Symbol) or not any(isinstance(c, sympy.Expr) for c in counts):
            return None
        return first if all(first not in _symbols(_divided(c, first)) for c in counts) else None

    def table(self) -> str:
        """The layers as aligned text, a line each, and the totals."""
        per = self.per
        header = ["layer", "kind", "output", "parameters"]
        header += ["not trained"] if self.fixed else []
        rows = [[*header, f"multiply-adds per {per}" if per else "multiply-adds"]]
        for layer in self.layers:
            row = [f"{'  ' * (len(layer.path) - 1)}{layer.path[-1]}", layer.kind]
            row += [format_shape(layer.shape) if layer.shape is not None else "", _number(layer.trainable)]
            row += [_number(layer.fixed)] if self.fixed else []
            rows.append([*row, _number(_divided(layer.operations, per))])
        total = ["total", "", "", f"{self.trainable:,}"] + ([f"{self.fixed:,}"] if self.fixed else [])
        rows.append([*total, _number(_divided(self.operations, per)) or "0"])
        lines = aligned(rows, right=range(3, len(header) + 1)).splitlines()
        rule = "─" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data; what is symbolic is text."""
        layers = [
            {
                "name": layer.name,
                "kind": layer.kind,
                "shape": None if layer.shape is None else [_plain(n) for n in layer.shape],
                "trainable": layer.trainable,
                "fixed": layer.fixed,
                "operations": _plain(layer.operations),
            }
            for layer in self.layers
        ]
        totals = {"trainable": self.trainable, "fixed": self.fixed, "operations": _plain(self.operations)}
        return {"layers": layers, **totals}

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<summary of {len(self.layers)} layers: {self.parameters:,} parameters>"


# -- numbers -----------------------------------------------------------------------------------------
def _symbols(value: Dim) -> set[sympy.Basic]:
    return value.free_symbols if isinstance(value, sympy.Expr) else set()


def _divided(value: Dim, by: sympy.Symbol | None) -> Dim:
    return value if by is None else simplified(sympy.expand(sympy.sympify(value) / by))


def _number(value: Dim) -> str:
    if isinstance(value, int):
        return f"{value:,}" if value else ""
    return str(value)


def _plain(value: Dim) -> int | str:
    return value if isinstance(value, int) else str(value)
