"""DOT text enters, a picture's bytes leave: by ``dot`` if on PATH, else in process by pygraphviz."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import graphviz

from graphc.errors import GraphError, UnsupportedError

FORMATS = ("svg", "png", "pdf")
# 144 dots per inch: twice the usual, so that pictures are sharp on today's screens.
PNG_RESOLUTION = "144"
# Graphviz as a library keeps global state: one layout at a time.
_IN_PROCESS = threading.Lock()
# Pictures are put into pages as they are: the declaration that names a foreign address goes.
_DOCTYPE = re.compile(rb"<!DOCTYPE[^>]*>\s*")


class RendererError(Exception):
    """This renderer is not installed here, or refused the picture."""


def _by_dot(source: str, form: str, engine: str) -> bytes:
    if shutil.which("dot") is None:
        raise RendererError("dot is not on PATH")
    try:
        return bytes(graphviz.pipe(engine, form, source.encode(), quiet=True))
    except (graphviz.ExecutableNotFound, subprocess.CalledProcessError, OSError) as error:
        detail = getattr(error, "stderr", None) or error
        raise RendererError(f"dot failed: {detail!r:.500}") from None


def _by_pygraphviz(source: str, form: str, engine: str) -> bytes:
    try:
        import pygraphviz
    except ImportError as error:
        raise RendererError(f"pygraphviz is not installed ({error})") from None
    with _IN_PROCESS:
        graph = pygraphviz.AGraph(string=source)
        try:
            # The format and the engine are bytes of the C library's own names; draw() with a path of
            # None renders to memory, without a `dot` process.
            picture: Any = graph.draw(format=form, prog=engine)
        except (ValueError, OSError) as error:
            raise RendererError(f"pygraphviz failed: {error}") from None
        finally:
            graph.close()
    return bytes(picture)


RENDERERS: MappingProxyType[str, Callable[[str, str, str], bytes]] = MappingProxyType(
    {"dot": _by_dot, "pygraphviz": _by_pygraphviz}
)


def rendered(source: str, form: str, engine: str = "dot") -> bytes:
    """The picture as svg, png or pdf, by the first renderer that can.

    ``engine`` is the Graphviz layout: ``"dot"``, or ``"neato"`` where the source fixes positions.
    Raises GraphError for an unknown format, UnsupportedError where no renderer works.
    """
    if form not in FORMATS:
        raise GraphError(
            f"there is no picture format {form!r}",
            op="draw",
            remedy=f"use one of {', '.join(FORMATS)}, or dot",
        )
    failures = []
    for render in RENDERERS.values():
        try:
            picture = render(source, form, engine)
        except RendererError as failure:
            failures.append(str(failure))
            continue
        return _DOCTYPE.sub(b"", picture, count=1) if form == "svg" else picture
    raise UnsupportedError(
        f"no renderer for {form}: {'; '.join(failures)}", op="draw",
        remedy='pip install "pygraphviz>=2.0.4" (its wheel carries Graphviz), or put Graphviz\'s `dot` on '
        'PATH; the DOT text itself is .source, and .save("picture.dot") writes it',
    )  # fmt: skip
