"""The nodes that were drawn enter; one small line under the picture that explains the colours leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.draw.canvas import Canvas
from graphc.draw.heat import Heat, heat_tone
from graphc.draw.theme import Tone
from graphc.ir.tensor import Tensor

_KINDS = ("input", "parameter")


def legend(canvas: Canvas, nodes: Iterable[Tensor]) -> None:
    """Write the legend as the label of the whole picture, where it disturbs no layout."""
    theme = canvas.theme
    families: dict[str, Tone] = {}
    roles: dict[str, Tone] = {}
    for node in nodes:
        if node.op.name in _KINDS:
            families[node.op.name] = getattr(theme, node.op.name)
        elif node.op.family in theme.families and node.op.family != "source":
            families[node.op.family] = theme.families[node.op.family]
        if node.role in theme.roles:
            roles[node.role] = theme.roles[node.role]
    ordered = sorted(families, key=lambda k: (k not in _KINDS, k))
    cells = [_cell(name, families[name], "") for name in ordered]
    cells += [_cell(name, roles[name], ' STYLE="dashed"') for name in sorted(roles)]
    if roles:
        cells.append(f'<TD><FONT COLOR="{theme.saved}">→</FONT></TD><TD>saved value</TD>')
    if len(cells) < 2:
        return
    _write(canvas, cells)


def heat_legend(canvas: Canvas, heat: Heat) -> None:
    """Write what the colours of heat mean, and how much of the time no drawn node takes."""
    steps = len(canvas.theme.heat)
    cells = ["<TD>share of the time:</TD>"]
    for k in range(steps):
        fraction = k / (steps - 1)
        cells.append(_cell(f"{heat.hottest * fraction:.1%}", heat_tone(canvas.theme, fraction), ""))
    _write(canvas, [*cells, f"<TD>{heat.label(heat.elsewhere)} in no node drawn here</TD>"])


def _write(canvas: Canvas, cells: Sequence[str]) -> None:
    space = '<TD WIDTH="6"></TD>'
    canvas.set(
        label=f'<<FONT POINT-SIZE="9"><TABLE BORDER="0" CELLBORDER="0" CELLSPACING="2" CELLPADDING="0"><TR>'
        f"{space.join(cells)}</TR></TABLE></FONT>>",
        labelloc="b",
    )


def _cell(name: str, tone: Tone, style: str) -> str:
    colours = f'COLOR="{tone.line}" BGCOLOR="{tone.fill}"{style}'
    return f'<TD BORDER="1" WIDTH="14" HEIGHT="9" FIXEDSIZE="TRUE" {colours}></TD><TD>{name}</TD>'
