"""The constants of the cost table, measured: ``python -m graphc.bench.costs`` prints them as it has them.

Each figure is the shortest of many runs on arrays that stay in cache: what disturbs a run makes it longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

_ELEMENTS = 32_768
_SMALL = 8
Array = np.ndarray[Any, Any]

# The ufuncs of the table, and where their arguments may lie.
UFUNCS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "maximum", "minimum", "logaddexp"), (-3, 3)),
    **dict.fromkeys(("negative", "absolute", "square", "sign", "exp", "expm1", "tanh"), (-3, 3)),
    **dict.fromkeys(("sin", "cos", "tan"), (-3, 3)),
    **dict.fromkeys(("sqrt", "log", "log1p", "log2", "power"), (0.5, 2)),
    **dict.fromkeys(("greater", "less", "equal"), (-3, 3)),
}  # fmt: skip


def shortest(call: Callable[[], object], seconds: float = 0.05) -> float:
    """The shortest time of one call in ns."""
    call()
    best = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter_ns()
        call()
        best = min(best, time.perf_counter_ns() - start)
    return best


def _ufunc_cost(name: str, dtype: str, count: int, seconds: float) -> float:
    generator = np.random.default_rng(0)
    ufunc = getattr(np, name)
    operands = [generator.uniform(*UFUNCS[name], count).astype(dtype) for _ in range(ufunc.nin)]
    out: Array = np.empty(count, bool if name in ("greater", "less", "equal") else dtype)
    return shortest(lambda: ufunc(*operands, out=out), seconds)


def element_costs(dtype: str, seconds: float = 0.05) -> dict[str, float]:
    """ns per element of each ufunc; of ``sum`` and ``max`` along rows; ``reciprocal`` is 1.0 / x."""
    found = {name: _ufunc_cost(name, dtype, _ELEMENTS, seconds) / _ELEMENTS for name in UFUNCS}
    x: Array = np.ones((8, _ELEMENTS // 8), dtype)
    out: Array = np.empty_like(x)
    row: Array = np.empty(8, dtype)
    mask: Array = x > 0
    found["reciprocal"] = shortest(lambda: np.divide(1.0, x, out=out), seconds) / _ELEMENTS
    found["astype"] = shortest(lambda: np.copyto(out, mask, casting="unsafe"), seconds) / _ELEMENTS
    found["sum"] = shortest(lambda: np.add.reduce(x, axis=1, out=row), seconds) / _ELEMENTS
    found["max"] = shortest(lambda: np.maximum.reduce(x, axis=1, out=row), seconds) / _ELEMENTS
    return found


def _product(rows: int, inner: int, columns: int, dtype: str, seconds: float) -> float:
    x, y = np.ones((rows, inner), dtype), np.ones((inner, columns), dtype)
    out: Array = np.empty((rows, columns), dtype)
    return shortest(lambda: np.matmul(x, y, out=out), seconds)


def call_costs(seconds: float = 0.05) -> dict[str, float]:
    """ns of calls and rows, and bytes a ns of a copy that leaves the cache."""
    narrow: Array = np.ones((1024, 16), np.float32)
    wide: Array = np.ones((16, 1024), np.float32)
    row: Array = np.empty(1024, np.float32)
    short: Array = np.empty(16, np.float32)
    items: Array = np.ones((1024, 1, 16), np.float32)
    products: Array = np.empty((1024, 1, 1), np.float32)
    large: Array = np.ones(16 << 20, np.float32)
    target: Array = np.empty_like(large)
    by_rows = shortest(lambda: np.add.reduce(narrow, axis=1, out=row), seconds)
    at_once = shortest(lambda: np.add.reduce(wide, axis=1, out=short), seconds)
    batched = shortest(lambda: np.matmul(items, items.transpose(0, 2, 1), out=products), seconds)
    return {
        "call": _ufunc_cost("multiply", "float32", _SMALL, seconds),
        "product_call": _product(4, 4, 4, "float32", seconds),
        "product_item": batched / 1024,
        "reduced_row": (by_rows - at_once) / (1024 - 16),
        "bandwidth": 2 * large.nbytes / shortest(lambda: np.copyto(target, large), 10 * seconds),
    }


def main(seconds: float = 0.05) -> None:
    """Print everything."""
    with threadpool_limits(1, "blas"):
        for size, dtype in ((4, "float32"), (8, "float64")):
            costs = element_costs(dtype, seconds)
            print(f"element[{size}] = {{{', '.join(f'{k!r}: {v:.2f}' for k, v in costs.items())}}}")
            madds = 512**3
            print(f"multiply_add[{size}] = {_product(512, 512, 512, dtype, 4 * seconds) / madds:.4f}")
        print(", ".join(f"{k}={v:.1f}" for k, v in call_costs(seconds).items()))


if __name__ == "__main__":
    main()
