"""The neurons view: a graph's dense layers enter, the classic circles and arrows in columns leave."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from graphc.draw.canvas import Canvas, plain, plain_lines, rich_lines
from graphc.draw.dense import Unit, listed, network_of
from graphc.draw.labels import format_edge, own_name, tooltip
from graphc.draw.outputs import Subject
from graphc.draw.theme import Theme

# Inches.
COLUMN = 2.1
ROW = 0.62
CIRCLE = 0.42
BLOCK_HEIGHT = 1.0
GAP = 1.1
# Above this many neurons a layer shows its first and last ones, with an ellipsis between.
SHOWN = 8
_FIRST = 4
_SIGN_LENGTH = 4


def shown_neurons(width: int) -> list[int | None]:
    """The indices of the neurons drawn, None for the ellipsis.

    >>> shown_neurons(3)
    [0, 1, 2]
    >>> shown_neurons(100)
    [0, 1, 2, 3, None, 97, 98, 99]
    """
    if width <= SHOWN:
        return list(range(width))
    last = SHOWN - 1 - _FIRST
    return [*range(_FIRST), None, *range(width - last, width)]


class NeuronsView:
    """Draws a subject's network, one column a depth."""

    def __init__(
        self, subject: Subject, theme: Theme, direction: str, shapes: bool, values: Mapping[Any, Any] | None
    ) -> None:
        self.subject = subject
        self.theme = theme
        self.vertical = direction == "TB"
        self.shapes = shapes
        self.values = values or {}
        self.canvas = Canvas(theme, engine="neato")
        self.canvas.set(splines="line", outputorder="edgesfirst")
        # The circles of each unit with their neurons' numbers, and the height of its middle.
        self.places: dict[Unit, list[tuple[int | None, str]]] = {}
        self.middles: dict[Unit, float] = {}

    def drawn(self) -> Canvas:
        """The finished canvas; every node has its place, so that no layout is searched for."""
        units = network_of(self.subject.order)
        depth: dict[Unit, int] = {}
        columns: dict[int, list[Unit]] = {}
        for unit in units:
            depth[unit] = 1 + max((depth[s] for s in unit.sources), default=-1)
        for unit in units:
            if unit.kind == "input":  # an input stands just before what reads it first
                readers = [depth[u] for u in units if unit in u.sources]
                depth[unit] = max(0, min(readers, default=1) - 1)
            columns.setdefault(depth[unit], []).append(unit)
        for column, members in columns.items():
            offset = sum(map(self._extent, members)) / 2 + GAP * (len(members) - 1) / 2
            for unit in members:
                middle = offset - self._extent(unit) / 2
                self._unit(unit, column * COLUMN, middle)
                offset -= self._extent(unit) + GAP
        for unit in units:
            for source in unit.sources:
                between = [m for c in range(depth[source] + 1, depth[unit]) for m in columns[c]]
                if unit.kind == "block" and any(self._hides(m, source) for m in between):
                    self._detour(source, unit, depth, max(map(self._top, [source, *between])) + 0.4)
                else:
                    self._arrows(source, unit)
        self._outputs(units, depth)
        return self.canvas

    def _extent(self, unit: Unit) -> float:
        return BLOCK_HEIGHT if unit.width is None else ROW * (len(shown_neurons(unit.width)) - 1) + CIRCLE

    def _node(self, label: str, x: float, y: float, hover: tuple[str, ...] = (), **attributes: str) -> str:
        if self.vertical:
            x, y = -y, -x
        return self.canvas.node(label, (), hover, pos=f"{x:.3f},{y:.3f}!", **attributes)

    def _unit(self, unit: Unit, x: float, y: float) -> None:
        theme = self.theme
        self.middles[unit] = y
        hover = tuple(tooltip(unit.nodes[-1]))
        if unit.width is None:
            last = unit.nodes[-1]
            lines = [listed(unit.nodes)] if unit.kind == "block" and last.scope else []
            lines += [format_edge(last.shape, last.dtype)] if self.shapes else []
            tone, shape = (
                (theme.input, "ellipse") if unit.kind == "input" else (theme.families["shape"], "box")
            )
            style = "filled" if unit.kind == "input" else "rounded,filled"
            label = rich_lines(unit.name, [line for line in lines if line], theme.faint)
            block = self._node(
                label, x, y, hover, shape=shape, style=style, fillcolor=tone.fill, color=tone.line
            )
            self.places[unit] = [(None, block)]
            return
        neurons = shown_neurons(unit.width)
        tone = theme.input if unit.kind == "input" else theme.families["elementwise"]
        top = y + ROW * (len(neurons) - 1) / 2
        self.places[unit] = []
        for row, index in enumerate(neurons):
            at = top - row * ROW
            if index is None:
                self._node(
                    "⋮" if not self.vertical else "⋯", x, at, shape="plaintext", style="", fontsize="16"
                )
                continue
            circle = self._node(
                plain(self._inside(unit, index)), x, at, hover, shape="circle", style="filled",
                fixedsize="true", width=str(CIRCLE), fontsize="10", fillcolor=tone.fill, color=tone.line,
            )  # fmt: skip
            self.places[unit].append((index, circle))
        self._caption(unit, x, top - (len(neurons) - 1) * ROW - CIRCLE / 2)

    def _inside(self, unit: Unit, index: int) -> str:
        """What is written in a circle: an input's element, a layer's activation, where it is short."""
        if unit.kind == "dense":
            sign = unit.activation_name or "Σ"
            return sign if len(sign) <= _SIGN_LENGTH else ""
        name = unit.name
        if unit.width != 1:
            name += "".join("₀₁₂₃₄₅₆₇₈₉"[int(d)] for d in str(index + 1))
        return name if len(name) <= _SIGN_LENGTH else ""

    def _caption(self, unit: Unit, x: float, y: float) -> None:
        lines = [] if unit.width == 1 else [f"{unit.width} {'neurons' if unit.kind == 'dense' else 'inputs'}"]
        if unit.kind == "dense":
            lines.append(_formula(unit))
        # Under a column the caption needs its height, beside a row half its width, at 0.07 a letter.
        room = 0.1 + 0.035 * max(map(len, [unit.name, *lines])) if self.vertical else 0.32
        self._node(
            rich_lines(unit.name, lines, self.theme.faint, size=10), x, y - room, shape="plaintext", style="",
            fontsize="11", height="0.5",
        )  # fmt: skip

    def _top(self, unit: Unit) -> float:
        return self.middles[unit] + self._extent(unit) / 2

    def _hides(self, unit: Unit, source: Unit) -> bool:
        """Whether a unit stands at the height of another, in the way of its arrows."""
        distance = abs(self.middles[unit] - self.middles[source])
        return distance < (self._extent(unit) + self._extent(source)) / 2

    def _detour(self, source: Unit, unit: Unit, depth: Mapping[Unit, int], height: float) -> None:
        """One arrow for a connection that skips columns, led over the layers between."""
        turns = [(depth[source] + 0.35) * COLUMN, (depth[unit] - 0.35) * COLUMN]
        points = [
            self._node("", x, height, shape="point", width="0.01", height="0.01", style="invis")
            for x in turns
        ]
        stops = [self.places[source][0][1], *points, self.places[unit][0][1]]
        for tail, head in pairwise(stops):
            last = {"arrowsize": "0.5"} if head is stops[-1] else {"arrowhead": "none"}
            self.canvas.edge(tail, head, {"color": self.theme.edge, **last})

    def _arrows(self, source: Unit, unit: Unit) -> None:
        weights = self._weights(unit)
        largest = float(np.max(np.abs(weights), initial=0.0)) or 1.0 if weights is not None else 1.0
        full = unit.kind == "dense" and unit.width is not None
        heads = self.places[unit] if full else self.places[unit][:1]
        for head_index, head in heads:
            for tail_index, tail in self.places[source]:
                style = self._thin()
                if weights is not None and tail_index is not None and head_index is not None:
                    style |= self._weight_style(float(weights[tail_index, head_index]), largest)
                self.canvas.edge(tail, head, style)

    def _thin(self) -> dict[str, str]:
        return {"color": self.theme.saved, "arrowsize": "0.4", "penwidth": "0.7"}

    def _weights(self, unit: Unit) -> np.ndarray[Any, Any] | None:
        """The layer's weights as (in, out), where the user gave them."""
        if unit.weight is None or unit.weight not in self.values:
            return None
        array = np.asarray(self.values[unit.weight], dtype=float)
        array = array.reshape(-1, 1) if array.ndim < 2 else array
        return array.T if unit.transposed else array

    def _weight_style(self, weight: float, largest: float) -> dict[str, str]:
        return {
            "color": self.theme.positive if weight >= 0 else self.theme.negative,
            "penwidth": f"{0.3 + 2.2 * abs(weight) / largest:.2f}",
            "tooltip": f"{weight:.4g}",
        }

    def _outputs(self, units: list[Unit], depth: dict[Unit, int]) -> None:
        unit_of = {node: unit for unit in units for node in unit.nodes}
        used: dict[Unit, int] = {}
        for label, node in self.subject.outputs:
            unit = unit_of.get(node)
            if unit is None:
                continue
            circles = self.places[unit]
            position = used[unit] = used.get(unit, -1) + 1
            x = (depth[unit] + 0.62) * COLUMN
            text = plain_lines([label])
            end = self._node(text, x, self.middles[unit] - position * ROW, shape="plaintext", style="")
            for _, circle in circles:
                self.canvas.edge(circle, end, self._thin())


def _formula(unit: Unit) -> str:
    """The layer as a formula, e.g. ``w·x + b → σ``."""
    assert unit.weight is not None
    source = unit.sources[0]
    operand = source.name if source.kind == "input" else "h"
    text = f"{own_name(unit.weight)}·{operand}"
    if unit.bias is not None:
        text += f" + {own_name(unit.bias)}"
    return f"{text} → {unit.activation_name}" if unit.activation else text
