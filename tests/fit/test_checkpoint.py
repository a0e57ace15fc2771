"""Checkpoints: what goes in comes out, whatever the names; a killed writer never leaves a broken file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.errors import GraphError
from graphc.fit import Checkpoint, load_checkpoint, save_checkpoint

HOSTILE = [
    "a/b",
    "../../etc/passwd",
    "line\nbreak",
    '"; import os',
    "index",
    "file",
    "\ud800",
    "π" * 3,
    "x" * 10_000,
]


def test_round_trip_with_hostile_names(tmp_path: Path) -> None:
    parameters = {name: np.full((2, i), i, np.float32) for i, name in enumerate(HOSTILE)}
    parameters["scalar"] = np.array(3, np.int64)
    epochs = {"epoch": [1.0], "loss": [0.1 + 0.2]}
    path = tmp_path / "c.npz"
    save_checkpoint(path, Checkpoint(parameters, 7, epochs, {"seed": 1}, {"a/b": np.ones(3)}))
    found = load_checkpoint(path)
    assert list(found.parameters) == list(parameters)
    for name, array in parameters.items():
        assert found.parameters[name].dtype == array.dtype
        np.testing.assert_array_equal(found.parameters[name], array)
    assert (found.calls, found.epochs, found.settings) == (7, epochs, {"seed": 1})
    np.testing.assert_array_equal(found.best["a/b"], np.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ["c.npz"]


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1), st.lists(st.floats(width=32), max_size=4), max_size=4))
def test_round_trip_of_any_values(tmp_path_factory: Any, values: dict[str, list[float]]) -> None:
    path = tmp_path_factory.mktemp("any") / "c.npz"
    save_checkpoint(path, Checkpoint({n: np.array(v, np.float32) for n, v in values.items()}))
    found = load_checkpoint(path).parameters
    assert {n: a.tobytes() for n, a in found.items()} == {
        n: np.array(v, np.float32).tobytes() for n, v in values.items()
    }


def test_the_file_holds_no_pickle(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    save_checkpoint(path, Checkpoint({"w": np.ones(2)}))
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            assert b"'descr': '|O'" not in archive.read(name)[:200]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x04N."])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.npz"
    path.write_bytes(content)
    with pytest.raises(GraphError, match="no graphc checkpoint"):
        load_checkpoint(path)


def test_another_npz_and_a_truncated_one_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", w=np.ones(3))
    with pytest.raises(GraphError, match="no graphc checkpoint"):
        load_checkpoint(tmp_path / "other.npz")
    save_checkpoint(tmp_path / "c.npz", Checkpoint({"w": np.ones(1000)}))
    whole = (tmp_path / "c.npz").read_bytes()
    (tmp_path / "c.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GraphError, match="no graphc checkpoint"):
        load_checkpoint(tmp_path / "c.npz")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.npz"
    save_checkpoint(path, Checkpoint({"w": np.zeros(4)}))

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, Checkpoint({"w": np.ones(4)}))
    np.testing.assert_array_equal(load_checkpoint(path).parameters["w"], np.zeros(4))
    assert [p.name for p in tmp_path.iterdir()] == ["c.npz"]


WRITER = """
import sys
import numpy as np
from graphc.fit import Checkpoint, save_checkpoint
for number in range(1, 1_000_000):
    parameters = {str(i): np.full(400_000, number) for i in range(4)}
    save_checkpoint(sys.argv[1], Checkpoint(parameters, number))
    if number == 1:
        print("ready", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_killed_while_writing(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"

    def partial() -> bool:
        return any(tmp_path.glob(".c.npz.*.part"))

    caught_in_the_act = 0
    for attempt in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        with writer, writer.stdout:
            assert writer.stdout.readline() == "ready\n"
            deadline = time.monotonic() + 10
            while not partial() and time.monotonic() < deadline:
                pass
            time.sleep(0.001 * attempt)
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        caught_in_the_act += partial()
        found = load_checkpoint(path)
        # Whole, and of one moment: every array holds the number of its checkpoint.
        assert [float(a.min()) for a in found.parameters.values()] == [found.calls] * 4
        assert [float(a.max()) for a in found.parameters.values()] == [found.calls] * 4
        if caught_in_the_act:
            break
    assert caught_in_the_act, "no attempt killed the writer in the middle of a write"
    save_checkpoint(path, Checkpoint({"w": np.ones(1)}))
    assert [p.name for p in tmp_path.iterdir()] == ["c.npz"]
