"""Batches: whole arrays enter, pieces of them leave, in an order that seed and epoch alone decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from graphc.errors import GraphError, ShapeError
from graphc.ir.origin import user_location

Array = np.ndarray[Any, Any]
Batch: TypeAlias = "dict[str, Array] | tuple[Array, ...]"


def _refused(message: str, remedy: str) -> GraphError:
    return GraphError(message, op="batches", location=user_location(), remedy=remedy)


def row_count(data: Mapping[str, Any] | tuple[Any, ...]) -> int:
    """The common length of the arrays along their first axis."""
    named = list(data.items()) if isinstance(data, Mapping) else [(str(i), a) for i, a in enumerate(data)]
    if not named:
        raise _refused("the data holds no array", "give at least one array")
    lengths: dict[str, int] = {}
    for name, array in named:
        shape = np.shape(array)
        if not shape:
            raise _refused(
                f"data {name!r} is a single number, without rows", "give arrays with one row per sample"
            )
        lengths[name] = shape[0]
    if len(set(lengths.values())) > 1:
        seen = ", ".join(f"{name!r}: {n}" for name, n in lengths.items())
        raise ShapeError(
            f"the arrays differ in their number of rows ({seen})",
            op="batches",
            location=user_location(),
            remedy="give arrays whose first axis has one length",
        )
    return next(iter(lengths.values()))


def batches(
    data: Mapping[str, Any] | tuple[Any, ...],
    batch_size: int | None = None,
    *,
    shuffle: bool = False,
    seed: int = 0,
    epoch: int = 0,
) -> Iterator[Batch]:
    """The rows of the arrays, ``batch_size`` at a time (all at once if None); the last may be smaller.

    ``data`` is a dict or a tuple of arrays with one length along axis 0, and each batch has its
    structure. With ``shuffle`` the order follows from ``(seed, epoch)`` alone, so an interrupted run
    can go on where it stopped. Raises GraphError for arrays of different lengths, or without rows.

    >>> import numpy as np
    >>> from graphc.fit import batches
    >>> [x.tolist() for (x,) in batches((np.arange(5),), 2)]
    [[0, 1], [2, 3], [4]]
    """
    count = row_count(data)
    size = count if batch_size is None else batch_size
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or (size < 1 and count > 0):
        raise _refused(
            f"batch_size is {batch_size!r}", "give a positive integer, or None for all rows at once"
        )
    if count == 0:
        raise _refused("the data has no rows", "give arrays with at least one row")
    if isinstance(data, Mapping):
        arrays: Any = {name: np.asarray(array) for name, array in data.items()}
    else:
        arrays = tuple(np.asarray(array) for array in data)
    return _pieces(arrays, count, int(size), _order(count, seed, epoch) if shuffle else None)


def _order(count: int, seed: int, epoch: int) -> Array:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch]))).permutation(count)


def _pieces(arrays: Batch, count: int, size: int, order: Array | None) -> Iterator[Batch]:
    for start in range(0, count, size):
        rows: Any = slice(start, start + size) if order is None else order[start : start + size]
        if isinstance(arrays, dict):
            yield {name: array[rows] for name, array in arrays.items()}
        else:
            yield tuple(array[rows] for array in arrays)
