"""Measured costs of NumPy's calls: ns per element, per call and per multiply-add.

``python -m graphc.bench.costs`` measures them and prints them as they stand here. All are of one thread, on
arrays in cache, NumPy 2.4. Passes compare sums of them: what counts is that one function costs ten times
another, not the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from graphc.ir.dtype import DType


@dataclass(frozen=True)
class CostTable:
    """``element`` gives ns per element of an op by its dtype's element size, ``other`` that of other ops.

    ``call`` is what a NumPy call costs, ``product_call`` a matrix product, ``product_item`` each further
    matrix of a batch, ``reduced_row`` each row of a reduction along the last axis, ``multiply_add`` one of a
    large product by element size. ``bandwidth`` are bytes a ns of arrays larger than the ``cache``.
    """

    element: Mapping[int, Mapping[str, float]]
    multiply_add: Mapping[int, float]
    other: float = 0.5
    call: float = 450.0
    product_call: float = 1200.0
    product_item: float = 20.0
    reduced_row: float = 25.0
    bandwidth: float = 10.0
    cache: int = 1 << 20


# Vectors of 256 bits. NumPy's expm1, log1p, power and logaddexp are scalar loops there.
AVX2 = CostTable(
    element={
        4: {
            "add": 0.16, "subtract": 0.16, "multiply": 0.16, "divide": 0.17, "maximum": 0.16, "minimum": 0.16,
            "negative": 0.11, "abs": 0.11, "square": 0.11, "sign": 0.49, "reciprocal": 0.16, "sqrt": 0.41,
            "exp": 1.31, "expm1": 13.0, "log": 1.68, "log1p": 11.7, "log2": 2.8, "tanh": 2.56, "sin": 1.6,
            "cos": 2.5, "tan": 15.3, "power": 5.8, "logaddexp": 20.0,
            "greater": 0.12, "less": 0.12, "equal": 0.12, "astype": 0.12, "sum": 0.22, "max": 0.1, "min": 0.1,
            "relu": 0.16, "sigmoid": 1.75, "softplus": 20.0, "erf": 20.0, "where": 3.0,
            "absorbing_multiply": 1.0, "softmax": 2.5, "log_softmax": 2.5, "logsumexp": 2.0,
        },
        8: {
            "add": 0.34, "subtract": 0.34, "multiply": 0.34, "divide": 0.39, "maximum": 0.34, "minimum": 0.34,
            "negative": 0.22, "abs": 0.21, "square": 0.21, "sign": 0.68, "reciprocal": 0.39, "sqrt": 1.35,
            "exp": 5.0, "expm1": 12.4, "log": 4.6, "log1p": 11.3, "log2": 4.8, "tanh": 13.2, "sin": 12.5,
            "cos": 14.4, "tan": 17.9, "power": 13.5, "logaddexp": 20.6,
            "greater": 0.22, "less": 0.22, "equal": 0.22, "astype": 0.24, "sum": 0.24, "max": 0.16,
            "min": 0.16,
            "relu": 0.34, "sigmoid": 6.0, "softplus": 20.6, "erf": 20.0, "where": 4.0,
            "absorbing_multiply": 1.6, "softmax": 7.0, "log_softmax": 7.0, "logsumexp": 6.0,
        },
    },
    multiply_add={4: 0.021, 8: 0.045},
)  # fmt: skip
# Vectors of 512 bits, where NumPy takes exp and tanh from a vector library. Measured in float32: multiply,
# and what costs as much, divide, exp, tanh, products; sigmoid is their sum. float64 counts as twice that: a
# vector holds half as many. All else stands as for 256 bits, until it is measured.
_WIDE = {
    "add": 0.11, "subtract": 0.11, "multiply": 0.11, "divide": 0.13, "reciprocal": 0.13,
    "exp": 0.38, "tanh": 0.22, "sigmoid": 0.73,
}  # fmt: skip
AVX512 = replace(
    AVX2,
    element={
        4: {**AVX2.element[4], **_WIDE},
        8: {**AVX2.element[8], **{name: 2 * value for name, value in _WIDE.items()}},
    },
    multiply_add={4: 0.01, 8: 0.02},
)


def _wide_vectors() -> bool:
    """Whether NumPy runs tanh on vectors of 512 bits here."""
    introspect = getattr(np.lib, "introspect", None)
    if introspect is None:
        return False
    found = introspect.opt_func_info(func_name="^tanh$", signature="float32")
    return any(
        kind["current"] in ("X86_V4", "AVX512_SKX") for kinds in found.values() for kind in kinds.values()
    )


TABLE: CostTable = AVX512 if _wide_vectors() else AVX2


def element_cost(op: str, dtype: DType, table: CostTable = TABLE) -> float:
    """ns per element of an op on a dtype; dtypes that are not float32 count as float64."""
    return table.element[4 if dtype.itemsize <= 4 else 8].get(op, table.other)


def multiply_add_cost(dtype: DType, table: CostTable = TABLE) -> float:
    """ns of one multiply-add of a large matrix product."""
    return table.multiply_add[4 if dtype.itemsize <= 4 else 8]
