"""The laws every rule keeps; a rule added to a list is tested here without anyone writing a test."""

import warnings
from collections import Counter

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.rewrite import rules
from graphc.rewrite.cost import cost
from graphc.rewrite.engine import Rewriting
from graphc.rewrite.rule import Rule
from tests.rewrite.instances import LARGE, Instance, instances


def _rewritten(rule: Rule, instance: Instance) -> gc.Tensor | None:
    fired: Counter[str] = Counter()
    graph = Rewriting("one", [rule])(Graph(tuple(instance.inputs.values()), (instance.output,)), fired)
    return graph.outputs[0] if fired[rule.name] else None


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype.kind != "f":
        return bool((a == b).all())
    nan = np.isnan(a) & np.isnan(b)
    return bool((nan | ((a == b) & (np.signbit(a) == np.signbit(b)))).all())


def test_names_are_unique() -> None:
    names = Counter(rule.name for rule in rules.ALL)
    assert not [name for name, count in names.items() if count > 1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", rules.ALL, ids=lambda r: r.name)
def test_a_rule_fires_on_its_left_side_and_keeps_the_value(rule: Rule, dtype: str) -> None:
    rng = np.random.default_rng(0)
    fired = 0
    for instance in instances(rule, dtype):
        after = _rewritten(rule, instance)
        if after is None:
            continue
        fired += 1
        if fired > 60:
            break
        assert after.shape == instance.output.shape and after.dtype == instance.output.dtype
        values = instance.values(rule, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            left, right = gc.interpret([instance.output, after], values)
        if rule.kind == "exact":
            assert _same_bits(left, right), (left, right, values)
        else:
            np.testing.assert_allclose(right, left, rtol=rule.bound, atol=rule.bound)
    assert fired >= 1, "the rule never fires on its own left side"


@pytest.mark.parametrize("rule", rules.ALL, ids=lambda r: r.name)
def test_a_rule_never_raises_the_cost(rule: Rule) -> None:
    """A stabilisation may: its left side is cheaper only where it is wrong.

    Asked of arrays of a hundred thousand elements: on a number, a second call may cost more than a dear one.
    """
    allowed = 10 if rule in rules.STABILISATION else 1
    fired = False
    for instance in instances(rule, "float32", LARGE):
        after = _rewritten(rule, instance)
        if after is not None:
            fired = True
            assert cost([after]) <= allowed * cost([instance.output])
    assert fired, "the rule never fires"


@pytest.mark.parametrize("rule", rules.ALL, ids=lambda r: r.name)
def test_all_rules_together_come_to_rest(rule: Rule) -> None:
    everything = Rewriting("all", rules.ALL)
    for number, instance in enumerate(instances(rule, "float32")):
        graph = everything(Graph(tuple(instance.inputs.values()), (instance.output,)))
        again: Counter[str] = Counter()
        everything(graph, again)
        assert not again
        if number == 10:
            break


def test_a_rule_that_does_not_hold_is_found() -> None:
    """The machinery itself: x * 0 → 0 claimed as exact fails on NaN and infinities."""
    from graphc.rewrite.rules.fast_math import RULES

    wrong = next(r for r in RULES if r.name == "multiply_by_zero")
    claimed = Rule(wrong.name, wrong.left, wrong.right)
    with pytest.raises(AssertionError):
        test_a_rule_fires_on_its_left_side_and_keeps_the_value(claimed, "float32")
