"""The page of a derivation: it stands alone, and holds nothing of a user's that a browser would run."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

from graphc.symbolic.notation import Row, equation, name, page, scalar_formula


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.open, self.words = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def _read(html):
    tags = _Tags()
    tags.feed(html)
    assert tags.open == []
    return tags


def test_rows_become_formulas_in_order():
    rows = [
        Row("definition", "model.py:3", by_matrix=equation(name("y"), name("x"))),
        Row(
            "chain rule",
            by_index=equation(name("g"), scalar_formula("a*b")),
            check="differs by 2e-16",
            agrees=True,
        ),
        Row("result", check="differs by 0.3", agrees=False),
    ]
    html = page("∂L/∂W of <model>", rows, ["checked at 3 points"])
    tags = _read(html)
    assert [t for t, _ in tags.tags].count("math") == 2
    assert [t for t, _ in tags.tags].count("li") == 3
    assert "∂L/∂W of <model>" in tags.words and "checked at 3 points" in tags.words
    classes = [a.get("class") for _, a in tags.tags]
    assert classes.count("check") == 1 and classes.count("check bad") == 1
    for part in html.split("<math")[1:]:
        ElementTree.fromstring("<math" + part.split("</math>")[0] + "</math>")


def test_the_page_stands_alone():
    hostile = "</math><script src=http://x></script>"
    html = page(
        hostile, [Row(hostile, hostile, equation(name(hostile), name(hostile)), check=hostile)], [hostile]
    )
    tags = _read(html)
    assert not {t for t, _ in tags.tags} & {"script", "link", "img", "iframe", "object"}
    assert not {"src", "href", "onload", "style"} & {key for _, attrs in tags.tags for key in attrs}
    assert "@import" not in html and "url(" not in html
    assert "prefers-color-scheme" in html and "@media print" in html
