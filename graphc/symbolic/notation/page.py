"""A derivation as one HTML page: rows of formulas enter, a page without scripts or outside parts leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from graphc.symbolic.notation.formula import Formula
from graphc.symbolic.notation.mathml import mathml

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  color: #1c2430; background: #fff; }
h1 { font-size: 1.3rem; } p.note { color: #567; margin: .3rem 0; }
ol { list-style: none; padding: 0; } li { border-top: 1px solid #dde; padding: .8rem 0; }
.head { display: flex; gap: 1rem; flex-wrap: wrap; align-items: baseline; }
.number { color: #789; min-width: 2rem; font-variant-numeric: tabular-nums; }
.rule { font-weight: 600; } .place { color: #567; font: .85em ui-monospace, monospace; }
.check { margin-left: auto; font-size: .85em; color: #175; } .check.bad { color: #a11; font-weight: 600; }
.formulas { margin: .4rem 0 0 3rem; display: grid; grid-template-columns: max-content 1fr; gap: .5rem 1rem;
  align-items: center; }
.kind { color: #789; font-size: .8em; } .math { overflow: auto hidden; padding: .2rem 0; }
.math math { font-family: "STIX Two Math", "Latin Modern Math", "Cambria Math", math; font-size: 1.2em;
  margin: 0; width: max-content; }
@media (prefers-color-scheme: dark) {
  body { background: #14181f; color: #dde3ea; } li { border-color: #333a45; }
  p.note, .place { color: #9ab; } .check { color: #6c9; } .check.bad { color: #f77; }
}
@media print { body { max-width: none; margin: 0; } li { break-inside: avoid; } .math { overflow: visible; } }
"""


@dataclass(frozen=True)
class Row:
    """One step: by ``rule``, at ``place`` in the user's code, an equation in either notation or in both.

    ``check`` says what evaluating both sides showed; ``agrees`` whether they were equal, None if not asked.
    """

    rule: str
    place: str = ""
    by_index: Formula | None = None
    by_matrix: Formula | None = None
    check: str = ""
    agrees: bool | None = None


def page(title: str, rows: Iterable[Row], notes: Sequence[str] = ()) -> str:
    """The page; it opens without network, follows the reader's light or dark setting and prints.

    >>> from graphc.symbolic.notation import equation, name
    >>> text = page("A derivation", [Row("definition", by_matrix=equation(name("y"), name("x")))])
    >>> text.startswith("<!DOCTYPE html>"), "<script" in text
    (True, False)
    """
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
    ]
    parts += [f'<p class="note">{escape(note)}</p>' for note in notes]
    parts.append("<ol>")
    parts += [_item(number, row) for number, row in enumerate(rows, 1)]
    parts.append("</ol></body></html>")
    return "\n".join(parts)


def _item(number: int, row: Row) -> str:
    head = f'<span class="number">{number}</span><span class="rule">{escape(row.rule)}</span>'
    if row.place:
        head += f'<span class="place">{escape(row.place)}</span>'
    if row.check:
        tone = "check bad" if row.agrees is False else "check"
        head += f'<span class="{tone}">{escape(row.check)}</span>'
    formulas = "".join(
        f'<span class="kind">{kind}</span><div class="math">{mathml(formula, block=True)}</div>'
        for kind, formula in (("matrices", row.by_matrix), ("indices", row.by_index))
        if formula is not None
    )
    return f'<li><div class="head">{head}</div><div class="formulas">{formulas}</div></li>'
