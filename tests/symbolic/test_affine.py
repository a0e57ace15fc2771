"""Indices: every simplification against brute force over all values of the variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations, product
from math import prod

import numpy as np
import pytest

import graphc as gc
from graphc.symbolic.index.affine import (
    Affine,
    Digit,
    Gather,
    Variable,
    constant,
    digit,
    of,
    radix_order,
    raveled,
    strides,
    unraveled,
    within,
)

Generator = np.random.Generator
Point = Mapping[Variable, int]


def value(e: Affine, point: Point) -> int:
    """What the index is worth, by the definition of its parts."""
    assert isinstance(e.constant, int)
    total = e.constant
    for key, c in e.parts.items():
        assert isinstance(c, int)
        if isinstance(key, Variable):
            total += c * point[key]
        else:
            assert isinstance(key, Digit)
            total += c * (value(key.value, point) // int(key.divisor) % int(key.modulus))
    return total


def points(variables: Sequence[Variable]) -> Iterator[Point]:
    for numbers in product(*[range(int(v.size)) for v in variables]):
        yield dict(zip(variables, numbers, strict=True))


def drawn_variables(generator: Generator, most: int = 3) -> list[Variable]:
    return [Variable(int(generator.integers(1, 5))) for _ in range(int(generator.integers(1, most + 1)))]


def drawn(generator: Generator, variables: Sequence[Variable]) -> Affine:
    coefficients = {v: int(generator.integers(-6, 13)) for v in variables}
    return Affine(coefficients, int(generator.integers(-8, 9)))


def without_ones(indices: Sequence[Affine], variables: Sequence[Variable]) -> list[Affine]:
    """The indices with 0 for the variables that can be nothing else."""
    return [e.substituted({v: constant(0) for v in variables if v.size == 1}) for e in indices]


@pytest.mark.parametrize("seed", range(300))
def test_a_digit_is_what_division_says(seed: int) -> None:
    generator = np.random.default_rng(seed)
    variables = drawn_variables(generator)
    e = drawn(generator, variables)
    divisor, modulus = (int(n) for n in generator.integers(1, 9, 2))
    found = digit(e, divisor, modulus)
    for point in points(variables):
        assert value(found, point) == value(e, point) // divisor % modulus


@pytest.mark.parametrize("seed", range(100))
def test_a_digit_of_a_digit_is_what_division_says(seed: int) -> None:
    generator = np.random.default_rng(1000 + seed)
    variables = drawn_variables(generator)
    e = drawn(generator, variables)
    first, second, third, fourth = (int(n) for n in generator.choice([1, 2, 3, 4, 6, 12], 4))
    inner = digit(e, first, second)
    outer = digit(
        inner.times(int(generator.integers(1, 4))).plus(int(generator.integers(0, 3))), third, fourth
    )
    again = digit(inner, third, fourth)
    for point in points(variables):
        number = value(e, point) // first % second
        assert value(inner, point) == number
        assert value(again, point) == number // third % fourth
        assert 0 <= value(outer, point) < fourth


@pytest.mark.parametrize("seed", range(100))
def test_substitution_is_evaluation_at_what_is_put_in(seed: int) -> None:
    generator = np.random.default_rng(2000 + seed)
    outer, inner = drawn_variables(generator), drawn_variables(generator)
    new = {v: drawn(generator, inner) for v in outer}
    e = digit(drawn(generator, outer), 2, 3).times(2) + drawn(generator, outer)
    made = e.substituted(new)
    for point in points(inner):
        assert value(made, point) == value(e, {v: value(put, point) for v, put in new.items()})


@pytest.mark.parametrize("seed", range(100))
def test_an_interval_holds_every_value_and_without_digits_its_ends_are_reached(seed: int) -> None:
    generator = np.random.default_rng(3000 + seed)
    variables = drawn_variables(generator)
    e = drawn(generator, variables)
    size = int(generator.integers(1, 12))
    for index in (e, e + digit(drawn(generator, variables), 2, 5)):
        bounds = index.interval
        assert bounds is not None
        found = [value(index, p) for p in points(variables)]
        assert int(bounds[0]) <= min(found) and max(found) <= int(bounds[1])
        if index is e:
            assert (min(found), max(found)) == bounds
            assert within(e, size) == (min(found) >= 0 and max(found) < size)


@pytest.mark.parametrize("seed", range(100))
def test_sums_and_multiples(seed: int) -> None:
    generator = np.random.default_rng(4000 + seed)
    variables = drawn_variables(generator)
    a, b = drawn(generator, variables), drawn(generator, variables)
    n = int(generator.integers(-3, 4))
    for point in points(variables):
        x, y = value(a, point), value(b, point)
        assert value(a + b, point) == x + y
        assert value(a - b, point) == x - y
        assert value(a.times(n), point) == n * x
        assert value(a.plus(n), point) == x + n
    assert a + b == b + a and (a - a) == constant(0) and hash(a + b) == hash(b + a)


@pytest.mark.parametrize("seed", range(200))
def test_raveling_and_back_in_mixed_radix(seed: int) -> None:
    """Sizes of 1 anywhere, also all of them, also no axis at all."""
    generator = np.random.default_rng(5000 + seed)
    shape = [int(n) for n in generator.choice([1, 1, 2, 3, 4], int(generator.integers(0, 5)))]
    variables = [Variable(n) for n in shape]
    place = raveled(map(of, variables), shape)
    assert strides(shape) == [prod(shape[a + 1 :]) for a in range(len(shape))]
    back = unraveled(place, shape)
    # What was raveled comes back without digits: that is what makes a reshape and its inverse cancel.
    assert without_ones(back, variables) == [constant(0) if v.size == 1 else of(v) for v in variables]
    for number, point in enumerate(points(variables)):
        assert value(place, point) == number
    counter = Variable(prod(shape))
    digits = unraveled(of(counter), shape)
    for number in range(prod(shape)):
        found = [value(e, {counter: number}) for e in digits]
        assert found == list(np.unravel_index(number, shape)) if shape else found == []


@pytest.mark.parametrize("seed", range(100))
def test_reshapes_between_any_two_shapes(seed: int) -> None:
    """The place read by a reshape, by another one on top, and by NumPy."""
    generator = np.random.default_rng(6000 + seed)
    shapes = [
        [int(n) for n in s]
        for s in [(12,), (3, 4), (4, 3), (2, 1, 6), (2, 3, 2), (1, 12), (6, 2), (2, 2, 3, 1), (12, 1, 1)]
    ]
    first, second, third = (shapes[i] for i in generator.integers(0, len(shapes), 3))
    variables = [Variable(n) for n in third]
    middle = unraveled(raveled(map(of, variables), third), second)
    lower = unraveled(raveled(middle, second), first)
    array = np.arange(12).reshape(first)
    for point, expected in zip(points(variables), array.reshape(second).reshape(third).flat, strict=True):
        assert array[tuple(value(e, point) for e in lower)] == expected


@pytest.mark.parametrize("seed", range(300))
def test_the_radix_order_is_found_just_where_the_index_counts(seed: int) -> None:
    generator = np.random.default_rng(7000 + seed)
    variables = [Variable(int(n)) for n in generator.choice([1, 2, 3], int(generator.integers(1, 4)))]
    if seed % 2:
        order = [variables[i] for i in generator.permutation(len(variables))]
        e = raveled(map(of, order), [v.size for v in order])
    else:
        e = Affine({v: int(generator.integers(1, 7)) for v in variables}, int(generator.integers(0, 2)))
    found = radix_order(e)
    counts = [value(e, p) for p in points(variables)]
    if found is not None:
        # Most significant first: with the variables in this order the index counts 0, 1, 2, …
        assert [value(e, p) for p in points(found)] == list(range(len(counts)))
    else:
        in_some_order = any(
            [value(e, p) for p in points(order)] == list(range(len(counts)))
            for order in permutations(variables)
        )
        # A size of 1 may have any coefficient without the index changing; it is not told then.
        assert not in_some_order or any(v.size == 1 for v in variables)
    assert seed % 2 == 0 or found is not None


def test_symbolic_sizes_ravel_and_come_back() -> None:
    n, m = gc.input("x", ("N", "M")).shape
    i, j, k = Variable(n), Variable(m), Variable(3)
    shape = (n, m, 3)
    place = raveled((of(i), of(j), of(k)), shape)
    assert list(unraveled(place, shape)) == [of(i), of(j), of(k)]
    assert radix_order(place) == [i, j, k]
    assert digit(place, 3 * m, n) == of(i)
    merged = unraveled(place, (n * m, 3))
    assert merged[1] == of(k) and merged[0] == raveled((of(i), of(j)), (n, m))


def test_a_gathered_element_is_an_index_like_any_other() -> None:
    t = gc.input("t", (4,), "int64")
    v, w = Variable(4), Variable(2)
    e = of(Gather(t, (of(v),), 5)).times(2)
    assert e.interval == (0, 8) and not within(e, 8) and within(e, 9)
    assert e.variables == {v} and not e.is_plain
    assert e.substituted({v: of(w).times(2)}) == of(Gather(t, (of(w).times(2),), 5)).times(2)
    assert radix_order(e) is None
