"""Figures: a function that draws with Matplotlib enters; an image file or SVG for a page leaves."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Callable
from typing import Any

from graphc.errors import UnsupportedError

Draw = Callable[[], Any]  # to a matplotlib.figure.Figure; raises ImportError where that is missing

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of M. Okabe and K. Ito, told apart by all kinds of colour vision."""


def write(draw: Draw, path: str | os.PathLike[str], op: str, instead: str) -> None:
    """The figure as an image file, whose ending chooses the format."""
    try:
        figure = draw()
    except ImportError as missing:
        raise UnsupportedError(
            "Matplotlib is not installed", op=op, remedy=f'pip install "graphc[plot]", or use {instead}'
        ) from missing
    import matplotlib

    # The same figure is the same file: no date, no random ids.
    options = {"metadata": {"Date": None}} if os.fspath(path).endswith(".svg") else {}
    with matplotlib.rc_context({"svg.hashsalt": "graphc"}), warnings.catch_warnings():
        # A name may hold signs that the font lacks: a box in the picture, no reason to stop.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(path, **options)


def as_svg(draw: Draw) -> str | None:
    """The figure as an element for an HTML page: text stays text, nothing refers outside; or None."""
    try:
        figure = draw()
        import matplotlib
    except ImportError:
        return None
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "graphc"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = stream.getvalue()
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    return re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)  # HTML knows what <svg> is


def plain(text: str, most: int = 24) -> str:
    """A name as a label: Matplotlib would read what stands between two $ as mathematics."""
    return (text if len(text) <= most else text[: most - 1] + "…").replace("$", r"\$")
