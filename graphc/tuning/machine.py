"""The machine: what times depend on besides the sizes leaves as text and numbers."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from threadpoolctl import ThreadpoolController

Machine = Mapping[str, str | int]


def machine(threads: int) -> Machine:
    """The processor, NumPy and its BLAS, the number of threads and the version of graphc."""
    return {
        "processor": _processor(), "blas": _blas(), "numpy": np.__version__, "threads": threads,
        "graphc": _version(),
    }  # fmt: skip


def _version() -> str:
    try:
        return importlib.metadata.version("graphc")
    except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
        return "unknown"


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next((n for n in names if n), platform.processor() or platform.machine())


@cache
def _blas() -> str:
    """Name and version of NumPy's BLAS, and the kernels that it runs here."""
    built = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    libraries = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    # Other packages may bring a BLAS of their own; NumPy's wheels keep theirs beside them.
    libraries.sort(key=lambda lib: "numpy" not in lib.filepath)
    kernels = getattr(libraries[0], "architecture", None) if libraries else None
    return f"{built.get('name')} {built.get('version')} {kernels or ''}".strip()
