"""The layers view: one box a scope with its shapes and its parameters' count, arrows between scopes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from graphc.draw.canvas import Canvas, plain, rich_lines
from graphc.draw.heat import Heat, heat_tone
from graphc.draw.labels import format_edge, inlined, op_label, own_name, tooltip
from graphc.draw.legend import heat_legend
from graphc.draw.operations import UPWARD, is_saved, role_clusters, saved_style
from graphc.draw.outputs import Subject
from graphc.draw.spatial_labels import WINDOWED, format_maps
from graphc.draw.theme import Theme
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import users

_LISTED_OPS = 3
# The families that colour a box, the most telling first.
_TELLING = ("convolution", "linear algebra")


@dataclass(eq=False)
class Group:
    """Nodes drawn as one box: all of one scope, or a run of nodes outside any scope."""

    role: str
    scope: tuple[str, ...]
    members: list[Tensor] = field(default_factory=list)


def grouped(order: list[Tensor]) -> dict[Tensor, Group]:
    """The group of each node but inputs; parameters and constants go where they are first read.

    Nodes outside any scope join their inputs' group only if all of it is one group, so that what
    comes before the layers and what comes after never share a box.
    """
    readers = users(order)
    groups: dict[Tensor, Group] = {}
    scoped: dict[tuple[str, tuple[str, ...]], Group] = {}
    carried: list[Tensor] = []
    for node in order:
        if node.op.name == "input":
            continue
        if not node.inputs and not node.scope:
            carried.append(node)
            continue
        if node.scope:
            group = scoped.setdefault((node.role, node.scope), Group(node.role, node.scope))
        else:
            before = {groups[i] for i in node.inputs if i in groups}
            only = next(iter(before)) if len(before) == 1 else None
            joins = only is not None and not only.scope and only.role == node.role
            group = only if only is not None and joins else Group(node.role, ())
        group.members.append(node)
        groups[node] = group
    for node in carried:
        reader = next((groups[r] for r in readers[node] if r in groups), None)
        group = reader if reader is not None else Group(node.role, ())
        group.members.append(node)
        groups[node] = group
    return groups


def layers_view(
    subject: Subject, theme: Theme, direction: str, shapes: bool, heat: Heat | None = None
) -> Canvas:
    """The picture of the scopes; inputs are ovals, what stands in no scope is named by its ops."""
    canvas = Canvas(theme, direction)
    role_clusters(canvas)
    groups = grouped(subject.order)
    warmth = None if heat is None else _warmth(heat, groups)
    identifiers: dict[Group | Tensor, str] = {}
    for node in subject.order:
        if node.op.name == "input":
            identifiers[node] = canvas.node(
                plain(node.name or ""), (), tooltip(node), shape="ellipse", style="filled",
                fillcolor=theme.input.fill, color=theme.input.line,
            )  # fmt: skip
        elif groups[node] not in identifiers:
            identifiers[groups[node]] = _box(canvas, groups[node], shapes, warmth)
    drawn: set[tuple[str, str, Tensor | None]] = set()
    for node in subject.order:
        for source in node.inputs:
            tail_key: Group | Tensor = groups.get(source, source)
            tail, head = identifiers[tail_key], identifiers[groups[node]]
            shown = source if node.role == source.role else None  # one pale arrow stands for all saved values
            if tail != head and (tail, head, shown) not in drawn:
                drawn.add((tail, head, shown))
                if is_saved(source, node):
                    canvas.edge(tail, head, saved_style(theme))
                else:
                    _arrow(canvas, tail, head, source, node.role, shapes)
    for label, node in subject.outputs:
        end = canvas.node(
            plain(label), (node.role,), tooltip(node), fillcolor=theme.output.fill, color=theme.output.line,
            fontcolor=theme.background,
        )  # fmt: skip
        _arrow(canvas, identifiers[groups.get(node, node)], end, node, node.role, shapes)
    if warmth is not None:
        heat_legend(canvas, warmth)
    return canvas


def _warmth(heat: Heat, groups: dict[Tensor, Group]) -> Heat:
    """The share of each group, under its first member."""
    found: dict[Tensor, float] = {}
    for node, share in heat.share.items():
        first = groups[node].members[0]
        found[first] = found.get(first, 0.0) + share
    return Heat(found, heat.elsewhere, max(found.values(), default=0.0))


def _box(canvas: Canvas, group: Group, shapes: bool, heat: Heat | None) -> str:
    theme = canvas.theme
    parameters = [m for m in group.members if m.op.name == "parameter"]
    operations = [m for m in group.members if m.inputs]
    families = [f for f in _TELLING if any(m.op.family == f for m in operations)]
    windows = any(m.op.name in WINDOWED for m in operations)
    usual = "reduction" if windows else "elementwise" if group.scope else "shape"
    tone = theme.families[families[0] if families else usual]
    lines = []
    if group.scope and operations:
        lines.append(_listed(operations))
    if shapes and windows and len(operations[-1].shape) > 2:
        lines.append(format_maps(operations[-1].shape[1:]))
    if parameters and shapes:
        names = [f"{own_name(p)} {format_edge(p.shape, p.dtype)}".strip() for p in parameters[:_LISTED_OPS]]
        lines.append(", ".join(names) + (", …" if len(parameters) > _LISTED_OPS else ""))
        count = sum(prod(int(s) for s in p.shape) for p in parameters)
        lines.append(f"{count:,} parameter{'' if count == 1 else 's'}")
    head = group.scope[-1] if group.scope else _listed(operations or group.members)
    path = (group.role, *group.scope[:-1])
    hover = ["/".join(group.scope) or head, f"{len(operations)} operations"]
    dashed = ",dashed" if group.role != "forward" else ""
    if heat is not None:
        share = heat.share.get(group.members[0], 0.0)
        tone = heat_tone(theme, heat.fraction(share))
        lines += [heat.label(share)] if share else []
    faint = theme.faint if heat is None else theme.text
    return canvas.node(
        rich_lines(head, lines, faint, bold=bool(group.scope)), path, hover,
        fillcolor=tone.fill, color=tone.line, style=f"rounded,filled{dashed}", margin="0.16,0.08",
    )  # fmt: skip


def _listed(nodes: list[Tensor]) -> str:
    """The signs of the first few operations, e.g. ``@ · + · ReLU``; not a bias brought into form."""
    nodes = [n for n in nodes if n.op.name != "reshape" or n.inputs[0].op.name != "parameter"] or nodes
    signs = [op_label(n, inlined(n, set())).split(" axis=")[0] for n in nodes]
    return " · ".join(signs[:_LISTED_OPS]) + (" · …" if len(signs) > _LISTED_OPS else "")


def _arrow(canvas: Canvas, tail: str, head: str, source: Tensor, role: str, shapes: bool) -> None:
    label = format_edge(source.shape, source.dtype) if shapes else ""
    style = {"label": plain(label)} if label else {}
    if role in canvas.theme.roles:
        style |= {"color": canvas.theme.roles[role].line, "style": "dashed"}
    canvas.edge(tail, head, style, upward=role in UPWARD)
