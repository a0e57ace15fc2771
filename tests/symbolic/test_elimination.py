"""Delta elimination: what a random term with equations sums to is the same before and after."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import graphc as gc
from graphc.symbolic.index.affine import Affine, Gather, Variable, constant, digit, of, raveled, unraveled
from graphc.symbolic.index.elimination import RULES, eliminated
from graphc.symbolic.index.evaluation import Evaluator
from graphc.symbolic.index.forms import in_range
from graphc.symbolic.index.terms import Guard, Read, Term

Generator = np.random.Generator
SHAPE = (4, 3)
X, Y, T = gc.input("x", (7,), "float64"), gc.input("y", (5, 4), "float64"), gc.input("t", (4,), "int64")


def values(generator: Generator) -> dict[gc.Tensor, np.ndarray]:
    return {X: generator.normal(size=7), Y: generator.normal(size=(5, 4)), T: generator.integers(0, 4, 4)}


def total(term: Term | None, known: dict[gc.Tensor, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    return Evaluator(known, {}).total([] if term is None else [term], shape)


def _index(generator: Generator, bound: list[Variable]) -> Affine:
    chosen = generator.permutation(len(bound))[: int(generator.choice([1, 1, 2]))]
    parts = {bound[i]: int(generator.choice([1, 1, 1, 1, -1, 2, 3])) for i in chosen}
    e = Affine(parts, int(generator.choice([0, 0, 0, 1, -1, 2])))
    return digit(e, int(generator.integers(1, 3)), 4) if generator.random() < 0.2 else e


def _read_in_range(tensor: gc.Tensor, places: list[Affine]) -> tuple[Read, list[Guard]]:
    guards = [g for e, n in zip(places, tensor.shape, strict=True) for g in in_range(e, n)]
    return Read(tensor, tuple(places)), guards


def drawn(generator: Generator) -> Term:
    """Two to four bound indices, reads under guards, one or two equations, a target of two axes."""
    bound = [Variable(int(n)) for n in generator.choice([1, 2, 3, 4], int(generator.integers(2, 5)))]
    guards: list[Guard] = []
    factors = []
    for tensor, rank in ((X, 1), (Y, 2)):
        read, ranges = _read_in_range(tensor, [_index(generator, bound) for _ in range(rank)])
        factors.append((read, 1))
        guards += ranges
    for _ in range(int(generator.integers(1, 3))):
        left, right = _index(generator, bound), _index(generator, bound)
        if generator.random() < 0.2:
            right = of(Gather(T, (digit(right, 1, 4),), 4))
        guards.append(Guard(left - right, equal=True))
    if generator.random() < 0.3:
        guards.append(Guard(_index(generator, bound)))
    target = []
    for size in SHAPE:
        e = _index(generator, bound)
        target.append(e)
        guards += in_range(e, size)
    return Term(int(generator.integers(1, 4)), tuple(factors), frozenset(guards), tuple(bound), tuple(target))


@pytest.mark.parametrize("seed", range(400))
def test_the_total_is_kept(seed: int) -> None:
    generator = np.random.default_rng(seed)
    term = drawn(generator)
    known = values(generator)
    found = eliminated(term)
    np.testing.assert_allclose(
        total(found.term, known, SHAPE), total(term, known, SHAPE), rtol=1e-12, atol=1e-12, err_msg=repr(term)
    )
    if found.term is not None:
        left = sum(g.equal for g in found.term.guards)
        assert left <= sum(g.equal for g in term.guards)
        assert set(found.term.bound) >= found.term.variables


def test_the_random_terms_are_worth_something_and_reach_every_rule() -> None:
    rules: Counter[str] = Counter()
    nonzero = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        term = drawn(generator)
        rules.update(set(eliminated(term).rules))
        nonzero += bool(np.any(total(term, values(generator), SHAPE)))
    assert nonzero > 80, nonzero
    assert rules["single index"] > 20 and rules["unit delta"] > 100
    # The two rules of mixed radix need equations that are made for them: they are tested below.
    assert set(rules) <= set(RULES)


@pytest.mark.parametrize("seed", range(100))
def test_bound_indices_that_count_are_digits_of_the_rest(seed: int) -> None:
    """Σ over i, j, k with raveled(i, j, k) = e(p): no equation is left, and the total is kept."""
    generator = np.random.default_rng(seed)
    shape = [
        int(n) for n in generator.permutation([2, 3, *generator.choice([1, 2], generator.integers(0, 2))])
    ]
    inner = [Variable(n) for n in shape]
    p = Variable(int(generator.integers(2, 8)))
    e = of(p).times(int(generator.integers(1, 3))).plus(int(generator.integers(-2, 3)))
    read, guards = _read_in_range(X, [of(inner[0]).plus(1)])
    other, more = _read_in_range(Y, [of(inner[-1]), of(inner[0])])
    equation = Guard(raveled(map(of, inner), shape) - e, equal=True)
    term = Term(
        factors=((read, 1), (other, 1)), guards=frozenset([equation, *guards, *more]),
        bound=(p, *inner), target=(of(p),),
    )  # fmt: skip
    found = eliminated(term)
    assert found.term is None or not any(g.equal for g in found.term.guards)
    known = values(generator)
    size = (int(p.size),)
    np.testing.assert_allclose(total(found.term, known, size), total(term, known, size), rtol=1e-12, atol=0)
    if found.term is not None:
        assert "mixed radix" in found.rules or "unit delta" in found.rules


@pytest.mark.parametrize(
    "shapes", [((4, 3), (12,)), ((4, 3), (2, 6)), ((4, 1, 3), (6, 2)), ((4, 3), (2, 2, 3))]
)
def test_an_index_read_through_its_digits_is_split(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """A place that is read as (i, j) and targeted in another shape: one index for each digit."""
    upper, lower = shapes
    p = Variable(12)
    places = [e for e, n in zip(unraveled(of(p), upper), upper, strict=True) if n != 1]
    z = gc.input("z", SHAPE, "float64")
    term = Term(factors=((Read(z, tuple(places)), 1),), bound=(p,), target=unraveled(of(p), lower))
    found = eliminated(term)
    assert found.term is not None
    known = {z: np.arange(12.0).reshape(SHAPE)}
    np.testing.assert_array_equal(total(found.term, known, lower), np.arange(12.0).reshape(lower))
    assert (found.rules == ("digit split",)) == (len(found.term.bound) > 1)


def test_a_guard_that_never_holds_leaves_no_term() -> None:
    v = Variable(3)
    term = Term(factors=((Read(X, (of(v),)), 1),), bound=(v,), target=(of(v),))
    assert eliminated(replace(term, guards=frozenset([Guard(constant(-1) - of(v))]))).term is None
    assert eliminated(replace(term, guards=frozenset([Guard(of(v).plus(-3), equal=True)]))).term is None
    assert eliminated(replace(term, guards=frozenset([Guard(of(v))]))).term == term
