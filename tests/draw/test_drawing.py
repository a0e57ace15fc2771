"""Saving, rendering, hostile names and size: what the files are, whatever the names say."""

from __future__ import annotations

import builtins
import re
import shutil
import time
import xml.etree.ElementTree as ElementTree

import pytest

import graphc as gc
from graphc.draw.render import RENDERERS
from tests.draw.dot import parsed
from tests.draw.nets import mlp

MAGIC = {"svg": b"<?xml", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-", "dot": b"digraph"}
HOSTILE = [
    '"; import os', "a\nb\r\n\tc", "back\\slash\\", '\\"', '" ] ; evil [ label="', "<b>bold</b>",
    "<<b>x</b>>", "a:b:c", "n0:port:nw", "\\N\\G\\E", "&lt;&#10;&amp;", "]]><script>alert(1)</script>",
    "x" * 10_000, "日本語 σ 🙂", "\u202e right to left", "\0nul", "--> }", "node", "subgraph", "cluster_0",
    "/* */ // #", "'", "%s{}", "</title>", "\ud800", "backward",
]  # fmt: skip


@pytest.fixture
def without_dot(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    assert shutil.which("dot") is None


@pytest.mark.parametrize("form", MAGIC)
def test_save_writes_the_format_of_the_ending(tmp_path, form):
    path = gc.draw(mlp().loss).save(tmp_path / f"net.{form}")
    assert path.read_bytes().startswith(MAGIC[form])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_save_replaces_whole_files_only(tmp_path, monkeypatch):
    path = tmp_path / "net.svg"
    path.write_text("before")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", fail)
        with pytest.raises(OSError, match="disk full"):
            gc.draw(mlp().loss).save(path)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["net.svg"]


@pytest.mark.parametrize("name", ["net", "net.jpg", "net.svg.exe"])
def test_unknown_endings_are_refused(tmp_path, name):
    with pytest.raises(gc.GraphError, match="end it in"):
        gc.draw(gc.input("x")).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_pygraphviz_alone_renders(without_dot, form):
    assert gc.draw(mlp().loss).render(form).startswith(MAGIC[form])


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's dot is not installed here")
@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_dot_alone_renders(form):
    drawing = gc.draw(mlp().loss)
    assert RENDERERS["dot"](drawing.source, form, drawing.engine).startswith(MAGIC[form])


def test_dot_on_path_is_preferred_and_fed_the_source(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\nprintf "<svg>%s</svg>" "$*"\n/bin/cat > "$(/usr/bin/dirname "$0")/seen"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    drawing = gc.draw(mlp().loss)
    assert drawing.render("svg") == b"<svg>-Kdot -Tsvg</svg>"
    assert (tmp_path / "seen").read_text() == drawing.source


def test_a_dot_that_fails_gives_way_to_pygraphviz(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gc.draw(mlp().loss).render("svg").startswith(b"<?xml")


def test_without_any_renderer_the_remedy_is_told(without_dot, monkeypatch, tmp_path):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "pygraphviz":
            raise ImportError("no pygraphviz")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    drawing = gc.draw(mlp().loss)
    with pytest.raises(gc.UnsupportedError, match=r"pip install .*pygraphviz"):
        drawing.render("svg")
    assert drawing.save(tmp_path / "net.dot").read_text() == drawing.source
    assert drawing._repr_svg_() is None
    assert "pip install" in drawing._repr_mimebundle_()["text/plain"]


def test_notebooks_get_the_picture():
    drawing = gc.draw(mlp().loss)
    assert drawing._repr_mimebundle_()["image/svg+xml"] == drawing._repr_svg_()
    ElementTree.fromstring(drawing._repr_svg_())


def hostile_network(name: str):
    with gc.scope(name), gc.scope(f"{name}/{name}"):
        w = gc.parameter(name, (3, 2))
    x = gc.input(name, (name, 3))
    with gc.scope(name):
        y = gc.tanh((x @ w).named(name)) * gc.constant(2.0, name=name)
    return {name: y, f"2{name}": y.sum()}


@pytest.mark.parametrize("view", ["operations", "layers", "neurons"])
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_change_no_structure(name, view, without_dot):
    drawing, plain = (gc.draw(hostile_network(n), view=view) for n in (name, "plain"))
    seen, expected = parsed(drawing.source), parsed(plain.source)
    assert list(seen.nodes) == list(expected.nodes)
    assert [e[:2] for e in seen.edges] == [e[:2] for e in expected.edges]
    assert drawing.source.count("subgraph cluster_") == plain.source.count("subgraph cluster_")
    assert all(n.strip("n").isdigit() for n in seen.nodes)
    assert len(drawing.source) < 6 * len(plain.source)
    root = ElementTree.fromstring(drawing.render("svg"))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "g", "title", "path", "polygon", "polyline", "ellipse", "text", "a"}
    for element in root.iter():
        assert not any(
            key.rpartition("}")[2] in ("href", "src") or key.startswith("on") for key in element.attrib
        )


@pytest.mark.parametrize("view", ["operations", "layers"])
@pytest.mark.parametrize("name", ["a&lt;b", "back\\slash", "<b>bold</b>", '"quoted"', "\\N", "a:b:c"])
def test_names_are_shown_as_they_are(name, view, without_dot):
    root = ElementTree.fromstring(gc.draw({name: gc.exp(gc.input("x"))}, view=view).render("svg"))
    assert name in {element.text for element in root.iter()}


def test_svg_names_no_foreign_address():
    svg = gc.draw(mlp().loss).render("svg").decode()
    assert "<!DOCTYPE" not in svg
    assert "<script" not in svg
    assert set(re.findall(r'https?://[^"\s]+', svg)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_large_pictures_are_refused_politely():
    y = gc.input("x")
    for _ in range(50):
        y = gc.sin(y)
    drawing = gc.draw(y, max_nodes=20)
    with pytest.raises(gc.GraphError, match='view="layers"'):
        drawing.render("svg")
    assert "max_nodes" in drawing._repr_mimebundle_()["text/plain"]
    assert drawing.render("dot").startswith(b"digraph")
    assert gc.draw(y, max_nodes=None).render("svg").startswith(b"<?xml")


def chain(count: int):
    y = gc.input("x", ("N", 3))
    for i in range(count // 2):
        with gc.scope(f"layer{i % 1000}"):
            y = gc.sin(y) * 0.5
    return y


@pytest.fixture(scope="module")
def chains():
    return chain(1_000), chain(20_000)


@pytest.mark.parametrize("view", ["operations", "layers", "neurons"])
def test_long_graphs_are_written_in_linear_time(chains, view):
    def seconds(y) -> float:
        start = time.process_time()
        gc.draw(y, view=view)
        return time.process_time() - start

    small, large = chains
    assert seconds(large) < 4 * 20 * min(seconds(small) for _ in range(3))  # quadratic would be 20 * 20


def test_a_hundred_thousand_nodes_are_written():
    assert gc.draw(chain(100_000)).source.count(" -> ") == 100_000 + 1


def test_scopes_nest_deeply():
    scopes = [gc.scope(f"s{i}") for i in range(1200)]
    for s in scopes:
        s.__enter__()
    y = gc.exp(gc.input("x"))
    for s in reversed(scopes):
        s.__exit__(None, None, None)
    assert gc.draw(y).source.count("subgraph cluster_") == 1200
