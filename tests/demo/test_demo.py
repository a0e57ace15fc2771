"""The demo keeps its promises: accuracy, gradients, files that agree with the compiled step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.demo import run
from graphc.demo.network import neuron
from graphc.demo.run import NEURON_POINT, Outcome


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(tmp_path_factory.mktemp("demo"), quiet=True)


def test_held_out_accuracy(outcome: Outcome) -> None:
    assert outcome.accuracy >= 0.97


def test_gradients_agree(outcome: Outcome) -> None:
    assert outcome.gradients_agree


def test_the_neuron_of_the_book() -> None:
    """Qiu: at x = 1, w = 0, b = 0 the derivative by w is 0.25."""
    one = neuron()
    assert gc.compare_gradients(one.y, [one.w, one.b], at=NEURON_POINT).ok
    slope = gc.compile(gc.grad(one.y, one.w), [one.x, one.w, one.b])
    assert float(slope(1.0, 0.0, 0.0)) == 0.25


def test_the_page_shows_everything(outcome: Outcome) -> None:
    page = (outcome.folder / "index.html").read_text(encoding="utf-8")
    assert f"{outcome.accuracy:.2%}" in page
    for part in ("One neuron", "Training", "Gradients compared", "generated source", "<math>", "CC BY 4.0"):
        assert part in page


def test_the_standalone_step_runs(outcome: Outcome) -> None:
    found = subprocess.run(
        [sys.executable, "-W", "error", "step.py"],
        cwd=outcome.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    printed = dict(line.split()[:4:3] for line in found.stdout.splitlines())
    assert printed["loss"] == outcome.next_loss.hex()


def test_the_run_is_repeatable(outcome: Outcome, tmp_path: Path) -> None:
    again = run(tmp_path, quiet=True)
    with np.load(outcome.folder / "step.npz") as first, np.load(tmp_path / "step.npz") as second:
        assert first.files == second.files
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name])
    assert again.accuracy == outcome.accuracy
