"""The demo's page: what the run found enters, one self-contained ``index.html`` leaves."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sympy.printing.mathml import mathml

import graphc as gc

Array = np.ndarray[Any, Any]
SHOWN_DIGITS = 36


def write_page(
    folder: Path,
    *,
    history: gc.History,
    accuracy: float,
    images: Array,
    labels: Array,
    probabilities: Array,
    neuron: gc.Tensor,
    derivation: Any,
    reports: Mapping[str, gc.GradientReport],
    source: str,
    next_loss: float,
) -> None:
    """Write ``index.html`` beside the pictures ``graph.svg`` and ``backward.svg`` of the folder."""
    formatter = HtmlFormatter(nobackground=True)
    styles = formatter.get_style_defs(".highlight")  # type: ignore[no-untyped-call]
    agree = all(r.ok for r in reports.values())
    facts = {
        "held-out accuracy": f"{accuracy:.2%}",
        "held-out mistakes": f"{int((probabilities.argmax(1) != labels).sum())} of {len(labels)}",
        "training": f"{sum(history.epochs['seconds']):.1f} s",
        "epochs": str(len(history)),
        "gradients": "agree" if agree else "differ",
    }
    page = Template((files("graphc.demo") / "page.html").read_text(encoding="utf-8"))
    text = page.substitute(
        facts="".join(
            f'<div class="fact"><b>{value}</b><span>{name}</span></div>' for name, value in facts.items()
        ),
        formulas=_formula("y", gc.symbolic.to_sympy(neuron)) + _formula("∂y/∂w", derivation.steps[-1].after),
        derivation=html.escape(derivation.text()),
        graph=_inline((folder / "graph.svg").read_text(encoding="utf-8"), "graph"),
        backward=_inline((folder / "backward.svg").read_text(encoding="utf-8"), "backward"),
        curves=_curves(history),
        digits=_digits(images, labels, probabilities),
        reports="".join(_report(name, report) for name, report in reports.items()),
        highlighting=styles,
        next_loss=next_loss.hex(),
        source=highlight(source, PythonLexer(), formatter),
    )
    (folder / "index.html").write_text(text, encoding="utf-8")


def _formula(name: str, expression: Any) -> str:
    """``name = expression`` as MathML, which browsers show by themselves."""
    body = mathml(expression, printer="presentation")
    return f"<math><mrow><mi>{name}</mi><mo>=</mo>{body}</mrow></math>"


def _report(name: str, report: gc.GradientReport) -> str:
    """The report's tables, and what the engines have to say about it."""
    parts = [f"<h3>{html.escape(name)}</h3>"]
    for title, header, rows in report.sections():
        if rows:
            table = "".join([_cells(header, "th"), *(_cells(row, "td") for row in rows)])
            parts.append(f'<p class="note">{html.escape(title)}</p>')
            parts.append(f'<div class="panel"><table>{table}</table></div>')
    parts += [
        f'<p class="note">{html.escape(f"{engine}: {why}")}</p>' for engine, why in report.skipped.items()
    ]
    return "".join(parts)


def _cells(row: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in row)}</tr>"


def _inline(svg: str, prefix: str) -> str:
    """An SVG file as part of a page: no prolog, and identifiers of its own."""
    svg = svg[svg.index("<svg") :]
    return re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)


# -- curves ------------------------------------------------------------------------------------------
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 420, 240, 48, 34, 28


def _curves(history: gc.History) -> str:
    table = history.epochs
    return "".join(
        _chart(name, {"training": table[name], "held out": table[f"validation_{name}"]})
        for name in ("loss", "accuracy")
    )


def _chart(title: str, series: Mapping[str, Sequence[float]]) -> str:
    """A line chart as inline SVG: one line a series, over epochs."""
    values = [v for line in series.values() for v in line]
    low, high = (0.0, max(values)) if title == "loss" else (min(values), 1.0)
    span = (high - low) or 1.0
    count = max(map(len, series.values()))

    def x(i: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - 12) * i / max(1, count - 1)

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (value - low) / span)

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title} by epoch" font-size="11" '
        f'font-family="system-ui, sans-serif" fill="#52606d">',
        f'<text x="{_LEFT}" y="16" font-size="13" font-weight="600" fill="#1f2933">{title}</text>',
    ]
    for step in range(5):
        value = low + span * step / 4
        height = f"{y(value):.1f}"
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - 12}" y1="{height}" y2="{height}" stroke="#dde2e8"/>'
            f'<text x="{_LEFT - 6}" y="{height}" dy="4" text-anchor="end">{value:.3g}</text>'
        )
    for epoch in sorted({1, (count + 1) // 2, count}):
        parts.append(f'<text x="{x(epoch - 1):.1f}" y="{_HEIGHT - 14}" text-anchor="middle">{epoch}</text>')
    for (name, line), color, right in zip(series.items(), ("#2f6aa3", "#b85f18"), (82, 12), strict=True):
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(line))
        parts.append(
            f'<g fill="{color}" font-weight="600">'
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>'
            f'<text x="{_WIDTH - right}" y="16" text-anchor="end">{name}</text></g>'
        )
    return "".join([*parts, "</svg>"])


# -- digits ------------------------------------------------------------------------------------------
def _digits(images: Array, labels: Array, probabilities: Array) -> str:
    """Mistakes first, then the first of the rest."""
    answers = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(answers != labels)
    right = np.flatnonzero(answers == labels)
    chosen = np.concatenate([wrong, right])[: max(SHOWN_DIGITS, len(wrong))]
    return "".join(
        _digit(images[i], int(labels[i]), int(answers[i]), float(probabilities[i].max())) for i in chosen
    )


def _digit(image: Array, label: int, answer: int, probability: float) -> str:
    pixels = "".join(
        f'<rect x="{i % 8}" y="{i // 8}" width="1.02" height="1.02" opacity="{value:.2f}"/>'
        for i, value in enumerate(image.reshape(-1).tolist())
        if value > 0
    )
    told = f"{answer}, not {label}" if answer != label else f"{answer}"
    kind = "digit wrong" if answer != label else "digit"
    return (
        f'<div class="{kind}"><svg viewBox="0 0 8 8" fill="#1f2933" shape-rendering="crispEdges" role="img" '
        f'aria-label="a handwritten {label}">{pixels}</svg><b>{told}</b> · {probability:.0%}</div>'
    )
