"""How many processes run the tests: one a processor for the whole suite, this one alone for a part of it."""

from __future__ import annotations

import os

import pytest

# Each process takes up to 1.5 GB, and what the last ones would add is lost to the longest single tests.
_MOST_PROCESSES = 8

_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What ``-n auto`` in pyproject.toml means; with 0 the tests run in this process.

    A process takes seconds to import graphc and PyTorch and to collect the tests: a part of the suite would
    be done by then. With ``-s`` too there is this one alone: what others print is lost. Give ``-n 2`` to have
    two all the same.
    """
    processes = min(os.cpu_count() or 1, _MOST_PROCESSES)
    if processes == 1 or _is_part(config) or config.getoption("capture") == "no":
        return 0
    # Processes of which each has a thread of BLAS on every processor spin against each other.
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    return processes


def _is_part(config: pytest.Config) -> bool:
    """Whether files, a keyword, a mark, the last failures or no tests at all are asked for."""
    chosen = ("keyword", "markexpr", "lf", "collectonly")
    return config.args_source is config.ArgsSource.ARGS or any(config.getoption(o, False) for o in chosen)
