"""Profiles: times that add up, traffic in closed form, memory by brute force, a function left as it was."""

from __future__ import annotations

import itertools
import json
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest

import graphc as gc
from graphc.errors import GraphError, NonFiniteError
from graphc.ir.origin import Location, Origin
from graphc.runtime import profiler
from graphc.runtime.accesses import Access
from graphc.runtime.instrument import parsed, timed, traced
from graphc.runtime.lifetimes import Trace
from graphc.runtime.profile import Part, Profile, Row
from graphc.runtime.profiler import Recorder, _elapsed, _own_times

F32 = np.float32


def _row(profile: Profile, op: str, role: str = "forward") -> Row:
    (found,) = [r for r in profile.rows if r.op == op and r.role == role and r.written]
    return found


def _layers(**options):
    """A network whose rows are computed in tiles, with a loss that reads all of them."""
    x, t = gc.input("x", ("N", 300)), gc.input("t", ("N", 200))
    model = gc.nn.Sequential(gc.nn.Dense(300, 400), gc.nn.Tanh(), gc.nn.Dense(400, 200))
    loss = ((model(x) - t) ** 2).mean()
    updates = gc.optim.Adam(1e-2).updates(loss, gc.parameters(loss))
    return gc.compile(loss, [x, t], updates=updates, **options)


def _batch(n: int):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 300)).astype(F32), rng.standard_normal((n, 200)).astype(F32)


# -- times ---------------------------------------------------------------------------------------------
def test_shares_sum_to_one_and_the_rest_of_the_call_is_told() -> None:
    profile = _layers().profile(*_batch(100), calls=3)
    assert sum(r.share for r in profile.rows) == pytest.approx(1)
    assert all(r.seconds >= 0 for r in profile.rows)
    assert sum(r.seconds for r in profile.rows) + profile.remains == pytest.approx(profile.seconds)
    assert sum(p.share for p in profile.by_line()) == pytest.approx(1)
    assert sum(p.share for p in profile.by_scope()) == pytest.approx(1)


def test_a_slow_line_gets_the_most() -> None:
    x, w = gc.input("x", (500, 500)), gc.input("w", (500, 500))
    slow = x @ w
    total = slow.sum() + (x[0, :3] + 1).sum()
    profile = gc.compile(total, [x, w]).profile(np.ones((500, 500), F32), np.ones((500, 500), F32))
    hottest = max(profile.rows, key=lambda r: r.seconds)
    assert (hottest.op, hottest.location) == ("matmul", slow.location)
    assert hottest.share > 0.5
    first = profile.by_line()[0]
    assert (first.name, first.text, first.role) == (slow.location.short, "slow = x @ w", "forward")


def test_the_clock_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only reading the clock takes time, 0.1 µs each, calibration finds that and no line has any."""
    readings = itertools.count(0, 100)
    monkeypatch.setattr(profiler, "time", SimpleNamespace(perf_counter_ns=lambda: next(readings)))
    x = gc.input("x", ("T",), "float64")
    last, _ = gc.scan(lambda s, v: (s + v, s), gc.constant(0.0), x)
    profile = gc.compile(last, [x], optimize="none").profile(np.ones(2000))
    assert profile.clock == pytest.approx(1e-7)
    (head,) = [r for r in profile.rows if r.text.startswith("for ")]
    assert head.calls == 2001
    assert [r.seconds for r in profile.rows] == pytest.approx([0.0] * len(profile.rows), abs=1e-12)


def test_a_reading_of_the_clock_takes_something() -> None:
    assert 1e-8 < profiler._clock_nanoseconds() * 1e-9 < 1e-5


_TILED = """
def tile1(thread, rows):
    def compute(lane, first_row, end_row, x):
        np.exp(x, out=x)
        np.sin(x, out=x)

    return compute


def workspace():
    def compute(params, x):
        in_tiles(tile1, kept, 6, 3, (), (x,))
        return (x,)

    return compute
"""


@pytest.mark.parametrize(("threads", "outside", "elapsed"), [(1, 100, 980), (2, 1080, 980), (5, 2060, 980)])
def test_times_of_tiles_by_hand(threads: int, outside: int, elapsed: int) -> None:
    """Three tiles, 980 ns from the first to the last, of which the lines take 880 on all threads together."""
    program = parsed(_TILED)
    assert [s.tile for s in program.statements] == [None, None, "tile1", None]
    turns = [3, 3, 1, 1]
    own = _own_times(program, [600, 280, 980, 50], turns, 0.0, threads)
    assert own == [600, 280, outside, 50]
    assert _elapsed(program, own, turns, threads) == pytest.approx(elapsed + 50)
    assert _own_times(program, [600, 280, 980, 50], turns, 20.0, 1) == [540, 220, 80, 30]


def test_times_by_a_clock_that_goes_on_with_each_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 µs from reading to reading, of which reading takes 0.1 µs: every line has 0.9 µs a turn."""
    readings = itertools.count(0, 1000)
    monkeypatch.setattr(profiler, "time", SimpleNamespace(perf_counter_ns=lambda: next(readings)))
    monkeypatch.setattr(profiler, "_clock_nanoseconds", lambda: 100.0)
    profile = _layers().profile(*_batch(600), calls=2)
    for row in profile.rows:
        if "in_tiles(" in row.text:  # besides its own, a reading where each tile begins
            tiles = next(r.calls for r in profile.rows if r.function == re.search(r"tile\d+", row.text)[0])
            assert row.seconds == pytest.approx((tiles + 1) * 1e-6 - 1e-7)
        else:
            assert row.seconds == pytest.approx(row.calls * 0.9e-6)
    # Entering ``compute`` and leaving it.
    assert profile.remains == pytest.approx(2e-6)
    assert profile.seconds == pytest.approx(sum(r.seconds for r in profile.rows) + 2e-6)


# -- tiles -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("threads", [1, 2])
def test_the_lines_of_a_tile_are_counted_in_every_tile(threads: int) -> None:
    f = _layers()
    assert f.stats["regions"]
    n = 613  # a last tile of fewer rows
    profile = f.profile(*_batch(n), calls=2, threads=threads)
    tanh = _row(profile, "tanh")
    assert tanh.function.startswith("tile") and tanh.calls > 1
    assert tanh.written == n * 400 * 4  # all tiles together
    first, second = (r for r in profile.rows if r.operations and r.role == "forward")
    assert first.operations == 2 * n * 300 * 400
    assert second.operations == 2 * n * 400 * 200
    assert profile.threads == threads
    assert f"{threads} thread" in profile.headline
    assert sum(r.share for r in profile.rows) == pytest.approx(1)


def test_a_call_of_tiles_has_only_what_is_outside_their_lines() -> None:
    profile = _layers().profile(*_batch(600), calls=3)
    calls = [r for r in profile.rows if "in_tiles(" in r.text]
    assert calls and sum(r.share for r in calls) < 0.5
    assert sum(r.share for r in profile.rows if r.function != "compute") > 0.3


# -- nothing changes ---------------------------------------------------------------------------------------
def test_parameters_and_calls_are_as_before() -> None:
    f, batch = _layers(seed=3), _batch(50)
    f(*batch)
    before, calls = f.params.copy(), f.calls
    f.profile(*batch, calls=2)
    assert f.calls == calls
    for name, value in f.params.items():
        np.testing.assert_array_equal(value, before[name])


def test_draws_go_on_as_if_there_had_been_no_profile() -> None:
    x = gc.input("x", ("N",))
    outputs = x + gc.random_normal(x.shape)
    f, other = (gc.compile(outputs, [x], seed=7) for _ in range(2))
    ones = np.ones(5, F32)
    np.testing.assert_array_equal(f(ones), other(ones))
    f.profile(ones, calls=3)
    np.testing.assert_array_equal(f(ones), other(ones))


def test_what_a_call_raises_is_raised_and_changes_nothing() -> None:
    w = gc.parameter("w", (2,), init=np.ones(2))
    x = gc.input("x", (2,))
    f = gc.compile(gc.log(x) + w, [x], updates={w: w + 1}, debug="nan")
    with pytest.raises(NonFiniteError, match="log: gave NaN"):
        f.profile(np.array([-1, 1], F32))
    np.testing.assert_array_equal(f.params["w"], [1, 1])


@pytest.mark.parametrize("write", [timed, traced])
def test_the_instrumented_program_computes_the_same(write) -> None:
    x = gc.input("x", ("T", 6))
    w = gc.parameter("w", (6, 6), init=gc.init.normal())
    last, states = gc.scan(lambda s, v: (gc.tanh(s @ w + v), s), gc.constant(np.zeros(6, F32)), x)
    outputs = {"loss": (states * states).sum(), "last": last, "old": w, "none": gc.constant(2.0)}
    f = gc.compile(outputs, [x], updates={w: w - 0.1 * gc.grad(outputs["loss"], w)})
    program = parsed(f.source)
    recorder = Recorder(len(program.statements))
    trace = Trace([s.access for s in program.statements])
    twin = f._twin(write(program), 1, {**recorder.given, "__trace": trace})
    value = np.random.default_rng(1).standard_normal((9, 6)).astype(F32)
    for _ in range(2):
        expected, found = f(value), twin(value)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])
    np.testing.assert_array_equal(twin.params["w"], f.params["w"])


# -- forms of functions --------------------------------------------------------------------------------------
def test_the_body_of_a_loop_is_counted_in_every_turn() -> None:
    x = gc.input("x", ("T", 4))
    w = gc.parameter("w", (4, 4))
    step, _ = gc.scan(lambda s, v: (gc.tanh(s @ w + v), s), gc.constant(np.zeros(4, F32)), x)
    profile = gc.compile(step.sum(), [x]).profile(np.ones((30, 4), F32))
    assert _row(profile, "tanh").calls == 30
    assert _row(profile, "matmul").operations == 30 * 2 * 4 * 4


def test_a_function_of_numbers_is_measured_on_arrays_and_says_so() -> None:
    x = gc.input("x", ())
    profile = gc.compile(gc.exp(x) * x, [x]).profile(1.5)
    assert profile.numbers and "form on arrays" in profile.headline
    assert {r.op for r in profile.rows} >= {"exp", "multiply"}


def test_a_pickled_function_has_generated_lines_alone() -> None:
    f = pickle.loads(pickle.dumps(_layers()))
    profile = f.profile(*_batch(20), calls=1)
    assert sum(r.share for r in profile.rows) == pytest.approx(1)
    assert "np.matmul(" in profile.table() and "np.matmul(" in profile.to_html()
    for ask in (profile.by_line, profile.by_scope, lambda: profile.heat):
        with pytest.raises(GraphError, match="profile it where it was compiled"):
            ask()


def test_arguments_by_name_and_one_that_is_called_as_an_option() -> None:
    x, calls = gc.input("x", ("N",)), gc.input("calls", ("N",))
    f = gc.compile(x * calls, [calls, x])
    ones = np.ones(3, F32)
    assert f.profile(ones, x=ones, calls=2).calls == 2
    with pytest.raises(GraphError, match="goes by position"):
        f.profile(x=ones, calls=ones)


@pytest.mark.parametrize("wrong", [{"calls": 0}, {"threads": 0}, {"calls": True}, {"threads": 1.5}])
def test_numbers_that_are_not_positive_are_refused(wrong: dict[str, object]) -> None:
    x = gc.input("x", ("N",))
    with pytest.raises(GraphError, match="no positive number"):
        gc.compile(x + 1, [x]).profile(np.ones(2, F32), **wrong)


# -- the user's lines ----------------------------------------------------------------------------------------
def test_parts_are_sums_and_what_serves_two_lines_is_halved() -> None:
    def origin(line: int, role: str = "forward") -> Origin:
        return Origin(("block",), Location("net.py", line, "f"), role)

    def row(seconds: float, memory: float, *origins: Origin) -> Row:
        return Row(1, "", "compute", "add", origins, 1, seconds, seconds / 10, 60, 40, 8, 0, memory)

    rows = (row(4, 0.25, origin(1), origin(2)), row(5, 0.5, origin(2)), row(1, 0.125))
    profile = Profile(rows, 1, 1, 10.0, 0.0, 0.0, 1, False, "")
    first, second, third = profile.by_line()
    assert first == Part("net.py:2", "", "forward", 7.0, 0.7, 150.0, 12.0, 0.5)
    assert second == Part("net.py:1", "", "forward", 2.0, 0.2, 50.0, 4.0, 0.25)
    assert (third.seconds, third.role) == (1.0, "")
    assert [p.seconds for p in profile.by_scope()] == [9.0, 1.0]
    assert profile.heat == {(origin(1), "add"): 0.2, (origin(2), "add"): 0.7}


def test_roles_and_scopes_are_told_apart() -> None:
    x = gc.input("x", ("N", 8))
    with gc.scope("first"):
        h = gc.tanh(x @ gc.parameter("w", (8, 8), init=gc.init.normal()))
    loss = (h * h).sum()
    f = gc.compile(loss, [x], updates=gc.optim.SGD(0.1).updates(loss, gc.parameters(loss)))
    profile = f.profile(np.ones((5, 8), F32))
    roles = {p.role for p in profile.by_line() if p.name == h.location.short}
    assert roles == {"forward", "backward"}
    assert {(p.name, p.role) for p in profile.by_scope()} >= {("first", "forward"), ("first", "backward")}
    (tanh,) = [r for r in profile.rows if r.op == "tanh" and r.written]
    assert (tanh.scope, tanh.location) == (("first",), h.location)


def test_figures_as_text_data_and_page(tmp_path) -> None:
    profile = _layers().profile(*_batch(20), calls=1)
    assert str(profile) == profile.table()
    assert len(profile.table(limit=None).splitlines()) == len(profile.rows) + 3
    assert "more with" in profile.table(limit=3)
    for by in ("line", "scope"):
        assert "backward" in profile.table(by=by) and "memory" in profile.table(by=by)
    with pytest.raises(GraphError, match="no table by"):
        profile.table(by="day")
    data = json.loads(json.dumps(profile.to_dict()))
    assert data["rows"][0]["line"] == profile.rows[0].line
    text = profile.to_html(tmp_path / "profile.html")
    assert (tmp_path / "profile.html").read_text(encoding="utf-8") == text
    assert text.count("<tr>") >= len(profile.source.splitlines())


def test_names_from_outside_are_text_on_the_page() -> None:
    x = gc.input("x", ("N",))
    with gc.scope("<script>alert(1)</script>"):
        y = gc.exp(x)
    assert "<script>" not in gc.compile(y, [x]).profile(np.ones(2, F32), calls=1).to_html()


# -- traffic and memory --------------------------------------------------------------------------------------
def test_bytes_and_operations_in_closed_form() -> None:
    x, w, b = gc.input("x", ("N", 30)), gc.input("w", (30, 40)), gc.input("b", (40,))
    f = gc.compile(gc.exp(x @ w + b), [x, w, b])
    profile = f.profile(np.ones((20, 30), F32), np.ones((30, 40), F32), np.ones(40, F32))
    product, exp, add = (_row(profile, op) for op in ("matmul", "exp", "add"))
    assert product.read == product.calls * 30 * 40 * 4 + 20 * 30 * 4
    assert exp.read == exp.written == 20 * 40 * 4
    assert add.read == 20 * 40 * 4 + add.calls * 40 * 4  # the bias once a call, not once a row
    assert product.gigaflops == pytest.approx(2 * 20 * 30 * 40 / product.seconds / 1e9)
    assert exp.gigabytes_per_second == pytest.approx(2 * 20 * 40 * 4 / exp.seconds / 1e9)


def test_memory_of_what_is_alive() -> None:
    x = gc.input("x", (1000,), "float64")
    a = gc.exp(x)
    b = gc.sin(a)
    y = (a * b).sum() + gc.cos(x).sum()
    profile = gc.compile(y, [x], optimize="none").profile(np.ones(1000))
    alive = {r.op: r.alive for r in profile.rows if r.written}
    assert alive["exp"] == 8000  # a
    assert alive["sin"] == alive["multiply"] == 16000  # a and b; the product is written over one of them
    assert 8000 <= alive["cos"] <= 8016  # and the sum that waits
    assert all(0 <= r.memory_share <= 1 for r in profile.rows)
    assert profile.planned >= 16000


def test_memory_stays_within_the_plan() -> None:
    profile = _layers().profile(*_batch(400), calls=1)
    assert max(r.alive for r in profile.rows) <= profile.planned


def test_products_by_einsum() -> None:
    trace = Trace([Access(product=True, equation="ij,jk->ik")])
    trace(0, (np.ones((3, 4)), np.ones((4, 5))), (np.empty((3, 5)),), ())
    assert trace.operations == [2 * 3 * 4 * 5]


def test_windows_count_their_elements_once() -> None:
    x = np.zeros(100, F32)
    windows = np.lib.stride_tricks.sliding_window_view(x, 5)
    trace = Trace([Access()])
    trace(0, (windows, np.broadcast_to(x[:1], (50,))), (x[::2],), ())
    assert (trace.read, trace.written) == ([400 + 4], [200])


def test_what_is_alive_by_brute_force() -> None:
    """Byte by byte: in use from the first write to the last read before it is written anew."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        memory = np.zeros(24, np.uint8)
        events = []
        trace = Trace([Access()] * 40)
        for number in range(40):
            spans = [sorted(rng.choice(25, 2, replace=False)) for _ in range(2)]
            reads = spans[:1] if rng.random() < 0.7 else []
            writes = spans[1:] if rng.random() < 0.5 else []
            events.append((reads, writes))
            trace(number, [memory[a:b] for a, b in reads], [memory[a:b] for a, b in writes], ())
        assert trace.alive() == _alive_bytes(events, 24)


def _alive_bytes(events, size: int) -> list[int]:
    alive = [0] * len(events)
    for byte in range(size):
        touched = "".join(
            "b" if r and w else "r" if r else "w" if w else "."
            for r, w in ([any(a <= byte < b for a, b in spans) for spans in event] for event in events)
        )
        start = min((k for k in (touched.find("w"), touched.find("b")) if k >= 0), default=None)
        while start is not None:
            # The next value begins at a write that follows a read of this one; both at once goes on.
            end, read, following = start, False, None
            for k in range(start + 1, len(touched)):
                if touched[k] == "w" and read:
                    following = k
                    break
                if touched[k] != ".":
                    end, read = k, touched[k] == "r"
            for k in range(start, end + 1):
                alive[k] += 1
            start = following
    return alive
