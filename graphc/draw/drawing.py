"""A drawing: DOT text that can be saved, rendered, and shown by a notebook."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from graphc.draw.render import FORMATS, rendered
from graphc.errors import GraphError


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of a graph as DOT text.

    ``source`` is the DOT text, ``size`` the number of nodes it draws, ``max_nodes`` the size above
    which it is not laid out (None: never refuse), ``engine`` the Graphviz layout it is meant for.
    """

    source: str
    size: int
    max_nodes: int | None = None
    engine: str = "dot"

    def render(self, form: str = "svg") -> bytes:
        """The bytes of the picture as ``"svg"``, ``"png"``, ``"pdf"`` or ``"dot"``.

        Raises GraphError for another format or a drawing above ``max_nodes``, UnsupportedError where
        neither ``dot`` nor pygraphviz is installed.
        """
        if form == "dot":
            return self.source.encode()
        if self.max_nodes is not None and self.size > self.max_nodes:
            raise GraphError(
                f"the picture has {self.size} nodes, more than max_nodes={self.max_nodes}: its layout "
                "could take minutes and nobody could read it",
                op="draw",
                remedy='draw(…, view="layers") shows one box a scope; .save("graph.dot") always works; '
                "draw(…, max_nodes=None) lays it out all the same",
            )
        return rendered(self.source, form, self.engine)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture in the format of the file's ending: .svg, .png, .pdf or .dot.

        The file appears whole or not at all. Gives back its path. Raises as ``render`` does.
        """
        target = Path(path)
        form = target.suffix.lower().removeprefix(".")
        form = "dot" if form == "gv" else form
        if form not in (*FORMATS, "dot"):
            raise GraphError(
                f"the file name {target.name!r} does not tell the format", op="draw",
                remedy="end it in .svg, .png, .pdf or .dot",
            )  # fmt: skip
        picture = self.render(form)
        temporary = target.with_name(f".drawing-{uuid4().hex}")
        try:
            temporary.write_bytes(picture)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return target

    def _repr_svg_(self) -> str | None:
        """The picture for notebooks; None where it cannot be shown, so that the text form is."""
        try:
            return self.render("svg").decode()
        except GraphError:
            return None

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What Jupyter shows: the picture, and a line of text where pictures are not."""
        try:
            return {"image/svg+xml": self.render("svg").decode(), "text/plain": repr(self)}
        except GraphError as error:
            return {"text/plain": f"{self!r}\n{error}"}

    def __repr__(self) -> str:
        return f"<drawing of {self.size} nodes>"
