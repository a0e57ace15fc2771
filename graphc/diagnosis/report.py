"""The figures of each layer enter, a table, plain data or a plot leave."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphc.errors import UnsupportedError


@dataclass(frozen=True)
class LayerFlow:
    """One layer: Euclidean norms of the loss's gradient by its parameters and by its output.

    ``jacobian`` is the Frobenius norm of its output's Jacobian by the output of the layer before,
    estimated from random directions; None where no layer before leads into this one. ``slope`` is the
    mean |derivative| of its activation, by which each layer multiplies the gradient; None where it has
    none.
    """

    name: str
    parameters: dict[str, float]
    output: float
    jacobian: float | None
    slope: float | None


@dataclass(frozen=True)
class GradientFlow:
    """The layers of a network from input to output."""

    layers: tuple[LayerFlow, ...]

    @property
    def ratio(self) -> float:
        """The first layer's largest parameter gradient over the last layer's."""
        first, last = (max(self.layers[k].parameters.values()) for k in (0, -1))
        return first / last if last else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {"ratio": self.ratio, "layers": [asdict(layer) for layer in self.layers]}

    def table(self) -> str:
        """The figures as aligned text, a line for each parameter."""
        header = ("layer", "parameter", "‖∂L/∂p‖", "‖∂L/∂output‖", "‖Jacobian‖", "mean |slope|")
        rows: list[tuple[str, ...]] = [header]
        for layer in self.layers:
            figures = [_short(v) for v in (layer.output, layer.jacobian, layer.slope)]
            for number, (name, norm) in enumerate(layer.parameters.items()):
                own = (layer.name, *figures) if number == 0 else ("", "", "", "")
                rows.append((own[0], name, _short(norm), *own[1:]))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, f"first layer / last layer: {self.ratio:.3g}"])

    def plot(self, path: str | os.PathLike[str]) -> None:
        """The figures against depth, on a logarithmic axis; needs the extra ``plot`` (Matplotlib).

        Raises UnsupportedError where Matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
            from matplotlib.ticker import MaxNLocator
        except ImportError as missing:
            raise UnsupportedError(
                "Matplotlib is not installed", op="GradientFlow.plot",
                remedy='pip install "graphc[plot]", or use .table()',
            ) from missing  # fmt: skip

        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        depth = range(1, len(self.layers) + 1)
        series: dict[str, list[float] | list[float | None]] = {
            "gradient by the parameters": [max(layer.parameters.values()) for layer in self.layers],
            "gradient by the output": [layer.output for layer in self.layers],
            "Jacobian of the layer": [layer.jacobian for layer in self.layers],
            "slope of the activation": [layer.slope for layer in self.layers],
        }
        for (label, values), marker in zip(series.items(), "o^sx", strict=True):
            known = [np.nan if v is None else max(v, float(np.finfo(float).tiny)) for v in values]
            if not np.isnan(known).all():
                axes.semilogy(depth, known, marker=marker, label=label)
        axes.set_xlabel("layer, from input to output")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel("norm")
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
        figure.savefig(path)


def _short(value: float | None) -> str:
    return "—" if value is None else f"{value:.3g}"
