"""A mutation test of the comparison: any index form or scalar form made wrong is found, and its op named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.compare import compare_gradients
from graphc.compare.point import Point
from graphc.ir.op import Op
from graphc.ir.traversal import topological_order
from graphc.runtime.interpreter import interpret
from graphc.symbolic.index.forms import INDEX_FORMS
from graphc.symbolic.scalar import SCALAR_FORMS
from tests.compare.planting import Plant, case_of
from tests.samples import SAMPLES, Sample
from tests.symbolic.planting import INDEX_MANNERS, PLANTS, SCALAR_MANNERS

ENGINES = ("reverse", "symbolic", "central differences")
_MOST = 16  # graphs on which a fault is looked for, of those made for the op and of the others


@dataclass(frozen=True, eq=False)
class Case:
    """A scalar graph with values: a sample with fixed weights, or with its operands moved as one besides."""

    title: str
    y: gc.Tensor
    wrt: list[gc.Tensor]
    values: dict[gc.Tensor, Any]

    @cached_property
    def genuine(self) -> Any:
        """The symbolic gradients by the forms as they are; read before anything is planted."""
        return self.gradients()

    def gradients(self) -> list[np.ndarray] | str:
        try:
            return interpret(gc.symbolic.grad(self.y, self.wrt).gradients, self.values)
        except Exception as error:  # whatever a wrong form may do
            return type(error).__name__

    def changed(self) -> bool:
        """Whether what is planted now changes the gradients by more than rounding."""
        right, now = self.genuine, self.gradients()
        if isinstance(right, str) or isinstance(now, str):
            return right is not now
        return not all(
            a.shape == b.shape and np.allclose(a, b, 1e-9, 1e-9, equal_nan=True)
            for a, b in zip(right, now, strict=True)
        )

    def nodes(self, op: Op) -> list[gc.Tensor]:
        return [n for n in topological_order([self.y]) if n.op is op]


@cache
def sampled(number: int) -> tuple[Case, ...]:
    """A sample as it is, and over operands of which every element is moved by one scalar."""
    sample: Sample = SAMPLES[number]
    plain = case_of(sample)
    if plain is None:
        return ()
    inputs = list(plain.values)
    shift = {inputs[k]: gc.input(f"shift {k}", (), "float64") for k in sample.differentiable()}
    moved = sample.build(*[x + shift[x] if x in shift else x for x in inputs])
    (value,) = interpret([moved], {**plain.values, **dict.fromkeys(shift.values(), 0.0)})
    weights = np.random.default_rng(2).uniform(0.5, 1.5, value.shape) * (-1.0) ** np.arange(
        value.size
    ).reshape(value.shape)
    values = {**plain.values, **dict.fromkeys(shift.values(), 0.0)}
    return (
        Case(str(sample), plain.y, plain.wrt, plain.values),
        Case(f"{sample}, moved as one", gc.sum(moved * gc.constant(weights)), list(shift.values()), values),
    )


# Index forms have a scalar form besides, which a graph of scalars alone asks.
ON_SCALARS: dict[str, Callable[[gc.Tensor], gc.Tensor]] = {
    "sum": gc.sum, "mean": gc.mean, "prod": gc.prod, "max": gc.max, "min": gc.min,
    "reshape": lambda x: gc.reshape(x, ()), "transpose": gc.transpose,
    "broadcast_to": lambda x: gc.broadcast_to(x, ()), "einsum": lambda x: gc.einsum(",->", x, gc.tanh(x)),
}  # fmt: skip


def cases_for(table: str, op: Op) -> list[Case]:
    """Graphs that hold the op: those made for it first, larger before smaller (size 1 hides most)."""
    if table == "scalar forms" and op in INDEX_FORMS:
        x = gc.input("x", (), "float64")
        return [Case("scalars", gc.exp(ON_SCALARS[op.name](gc.sin(x))), [x], {x: 0.7})]
    found = [(s, c) for k, s in enumerate(SAMPLES) for c in sampled(k) if c.nodes(op)]
    found.sort(key=lambda pair: -sum(np.size(v) for v in pair[1].values.values()))
    own = [c for s, c in found if s.op == op.name]
    others = [c for s, c in found if s.op != op.name]
    return own[:_MOST] + others[:_MOST]


NOT_SPOILED: dict[str, str] = {
    **dict.fromkeys(
        (
            "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_not",
            "logical_and", "logical_or", "logical_xor",
        ),
        "its result is bool: differentiation stops at the dtype and never asks its form",
    ),
    "astype": "casts between floats vanish from the float64 graph in which engines are compared",
}  # fmt: skip
"""Forms in which no fault can be seen, and why."""


def _is_flat(table: str, op: Op, manner: str) -> bool:
    return table == "scalar forms" and SCALAR_FORMS[op].step and manner in BODY


def _chooses(table: str, op: Op, manner: str) -> bool:
    (node, *_) = (n for c in cases_for(table, op) for n in c.nodes(op))
    return table == "index forms" and INDEX_FORMS[op](node).reduction != "sum" and manner in BODY


def _is_value_alone(table: str, op: Op, manner: str) -> bool:
    """A case that reads nothing is the value around what is padded."""
    if table != "index forms" or manner not in ("case lost", "value misread"):
        return False
    forms = [INDEX_FORMS[op](n) for c in cases_for(table, op) for n in c.nodes(op)]
    return any(not case.reads for form in forms for case in form.cases)


def _is_superfluous(table: str, op: Op, manner: str) -> bool:
    return manner == "equation wrong" and op.name in EQUATION_NOT_TAKEN


def _is_own_derivative(table: str, op: Op, manner: str) -> bool:
    return op.name == "exp" and manner in ("sign flipped", "scaled")


BODY = ("sign flipped", "scaled", "factor doubled", "x added")
EQUATION_NOT_TAKEN = ("exp", "reciprocal", "tan", "sigmoid", "softplus", "divide")
HARMLESS: dict[str, Callable[[str, Op, str], bool]] = {
    "declared flat: its body gives the value and is not differentiated": _is_flat,
    "of max, min and prod the form says which elements are read; the slope is the reduction's": _chooses,
    "a case that reads nothing has no slope": _is_value_alone,
    "the slope taken is no longer than the equation's and does not come from it": _is_superfluous,
    "a multiple of exp is its own derivative, and the slope is written by the result": _is_own_derivative,
}
"""Why some faults change no derivative. That they do not is measured: values are equal on every graph."""


def found_or_why(plant: Plant, cases: list[Case]) -> str:
    """ "found", "harmless" where no case's derivative is changed; else what the comparison said."""
    for case in cases:
        _ = case.genuine
        with pytest.MonkeyPatch.context() as patch:
            plant.install(patch)
            if not case.changed():
                continue
            report = compare_gradients(
                case.y, case.wrt, case.values, ENGINES, elements=8, directions=3, costs=False
            )
        named = {(f.engine, f.op) for f in report.faults}
        lines = {n.location for n in topological_order([case.y]) if n.op.name == plant.op}
        at_line = any(f.op == plant.op and f.location in lines for f in report.faults)
        if report.ok or not at_line or {engine for engine, _ in named} != {"symbolic"}:
            return f"{plant} on {case.title}: named {named}\n{report.table()}"
        return "found"
    return "harmless"


TABLES = [(table, op) for table, (forms, _) in PLANTS.items() for op in forms if op.name not in NOT_SPOILED]


@pytest.mark.parametrize(("table", "op"), TABLES, ids=lambda v: v if isinstance(v, str) else v.name)
def test_a_wrong_form_is_found_and_its_op_named(table: str, op: Op) -> None:
    cases = cases_for(table, op)
    nodes = [n for c in cases for n in c.nodes(op)]
    told = {p.manner: found_or_why(p, cases) for p in PLANTS[table][1](op, nodes)}
    missed = [text for text in told.values() if text not in ("found", "harmless")]
    assert not missed, "\n\n".join(missed)
    harmless = {manner for manner, text in told.items() if text == "harmless"}
    assert harmless == {m for m in told if any(applies(table, op, m) for applies in HARMLESS.values())}
    assert list(told.values()).count("found") >= (1 if table == "scalar forms" else 3), told


def test_forms_that_cannot_be_spoiled_have_a_result_without_a_derivative() -> None:
    named = {op.name: op for op in SCALAR_FORMS}
    for name in NOT_SPOILED:
        operands = [gc.constant(np.ones(2, bool))] * (1 if name == "logical_not" else 2)
        if name == "astype":
            x = gc.input("x", (), "float32")
            point = Point(x.astype("float64").astype("float16"), [("x", x)], {"x": 1.0})
            assert all(n.op is not named[name] for n in point.order)
        else:
            assert getattr(gc, name)(*operands).dtype.kind == "b"


def test_every_manner_is_planted_somewhere() -> None:
    planted = set()
    for table, (forms, plants) in PLANTS.items():
        for op in forms:
            nodes = [n for c in cases_for(table, op) for n in c.nodes(op)]
            planted |= {p.manner for p in plants(op, nodes)} if nodes else set()
    assert planted >= {*INDEX_MANNERS, *SCALAR_MANNERS}
    for key in ("padding", "start", "widths", "axis", "axes", "stride", "dilation", "groups", "equation"):
        assert f"{key} misread" in planted
