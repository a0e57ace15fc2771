"""The operations view: a graph enters, a shape for each node leaves, scopes as nested clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.draw.canvas import Canvas, Path, plain, plain_lines, rich_lines
from graphc.draw.heat import Heat, heat_tone
from graphc.draw.labels import format_array, format_edge, inlined, op_label, own_name, tooltip
from graphc.draw.legend import heat_legend, legend
from graphc.draw.outputs import Subject
from graphc.draw.theme import Theme, Tone
from graphc.ir.tensor import Tensor

# Engines whose nodes are laid out against the flow, so that they stand beside what they came from.
UPWARD = frozenset({"backward", "update"})
ROLE_TITLES = {"backward": "backward", "tangent": "tangents (forward mode)", "update": "updates"}


def role_clusters(canvas: Canvas) -> None:
    """Give each engine's nodes a frame of their own; the forward part has none."""
    canvas.hide(("forward",))
    for role, tone in canvas.theme.roles.items():
        title = ROLE_TITLES[role]
        canvas.style(
            (role,), label=title, tooltip=title, style="rounded,filled,dashed", fillcolor=tone.fill,
            color=tone.line, fontcolor=tone.line, labeljust="l", margin="12",
        )  # fmt: skip


def is_saved(source: Tensor, node: Tensor) -> bool:
    """Whether an engine's node reads a value that the forward part keeps for it."""
    return source.role != node.role and node.role != "forward" and source.role not in UPWARD


def saved_style(theme: Theme) -> dict[str, str]:
    """A pale arrow that pulls its ends onto one rank, so that backward stands beside forward."""
    return {"color": theme.saved, "minlen": "0", "weight": "0"}


class OperationsView:
    """Draws a subject node by node."""

    def __init__(
        self,
        subject: Subject,
        theme: Theme,
        direction: str,
        shapes: bool,
        values: Mapping[Tensor, Any] | None,
        heat: Heat | None = None,
    ) -> None:
        self.subject = subject
        self.theme = theme
        self.canvas = Canvas(theme, direction)
        self.shapes = shapes
        self.values = values or {}
        self.heat = heat
        self.identifiers: dict[Tensor, str] = {}

    def drawn(self) -> Canvas:
        """The finished canvas."""
        numbers = self._inlined()
        role_clusters(self.canvas)
        for node in self.subject.order:
            if node in numbers:
                self._add(node, numbers[node])
        for node in self.subject.order:
            if node in numbers:
                for source, number in zip(node.inputs, numbers[node], strict=True):
                    if number is None:
                        self._connect(source, node)
        self._outputs()
        if self.heat is None:
            legend(self.canvas, [n for n in self.subject.order if n in self.identifiers])
        else:
            heat_legend(self.canvas, self.heat)
        return self.canvas

    def _inlined(self) -> dict[Tensor, list[str | None]]:
        """The numbers written into each node's label; nodes that stand only there are left out."""
        kept = {o.node for o in self.subject.outputs} | set(self.values)
        numbers = {node: inlined(node, kept) for node in self.subject.order}
        shown = set(kept)
        for node, own in numbers.items():
            shown.update(i for i, number in zip(node.inputs, own, strict=True) if number is None)
            if node.op.name != "constant":
                shown.add(node)
        return {node: own for node, own in numbers.items() if node in shown}

    def _place(self, node: Tensor) -> Path:
        return () if node.op.name == "input" else (node.role, *node.scope)

    def _add(self, node: Tensor, numbers: list[str | None]) -> None:
        theme, name = self.theme, own_name(node)
        match node.op.name:
            case "input":
                label, tone, style = plain(name), theme.input, {"shape": "ellipse", "style": "filled"}
            case "parameter":
                label, tone, style = plain(name), theme.parameter, {"shape": "cylinder", "style": "filled"}
            case "constant":
                text = name or (
                    format_array(node.attrs["value"]) if node.attrs["value"].size <= 4 else "constant"
                )
                label, tone = plain(text), theme.families["source"]
                style = {"fontsize": "10", "fontcolor": theme.faint, "height": "0.22", "margin": "0.06,0.02"}
            case _:
                sign = op_label(node, numbers)
                label = rich_lines(sign, [name], theme.faint) if name else plain(sign)
                tone, style = theme.families.get(node.op.family, theme.families["source"]), {}
                if self.heat is not None:
                    share = self.heat.share.get(node, 0.0)
                    tone = heat_tone(theme, self.heat.fraction(share))
                    below = [name] if name else []
                    below += [self.heat.label(share)] if share else []
                    label = rich_lines(sign, below, theme.text) if below else plain(sign)
        if node.role != "forward":
            style["style"] = style.get("style", "rounded,filled") + ",dashed"
        self.identifiers[node] = self.canvas.node(
            label, self._place(node), tooltip(node), fillcolor=tone.fill, color=tone.line, **style
        )

    def _edge_label(self, node: Tensor) -> dict[str, str]:
        """The shape, then the value where one is given."""
        lines = [format_edge(node.shape, node.dtype)] if self.shapes else []
        if node in self.values:
            lines.append(format_array(self.values[node]))
            lines = [line for line in lines if line]
            return {"label": plain_lines(lines), "fontcolor": self.theme.value, "fontsize": "10"}
        return {"label": plain_lines(lines)} if any(lines) else {}

    def _connect(self, source: Tensor, node: Tensor) -> None:
        tail, head = self.identifiers[source], self.identifiers[node]
        if is_saved(source, node):
            self.canvas.edge(tail, head, saved_style(self.theme))
            return
        style = self._edge_label(source)
        if source.role == node.role and node.role in self.theme.roles:
            style |= {"color": self.theme.roles[node.role].line, "style": "dashed"}
        self.canvas.edge(tail, head, style, upward=node.role in UPWARD)

    def _outputs(self) -> None:
        tone: Tone = self.theme.output
        for label, node in self.subject.outputs:
            end = self.canvas.node(
                plain(label), (node.role,), tooltip(node), fillcolor=tone.fill, color=tone.line,
                fontcolor=self.theme.background,
            )  # fmt: skip
            self.canvas.edge(self.identifiers[node], end, self._edge_label(node), upward=node.role in UPWARD)
