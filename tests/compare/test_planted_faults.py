"""A mutation test of the comparison: any one rule made wrong in any manner is found, and its op named."""

from __future__ import annotations

import pytest

import graphc as gc
from graphc.autodiff.rule import NoDerivative
from graphc.autodiff.rules import RULES
from graphc.compare import compare_gradients
from graphc.compare.point import Point
from tests.compare.planting import PLANTS, Plant, cases_for

NOT_SPOILED: dict[str, str] = {
    **dict.fromkeys(
        ("input", "parameter", "constant", "dimension", "arange", "random_uniform", "random_normal"),
        "it has no inputs, so no derivative enters its rule",
    ),
    **dict.fromkeys(
        (
            "logical_not", "isnan", "isinf", "isfinite", "equal", "not_equal", "less", "less_equal",
            "greater", "greater_equal", "logical_and", "logical_or", "logical_xor", "any", "all",
        ),
        "its result is bool: both sweeps stop at the dtype and never ask its rule",
    ),
    **dict.fromkeys(
        ("argmax", "argmin", "window_index", "index_check"),
        "its result is an integer: both sweeps stop at the dtype and never ask its rule",
    ),
    "astype": "casts between floats vanish from the float64 graph in which engines are compared",
}  # fmt: skip
"""Rules in which no fault can be seen, and why."""

ENGINES = ("reverse", "forward", "symbolic", "central differences")
TABLES = [(table, op) for table, (ops, _) in PLANTS.items() for op in ops if op not in NOT_SPOILED]


def found_or_why(plant: Plant) -> str | None:
    """None where no case shows the fault; "" where the comparison found and named it; else what it said."""
    for case in cases_for(plant.op):
        _ = case.genuine
        with pytest.MonkeyPatch.context() as patch:
            plant.install(patch)
            changed = case.changed()
            if not changed:
                continue
            report = compare_gradients(
                case.y, case.wrt, case.values, ENGINES, elements=8, directions=3, costs=False
            )
        named = {(f.engine, f.op) for f in report.faults}
        right = changed <= set(plant.engines) and set(report.blamed) == changed
        if report.ok or not right or named != {(engine, plant.op) for engine in changed}:
            return f"{plant} on {case.sample}: blamed {report.blamed}, named {named}\n{report.table()}"
        return ""
    return None


@pytest.mark.parametrize(("table", "op"), TABLES)
def test_a_wrong_rule_is_found_and_its_op_named(table: str, op: str) -> None:
    told = {str(plant): found_or_why(plant) for plant in PLANTS[table][1](op)}
    missed = [text for text in told.values() if text]
    assert not missed, "\n\n".join(missed)
    # At least one manner for each reading did change a derivative: the test is no formality.
    assert sum(text == "" for text in told.values()) >= 3, told


def test_rules_that_cannot_be_spoiled_are_listed_with_reasons() -> None:
    rules = {op.name: rule for op, rule in RULES.items()}
    for name in NOT_SPOILED:
        rule = rules[name]
        assert name == "astype" or (isinstance(rule, NoDerivative) and not rule.flows and not rule.zero)
    x = gc.input("x", (), "float32")
    point = Point(x.astype("float64").astype("float16"), [("x", x)], {"x": 1.0})
    assert all(n.op.name != "astype" for n in point.order)
