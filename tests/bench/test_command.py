"""The command: its options, what it prints and writes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from graphc.bench import command
from graphc.bench.memory import Peak
from graphc.bench.peers import NUMPY
from graphc.bench.workloads import WORKLOADS


def test_smoke_run_of_some_workloads(tmp_path, capsys):
    file = tmp_path / "figures.json"
    assert command.main(["--smoke", "--work", "dilated,transposed", "--json", str(file)]) == 0
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert set(figures) == {"environment", "agreement"}
    assert [row[0] for row in figures["agreement"]["rows"]] == ["dilated", "transposed"]
    assert all(row[2] < 1e-4 for row in figures["agreement"]["rows"])
    assert "BLAS" in capsys.readouterr().out


@pytest.fixture
def small(monkeypatch):
    """The dilated convolution, small at its full size too."""
    dilated = WORKLOADS["dilated"]
    monkeypatch.setitem(WORKLOADS, "dilated", replace(dilated, data=lambda _: dilated.data(True)))


def test_timed_run(tmp_path, capsys, small):
    file = tmp_path / "figures.json"
    assert command.main(["--work", "dilated", "--seconds", "0.05", "--json", str(file)]) == 0
    figures = json.loads(file.read_text(encoding="utf-8"))
    measured = figures["workloads"]["dilated"]
    assert list(measured["peers"]) == ["graphc"]
    assert measured["graphc_to_fastest_peer"] is None
    assert measured["planned_bytes"] > 0
    own = measured["peers"]["graphc"]
    assert 0 < own["quartiles_ms"][0] <= own["median_ms"] <= own["quartiles_ms"][1]
    assert own["first_call_s"] > 0
    assert "first call, s" in capsys.readouterr().out


def test_timed_run_with_a_peer_and_memory(tmp_path, capsys, small, monkeypatch):
    """The processes that measure memory read the workloads anew: these are of full size."""
    monkeypatch.setattr(command, "peak_of", lambda work, peer, threads: Peak(2 << 20, 1 << 20))
    file, picture = tmp_path / "figures.json", tmp_path / "ratios.svg"
    words = ["--peers", "numpy-by-hand", "--work", "dilated", "--seconds", "0.05", "--memory"]
    pytest.importorskip("matplotlib")
    assert command.main([*words, "--json", str(file), "--plot", str(picture)]) == 0
    figures = json.loads(file.read_text(encoding="utf-8"))
    peers = figures["workloads"]["dilated"]["peers"]
    assert list(peers) == ["graphc", "NumPy by hand"]
    assert all(p["peak_bytes"] == {"first_call": 2 << 20, "steady": 1 << 20} for p in peers.values())
    (row,) = figures["summary"]["rows"]
    assert row[0] == "dilated" and row[2] == "NumPy by hand"
    ratio = peers["NumPy by hand"]["graphc_to_it"]
    assert figures["geometric_mean"] == pytest.approx(ratio, rel=1e-2)
    assert figures["environment"]["peers"] == {"NumPy by hand": np.__version__}
    assert picture.stat().st_size > 1000
    assert "steady, MiB" in capsys.readouterr().out


def test_a_run_beside_itself_with_convolutions_by_measurement(tmp_path, small, monkeypatch):
    monkeypatch.setenv("GRAPHC_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "figures.json"
    words = ["--tune", "--work", "dilated", "--seconds", "0.02", "--json", str(file)]
    assert command.main(words) == 0
    figures = json.loads(file.read_text(encoding="utf-8"))
    measured = figures["workloads"]["dilated"]
    assert list(measured["peers"]) == ["graphc", "graphc tuned"]
    assert measured["graphc_to_fastest_peer"] is None  # it is no other library
    assert list((tmp_path / "cache").rglob("*.json"))


def test_a_peer_that_differs_is_an_exit_code(small, monkeypatch, capsys):
    def prepare(workload, data, rate):
        return lambda: [np.zeros(())] * (1 + len(workload.wrt))

    wrong = replace(NUMPY, name="wrong", prepare=prepare)
    monkeypatch.setattr(command, "installed_peers", lambda: [wrong])
    assert command.main(["--peers", "--work", "dilated", "--seconds", "0.02"]) == 1
    assert "wrong" in capsys.readouterr().out


def test_ablation(tmp_path, small):
    file = tmp_path / "figures.json"
    assert command.main(["--ablation", "--work", "dilated", "--seconds", "0.02", "--json", str(file)]) == 0
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert "workloads" not in figures
    found = figures["ablation"]["dilated"]
    assert "lowering" in {*found["without"], *found["needed"]}
    assert all(low <= found["without"][name] <= high for name, (low, high) in found["quartiles"].items())


def test_unknown_and_missing_peers_are_named(monkeypatch, capsys):
    for words, message in (("pytorch,theano", "no peer 'theano': there are pytorch, torch.compile"),):
        with pytest.raises(SystemExit) as found:
            command.main(["--peers", words])
        assert found.value.code == 2
        assert message in capsys.readouterr().err
    stranger = replace(NUMPY, name="Stranger", package="no_such_package")
    monkeypatch.setattr(command, "PEERS", (stranger,))
    with pytest.raises(SystemExit):
        command.main(["--peers", "stranger"])
    assert "stranger is not installed here: pip install no_such_package" in capsys.readouterr().err


def test_an_unknown_workload_is_named(capsys):
    with pytest.raises(SystemExit) as found:
        command.main(["--work", "lenet,alexnet"])
    assert found.value.code == 2
    assert "no workload 'alexnet': there are elementwise, mlp" in capsys.readouterr().err
