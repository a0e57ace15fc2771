"""The compiled function: calling, structure of results, sharing, threads, pickling, steady state."""

import pickle
import runpy
import threading
import tracemalloc

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, GraphError, NonFiniteError, ShapeError

F32 = np.float32


def _training_step(**options):
    x, t = gc.input("x", ("N", 20)), gc.input("t", ("N",), "int64")
    model = gc.nn.Sequential(gc.nn.Dense(20, 16), gc.nn.ReLU(), gc.nn.Dense(16, 5))
    loss = gc.nn.cross_entropy(model(x), t)
    updates = gc.optim.Adam(1e-2).updates(loss, gc.parameters(loss))
    return gc.compile(loss, [x, t], updates=updates, **options)


def _batch(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 20)).astype(F32), rng.integers(0, 5, n)


def test_results_have_the_structure_of_the_outputs() -> None:
    x = gc.input("x", (2,))
    a = np.array([1, 2], F32)
    assert isinstance(gc.compile((x + 1, x + 2), [x])(a), tuple)
    assert isinstance(gc.compile([x + 1, x + 2], [x])(a), list)
    nested = gc.compile({"a": x + 1, "b": [x, (x * 2,)]}, [x])(x=a)
    assert list(nested) == ["a", "b"]
    np.testing.assert_array_equal(nested["b"][1][0], [2, 4])


def test_results_are_new_arrays_that_later_calls_and_callers_cannot_disturb() -> None:
    x = gc.input("x", ("N",))
    w = gc.parameter("w", (3,), init=1.0)
    y = x * 2
    f = gc.compile([y, y.reshape(-1, 1), y[::-1], x, w, gc.broadcast_to(w, (2, 3))], [x])
    a = np.arange(3, dtype=F32)
    first = f(a)
    kept = [r.copy() for r in first]
    f(a + 1)
    for r, k in zip(first, kept, strict=True):
        np.testing.assert_array_equal(r, k)
    for r in first:
        r[...] = -1
    np.testing.assert_array_equal(a, [0, 1, 2])
    np.testing.assert_array_equal(f.params["w"], 1)


def test_a_last_partial_batch_just_runs() -> None:
    x = gc.input("x", ("N", 2))
    f = gc.compile(x.mean(axis=0), [x])
    for n in (8, 3, 1, 8):
        a = np.random.default_rng(n).standard_normal((n, 2)).astype(F32)
        np.testing.assert_allclose(f(a), a.mean(0), rtol=1e-6)


def test_updates_see_old_values_and_parameters_are_shared() -> None:
    a, b = gc.parameter("a", (2,), init=1.0), gc.parameter("b", (2,), init=2.0)
    swap = gc.compile(a + b, [], updates={a: b, b: a})
    np.testing.assert_array_equal(swap(), 3)
    np.testing.assert_array_equal(swap.params["a"], 2)
    np.testing.assert_array_equal(swap.params["b"], 1)
    read = gc.compile(a - b, [], params=swap.params)
    np.testing.assert_array_equal(read(), 1)
    swap()
    np.testing.assert_array_equal(read(), -1)
    read.params["a"] = np.array([7, 8])
    np.testing.assert_array_equal(swap.params["a"], [7, 8])


def test_an_argument_may_be_a_parameter_or_a_view_of_one(tmp_path) -> None:
    """Its value is that before the call, whatever the call writes first."""
    w = gc.parameter("w", value=np.arange(4.0))
    x, y = gc.input("x", (4,), "float64"), gc.input("y", (2, 2), "float64")
    later = w * 10 + 1
    total = later.sum()  # 64: what is written first
    f = gc.compile([x * total, y + total], [x, y], updates={w: later})
    f.save(tmp_path / "step.py")
    step = runpy.run_path(str(tmp_path / "step.py"))
    for call, held in ((f, f.params["w"]), (step["call"], step["parameters"]["w"])):
        scaled, raised = call(held, held.reshape(2, 2))
        np.testing.assert_array_equal(scaled, [0, 64, 128, 192])
        np.testing.assert_array_equal(raised, [[64, 65], [66, 67]])
        np.testing.assert_array_equal(held, [1, 11, 21, 31])


def test_a_returned_old_value_is_the_old_one() -> None:
    w = gc.parameter("w", (2,), init=1.0)
    step = gc.compile({"old": w, "new": w + 1, "view": w[::-1]}, [], updates={w: w + 1})
    result = step()
    np.testing.assert_array_equal(result["old"], 1)
    np.testing.assert_array_equal(result["view"], 1)
    np.testing.assert_array_equal(step.params["w"], 2)


def test_in_place_updates_equal_the_interpreter() -> None:
    w = gc.parameter("w", (4, 4), init=lambda s, d, g: g.standard_normal(s))
    m = gc.parameter("m", (4, 4), init=0.5)
    new_m = m * 0.9 + w.T * 0.1
    new_w = w - new_m @ w + w.T
    f = gc.compile(new_w.sum(), [], updates={w: new_w, m: new_m})
    for _ in range(3):
        before = f.params.copy()
        expected = gc.interpret([new_w.sum(), new_w, new_m], {w: before["w"], m: before["m"]})
        np.testing.assert_allclose(f(), expected[0], rtol=1e-5)
        np.testing.assert_allclose(f.params["w"], expected[1], rtol=1e-5)
        np.testing.assert_allclose(f.params["m"], expected[2], rtol=1e-5)


def test_two_threads_may_call_one_function() -> None:
    x = gc.input("x", ("N", 30))
    w = gc.parameter("w", (30, 30), init=gc.init.glorot_uniform())
    y = x
    for _ in range(6):
        y = gc.tanh(y @ w)
    f = gc.compile(y, [x])
    data = [np.random.default_rng(k).standard_normal((k + 1, 30)).astype(F32) for k in range(8)]
    expected = [f(d) for d in data]
    wrong: list[int] = []

    def work(offset: int) -> None:
        for k in range(200):
            i = (k + offset) % 8
            if not np.array_equal(f(data[i]), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_function_is_deterministic_and_picklable() -> None:
    x, t = _batch(16)
    one, two = _training_step(seed=5), _training_step(seed=5)
    assert [one(x, t) for _ in range(3)] == [two(x, t) for _ in range(3)]
    copy = pickle.loads(pickle.dumps(one))
    assert copy(x, t) == one(x, t)
    for name, value in one.params.items():
        np.testing.assert_array_equal(copy.params[name], value)
    assert copy.source == one.source and "constant" in copy.explain()


def test_draws_follow_from_seed_and_call() -> None:
    x = gc.input("x", ("N",))
    y = x + gc.random_normal(("N",)) + gc.random_uniform(("N",))
    f, g = gc.compile(y, [x], seed=1), gc.compile(y, [x], seed=1)
    zero = np.zeros(1000, F32)
    a, b = f(zero), f(zero)
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal(a, g(zero))
    g.calls = 0
    np.testing.assert_array_equal(a, g(zero))
    assert not np.array_equal(a, gc.compile(y, [x], seed=2)(zero))
    (expected,) = gc.interpret([y], {x: zero}, seed=1, call=1)
    np.testing.assert_array_equal(b, expected)
    assert abs(a.mean() - 0.5) < 0.15


def test_a_training_step_allocates_nothing_but_what_it_returns() -> None:
    step = _training_step(threads=1)  # each thread has iterator buffers
    x, t = _batch(262_144)
    for _ in range(3):
        step(x, t)
    tracemalloc.start()
    step(x, t)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    step(x, t)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    # The smallest array of the step, 262 144 bools, has as many bytes. What is left are views, and the
    # fixed 8 192 elements that NumPy's own iterator buffers where an operand is converted.
    assert peak < 250_000


@pytest.mark.parametrize("pooling", [gc.nn.max_pool2d, gc.nn.avg_pool2d])
def test_a_convolutional_step_allocates_nothing_that_grows_with_its_batch(pooling) -> None:
    x, t = gc.input("x", ("N", 3, 16, 16)), gc.input("t", ("N",), "int64")
    w, v = gc.parameter("w", (8, 3, 3, 3)), gc.parameter("v", (16, 8, 3, 3))
    h = pooling(gc.nn.relu(gc.nn.conv2d(x, w, padding=1)), 3, 2, 1)
    h = pooling(gc.nn.relu(gc.nn.conv2d(h, v, padding=1)), 2)
    loss = gc.nn.cross_entropy(h.mean(axis=(2, 3)), t)
    updates = gc.optim.SGD(0.1).updates(loss, [w, v])
    step = gc.compile(loss, [x, t], updates=updates, threads=1)  # each thread has iterator buffers
    generator = np.random.default_rng(0)
    images, labels = generator.standard_normal((1024, 3, 16, 16)).astype(F32), generator.integers(0, 16, 1024)
    for _ in range(3):
        step(images, labels)
    tracemalloc.start()
    step(images, labels)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    step(images, labels)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    # The bools of the smaller maxima are 262 144; some iterator buffers of 8 192 numbers are fewer.
    assert peak < 250_000


def test_a_zero_size_axis_runs_where_all_sizes_stay_nonnegative() -> None:
    x = gc.input("x", ("N", 3))
    assert gc.compile(gc.exp(x).sum(), [x])(np.zeros((0, 3), F32)) == 0
    with pytest.raises(ShapeError, match=r"N - 1"):
        gc.compile(x[1:] - x[:-1], [x])(np.zeros((0, 3), F32))


@pytest.mark.parametrize("value", [1000.0, -1000.0, 0.0, float("nan"), float("inf")])
def test_scalar_programs_give_numpys_infinities(value) -> None:
    x = gc.input("x", (), "float64")
    outputs = [gc.exp(x), gc.log(x), gc.sqrt(x), 1 / x, gc.sigmoid(x), x**3, gc.floor(x), gc.maximum(x, 1)]
    f = gc.compile(outputs, [x])
    assert "math" in f.source
    expected = gc.interpret(outputs, {x: value})
    np.testing.assert_allclose(f(value), expected, rtol=1e-14)


def test_a_nan_is_stopped_where_it_appears() -> None:
    x = gc.input("x", (2,))
    f = gc.compile(gc.log(x).sum(), [x], debug="nan")
    f(np.zeros(2, F32))  # an infinity is no NaN
    with pytest.raises(NonFiniteError, match=r"log: gave NaN at test_function\.py"):
        f(np.array([-1, 1], F32))
    with pytest.raises(NonFiniteError, match="infinity"):
        gc.compile(gc.log(x).sum(), [x], debug="inf")(np.zeros(2, F32))


def test_a_wrong_call_is_refused() -> None:
    x = gc.input("x", ("N", 2))
    y = gc.input("y", ("N",))
    f = gc.compile(x.sum(axis=1) + y, [x, y])
    good = np.zeros((3, 2), F32)
    with pytest.raises(DTypeError, match="declared float32, the value has dtype float64"):
        f(np.zeros((3, 2)), np.zeros(3, F32))
    with pytest.raises(ShapeError, match=r"N is 3 by argument 'x', but 4 here"):
        f(good, np.zeros(4, F32))
    with pytest.raises(ShapeError, match="axis 1 must have size 2"):
        f(np.zeros((3, 5), F32), np.zeros(3, F32))
    with pytest.raises(GraphError, match="argument 'y' is missing"):
        f(good)
    with pytest.raises(GraphError, match="no argument 'z'"):
        f(good, z=1)
    np.testing.assert_array_equal(f([[1, 2]], [3]), [6])  # bare lists take the declared dtype
    np.testing.assert_array_equal(f(np.asfortranarray(np.ones((3, 2), F32)), np.zeros(6, F32)[::2]), 2)


def test_threads_limit_is_respected() -> None:
    from threadpoolctl import threadpool_info

    x = gc.input("x", (50, 50))
    f = gc.compile(x @ x, [x], threads=1)
    before = [p["num_threads"] for p in threadpool_info()]
    f(np.ones((50, 50), F32))
    assert [p["num_threads"] for p in threadpool_info()] == before
    with pytest.raises(GraphError, match="no positive number"):
        gc.compile(x @ x, [x], threads=0)
