"""Nodes, edges and nested clusters enter, DOT text leaves: the one place that writes DOT.

Nodes are called n0, n1, … whatever their labels say, and every text from outside is made printable,
cut and escaped here, so that no name can change the structure of the picture.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

import graphviz

from graphc.draw.theme import Theme
from graphc.ir.printer import printable

# Names of nested clusters, outermost first; the empty path is the picture itself.
Path: TypeAlias = tuple[str, ...]
LABEL_LENGTH = 36
TOOLTIP_LENGTH = 120
NO_STYLE: Mapping[str, str] = MappingProxyType({})


@lru_cache(maxsize=16384)  # the same few signs, shapes and lines, again and again
def plain(text: str, limit: int = LABEL_LENGTH) -> str:
    """Any text as an escaped one-line DOT string."""
    escaped: str = graphviz.escape(printable(text, limit).replace("&", "&amp;"))
    return escaped


def plain_lines(lines: Iterable[str], limit: int = LABEL_LENGTH) -> str:
    """Several lines as one escaped DOT string."""
    escaped: str = graphviz.nohtml("\\n".join(plain(line, limit) for line in lines))
    return escaped


def rich_lines(head: str, below: Sequence[str], faint: str, size: int = 9, bold: bool = False) -> str:
    """A head line and smaller, fainter lines under it, as an HTML-like DOT label."""
    title = html.escape(printable(head, LABEL_LENGTH))
    parts = [f"<B>{title}</B>" if bold else title]
    for line in below:
        text = html.escape(printable(line, LABEL_LENGTH))
        parts.append(f'<FONT POINT-SIZE="{size}" COLOR="{faint}">{text}</FONT>')
    return f"<{'<BR/>'.join(parts)}>"


class Canvas:
    """DOT text in the making; ``node`` gives back the identifier that ``edge`` wants."""

    def __init__(self, theme: Theme, direction: str = "TB", engine: str = "dot") -> None:
        self.theme = theme
        self.engine = engine
        self.count = 0
        self._members: dict[Path, list[tuple[str, str, dict[str, str]]]] = {(): []}
        self._children: dict[Path, list[Path]] = {(): []}
        self._styles: dict[Path, dict[str, str]] = {}
        self._hidden: set[Path] = set()
        self._edges: list[tuple[str, str, dict[str, str]]] = []
        self._graph = {
            "rankdir": direction, "layout": engine, "bgcolor": theme.background, "pad": "0.2",
            "ranksep": "0.35", "nodesep": "0.3", "fontname": theme.font, "fontsize": "11",
            "fontcolor": theme.faint,
        }  # fmt: skip
        self._node = {
            "shape": "box", "style": "rounded,filled", "fontname": theme.font, "fontsize": "12",
            "fontcolor": theme.text, "margin": "0.12,0.05", "height": "0.32", "width": "0.4",
            "penwidth": "1.2",
        }  # fmt: skip
        self._edge = {
            "fontname": theme.font, "fontsize": "9", "fontcolor": theme.faint, "color": theme.edge,
            "arrowsize": "0.6", "penwidth": "1",
        }  # fmt: skip

    def set(self, **attributes: str) -> None:
        """Attributes of the whole picture; the values are the caller's own, not a user's text."""
        self._graph.update(attributes)

    def node(self, label: str, path: Path = (), tooltip: Sequence[str] = (), **attributes: str) -> str:
        """A node with an already escaped label, inside the cluster ``path``."""
        identifier = f"n{self.count}"
        self.count += 1
        if tooltip:
            attributes["tooltip"] = plain_lines(tooltip, TOOLTIP_LENGTH)
        self._cluster(path)
        self._members[path].append((identifier, label, attributes))
        return identifier

    def edge(
        self, tail: str, head: str, style: Mapping[str, str] = NO_STYLE, *, upward: bool = False
    ) -> None:
        """An arrow from tail to head; ``upward`` lays the tail below the head, against the flow."""
        attributes = dict(style)
        if "label" in attributes:  # the space keeps it off the line
            attributes["label"] = graphviz.nohtml(f" {attributes['label']}")
        if upward:
            attributes["dir"] = "back"
            tail, head = head, tail
        self._edges.append((tail, head, attributes))

    def style(self, path: Path, **attributes: str) -> None:
        """Attributes of one cluster, in place of the usual ones."""
        self._styles[path] = attributes

    def hide(self, path: Path) -> None:
        """Draw the members of this cluster without a frame around them."""
        self._hidden.add(path)

    def _cluster(self, path: Path) -> None:
        while path not in self._members:
            parent = path[:-1]
            self._members[path] = []
            self._children.setdefault(path, [])
            self._children.setdefault(parent, []).append(path)
            path = parent

    @property
    def source(self) -> str:
        """The DOT text; clusters are written without recursion, so that they may nest deeply."""
        dot = graphviz.Digraph("graphc", graph_attr=self._graph, node_attr=self._node, edge_attr=self._edge)
        pending: list[Path | None] = [()]
        clusters = 0
        while pending:
            path = pending.pop()
            if path is None:
                dot.body.append("\t}\n")
                continue
            if path and path not in self._hidden:
                dot.body.append(f"\tsubgraph cluster_{clusters} {{\n")
                clusters += 1
                dot.attr("graph", **self._cluster_style(path))
                pending.append(None)
            for identifier, label, attributes in self._members[path]:
                dot.node(identifier, label, _attributes=attributes)
            pending.extend(reversed(self._children[path]))
        for tail, head, attributes in self._edges:
            dot.edge(tail, head, _attributes=attributes)
        return str(dot.source)

    def _cluster_style(self, path: Path) -> dict[str, str]:
        tone = self.theme.cluster
        usual = {
            "label": plain(path[-1]), "tooltip": plain("/".join(path), TOOLTIP_LENGTH),
            "style": "rounded,filled",
            "color": tone.line, "fillcolor": tone.fill, "labeljust": "l", "labelloc": "t",
            "penwidth": "1", "margin": "10",
        }  # fmt: skip
        return usual | self._styles.get(path, {})
