"""DOT text enters, its structure leaves, as Graphviz's own parser reads it (not as graphc meant it)."""

from __future__ import annotations

from dataclasses import dataclass

import pygraphviz


@dataclass(frozen=True)
class Parsed:
    """Nodes and edges by identifier, with their attributes; clusters by label, with their members."""

    nodes: dict[str, dict[str, str]]
    edges: list[tuple[str, str, dict[str, str]]]
    clusters: dict[str, set[str]]

    def labelled(self, text: str) -> list[str]:
        """The identifiers of the nodes whose label is, or as rich text begins with, the given one."""
        heads = (f"{text}<BR/>", f"<B>{text}</B>")
        return [
            n
            for n, a in self.nodes.items()
            if (label := a.get("label", "")) == text or label.startswith(heads)
        ]

    def the(self, text: str) -> str:
        """The one node of this label."""
        (found,) = self.labelled(text)
        return found

    def flows(self) -> set[tuple[str, str]]:
        """The edges in the direction their arrows point."""
        return {(h, t) if a.get("dir") == "back" else (t, h) for t, h, a in self.edges}

    def between(self, tail: str, head: str) -> dict[str, str]:
        """The attributes of the one edge from tail to head, by label."""
        a, b = self.the(tail), self.the(head)
        (found,) = [s for t, h, s in self.edges if ((h, t) if s.get("dir") == "back" else (t, h)) == (a, b)]
        return found


def parsed(source: str) -> Parsed:
    graph = pygraphviz.AGraph(string=source)
    nodes = {str(n): dict(n.attr) for n in graph.nodes()}
    edges = [(str(e[0]), str(e[1]), dict(e.attr)) for e in graph.edges()]
    clusters: dict[str, set[str]] = {}
    pending = list(graph.subgraphs())
    while pending:
        cluster = pending.pop()
        clusters[str(cluster.graph_attr["label"])] = {str(n) for n in cluster.nodes()}
        pending.extend(cluster.subgraphs())
    return Parsed(nodes, edges, clusters)
