"""The report of made-up figures: what is printed, and what the file holds."""

import io
import json

import pytest
from rich.console import Console

from graphc.bench.ablation import Ablation
from graphc.bench.clock import Spread
from graphc.bench.report import Report
from graphc.bench.summary import geometric_mean, summary
from tests.bench.made_up import ALONE, FAST, SLOW


@pytest.fixture
def report():
    return Report(Console(file=io.StringIO(), width=140))


def printed(report):
    return report.console.file.getvalue()


def test_summary_has_the_fastest_peer_of_each():
    slow, fast = summary([SLOW, ALONE, FAST])
    assert (slow.workload, slow.peer, slow.own, slow.fastest) == ("slow", "PyTorch", 2.0, 1.0)
    assert slow.ratio == Spread(2.0, 2.0, 2.0)
    assert (fast.workload, fast.peer, fast.fastest) == ("fast", "JAX", pytest.approx(4e-3))
    # Turn by turn 1/4, 1/2, 1/8: the quartiles are half way between neighbours.
    assert fast.ratio == Spread(0.25, pytest.approx(0.1875), pytest.approx(0.375))
    assert geometric_mean([slow, fast]) == pytest.approx((2 * 0.25) ** 0.5)


def test_no_mean_of_nothing(report):
    with pytest.raises(ValueError, match="no workload"):
        geometric_mean([])
    report.summary([ALONE])
    assert printed(report) == ""


def test_a_workload_is_printed_with_ratios_and_memory(report):
    report.workload(SLOW)
    lines = printed(report).splitlines()
    torch = next(line for line in lines if "PyTorch 1.2" in line)
    assert "1 (1–1.5)" in torch and "2 (2–2)" in torch
    assert [c.strip() for c in torch.split("│")[-3:-1]] == ["8", "4"]  # MiB
    jax = next(line for line in lines if "JAX 1.2" in line)
    assert "0.5 (0.5–0.5)" in jax
    assert "graphc planned 3 MiB" in printed(report)


def test_failures_are_printed_as_they_are(report):
    report.workload(FAST)
    assert "PyTensor 3.0 fails: TypeError: [no] such op" in printed(report)
    assert "autograd 1.9 computes other numbers: DisagreementError: x differs" in printed(report)


def test_the_file_has_all(report, tmp_path):
    for result in (SLOW, FAST, ALONE):
        report.workload(result)
    report.summary([SLOW, FAST, ALONE])
    report.write(tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    slow, fast, alone = (figures["workloads"][name] for name in ("slow", "fast", "alone"))
    assert slow["fastest_peer"] == "PyTorch" and slow["graphc_to_fastest_peer"] == 2.0
    assert slow["planned_bytes"] == 3 << 20
    assert slow["peers"]["PyTorch"]["peak_bytes"] == {"first_call": 8 << 20, "steady": 4 << 20}
    assert "peak_bytes" not in slow["peers"]["JAX"]
    assert slow["peers"]["JAX"]["median_ms"] == 4.0 and slow["peers"]["JAX"]["graphc_to_it"] == 0.5
    assert slow["peers"]["JAX"]["samples"] == 30 and slow["peers"]["JAX"]["first_call_s"] == 0.5
    assert fast["quartiles"] == [pytest.approx(0.1875), pytest.approx(0.375)]
    assert fast["failures"]["PyTensor"]["reason"] == "TypeError: [no] such op"
    assert fast["failures"]["autograd"]["disagrees"] and not fast["failures"]["PyTensor"]["disagrees"]
    assert alone["fastest_peer"] is alone["graphc_to_fastest_peer"] is None
    assert [row[0] for row in figures["summary"]["rows"]] == ["slow", "fast"]
    assert figures["geometric_mean"] == pytest.approx(0.5**0.5, abs=1e-4)


def test_ablation_is_a_matrix(report):
    many = [Ablation(f"work{k}", 4.0, {"a": Spread(0.9, 0.8, 1.0)}, {}, ("b",)) for k in range(7)]
    report.ablation([Ablation("one", 3.0, {"a": Spread(1.5, 1.4, 1.6)}, {"b": "KeyError: it"}, ()), *many])
    found = report.figures["ablation"]
    assert found["one"] == {
        "all_ms": 3.0, "without": {"a": 1.5}, "quartiles": {"a": [1.4, 1.6]},
        "needed": {"b": "KeyError: it"}, "same": (),
    }  # fmt: skip
    assert list(found) == ["one", *(f"work{k}" for k in range(7))]
    rows = [[c.strip() for c in line.split("│")[1:-1]] for line in printed(report).splitlines()]
    assert ["without a", "1.5", *["0.9"] * 5] in rows  # six workloads abreast,
    assert ["without a", "0.9", "0.9"] in rows  # and the last two
    assert next(row for row in rows if row[:1] == ["without b"])[1] == "needed"
    assert ["all passes, ms", "3", *["4"] * 5] in rows


def test_the_environment_is_told(report, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "PRESCOTT")
    report.environment(10_000)
    assert report.figures["environment"]["forced"]["OPENBLAS_CORETYPE"] == "PRESCOTT"
    assert "OPENBLAS_CORETYPE=PRESCOTT is set" in printed(report)
    assert "where 10000 were asked for" in printed(report)
