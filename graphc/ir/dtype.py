"""Dtypes: the ones graphc knows, and NumPy 2's promotion with weak Python scalars."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import numpy as np

from graphc.errors import DTypeError

DType: TypeAlias = "np.dtype[Any]"

SUPPORTED = tuple(
    np.dtype(name)
    for name in (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64",
    )
)  # fmt: skip
BOOL = np.dtype(np.bool_)
INT64 = np.dtype(np.int64)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)


def as_dtype(value: object) -> DType:
    """The NumPy dtype of a name, type or dtype; DTypeError where graphc has no such dtype."""
    try:
        dtype: DType = np.dtype(value)  # type: ignore[call-overload]
    except TypeError:
        raise DTypeError(
            f"{value!r} is no dtype", remedy=f"use one of {', '.join(map(str, SUPPORTED))}"
        ) from None
    if dtype not in SUPPORTED:
        raise DTypeError(
            f"dtype {dtype} is not supported",
            remedy=f"use one of {', '.join(map(str, SUPPORTED))}",
        )
    return dtype


def is_float(dtype: DType) -> bool:
    return dtype.kind == "f"


def is_integer(dtype: DType) -> bool:
    return dtype.kind in "iu"


@cache
def ufunc_dtypes(ufunc: np.ufunc, operands: tuple[DType | type, ...]) -> tuple[DType, ...]:
    """The dtypes a ufunc computes with, inputs then output; ``int``, ``float`` stand for weak scalars.

    Raises DTypeError where the ufunc has no loop for the operands.
    """
    try:
        resolved: tuple[DType, ...] = ufunc.resolve_dtypes((*operands, *[None] * ufunc.nout))
    except TypeError:
        names = " and ".join(getattr(o, "name", None) or o.__name__ for o in operands)  # type: ignore[union-attr]
        raise DTypeError(
            f"has no meaning for {names}", remedy='convert first, e.g. x.astype("float32")'
        ) from None
    if any(d not in SUPPORTED for d in resolved):
        names = " and ".join(getattr(o, "name", None) or o.__name__ for o in operands)  # type: ignore[union-attr]
        raise DTypeError(f"has no supported result for {names}", remedy="convert the operands first")
    return resolved


def result_dtype(*operands: DType | complex) -> DType:
    """NumPy's promotion; Python scalars are weak."""
    return np.result_type(*operands)
