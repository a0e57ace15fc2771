"""Expression swell: the survey's example, counted and checked; the budget; the picture."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import sympy

import graphc as gc
from graphc.compare import expression_swell
from graphc.ir.tensor import Tensor


def logistic(depth: int) -> tuple[Tensor, Tensor]:
    """l₁ = x, lₙ₊₁ = 4·lₙ·(1 − lₙ)."""
    value = x = gc.input("x", (), "float64")
    for _ in range(depth - 1):
        value = 4 * value * (1 - value)
    return value, x


def perceptron(depth: int, width: int = 3) -> tuple[Tensor, Tensor]:
    """A network of single neurons, differentiated by one weight of its first layer."""
    values = [gc.input(f"x{k}", (), "float64") for k in range(width)]
    weights = []
    for layer in range(depth):
        w = [
            [gc.parameter(f"w{layer}_{i}{j}", (), dtype="float64") for j in range(width)]
            for i in range(width)
        ]
        weights.append(w[0][0])
        values = [
            gc.tanh(w[i][0] * values[0] + w[i][1] * values[1] + w[i][2] * values[2]) for i in range(width)
        ]
    return values[0] + values[1] + values[2], weights[0]


def written_out(node: Tensor) -> int:
    return 1 + sum(written_out(i) for i in node.inputs)


def test_the_surveys_table():
    """Baydin et al., JMLR 18 (2018), table 1: the derivatives by x of l₁ to l₄."""
    x = sympy.Symbol("x")
    quadratic = 1 - 8 * x + 8 * x**2
    table = [
        sympy.Integer(1),
        4 * (1 - x) - 4 * x,
        16 * (1 - x) * (1 - 2 * x) ** 2 - 16 * x * (1 - 2 * x) ** 2 - 64 * x * (1 - x) * (1 - 2 * x),
        128 * x * (1 - x) * (-8 + 16 * x) * (1 - 2 * x) ** 2 * quadratic
        + 64 * (1 - x) * (1 - 2 * x) ** 2 * quadratic**2
        - 64 * x * (1 - 2 * x) ** 2 * quadratic**2
        - 256 * x * (1 - x) * (1 - 2 * x) * quadratic**2,
    ]
    for depth, expected in enumerate(table, 1):
        y, at = logistic(depth)
        found = gc.symbolic.to_sympy(gc.symbolic.grad(y, at).result)
        assert sympy.expand(found.subs(dict.fromkeys(found.free_symbols, x)) - expected) == 0


def test_the_formula_grows_exponentially_and_the_graphs_linearly():
    swell = expression_swell(logistic, range(2, 21))
    trees = [r.symbolic_tree for r in swell.rows]
    ratios = [b / a for a, b in pairwise(trees)]
    assert all(ratio > 2 for ratio in ratios)
    assert trees[-1] > 10**7
    for name in ("function", "symbolic", "reverse", "symbolic_optimised", "reverse_optimised"):
        steps = set(np.diff([getattr(r, name) for r in swell.rows[3:]]))
        assert len(steps) == 1 and 0 < steps.pop() <= 12, (
            name
        )  # so many nodes more a step, no matter how deep
    assert not swell.ended


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 6])
def test_trees_are_counted_without_being_built(depth):
    (row,) = expression_swell(logistic, [depth]).rows
    y, x = logistic(depth)
    assert row.written_out == written_out(y)
    assert row.symbolic_tree == written_out(gc.symbolic.grad(y, x).result)
    assert row.reverse_tree == written_out(gc.grad(y, x))


def test_a_network_swells_alike():
    swell = expression_swell(perceptron, range(1, 9))
    trees = [r.symbolic_tree for r in swell.rows]
    assert all(b > 3 * a for a, b in pairwise(trees))
    assert np.ptp(np.diff([r.reverse for r in swell.rows[1:]])) == 0


def test_the_budget_ends_the_symbolic_engine_and_says_so():
    swell = expression_swell(logistic, [5, 10, 15, 20], budget=60)
    assert [r.symbolic is None for r in swell.rows] == [False, False, True, True]
    assert all(r.reverse > 0 for r in swell.rows)
    assert "depth 10" in swell.ended and "budget of 60" in swell.ended
    assert swell.ended in swell.table()
    assert swell.table().splitlines()[2].split()[0] == "5"


def test_an_engine_that_refuses_ends_it_too():
    def strange(depth):
        x = gc.input("x", (3,), "float64")
        y = gc.sum(gc.nn.relu(x))
        return y, x if depth else gc.sum(x)

    swell = expression_swell(strange, [1, 2])
    assert all(r.reverse > 0 for r in swell.rows)
    first = swell.rows[0]
    assert (first.symbolic is None) == bool(first.ended)


def test_forms(tmp_path: Path):
    swell = expression_swell(logistic, range(1, 5), optimise=False)
    assert json.loads(json.dumps(swell.to_dict()))["rows"][3]["depth"] == 4
    assert swell.to_dict()["rows"][0]["reverse_optimised"] is None
    pytest.importorskip("matplotlib")
    swell.plot(tmp_path / "swell.png")
    assert (tmp_path / "swell.png").read_bytes().startswith(b"\x89PNG")
    swell.plot(tmp_path / "swell.svg")
    text = (tmp_path / "swell.svg").read_text(encoding="utf-8")
    assert "<svg" in text


def test_a_budget_of_the_engines_own_is_passed_on(monkeypatch):
    seen = {}
    genuine = gc.symbolic.grad

    def grad(y, wrt, *, mode=None, budget=None):
        seen.update(budget=budget, mode=mode)
        return genuine(y, wrt, mode=mode)

    monkeypatch.setattr(gc.symbolic, "grad", grad)
    expression_swell(logistic, [2], budget=123, mode="cut")
    assert seen == {"budget": 123, "mode": "cut"}
