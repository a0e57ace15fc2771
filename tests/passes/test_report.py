"""What ``f.explain()`` tells: each pass with its node counts, what fired, and the difference as text."""

import itertools
import re

import numpy as np

import graphc as gc
from graphc.passes.pipelines import PIPELINES


def test_each_pass_says_what_it_did() -> None:
    x = gc.input("x", ("N", 3))
    f = gc.compile(gc.log(1.0 + gc.exp(x * 1.0)).named("y"), [x])
    text = f.explain()
    headers = re.findall(r"^== (\w+): (\d+) nodes -> (\d+) nodes, [\d.]+ ms$", text, re.MULTILINE)
    assert [name for name, _, _ in headers] == [p.name for p in PIPELINES["default"]]
    counts = [(int(before), int(after)) for _, before, after in headers]
    assert counts[0][0] == f.stats["nodes"] and counts[-1][1] == f.stats["nodes_after_passes"]
    for (_, after), (before, _) in itertools.pairwise(counts):
        assert after == before
    assert "   1 × multiply_by_one\n" in text
    assert re.search(r"^   -.* = log\(", text, re.MULTILINE)
    assert re.search(r"^   \+.* = softplus\(x\)", text, re.MULTILINE)


def test_a_pass_that_does_nothing_shows_no_difference() -> None:
    x = gc.input("x", (3,))
    lines = gc.compile(gc.exp(x), [x]).explain().splitlines()
    assert len(lines) == len(PIPELINES["default"]) + 1
    assert all(line.startswith("== ") for line in lines)


def test_a_large_graph_is_counted_without_a_difference() -> None:
    y = x = gc.input("x", (3,))
    for _ in range(6_000):
        y = gc.tanh(y)
    f = gc.compile(gc.stop_gradient(y), [x])
    text = f.explain()
    assert "6002 nodes -> 6001 nodes" in text and "1 × stop_gradient" in text
    assert len(text.splitlines()) == len(PIPELINES["default"]) + 2
    assert f(np.zeros(3, np.float32)).shape == (3,)
