"""The choice by measurement, with a clock that is told what to show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc import compiler
from graphc.tuning import Store, Tuner, machine, tuner
from graphc.tuning.programs import Call

SIZES = {"N": 16}


class _Clock:
    """Shows given times, 1 for others; every program is run once. Counts the layers it was asked for."""

    def __init__(self, **seconds: float) -> None:
        self.seconds, self.asked = seconds, []

    def __call__(self, calls: Mapping[str, Call]) -> dict[str, float]:
        self.asked.append(tuple(calls))
        for call in calls.values():
            call()
        return {name: self.seconds.get(name, 1.0) for name in calls}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _clocked(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> _Clock:
    clock = _Clock(**seconds)

    def made(*arguments: object) -> Tuner:
        return Tuner(*arguments, clock=clock, progress=False)

    monkeypatch.setattr(compiler, "Tuner", made)
    return clock


def _network() -> tuple[list[gc.Tensor], list[gc.Tensor]]:
    """Two layers, of which one is twice in the graph."""
    x = gc.input("x", ("N", 4, 12, 12))
    a, b, c = (gc.input(n, (k, 4, s, s)) for n, k, s in (("a", 4, 5), ("b", 4, 3), ("c", 4, 3)))
    h = gc.tanh(gc.nn.conv2d(x, a, padding=2))
    h = gc.tanh(gc.nn.conv2d(h, b, padding=1))
    loss = gc.mean(gc.nn.conv2d(h, c, padding=1) ** 2)
    return [loss, *gc.grad(loss, [x, a, b, c])], [x, a, b, c]


def _arrays(batch: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [(batch, 4, 12, 12), (4, 4, 5, 5), (4, 4, 3, 3), (4, 4, 3, 3)]
    return [rng.standard_normal(s).astype("float32") for s in shapes]


def _compiled(**options: object) -> gc.Function:
    return gc.compile(*_network(), tune=True, sizes=SIZES, threads=1, **options)


def _chosen(f: gc.Function) -> list[str]:
    return [layer.chosen for layer in f.stats["tuned"]]


@pytest.mark.parametrize("fastest", ["batch_last", "winograd_2_3", "winograd_4_3"])
def test_the_choice_follows_the_times(monkeypatch: pytest.MonkeyPatch, fastest: str) -> None:
    monkeypatch.setattr(tuner, "_FAR", 1e9)
    clock = _clocked(monkeypatch, **{fastest: 0.5, "fourier": 0.75})
    f = _compiled()
    assert _chosen(f) == ["batch_last" if fastest == "batch_last" else "fourier", fastest]
    assert len(clock.asked) == 2  # each layer once, the one that is twice there too
    assert f"convolution by {fastest}" in f.explain()


@pytest.mark.parametrize("seconds, chosen", [(1.04, "fourier"), (1.06, "batch_last")])
def test_the_estimate_decides_between_equals(
    monkeypatch: pytest.MonkeyPatch, seconds: float, chosen: str
) -> None:
    clock = _clocked(monkeypatch, fourier=seconds, batch_last=1.0, winograd_2_5=2.0)
    x, w = gc.input("x", (64, 32, 12, 12)), gc.input("w", (64, 32, 5, 5))
    f = gc.compile(gc.nn.conv2d(x, w), [x, w], tune=True)
    assert clock.asked[0][0] == "fourier" and _chosen(f) == [chosen]
    assert f": {chosen} 1" in str(f.stats["tuned"][0])


def test_values_agree_with_those_of_the_choice_by_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six convolutions one after the other, each within 1e-5 of the largest result."""
    arrays = _arrays(19)
    wanted = gc.compile(*_network(), threads=1)(*arrays)
    exact = gc.compile(*_network(), threads=1, optimize="exact")(*arrays)
    monkeypatch.setattr(tuner, "_FAR", 1e9)
    for name in ("batch_last", "winograd_2_3", "winograd_4_3", "winograd_2_5", "fourier"):
        monkeypatch.setenv("GRAPHC_CACHE", "off")
        _clocked(monkeypatch, **{name: 0.5})
        f = _compiled()
        assert name in _chosen(f)
        for found, other, truth in zip(f(*arrays), wanted, exact, strict=True):
            assert np.abs(found - truth).max() <= 6e-5 * np.abs(truth).max()
            assert np.abs(found - other).max() <= 6e-5 * np.abs(truth).max()


def test_a_warm_cache_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _clocked(monkeypatch, fourier=0.5, winograd_4_3=0.5)
    first = _compiled()
    clock = _clocked(monkeypatch, batch_last=0.1)
    second = _compiled()
    assert clock.asked == []
    assert _chosen(second) == _chosen(first)
    assert second.source == first.source
    assert [layer.seconds for layer in second.stats["tuned"]] == [l.seconds for l in first.stats["tuned"]]
    assert all(layer.from_cache for layer in second.stats["tuned"])
    assert not any(layer.from_cache for layer in first.stats["tuned"])


@pytest.mark.parametrize(
    "other", ["processor", "blas", "numpy", "threads", "graphc", "optimize", "sizes", "dtype"]
)
def test_another_machine_or_size_is_measured_anew(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    _clocked(monkeypatch)
    _compiled()
    clock = _clocked(monkeypatch)
    options: dict[str, object] = {"sizes": SIZES, "threads": 1}
    network = _network()
    if other == "optimize":
        options["optimize"] = "fast"
    elif other == "sizes":
        options["sizes"] = {"N": 17}
    elif other == "threads":
        options["threads"] = 2
    elif other == "dtype":
        x, w = gc.input("x", ("N", 4, 12, 12), "float64"), gc.input("w", (4, 4, 3, 3), "float64")
        network = [gc.nn.conv2d(x, w, padding=1)], [x, w]
    else:
        monkeypatch.setattr(compiler, "machine", lambda threads: {**machine(threads), other: "another"})
    gc.compile(*network, tune=True, **options)
    assert len(clock.asked) == (1 if other == "dtype" else 2)


def test_a_corrupt_file_is_measured_anew(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    _clocked(monkeypatch)
    _compiled()
    broken, *_ = sorted(cache.rglob("*.json"))
    broken.write_text("{", encoding="utf-8")
    clock = _clocked(monkeypatch)
    with pytest.warns(RuntimeWarning, match="no file of measured times"):
        _compiled()
    assert len(clock.asked) == 1
    clock = _clocked(monkeypatch)
    _compiled()
    assert clock.asked == []


def test_times_of_other_algorithms_are_not_used(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    _clocked(monkeypatch)
    _compiled()
    for path in cache.rglob("*.json"):
        path.write_text(path.read_text("utf-8").replace("batch_last", "forgotten"), encoding="utf-8")
    clock = _clocked(monkeypatch)
    _compiled()
    assert len(clock.asked) == 2


def test_what_was_measured_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _clocked(monkeypatch, fourier=0.004, batch_last=0.0125)
    f = _compiled()
    text = f.explain()
    assert "== measured: convolution, transposed_convolution, filter_gradient of 16×4×12×12" in text
    assert "with 4×4×5×5: fourier 4 ms, batch_last 12.5 ms" in text
    assert "measured before" not in text and "(measured before)" in _compiled().explain()


def test_what_is_far_from_the_least_cost_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _clocked(monkeypatch)
    x, w = gc.input("x", (64, 1, 28, 28)), gc.input("w", (32, 1, 5, 5))
    gc.compile(gc.nn.conv2d(x, w), [x, w], tune=True)
    assert all("winograd_2_5" not in names for names in clock.asked)


@pytest.mark.parametrize("optimize", ["none", "exact"])
def test_levels_of_one_algorithm_measure_nothing(monkeypatch: pytest.MonkeyPatch, optimize: str) -> None:
    clock = _clocked(monkeypatch)
    assert _compiled(optimize=optimize).stats["tuned"] == ()
    assert clock.asked == []


def test_untuned_functions_measure_nothing(cache: Path) -> None:
    assert gc.compile(*_network()).stats["tuned"] == ()
    assert not cache.exists()


def test_convolutions_of_few_images_in_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of few examples stand with the batch outermost; the loop and its derivative are measured too."""
    monkeypatch.setattr(tuner, "_FAR", 1e9)
    monkeypatch.setenv("GRAPHC_CACHE", "off")
    clock = _clocked(monkeypatch, winograd_4_3=0.5)
    w, start = gc.input("w", (4, 2, 3, 3)), gc.input("start", (2, 4, 10, 10))

    def step(h: gc.Tensor, _: None) -> tuple[gc.Tensor, tuple[()]]:
        return gc.tanh(gc.nn.conv2d(h, w, padding=1, groups=2)), ()

    last, _ = gc.scan(step, start, length=3)
    outputs = [gc.sum(last), *gc.grad(gc.sum(last), [w])]
    f = gc.compile(outputs, [start, w], tune=True)
    assert set(_chosen(f)) == {"winograd_4_3"} and len(clock.asked) <= 2
    assert all("windows" in names for names in clock.asked)
    assert "convolution by winograd_4_3" in f.explain()
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(t.shape).astype("float32") for t in (start, w)]
    truths = gc.interpret(outputs, dict(zip([start, w], arrays, strict=True)))
    for ours, truth in zip(f(*arrays), truths, strict=True):
        assert np.abs(ours - truth).max() <= 6e-5 * np.abs(truth).max()


def test_the_real_clock_ranks_by_time() -> None:
    calls = {"short": lambda: sum(range(100)), "long": lambda: sum(range(100_000))}
    seconds = tuner.least_seconds(calls)
    assert 0 < seconds["short"] < seconds["long"]


def test_what_is_slow_is_timed_twice_only() -> None:
    counts = {"short": 0, "long": 0}

    def call(name: str, terms: int) -> None:
        counts[name] += 1
        sum(range(terms))

    tuner.least_seconds({"short": lambda: call("short", 100), "long": lambda: call("long", 1_000_000)})
    assert counts["long"] == 3 < counts["short"]  # the first call is not timed


def test_a_bar_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    from graphc.passes.convolution import Layer, candidates
    from graphc.passes.convolution.cost import Problem

    x, w = gc.input("x", (16, 4, 12, 12)), gc.input("w", (4, 4, 3, 3))
    node = gc.nn.conv2d(x, w)
    layer = Layer({Problem.of(node): node}, candidates(node))
    for progress in (True, False):
        ours = Tuner({}, machine(1), {}, lambda o, i: gc.compile(o, i), Store(None), _Clock(), progress)
        ours([layer])
        assert ("measuring convolutions" in capsys.readouterr().err) == progress
