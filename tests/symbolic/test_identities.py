"""Textbook identities come out in the stated closed form, compared as written, and are worth what it is."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.traversal import topological_order
from graphc.symbolic.notation import matrix_formula, name, text
from tests.symbolic.identities import FAMILIES, IDENTITIES, SIZES, Identity

TOLERANCE = 1e-10


def _inputs(identity: Identity) -> list[tuple[gc.Tensor, Any]]:
    """The tensors of an identity with random values."""
    rng = np.random.default_rng(80)
    found = []
    for word in identity.inputs.split():
        title, sizes = word.split(":")
        letters, _, bound = re.fullmatch(r"(\w+)((?:[<>])(\w+))?", title).groups()  # type: ignore[union-attr]
        shape = tuple(int(s) if s.isdigit() else s for s in sizes.split(",") if s)
        concrete = tuple(s if isinstance(s, int) else SIZES[s] for s in shape)
        if "<" in title:
            tensor, value = gc.input(letters, shape, "int64"), rng.integers(0, SIZES[bound], concrete)
        else:
            tensor, value = gc.input(letters, shape, "float64"), rng.normal(size=concrete)
            value = np.abs(value) + 0.1 if ">" in title else value
        found.append((tensor, value))
    return found


def _derived(identity: Identity) -> tuple[Any, str, Any, Any]:
    """The derivation, its form as text, its value and that of the closed form."""
    inputs = _inputs(identity)
    tensors = [t for t, _ in inputs]
    by_name = {t.name: t for t in tensors}
    y = identity.graph(*tensors)
    more = {"assume": [gc.symbolic.sums_to_one(by_name[identity.ones])]} if identity.ones else {}
    derive = getattr(gc.symbolic, identity.kind)
    derivation = derive(y, by_name[identity.wrt], mode="full", **more)
    names = {n: name(n.name) for n in topological_order([y]) if n.name}
    values = {}
    for tensor, value in inputs:
        holds = identity.ones and tensor.name == identity.ones
        values[tensor] = value / value.sum(axis=-1, keepdims=True) if holds else value
    # The inputs are asked for too, so that every symbolic size has one that tells it.
    found, *_ = gc.interpret([derivation.result, *tensors], values)
    expected = np.asarray(identity.value(*values.values()))
    return derivation, text(matrix_formula(derivation.result, names)), found, expected


@pytest.mark.parametrize("title", IDENTITIES)
def test_identity_in_its_stated_form(title: str) -> None:
    derivation, form, found, expected = _derived(IDENTITIES[title])
    assert derivation.residue == ()
    assert form == IDENTITIES[title].form
    assert found.shape == expected.shape
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * scale)


def test_there_are_at_least_eighty_and_none_twice() -> None:
    assert len(IDENTITIES) == sum(map(len, FAMILIES)) >= 80
