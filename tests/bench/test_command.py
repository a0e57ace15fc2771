"""The command: its options, what it prints and writes."""

import json
from dataclasses import replace

import pytest

from graphc.bench import command
from graphc.bench.workloads import WORKLOADS


def test_smoke_run_of_some_workloads(tmp_path, capsys):
    file = tmp_path / "figures.json"
    assert command.main(["--smoke", "--work", "dilated,transposed", "--json", str(file)]) == 0
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert set(figures) == {"environment", "agreement"}
    assert [row[0] for row in figures["agreement"]["rows"]] == ["dilated", "transposed"]
    assert all(row[2] < 1e-4 for row in figures["agreement"]["rows"])
    assert "BLAS" in capsys.readouterr().out


def test_timed_run(tmp_path, capsys, monkeypatch):
    dilated = WORKLOADS["dilated"]
    monkeypatch.setitem(WORKLOADS, "dilated", replace(dilated, data=lambda _: dilated.data(True)))
    file = tmp_path / "figures.json"
    assert command.main(["--work", "dilated", "--seconds", "0.05", "--json", str(file)]) == 0
    figures = json.loads(file.read_text(encoding="utf-8"))
    measured = figures["workloads"]["dilated"]
    assert list(measured["peers"]) == ["graphc"]
    assert measured["graphc_to_fastest_peer"] is None
    own = measured["peers"]["graphc"]
    assert 0 < own["quartiles_ms"][0] <= own["median_ms"] <= own["quartiles_ms"][1]
    assert own["first_call_s"] > 0
    assert "first call, s" in capsys.readouterr().out


def test_an_unknown_workload_is_named(capsys):
    with pytest.raises(SystemExit) as found:
        command.main(["--work", "lenet,alexnet"])
    assert found.value.code == 2
    assert "no workload 'alexnet': there are lenet, resblock" in capsys.readouterr().err
