"""Tiles on threads: a function of a tile and the rows enter; each tile has been computed once.

Threads are started at first use and stay. Matrix products run on one thread each meanwhile, which takes
threadpoolctl, or OPENBLAS_NUM_THREADS=1 in the environment; without either, tiles run one after the other.
Which thread computes a tile changes nothing: tiles depend on the number of rows alone. Written into
standalone files as it stands.
"""

import itertools
import os
import threading
import warnings
from collections.abc import Callable
from functools import cache
from queue import SimpleQueue
from typing import Any

import numpy as np

try:
    from threadpoolctl import ThreadpoolController
except ImportError:  # pragma: no cover
    ThreadpoolController = None


class BlasLimit:
    """Holds matrix products to one thread each while anyone is inside ``with``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._libraries: list[tuple[Any, int]] | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._set()

    def __exit__(self, *details: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._restore()

    def _set(self) -> None:
        if self._libraries is None:
            found = ThreadpoolController().lib_controllers if ThreadpoolController else []
            self._libraries = [(lib, 1) for lib in found if lib.user_api == "blas"]
        self._libraries = [(lib, lib.num_threads) for lib, _ in self._libraries]
        for library, _ in self._libraries:
            self._put(library, 1)

    def _restore(self) -> None:
        for library, count in self._libraries or []:
            self._put(library, count)

    @staticmethod
    def _put(library: Any, count: int) -> None:
        """Set the number of threads from whichever thread this is.

        Newer threadpoolctl lets only the first thread that asks do so; here the lock keeps threads apart.
        """
        release = getattr(library, "clear_controlling_thread", lambda force: None)
        release(force=True)
        library.set_num_threads(count)
        release(force=True)


class Job:
    """Tiles to be computed by whichever threads come; each takes the next that nobody has taken."""

    def __init__(self, call: Callable[[int], None], count: int) -> None:
        self._call, self._count = call, count
        self._next = itertools.count().__next__
        self._lock = threading.Condition()
        self._working = 0
        self._closed = False
        self._error: BaseException | None = None

    def work(self) -> None:
        """Compute tiles until none is left."""
        with self._lock:
            if self._closed:
                return
            self._working += 1
        try:
            with np.errstate(all="ignore"):
                while self._error is None and (number := self._next()) < self._count:
                    self._call(number)
        except BaseException as error:
            self._error = error
        finally:
            with self._lock:
                self._working -= 1
                if self._working == 0:
                    self._lock.notify_all()

    def finish(self) -> None:
        """Wait until all threads are done; raise what one of them raised."""
        with self._lock:
            self._closed = True
            while self._working:
                self._lock.wait()
        if self._error is not None:
            raise self._error


class Workers:
    """Threads that wait for jobs; as many as were ever asked for, less the one that asks."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin with no thread: at first, and after a fork, as the threads are the parent's."""
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._threads = 0
        self._lock = threading.Lock()

    def run(self, call: Callable[[int], None], count: int, threads: int) -> None:
        """``call(number)`` for each number below ``count``, on so many threads at most."""
        job = Job(call, count)
        helpers = min(threads, count) - 1
        if helpers > 0:
            self._start(helpers)
        for _ in range(helpers):
            self._jobs.put(job)
        job.work()
        job.finish()

    def _start(self, wanted: int) -> None:
        with self._lock:
            while self._threads < wanted:
                self._threads += 1
                thread = threading.Thread(target=self._serve, args=(self._jobs,), daemon=True)
                thread.start()

    @staticmethod
    def _serve(jobs: "SimpleQueue[Job]") -> None:
        while True:
            jobs.get().work()


blas = BlasLimit()
workers = Workers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=workers.forget)


def processors() -> int:
    """How many threads can run at once."""
    wanted = os.environ.get("GRAPHC_THREADS", "")
    if wanted.isdigit() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def products_agree() -> bool:
    """Whether products on several threads at once are what they are alone: a test of BLAS, made once.

    Some builds of BLAS share memory between callers without a lock; there, tiles run on one thread.
    """
    a = np.sin(np.arange(96 * 128, dtype=np.float64)).reshape(96, 128).astype(np.float32)
    found: list[Any] = [None] * 32

    def multiply(number: int) -> None:
        found[number] = a.T @ a

    with blas:
        alone = a.T @ a
        workers.run(multiply, len(found), 2)
    agree = all(np.array_equal(alone, product) for product in found)
    if not agree:
        warnings.warn(
            "this BLAS computes other products on several threads at once: tiles run on one", RuntimeWarning,
            stacklevel=3,
        )  # fmt: skip
    return agree


def tile_rows(rows: int, most: int) -> int:
    """The rows of a tile: all in one where they are few, else an even number of tiles that are not longer."""
    return rows if rows <= most else -(-rows // (2 * -(-rows // (2 * most))))


def in_tiles(  # type: ignore[no-untyped-def]
    make, memory, rows, size, sizes, arguments, lanes=None, sums=(), threads=None
):
    """``tile(lane, first row, end row, …)`` for all rows, in tiles of ``size``.

    Tiles of one lane run one after the other, always in the same order; without ``lanes`` each tile is its
    own. What is given back is how many lanes there are; each finds zeros in its place of the arrays ``sums``.
    ``make(thread, rows, *sizes)`` gives the tile's function with the buffers of a thread; ``memory`` keeps
    it from call to call.
    """
    tiles = -(-rows // size) if size else 0
    lanes = min(tiles, lanes or tiles)
    alone = ThreadpoolController or os.environ.get("OPENBLAS_NUM_THREADS") == "1"
    available = min(lanes, (threads or processors()) if alone else 1)
    if available > 1 and not products_agree():
        available = 1
    memory.reserve(available, make, size, sizes)

    def compute(lane: int) -> None:
        for parts in sums:
            parts[lane] = 0
        thread = memory.take()
        for first in range(lane * size, rows, lanes * size):
            end = min(first + size, rows)
            thread.tile(make, end - first, sizes)(lane, first, end, *arguments)
        memory.give_back(thread)

    if lanes == 1:
        compute(0)
    else:
        with blas:
            workers.run(compute, lanes, available)
    return lanes
