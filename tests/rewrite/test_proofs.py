"""Each rewriting rule as a theorem: left and right side are proved to be one function of real numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.rewrite import rules
from graphc.rewrite.engine import Rewriting
from graphc.rewrite.pattern import Pattern
from graphc.rewrite.rule import Rule
from tests.rewrite.instances import instances

_TRIED, _PROVED = 60, 8

DOMAIN = {
    "divide_by_itself": "x / x has no value at 0",
    "root_times_itself": "√x has no value below 0",
    "exp_of_log": "log x has no value below 0",
}
"""Rules whose right side is defined at more points: proved where both are."""

ROUNDED = {"factor_for_divisor": "1/3 is rounded to a constant"}
"""Rules that change a constant by its rounding, in some of their instances."""


def _spread(all_of_them: list[Any], count: int) -> list[Any]:
    """At most as many of them, at equal distances: they are in order of shapes and numbers."""
    return all_of_them[:: -(-len(all_of_them) // count) or 1]


def _verdicts(rule: Rule) -> list[gc.symbolic.Verdict]:
    """Of a few instances, spread over the shapes and numbers at which the rule fires."""
    fires = []
    for instance in _spread([*instances(rule, "float32")], _TRIED):
        fired: Counter[str] = Counter()
        before = Graph(tuple(instance.inputs.values()), (instance.output,))
        after = Rewriting("one", [rule])(before, fired).outputs[0]
        if fired[rule.name] and all(i.size for i in instance.inputs.values()):  # else nothing can differ
            fires.append((instance.output, after))
    return [gc.symbolic.equal(*pair) for pair in _spread(fires, _PROVED)]


@pytest.mark.parametrize("rule", rules.ALL, ids=lambda r: r.name)
def test_a_rule_is_proved(rule: Rule) -> None:
    verdicts = _verdicts(rule)
    counts = Counter(v.status for v in verdicts)
    assert counts["proved"] and not counts["refuted"], [str(v) for v in verdicts if v.status != "proved"]
    assert bool(counts["unknown"]) == (rule.name in ROUNDED), [v.reason for v in verdicts if v.reason]
    assert all(bool(v) or v.status == "unknown" for v in verdicts) == (rule.name not in DOMAIN)


def test_how_many_rules_are_proved() -> None:
    names = {rule.name for rule in rules.ALL}
    assert names >= DOMAIN.keys() | ROUNDED.keys()
    proved = names - DOMAIN.keys() - ROUNDED.keys()
    assert len(proved) == len(names) - 4, f"{len(proved)} of {len(names)} are proved without reserve"


_WRONG: dict[str, Callable[[Any], Pattern]] = {
    "subtract_negative": lambda left: left.arguments[0],
    "add_negative": lambda left: left.arguments[0] + left.arguments[1].arguments[0],
    "product_of_exps": lambda left: left.arguments[0],
    "relu_by_maximum": lambda left: left.arguments[0],
    "abs_of_square": lambda left: left.arguments[0].arguments[0],
}
"""What the left side of a rule is not, by the rule's name."""


@pytest.mark.parametrize("name", _WRONG)
def test_a_rule_that_does_not_hold_is_refuted(name: str) -> None:
    rule = next(r for r in rules.ALL if r.name == name)
    claimed = Rule("wrong", rule.left, _WRONG[name](rule.left))
    assert {v.status for v in _verdicts(claimed)} == {"refuted"}
