"""The engine: order, names of places, sharing and shapes of what it writes."""

from collections import Counter

import numpy as np

import graphc as gc
from graphc.ir.graph import Graph
from graphc.rewrite import rules
from graphc.rewrite.engine import Rewriting

SIMPLIFY = Rewriting("simplification", rules.EXACT)


def test_a_rewritten_node_comes_from_every_line_of_the_match() -> None:
    x, y = gc.input("x", (3,)), gc.input("y", (3,))
    turned = -y
    total = x + turned
    after = SIMPLIFY(Graph((x, y), (total,))).outputs[0]
    assert after.op.name == "subtract"
    assert {o.location.line for o in after.origins} == {turned.location.line, total.location.line}


def test_a_smaller_replacement_is_broadcast() -> None:
    x = gc.input("x", (3,))
    after = SIMPLIFY(Graph((x,), (x * np.ones((2, 3), np.float32),))).outputs[0]
    assert after.op.name == "broadcast_to" and after.inputs[0] is x and after.shape == (2, 3)


def test_a_replacement_of_another_dtype_is_refused() -> None:
    x = gc.input("x", (3,))
    y = x * np.ones(3, np.float64)
    assert SIMPLIFY(Graph((x,), (y,))).outputs[0] is y


def test_a_repeated_variable_is_one_node() -> None:
    x, y = gc.input("x", (3,)), gc.input("y", (3,))
    fired: Counter[str] = Counter()
    SIMPLIFY(Graph((x, y), (gc.maximum(x, y),)), fired)
    assert not fired
    SIMPLIFY(Graph((x,), (gc.maximum(x, x),)), fired)
    assert fired["maximum_of_itself"] == 1


def test_a_deep_tower_of_matches_needs_no_recursion() -> None:
    x = gc.input("x", (3,))
    y = x
    for _ in range(20_000):
        y = -y
    assert SIMPLIFY(Graph((x,), (y,))).outputs[0] is x
