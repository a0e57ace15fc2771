"""Planting faults: a table of rules enters, each of its rules made wrong in every manner that fits leaves.

A :class:`Plant` says which op's rule it spoils, how, which engines read it, and what puts it in place.
``PLANTS`` names the tables; an engine with a table of its own adds a function that yields its plants, and
the test runs them all alike. Nothing here names an op: a new op's rule is spoiled without being listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.autodiff.pieces import like, total
from graphc.autodiff.rule import JointRule, NoDerivative, Pointwise, Rule, Weighted
from graphc.autodiff.rules import RULES
from graphc.ir.body import with_bodies
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops.elementwise import multiply, negative
from graphc.runtime.interpreter import interpret
from tests.samples import SAMPLES, Sample

Change = Callable[[Tensor, Sequence[Tensor | None]], Tensor | None]


@dataclass(frozen=True)
class Plant:
    """One wrong rule: the op it is of, the manner, the engines that read it, and what installs it."""

    op: str
    manner: str
    engines: tuple[str, ...]
    install: Callable[[pytest.MonkeyPatch], None]

    def __str__(self) -> str:
        return f"{self.op}, {self.manner}, read by {' and '.join(self.engines)}"


# -- graphs on which a fault shows -----------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Case:
    """A sample made scalar by fixed random weights, so that no wrong axis hides in a symmetric sum."""

    sample: Sample
    y: Tensor
    wrt: list[Tensor]
    values: dict[Tensor, Any]

    @cached_property
    def genuine(self) -> dict[str, Any]:
        """The derivatives by the rules as they are; read before anything is planted."""
        return self.derivatives()

    def derivatives(self) -> dict[str, Any]:
        """What each engine says now: arrays, or the kind of error."""
        generator = np.random.default_rng(1)
        directions = {
            gc.input(f"direction {k}", w.shape, "float64"): generator.normal(size=w.shape)
            for k, w in enumerate(self.wrt)
        }
        found: dict[str, Any] = {}
        for engine, derive in DERIVE.items():
            try:
                found[engine] = interpret(derive(self, list(directions)), self.values | directions)
            except Exception as error:
                found[engine] = type(error).__name__
        return found

    def changed(self) -> set[str]:
        """The engines whose derivative here is changed by more than rounding by what is planted now."""
        return {e for e, now in self.derivatives().items() if not _same(self.genuine[e], now)}


DERIVE: dict[str, Callable[[Case, list[Tensor]], list[Tensor]]] = {
    "reverse": lambda case, directions: list(gc.grad(case.y, case.wrt)),
    "forward": lambda case, directions: [gc.jvp(case.y, case.wrt, directions)],
}
"""The derivatives of a case by each engine that reads a table."""


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return type(a) is type(b) and bool(a == b)
    return all(
        x.shape == y.shape and np.allclose(x, y, 1e-9, 1e-9, equal_nan=True)
        for x, y in zip(a, b, strict=True)
    )


def case_of(sample: Sample) -> Case | None:
    """The sample at its sizes; None where it cannot be built with known ones or has nothing to move."""
    generator = np.random.default_rng(0)
    arrays = sample.arrays(generator)
    typed = zip(arrays, sample.input_dtypes(), strict=True)
    inputs = [gc.input(f"x{k}", array.shape, dtype) for k, (array, dtype) in enumerate(typed)]
    try:
        y = sample.build(*inputs)
        (value,) = interpret([y], dict(zip(inputs, arrays, strict=True)))
    except gc.GraphError:
        return None
    if y.dtype != np.float64 or y.size in (0, "0") or not np.isfinite(value).all():
        return None
    weights = generator.uniform(0.5, 1.5, value.shape) * generator.choice([-1.0, 1.0], value.shape)
    wrt = [inputs[k] for k in sample.differentiable()]
    loss = gc.sum(y * gc.constant(weights))
    return Case(sample, loss, wrt, dict(zip(inputs, arrays, strict=True))) if wrt else None


@cache
def cases_for(op: str) -> tuple[Case, ...]:
    """The graphs that hold the op: those made for it first, larger before smaller (size 1 hides most)."""
    found = [(s, _case(k)) for k, s in enumerate(SAMPLES)]
    held = [(s, c) for s, c in found if c is not None and op in _ops(c)]
    held.sort(key=lambda pair: (pair[0].op != op, -sum(np.size(v) for v in pair[1].values.values())))
    return tuple(c for _, c in held)


@cache
def _case(number: int) -> Case | None:
    return case_of(SAMPLES[number])


@cache
def _ops(case: Case) -> frozenset[str]:
    return frozenset(n.op.name for n in topological_order([case.y]))


# -- wrong rules of the table of reverse and forward mode ------------------------------------------------
@dataclass(frozen=True, eq=False)
class Spoiled:
    """A rule with its node misread before, or its result changed after."""

    rule: Rule
    before: Callable[[Tensor], Tensor] = lambda node: node
    after: Change = lambda value, given: value

    flows = property(lambda self: self.rule.flows)
    masking = property(lambda self: self.rule.masking)

    def vjp(self, node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
        found = self.rule.vjp(self.before(node), cotangent, index, masked)
        return None if found is None else self.after(found, [cotangent])

    def jvp(self, node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
        found = self.rule.jvp(self.before(node), tangents)
        return None if found is None else self.after(found, tangents)


@dataclass(frozen=True, eq=False)
class SpoiledLoop(Spoiled):
    """The same of a rule that gives all cotangents at once."""

    def cotangents(self, node: Tensor, cotangent: Tensor, wanted: Any, masked: bool, walks: Any) -> Any:
        owed, inside = self.rule.cotangents(self.before(node), cotangent, wanted, masked, walks)  # type: ignore[attr-defined]
        return [None if o is None else self.after(o, [cotangent]) for o in owed], inside

    def tangent(self, node: Tensor, tangents: Sequence[Tensor | None], walks: Any) -> Tensor | None:
        found = self.rule.tangent(self.before(node), tangents, walks)  # type: ignore[attr-defined]
        return None if found is None else self.after(found, tangents)


@dataclass(frozen=True, eq=False)
class Passing:
    """In the place of a zero derivative: the cotangent and the tangent go through."""

    rule: Rule
    flows: bool = True
    masking: tuple[int, ...] = ()

    def vjp(self, node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
        return cotangent

    def jvp(self, node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
        return total([t for t in tangents if t is not None])


@dataclass(frozen=True, eq=False)
class Reading:
    """Two rules of one op: reverse mode reads the one, forward mode the other."""

    reverse: Any
    forward: Any

    flows = property(lambda self: self.reverse.flows or self.forward.flows)
    masking = property(lambda self: self.reverse.masking)

    def vjp(self, node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
        found: Tensor | None = self.reverse.vjp(node, cotangent, index, masked)
        return found

    def jvp(self, node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
        found: Tensor | None = self.forward.jvp(node, tangents)
        return found


class ReadingLoop(Reading):
    def cotangents(self, *arguments: Any) -> Any:
        return self.reverse.cotangents(*arguments)

    def tangent(self, *arguments: Any) -> Any:
        return self.forward.tangent(*arguments)


# -- manners: what a slip of the pen makes of a result ---------------------------------------------------
def _negated(value: Tensor, given: Sequence[Tensor | None]) -> Tensor:
    return negative(value)


def _doubled(value: Tensor, given: Sequence[Tensor | None]) -> Tensor:
    return multiply(2, value)


def _lost(value: Tensor, given: Sequence[Tensor | None]) -> None:
    return None


def _factor_missing(value: Tensor, given: Sequence[Tensor | None]) -> Tensor:
    """What came in, where it has the shape of what should come out."""
    known = [g for g in given if g is not None and g.shape == value.shape]
    return total(known) if known else value


def _off_by_one(value: Tensor, given: Sequence[Tensor | None]) -> Tensor:
    """Moved by one place along the last axis that has more than one."""
    axes = [a for a, n in enumerate(value.shape) if n != 1]
    return gc.roll(value, 1, axis=axes[-1]) if axes else value


def _wrong_axis(value: Tensor, given: Sequence[Tensor | None]) -> Tensor:
    """Two axes exchanged, and the shape put right again."""
    axes = [a for a, n in enumerate(value.shape) if n != 1]
    return gc.swapaxes(value, axes[-1], axes[-2]).reshape(value.shape) if len(axes) > 1 else value


RESULTS: dict[str, Change] = {
    "sign flipped": _negated,
    "factor doubled": _doubled,
    "factor missing": _factor_missing,
    "term lost": _lost,
    "off by one": _off_by_one,
    "wrong axis": _wrong_axis,
}


# -- manners: an attribute misread -------------------------------------------------------------------------
def misread(key: str, value: Any, rank: int) -> Any:
    """Another value of the same kind: the next axis, one more of a size or padding, letters exchanged."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return (value + 1) % max(rank, 1) if key in ("axis", "axes") else value + 1
    if isinstance(value, str) and "->" in value:
        left, output = value.split("->")
        return f"{left}->{output[::-1]}" if len(set(output)) > 1 else f"{left[1::-1]}{left[2:]}->{output}"
    if isinstance(value, tuple) and value:
        if all(isinstance(v, bool) for v in value):
            return (not value[0], *value[1:])
        if all(isinstance(v, int) for v in value):
            if key == "axes" and sorted(value) == list(range(rank)):
                return (*value[1:], value[0])  # a permutation
            if key in ("axis", "axes"):
                return tuple(sorted((v + 1) % max(rank, 1) for v in value))
            return (value[0] + 1, *value[1:])
        if all(isinstance(v, tuple) and len(v) == 2 for v in value):
            (before, after), *rest = value
            return ((before + 1, after - 1), *rest)
    return None


@dataclass(frozen=True)
class Misreading:
    """The node as a rule sees it that reads one attribute wrongly."""

    key: str

    def __call__(self, node: Tensor) -> Tensor:
        rank = max([node.ndim, *[i.ndim for i in node.inputs]])
        wrong = misread(self.key, node.attrs.get(self.key), rank)
        if wrong is None:
            return node
        attrs = {**node.attrs, self.key: wrong}
        return Tensor(node.op, node.inputs, attrs, node.shape, node.dtype, node.name, node.origins)


def _attributes(op: str) -> list[str]:
    """The attributes of the op that can be misread, over all its cases."""
    keys: dict[str, None] = {}
    for case in cases_for(op):
        for node in with_bodies(topological_order([case.y])):
            if node.op.name == op:
                keys |= {k: None for k, v in node.attrs.items() if misread(k, v, 2) is not None}
    return list(keys)


def _wrong_rules(op: Op, rule: Rule) -> Iterator[tuple[str, Any]]:
    """Every wrong rule in the place of a right one, by manner."""
    if isinstance(rule, NoDerivative):
        if rule.zero:
            yield "let through", Passing(rule)
        return
    spoiled = SpoiledLoop if isinstance(rule, JointRule) else Spoiled
    for manner, after in RESULTS.items():
        yield manner, spoiled(rule, after=after)
    if isinstance(rule, Pointwise) and len(rule.partials) > 1:
        yield "operands exchanged", replace(rule, partials=rule.partials[::-1])
    if isinstance(rule, Weighted):
        yield "weights missing", replace(rule, weights=lambda node: like(node.inputs[0], 1.0))
    for key in _attributes(op.name):
        yield f"{key} misread", spoiled(rule, before=Misreading(key))


def rule_plants(name: str) -> Iterator[Plant]:
    """Of reverse and forward mode's table: each wrong rule read by the one, by the other, and by both."""
    op = next(o for o in RULES if o.name == name)
    rule = RULES[op]
    pair = ReadingLoop if isinstance(rule, JointRule) else Reading
    for manner, wrong in _wrong_rules(op, rule):
        readings: Mapping[tuple[str, ...], Any] = {
            ("reverse",): pair(wrong, rule),
            ("forward",): pair(rule, wrong),
            ("reverse", "forward"): pair(wrong, wrong),
        }
        for engines, planted in readings.items():
            yield Plant(
                name, manner, engines, lambda patch, planted=planted: patch.setitem(RULES, op, planted)
            )  # type: ignore[misc]


PLANTS: dict[str, tuple[Sequence[str], Callable[[str], Iterator[Plant]]]] = {
    "rules": ([op.name for op in RULES], rule_plants),
}
"""By table: the ops it has entries for, and the plants of one of them."""
