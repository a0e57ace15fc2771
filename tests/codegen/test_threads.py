"""Tiles on threads: each tile once, errors to the caller, BLAS as it was, callers at the same time, forks."""

import multiprocessing
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import graphc as gc
from graphc.codegen import threads
from graphc.codegen.packing import Piece, ThreadMemory
from graphc.codegen.threads import Workers, blas, in_tiles, tile_rows


def each(tile):
    """What makes the function of a tile, which gets the thread's memory first."""

    def make(thread: Piece, rows: int):
        mine = thread.memory(8 * rows)
        return lambda *where: tile(mine, *where)

    return make


def blas_threads() -> list[int]:
    return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]


@pytest.mark.parametrize("rows", [0, 1, 5, 6, 64, 65])
@pytest.mark.parametrize("most", [1, 2, 3, 8, 100])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_row_is_in_one_tile(rows, most, threads) -> None:
    seen = np.zeros(rows, int)
    sizes = []

    def tile(mine, number, first, end):
        assert len(mine) >= 8 * (end - first)
        mine[:] = number
        seen[first:end] += 1
        sizes.append(end - first)

    memory, make = ThreadMemory(), each(tile)
    for _ in range(2):
        tiles = in_tiles(make, memory, rows, tile_rows(rows, most), (), (), threads=threads)
    assert (seen == 2).all()
    assert tiles * 2 == len(sizes) and max(sizes, default=0) <= most
    assert tiles < 2 if rows <= most else tiles <= 2 * -(-rows // (2 * most))
    assert len(set(sizes)) <= 2
    assert len(memory._free) <= threads


def test_an_error_stops_the_tiles_and_reaches_the_caller() -> None:
    begun = []

    def tile(mine, number, first, end):
        begun.append(number)
        if number == 3:
            raise ValueError("tile 3")

    with pytest.raises(ValueError, match="tile 3"):
        in_tiles(each(tile), ThreadMemory(), 1000, 1, (), (), threads=2)
    assert len(begun) < 1000


def test_a_blas_that_is_not_safe_on_threads_gets_one(monkeypatch) -> None:
    def spoil(call, count, threads):
        for number in range(count):
            call(number)
        if call.__name__ == "multiply":  # as if another caller's numbers came between
            call.__closure__[1].cell_contents[3][5, 7] += 1

    used = []
    monkeypatch.setattr(threads.Workers, "run", lambda self, *given: (used.append(given[2]), spoil(*given)))
    threads.products_agree.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="tiles run on one"):
            in_tiles(each(lambda *_: None), ThreadMemory(), 8, 1, (), (), threads=2)
        in_tiles(each(lambda *_: None), ThreadMemory(), 8, 1, (), (), threads=2)
    finally:
        threads.products_agree.cache_clear()
    assert used == [2, 1, 1]  # the test, and twice all tiles


def test_products_on_threads_agree_here() -> None:
    threads.products_agree.cache_clear()
    assert threads.products_agree()


def test_products_run_on_one_thread_inside_and_as_before_outside() -> None:
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        inside = []
        memory = ThreadMemory()
        in_tiles(each(lambda *_: inside.append(blas_threads())), memory, 4, 1, (), (), threads=2)
        assert all(set(found) == {1} for found in inside)
        with blas, blas:
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_callers_at_the_same_time() -> None:
    x = gc.input("x", (400, 300))
    w = gc.constant(np.linspace(-1, 1, 300 * 200, dtype=np.float32).reshape(300, 200))
    f = gc.compile(gc.tanh(x @ w).sum(axis=1), [x], threads=3)
    assert "in_tiles" in f.source
    arrays = [np.random.default_rng(k).standard_normal((400, 300)).astype(np.float32) for k in range(4)]
    expected = [f(a) for a in arrays]
    found: dict[int, list[np.ndarray]] = {k: [] for k in range(4)}

    def call(k: int) -> None:
        for _ in range(20):
            found[k].append(f(arrays[k]))

    callers = [threading.Thread(target=call, args=(k,)) for k in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for k in range(4):
        assert len(found[k]) == 20
        assert all(np.array_equal(value, expected[k]) for value in found[k])


def test_a_job_inside_a_job_ends() -> None:
    workers, done = Workers(), []
    workers.run(lambda i: workers.run(lambda j: done.append((i, j)), 3, 3), 3, 3)
    assert sorted(done) == [(i, j) for i in range(3) for j in range(3)]


def _in_child(results: "multiprocessing.SimpleQueue[int]") -> None:
    total: list[int] = []
    in_tiles(each(lambda _, number, *__: total.append(number)), ThreadMemory(), 8, 1, (), (), threads=2)
    results.put(sum(total))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    in_tiles(each(lambda *_: None), ThreadMemory(), 8, 1, (), (), threads=2)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(results,))
    child.start()
    child.join(30)
    assert child.exitcode == 0 and results.get() == 28
