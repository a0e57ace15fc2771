"""Pieces of source: names, numbers, shapes and slices enter; their text leaves."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from graphc.ir.dimension import Dim, Shape, same
from graphc.ir.dtype import BOOL, DType, is_integer

if TYPE_CHECKING:
    from graphc.codegen.emitter import At

_WIDEST = 110  # columns of a line of names


def dtype_source(dtype: DType) -> str:
    """The dtype as source, e.g. ``np.float32``."""
    return "np.bool_" if dtype == BOOL else f"np.{dtype.name}"


def tuple_source(items: list[str]) -> str:
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def tuple_lines(before: str, items: list[str], after: str) -> list[str]:
    """Lines with a tuple between two texts: one line where it is short."""
    line = f"{before}{tuple_source(items) if items else '()'}{after}"
    if len(line) <= _WIDEST:
        return [line]
    return [
        f"{before}(",
        *wrap(", ".join(items) + ",", _WIDEST - 4, initial_indent="    ", subsequent_indent="    "),
        f"){after}",
    ]


def literal_source(value: np.ndarray) -> str:
    """A 0-dimensional array as a Python number that converts back to exactly it."""
    item = value[()]
    if value.dtype == BOOL:
        return str(bool(item))
    if is_integer(value.dtype):
        return str(int(item))
    if np.isnan(item):
        return "np.nan"
    if np.isinf(item):
        return "np.inf" if item > 0 else "-np.inf"
    # The shortest decimal that is this float in its own precision; longer than needed in no dtype.
    return str(item) if "e" in str(item) or "." in str(item) else f"{item}.0"


def slice_source(
    at: At, starts: tuple[Dim, ...], sizes: tuple[Dim, ...], steps: tuple[int, ...], full: Shape
) -> str:
    """The index that reads, or writes, ``sizes[a]`` elements of axis a from ``starts[a]`` by ``steps[a]``."""
    parts = []
    for start, size, step, whole in zip(starts, sizes, steps, full, strict=True):
        if step == 1 and same(start, 0) and same(size, whole):
            parts.append(":")
            continue
        stop = start + size * step
        if step > 0:
            stride = f":{step}" if step != 1 else ""
            parts.append(f"{'' if same(start, 0) else at.size(start)}:{at.size(stop)}{stride}")
        elif isinstance(stop, int):  # downwards; a stop before the first element is written as nothing
            parts.append(f"{at.size(start)}:{stop if stop >= 0 else ''}:{step}")
        else:
            last = at.size(stop)
            parts.append(f"slice({at.size(start)}, {last} if {last} >= 0 else None, {step})")
    while len(parts) > 1 and parts[-1] == ":":
        parts.pop()
    return ", ".join(parts)
