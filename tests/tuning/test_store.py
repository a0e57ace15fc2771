"""The store of measured times: what was written is read, and nothing else is believed."""

from __future__ import annotations

import json
import threading
import warnings
from pathlib import Path

import pytest

from graphc.tuning import Store, cache_folder

KEY = {"machine": {"processor": "one", "threads": 2}, "convolutions": [{"op": "convolution"}]}
SECONDS = {"windows": 0.25, "fourier": 1e-6}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    Store(tmp_path).write(KEY, SECONDS)
    assert Store(tmp_path).read(KEY) == SECONDS
    assert Store(tmp_path).read({**KEY, "dtype": "float64"}) is None


@pytest.mark.parametrize("key", [{"machine": {"processor": "two", "threads": 2}}, {"convolutions": []}])
def test_another_machine_or_layer_has_other_times(tmp_path: Path, key: dict) -> None:
    Store(tmp_path).write(KEY, SECONDS)
    assert Store(tmp_path).read({**KEY, **key}) is None


def _content(**other: object) -> str:
    return json.dumps({"format": 1, "key": KEY, "seconds": SECONDS} | other)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[" * 100_000,
        '"text"',
        "\x00\x01",
        "[1, 2]",
        _content(format=2),
        _content(key={**KEY, "machine": {}}),
        _content(seconds={}),
        _content(seconds=[1.0]),
        _content(seconds={"windows": "0.25"}),
        _content(seconds={"windows": -0.25}),
        _content(seconds={"windows": float("nan")}),
        _content(seconds={"windows": True}),
    ],
)
def test_a_file_of_anything_else_is_told_of_and_written_anew(tmp_path: Path, content: str) -> None:
    store = Store(tmp_path)
    store.write(KEY, SECONDS)
    (path,) = tmp_path.rglob("*.json")
    path.write_text(content, encoding="utf-8")
    with pytest.warns(RuntimeWarning, match="no file of measured times"):
        assert store.read(KEY) is None
    store.write(KEY, SECONDS)
    assert store.read(KEY) == SECONDS


def test_a_file_that_is_no_text_is_told_of(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(KEY, SECONDS)
    (path,) = tmp_path.rglob("*.json")
    path.write_bytes(b"\xff\xfe\x80")
    with pytest.warns(RuntimeWarning, match="no file of measured times"):
        assert store.read(KEY) is None
    path.unlink()
    path.mkdir()
    with pytest.warns(RuntimeWarning, match="no file of measured times"):
        assert store.read(KEY) is None


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(RuntimeWarning, match="not kept"):
        Store(tmp_path / "file").write(KEY, SECONDS)


def test_many_writers_leave_whole_files(tmp_path: Path) -> None:
    """Readers meet nothing or a whole file, never a warning; nothing that was written is lost."""
    stores = [Store(tmp_path) for _ in range(8)]
    start, failures = threading.Barrier(len(stores)), []

    def work(number: int) -> None:
        start.wait()
        for k in range(25):
            own, shared = {**KEY, "writer": number, "k": k}, {**KEY, "k": k}
            stores[number].write(own, {"windows": 1.0 + number})
            stores[number].write(shared, {"windows": 1.0 + number})
            seconds = stores[number].read(shared)
            if seconds is None or not 1 <= seconds["windows"] <= len(stores):
                failures.append(seconds)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(stores))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        for number in range(len(stores)):
            for k in range(25):
                assert Store(tmp_path).read({**KEY, "writer": number, "k": k}) == {"windows": 1.0 + number}
    assert not list(tmp_path.rglob("*.part"))


def test_without_a_folder_times_live_as_long_as_the_store() -> None:
    store = Store(None)
    store.write(KEY, SECONDS)
    assert store.read(KEY) == SECONDS and store.read({**KEY, "k": 1}) is None
    assert Store(None).read(KEY) is None


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GRAPHC_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "graphc"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / "graphc"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "graphc"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local" / "graphc" / "cache"
    monkeypatch.setenv("GRAPHC_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.setenv("GRAPHC_CACHE", "Off")
    assert cache_folder() is None
