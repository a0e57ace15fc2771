"""Passes are left out by name, and put back."""

import numpy as np
import pytest

import graphc as gc
from graphc.bench.ablation import PIPELINE, ablated, leaving_out
from graphc.bench.workloads import WORKLOADS
from graphc.passes.pipelines import PIPELINES, pass_names


def test_a_pass_is_left_out_and_comes_back():
    x = gc.input("x", (4,))
    y = gc.exp(x) + gc.exp(x)
    whole = PIPELINES[PIPELINE]
    with leaving_out("common_subexpressions"):
        less = gc.compile(y, [x])
    assert PIPELINES[PIPELINE] is whole
    assert less.source.count("exp(") > gc.compile(y, [x]).source.count("exp(") >= 1
    with pytest.raises(ZeroDivisionError), leaving_out("lowering"):
        raise ZeroDivisionError
    assert PIPELINES[PIPELINE] is whole


def test_loops_too():
    """The body of a loop is compiled without the pass as well."""
    x = gc.input("x", (5,))
    _, ys = gc.scan(lambda c, v: (c, gc.exp(c * v) + gc.exp(c * v)), gc.ones(()), x)
    with leaving_out("common_subexpressions"):
        less = gc.compile(ys, [x])
    more = gc.compile(ys, [x])
    assert less.source.count("exp(") > more.source.count("exp(")
    values = np.linspace(-1, 1, 5, dtype=np.float32)
    np.testing.assert_allclose(less(values), 2 * np.exp(values), rtol=1e-6)


def test_every_pass_has_its_turn():
    found = ablated(WORKLOADS["mlp_small"], seconds=0.02, small=True)
    names = set(pass_names(PIPELINES[PIPELINE]))
    parts = [set(found.ratios), set(found.needed), set(found.same)]
    assert set.union(*parts) == names and sum(map(len, parts)) == len(names)
    assert found.same  # a program that a pass changes nothing of is not timed
    assert "lowering" in found.needed or found.ratios["lowering"].median > 0
    assert all(s.lower <= s.median <= s.upper for s in found.ratios.values())
    assert found.milliseconds > 0
