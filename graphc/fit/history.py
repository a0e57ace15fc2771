"""The history of a training run: one record an epoch enters, a table, a text or a plot leaves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from graphc.errors import UnsupportedError


class History:
    """What each epoch measured.

    ``epochs`` is a table: a dict from column ("epoch", "loss", "validation_loss", …, "seconds") to a
    list with one number an epoch. ``stopped`` tells in words why the run ended.

    >>> history = History({"epoch": [1, 2], "loss": [0.5, 0.25]})
    >>> history.last
    {'epoch': 2, 'loss': 0.25}
    >>> print(history.text())
    epoch    loss
        1     0.5
        2    0.25
    """

    def __init__(self, epochs: Mapping[str, list[float]] | None = None, stopped: str = "") -> None:
        self.epochs: dict[str, list[float]] = {name: list(column) for name, column in (epochs or {}).items()}
        self.stopped = stopped

    def __len__(self) -> int:
        return max(map(len, self.epochs.values()), default=0)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value:.4g}" for name, value in self.last.items())
        return f"<History of {len(self)} epochs: {shown}>" if shown else "<History of 0 epochs>"

    def append(self, record: Mapping[str, float]) -> None:
        """Add one epoch's record."""
        for name, value in record.items():
            self.epochs.setdefault(name, []).append(value)

    @property
    def last(self) -> dict[str, float]:
        """The record of the last epoch; empty before the first."""
        return {name: column[-1] for name, column in self.epochs.items() if column}

    def to_dict(self) -> dict[str, Any]:
        """The table and the reason for the end, as plain values (fit for JSON)."""
        return {
            "epochs": {name: list(column) for name, column in self.epochs.items()},
            "stopped": self.stopped,
        }

    def text(self) -> str:
        """The table as aligned text."""
        names = list(self.epochs)
        cells = [[f"{value:.4g}" for value in self.epochs[name]] for name in names]
        widths = [
            max(len(name), 7 if i else 5, *map(len, column))
            for i, (name, column) in enumerate(zip(names, cells, strict=True))
        ]
        rows = [names, *zip(*cells, strict=True)]
        return "\n".join(" ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows)

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the curves into an image file (its ending chooses the format); needs matplotlib.

        Columns with and without the prefix ``validation_`` share one set of axes. Raises
        UnsupportedError where matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise UnsupportedError(
                "plotting needs matplotlib, which is not installed",
                op="History.plot",
                remedy='pip install "graphc[plot]", or read the numbers from history.epochs',
            ) from None
        names = [n for n in self.epochs if n not in ("epoch", "seconds")]
        groups = list(dict.fromkeys(n.removeprefix("validation_") for n in names))
        figure = Figure(figsize=(4.5 * max(1, len(groups)), 3.2), layout="constrained")
        for place, group in enumerate(groups):
            axes = figure.add_subplot(1, len(groups), place + 1)
            for name in names:
                if name.removeprefix("validation_") == group:
                    kind = "validation" if name != group else "training"
                    axes.plot(
                        self.epochs["epoch"],
                        self.epochs[name],
                        label=kind,
                        marker="." if len(self) < 2 else None,
                    )
            axes.set_xlabel("epoch")
            axes.set_title(group)
            axes.legend()
        figure.savefig(path)
