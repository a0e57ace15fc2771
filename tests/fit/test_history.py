"""The history as table, text, plain values and picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphc.fit import History


def test_append_and_views() -> None:
    history = History()
    assert len(history) == 0
    assert history.last == {}
    history.append({"epoch": 1, "loss": 0.5, "validation_loss": 0.75})
    history.append({"epoch": 2, "loss": 0.25, "validation_loss": 0.5})
    assert history.epochs["loss"] == [0.5, 0.25]
    assert json.loads(json.dumps(history.to_dict()))["epochs"] == history.epochs
    assert history.text().splitlines()[2].split() == ["2", "0.25", "0.5"]
    assert "loss=0.25" in repr(history)


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = History({"epoch": [1, 2], "loss": [0.5, 0.25], "validation_loss": [1, 0.5], "seconds": [1, 1]})
    history.plot(tmp_path / "curves.svg")
    assert "<svg" in (tmp_path / "curves.svg").read_text(encoding="utf-8")
