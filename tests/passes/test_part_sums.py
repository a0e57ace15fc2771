"""Sums of parts: what is embedded in zeros and added is added in its place, with the same values."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.tiling.parts import Part, needs
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.verifier import Verifier
from graphc.ops.shape import constant_pad, embed
from graphc.passes.part_sums import PartSums
from graphc.passes.pipelines import run

X = gc.input("x", (6, 4), "float64")
Y, Z = gc.input("y", (3, 4), "float64"), gc.input("z", (3, 2), "float64")


def _embedded(x: Tensor, start: tuple[int, int], step: tuple[int, int]) -> Tensor:
    return embed(x, (6, 4), start, step)


SUMS = {
    "a part": (X + _embedded(Y, (1, 0), (2, 1)), 1),
    "in front": (_embedded(Z, (0, 1), (1, 2)) + X, 1),
    "parts that overlap": (_embedded(Y, (0, 0), (2, 1)) + _embedded(Y, (1, 0), (1, 1)), 1),
    "backwards": (X + _embedded(Y, (5, 0), (-2, 1)), 1),
    "three": (_embedded(Y, (0, 0), (2, 1)) + _embedded(Z, (2, 0), (1, 3)) + _embedded(Y, (3, 0), (1, 1)), 2),
    "zeros around": (X + constant_pad(Y, ((1, 2), (0, 0))), 1),
    "ones around": (X + constant_pad(Y, ((1, 2), (0, 0)), 1), 0),
    "stretched": (X[:1] + _embedded(Y, (1, 0), (2, 1)), 0),
    "no sum": (X * _embedded(Y, (1, 0), (2, 1)), 0),
}


@pytest.mark.parametrize("name", SUMS)
def test_a_part_is_added_in_its_place(name: str) -> None:
    output, count = SUMS[name]
    (after,) = run(Graph((X, Y, Z), (output,)), (PartSums(),), Verifier())[0].outputs
    assert [n.op.name for n in Graph((), (after,)).nodes].count("add_part") == count
    rng = np.random.default_rng(0)
    values = {i: rng.standard_normal(i.shape) for i in (X, Y, Z)}
    before = {i: v.copy() for i, v in values.items()}
    found, wanted = gc.interpret([after, output], values)
    np.testing.assert_array_equal(found, wanted)
    inputs = [n for n in Graph((), (output,)).nodes if n.op.name == "input"]
    compiled = gc.compile([output], inputs)(*[values[i] for i in inputs])
    np.testing.assert_array_equal(compiled[0], wanted)
    for i, v in values.items():
        np.testing.assert_array_equal(v, before[i])  # an argument is not written over


def test_what_is_needed_later_is_kept() -> None:
    x, y = gc.sin(X), gc.cos(Y)
    whole = x + _embedded(y, (1, 0), (2, 1))
    f = gc.compile([whole * x, whole], [X, Y])
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((6, 4)), rng.standard_normal((3, 4))
    wanted = np.sin(a)
    wanted[1:6:2] += np.cos(b)
    found = f(a, b)
    np.testing.assert_allclose(found[0], wanted * np.sin(a), rtol=1e-14)
    np.testing.assert_allclose(found[1], wanted, rtol=1e-14)


def test_the_axis_of_the_parts_is_not_split() -> None:
    output = X + _embedded(Y, (1, 0), (2, 1))
    (after,) = run(Graph((X, Y), (output,)), (PartSums(),), Verifier())[0].outputs
    assert needs(after, Part(1), 4) == (Part(1), Part(1))
    assert needs(after, Part(0), 6) is None
