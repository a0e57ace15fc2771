"""A profile as one HTML page: tables and the source with each line's share enter, a page leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; color: #1c2430; }
h1 { font-size: 1.1rem; font-weight: 600; } h2 { font-size: 1.05rem; margin-top: 2rem; }
table { border-collapse: collapse; } th { text-align: left; border-bottom: 2px solid #345; }
th, td { padding: .2rem .8rem; } td { border-bottom: 1px solid #dde; font-variant-numeric: tabular-nums; }
.source { overflow-x: auto; } .source td { border: 0; padding: 0 .6rem; font: 13px/1.4 monospace; }
.source td { white-space: pre; } .source td.time { text-align: right; }
@media (prefers-color-scheme: dark) {
  body { background: #14181f; color: #dde3ea; } td { border-color: #333; }
}
"""
Section = tuple[str, list[str], list[list[str]]]


def page(
    headline: str, sections: Sequence[Section], source: str, figures: Mapping[int, tuple[str, float]]
) -> str:
    """The page; every text is escaped. ``figures`` gives lines of the source their time and share."""
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Profile</title>',
        f"<style>{_STYLE}</style></head><body><h1>{escape(headline)}</h1>",
    ]
    for title, header, rows in sections:
        parts.append(f"<h2>{escape(title)}</h2><table><thead><tr>{_cells(header, 'th')}</tr></thead><tbody>")
        parts += [f"<tr>{_cells(row, 'td')}</tr>" for row in rows]
        parts.append("</tbody></table>")
    parts.append('<h2>Generated source</h2><div class="source"><table><tbody>')
    hottest = max([share for _, share in figures.values()], default=0.0) or 1.0
    for number, text in enumerate(source.splitlines(), 1):
        time, share = figures.get(number, ("", 0.0))
        heat = f' style="background: rgba(236, 112, 20, {share / hottest:.3f})"' if share else ""
        told = f"{share:.1%}" if time else ""
        parts.append(
            f'<tr><td class="time">{number}</td><td class="time">{escape(time)}</td>'
            f'<td class="time"{heat}>{told}</td><td>{escape(text)}</td></tr>'
        )
    parts.append("</tbody></table></div></body></html>")
    return "\n".join(parts)


def _cells(row: Sequence[str], tag: str) -> str:
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
