"""The feature maps view: stages enter, the picture of convolutional networks that papers draw leaves.

Maps are sheets behind one another, as large as their sizes say and as many as their channels suggest; from a
window on one stack lines run to the place it becomes in the next. Vectors are bars, sums circles, and a path
that goes round layers is led round them. After the drawing of LeNet-5 in Y. LeCun et al., "Gradient-based
learning applied to document recognition", Proc. IEEE 86, 1998, figure 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from graphc.draw.canvas import Canvas, plain, rich_lines
from graphc.draw.labels import tooltip
from graphc.draw.outputs import Subject
from graphc.draw.sheets import SHEET_STEP, Arrangement
from graphc.draw.spatial_labels import WINDOWED, window_size
from graphc.draw.stages import Stage, stages_of
from graphc.draw.theme import Theme, Tone
from graphc.ir.dimension import Dim

# Inches: how far over what it goes round a path is led, and the width of a letter.
DETOUR = 0.5
LETTER = 0.075
# A window of more taps is drawn as a frame alone.
_MOST_TAPS = 7


class FeatureMapsView:
    """Draws a subject's stages from left to right, one column a depth."""

    def __init__(self, subject: Subject, theme: Theme, shapes: bool) -> None:
        self.subject, self.theme, self.shapes = subject, theme, shapes
        self.canvas = Canvas(theme, engine="neato")
        self.canvas.set(splines="line", outputorder="nodesfirst")
        self.stages = stages_of(subject.order)
        arrangement = Arrangement(self.stages)
        self.column, self.places = arrangement.column, arrangement.places
        self.fronts: dict[Stage, str] = {}

    def drawn(self) -> Canvas:
        """The finished canvas; every node has its place, so that no layout is searched for."""
        for stage in self.stages:
            self._stage(stage)
        for stage in self.stages:
            for source in stage.sources:
                between = [
                    s for s in self.stages if self.column[source] < self.column[s] < self.column[stage]
                ]
                if any(self._hides(s, source, stage) for s in between):
                    self._detour(source, stage, between)
                elif stage.nodes[0].op.name in WINDOWED and source.kind == stage.kind == "maps":
                    self._window(source, stage)
                else:
                    self._arrow(source, stage)
            self._operation(stage)
        self._outputs()
        return self.canvas

    # -- what is drawn -----------------------------------------------------------------------------
    def _node(self, label: str, x: float, y: float, hover: Sequence[str] = (), **attributes: str) -> str:
        return self.canvas.node(label, (), hover, pos=f"{x:.3f},{y:.3f}!", **attributes)

    def _point(self, x: float, y: float) -> str:
        return self._node("", x, y, shape="point", width="0.01", height="0.01", style="invis")

    def _tone(self, stage: Stage) -> Tone:
        op = stage.nodes[0].op
        if op.name == "input":
            return self.theme.input
        if op.name == "window":
            return self.theme.families["reduction"]
        return self.theme.families.get(op.family, self.theme.families["shape"])

    def _stage(self, stage: Stage) -> None:
        place, tone = self.places[stage], self._tone(stage)
        hover = tooltip(stage.nodes[-1])
        size = {"width": f"{place.width:.3f}", "height": f"{place.height:.3f}", "fixedsize": "true"}
        look = {"fillcolor": tone.fill, "color": tone.line, "style": "filled", "penwidth": "1"}
        x = place.left + place.width / 2
        if stage.kind == "joint":
            look |= {"shape": "circle"}
        label = plain(stage.label) if stage.kind == "joint" else ""
        for sheet in range(place.sheets - 1, -1, -1):  # the front is drawn last, over the others
            shift = SHEET_STEP * sheet
            self.fronts[stage] = self._node(label, x + shift, place.middle + shift, hover, **size, **look)
        caption = stage.caption if self.shapes else ""
        if stage.kind == "joint":
            if stage.applied:
                self._text(rich_lines(stage.applied[0], [], self.theme.faint), x, place.bottom, -1)
        elif caption or stage.name:
            lines = [caption, stage.name] if caption else [stage.name]
            self._text(
                rich_lines(lines[0], [n for n in lines[1:] if n], self.theme.faint), x, place.bottom, -1
            )

    def _text(self, label: str, x: float, y: float, side: int) -> None:
        """Text above (1) or below (−1) a height."""
        height = 0.2 + 0.14 * label.count("<BR/>")
        self._node(
            label, x, y + side * (height / 2 + 0.05), shape="plaintext", style="", fontsize="10",
            height=f"{height:.2f}", width="0.1", margin="0",
        )  # fmt: skip

    def _operation(self, stage: Stage) -> None:
        """What makes a stage of its sources, over the gap before it."""
        if not stage.sources or stage.kind == "joint":
            return
        place = self.places[stage]
        adjacent = [s for s in stage.sources if self.column[s] == self.column[stage] - 1]
        before = max((self.places[s] for s in adjacent or stage.sources), key=lambda p: p.right)
        x, lines = (before.right + place.left) / 2, (stage.label, *stage.applied)
        if len(adjacent) == len(stage.sources) > 1:  # arrows come from all sides but from above
            x, y, side = place.left + (place.width + place.depth) / 2, place.top, 1
        elif stage.nodes[0].op.name not in WINDOWED or stage.sources[0].kind != "maps":
            y, side = (place.middle + before.middle) / 2, 1
        elif abs(place.middle - before.middle) < 0.01:
            y, side = max(place.top, before.top) - 0.1, 1  # the lines run below
        else:  # beside the end of the lines, on the side that they do not come from
            side = 1 if place.middle > before.middle else -1
            x = place.left - LETTER * max(map(len, lines)) / 2 - 0.05
            y = place.middle + 0.12 * place.height
        self._text(rich_lines(lines[0], lines[1:], self.theme.faint), x, y, side)

    # -- connections -------------------------------------------------------------------------------
    def _hides(self, stage: Stage, source: Stage, target: Stage) -> bool:
        """Whether a stage stands in the way from one to another."""
        own, a, b = self.places[stage], self.places[source], self.places[target]
        low, high = min(a.middle, b.middle), max(a.middle, b.middle)
        return own.bottom <= high and low <= own.top

    def _line(self, **more: str) -> dict[str, str]:
        return {"color": self.theme.edge, "penwidth": "0.9", "arrowsize": "0.5", **more}

    def _arrow(self, source: Stage, stage: Stage) -> None:
        a, b = self.places[source], self.places[stage]
        level = abs(a.middle - b.middle) < 0.01
        tail = (
            self._point(a.edge + 0.04, a.middle) if level else self._point(a.right + 0.04, a.middle + a.depth)
        )
        end = self.fronts[stage] if stage.kind == "joint" else self._point(b.left - 0.03, b.middle)
        self.canvas.edge(tail, end, self._line())

    def _window(self, source: Stage, stage: Stage) -> None:
        """A window on the source, or for a transposed convolution on the result, and lines to its place."""
        node = stage.nodes[0]
        spread = node.op.name in ("transposed_convolution", "fold")
        a, b = self.places[source], self.places[stage]
        wide, place, many = (b, a, stage) if spread else (a, b, source)
        tone = self.theme.families["convolution" if node.op.family == "convolution" else "reduction"]
        sizes = [k if isinstance(k, int) else 1 for k in window_size(node)][-2:]
        spread_by = list(node.attrs["dilation"])[-2:]
        spans = [d * (k - 1) + 1 for k, d in zip(sizes, spread_by, strict=True)]
        lengths = [wide.width, wide.height] if len(spans) > 1 else [wide.height]
        parts = [
            self._part(span, n, length)
            for span, n, length in zip(spans[::-1], many.shape[:0:-1], lengths, strict=False)
        ]
        width, height = parts if len(parts) > 1 else (wide.width, parts[0])
        x = wide.left + min(0.62 * wide.width, wide.width - width) + width / 2
        y = wide.middle + min(0.12 * wide.height, (wide.height - height) / 2)
        dilated = any(d > 1 for d in spread_by)
        self._square(x, y, width, height, tone, "00" if dilated else "40")
        if dilated:
            self._taps((x, y), (width, height), sizes, spans, tone)
        dot = min(0.08, place.width, place.height)
        at = (place.left + 0.38 * place.width, place.middle + 0.12 * place.height)
        self._square(*at, dot, dot, tone)
        side = -1 if spread else 1
        for corner in (1, -1):
            tail = self._point(x + side * width / 2, y + corner * height / 2)
            head = self._point(at[0] - side * dot / 2, at[1] + corner * dot / 2)
            self.canvas.edge(tail, head, {"color": tone.line, "penwidth": "0.8", "arrowhead": "none"})

    def _square(self, x: float, y: float, width: float, height: float, tone: Tone, alpha: str = "") -> None:
        self._node(
            "", x, y, width=f"{width:.3f}", height=f"{height:.3f}", shape="box", fixedsize="true",
            style="filled", fillcolor=tone.line + alpha, color=tone.line, penwidth="0.8",
        )  # fmt: skip

    def _taps(
        self, middle: tuple[float, float], extent: tuple[float, float], sizes: list[int], spans: list[int],
        tone: Tone,
    ) -> None:  # fmt: skip
        """The elements that a dilated window reads, which has others between them."""
        counts, spread = (sizes[::-1], spans[::-1]) if len(sizes) > 1 else ([1, *sizes], [1, *spans])
        if max(counts) > _MOST_TAPS:
            return
        cells = [length / n for length, n in zip(extent, spread, strict=True)]
        offsets = [
            [(r / max(k - 1, 1) - 0.5 * (k > 1)) * (length - cell) for r in range(k)]
            for k, length, cell in zip(counts, extent, cells, strict=True)
        ]
        for dx in offsets[0]:
            for dy in offsets[1]:
                self._square(middle[0] + dx, middle[1] + dy, cells[0], cells[1], tone)

    def _part(self, span: int, size: Dim, length: float) -> float:
        share = min(1.0, span / size) if isinstance(size, int) and size else 0.2
        return max(share * length, min(0.1, length))

    def _detour(self, source: Stage, stage: Stage, between: Sequence[Stage]) -> None:
        """A connection that skips columns, led over the stages between and what is written above them."""
        a, b = self.places[source], self.places[stage]
        height = max(self.places[s].top for s in (source, stage, *between)) + DETOUR
        x = a.left + a.depth + a.width / 2
        above = b.left + b.width / 2 + b.depth
        stops = [self._point(x, a.top), self._point(x, height), self._point(above, height)]
        stops.append(self.fronts[stage] if stage.kind == "joint" else self._point(above, b.top))
        for tail, head in pairwise(stops):
            self.canvas.edge(tail, head, self._line(**({} if head is stops[-1] else {"arrowhead": "none"})))

    def _outputs(self) -> None:
        stage_of = {node: stage for stage in self.stages for node in stage.nodes}
        used: dict[Stage, int] = {}
        for label, node in self.subject.outputs:
            stage = stage_of.get(node)
            if stage is None:
                continue
            place = self.places[stage]
            row = used[stage] = used.get(stage, -1) + 1
            y = place.middle - 0.3 * row
            tail, head = self._point(place.edge + 0.04, y), self._point(place.right + 0.4, y)
            self.canvas.edge(tail, head, self._line())
            width = 0.1 + LETTER * len(label)
            self._node(
                plain(label), place.right + 0.45 + width / 2, y, shape="plaintext", style="", fontsize="11",
                width=f"{width:.2f}", height="0.2", margin="0",
            )  # fmt: skip
