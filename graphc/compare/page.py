"""A comparison as one HTML page: text tables and a picture enter, a page without outside parts leaves."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; color: #1c2430; }
h1 { font-size: 1.3rem; } h1.bad { color: #a11; } h2 { font-size: 1.05rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { padding: .3rem .8rem; text-align: left; }
th { border-bottom: 2px solid #345; }
td { border-bottom: 1px solid #dde; font-variant-numeric: tabular-nums; }
figure { margin: 1.5rem 0; } figure svg { max-width: 100%; height: auto; background: #fff; }
tr.bad td { background: #fdd; } tr.kink td { background: #ffc; }
@media (prefers-color-scheme: dark) {
  body { background: #14181f; color: #dde3ea; } td { border-color: #333; }
  h1.bad { color: #f77; } tr.bad td { background: #522; } tr.kink td { background: #442; }
}
"""

Section = tuple[str, list[str], list[list[str]]]


def page(
    headline: str,
    ok: bool,
    sections: Sequence[Section],
    notes: Sequence[Sequence[str]],
    picture: str | None = None,
) -> str:
    """The page; every text is escaped, whatever names the user's graph holds. ``picture`` is SVG."""
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Gradient report</title>',
        f"<style>{_STYLE}</style></head><body>",
        f'<h1 class="{"good" if ok else "bad"}">{escape(headline)}</h1>',
    ]
    if picture is not None:
        parts.append(f"<figure>{picture}</figure>")
    for title, header, rows in sections:
        if rows:
            parts.append(f"<h2>{escape(title)}</h2>")
            parts.append(f"<table><thead><tr>{_cells(header, 'th')}</tr></thead><tbody>")
            parts += [f'<tr class="{_tone(row)}">{_cells(row, "td")}</tr>' for row in rows]
            parts.append("</tbody></table>")
    if notes:
        parts.append("<h2>Notes</h2><ul>")
        parts += [f"<li><b>{escape(kind)}</b> {escape(text)}</li>" for kind, text in notes]
        parts.append("</ul>")
    parts.append("</body></html>")
    return "\n".join(parts)


def _cells(row: Sequence[str], tag: str) -> str:
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)


def _tone(row: Sequence[str]) -> str:
    if "DISAGREES" in row:
        return "bad"
    return "kink" if "agrees but at kinks" in row else "good"
