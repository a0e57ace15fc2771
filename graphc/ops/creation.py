"""Tensors of one value: shapes enter, zeros, ones, full tensors and identities leave.

They are broadcast constants: nothing is stored. Where no dtype is given it is float32, as for
``gc.input``.
"""

from __future__ import annotations

from graphc.ir.dimension import Dim, same_shape
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import integer, one_size, whole_shape
from graphc.ops.elementwise import astype, equal, subtract, weak_value
from graphc.ops.shape import broadcast_to, expand_dims
from graphc.ops.sources import arange, as_tensor


def full(shape: object, value: object, dtype: object = None) -> Tensor:
    """A tensor of one value, a number or a tensor that broadcasts to the shape.

    The dtype is that of the value where none is given; of a Python float, float32.

    >>> import graphc as gc
    >>> gc.full(("N", 3), 0.5)
    <broadcast_to: float32(N, 3)>
    """
    if dtype is None and isinstance(weak_value(value), float):
        dtype = "float32"
    start = as_tensor(value)
    sizes = whole_shape(shape, "full")
    filling = start if dtype is None else astype(start, dtype)
    return filling if same_shape(filling.shape, sizes) else broadcast_to(filling, sizes)


def zeros(shape: object, dtype: object = "float32") -> Tensor:
    """A tensor of zeros.

    >>> import graphc as gc
    >>> gc.zeros(("N", 3))
    <broadcast_to: float32(N, 3)>
    """
    return full(shape, 0, dtype)


def ones(shape: object, dtype: object = "float32") -> Tensor:
    """A tensor of ones.

    >>> import graphc as gc
    >>> gc.ones(3, "int64")
    <broadcast_to: int64(3,)>
    """
    return full(shape, 1, dtype)


def full_like(x: object, value: object, dtype: object = None) -> Tensor:
    """A tensor of one value with the shape of x, and its dtype unless one is given.

    >>> import graphc as gc
    >>> gc.full_like(gc.input("x", ("N", 3)), 2)
    <broadcast_to: float32(N, 3)>
    """
    x = as_tensor(x)
    return full(x.shape, value, x.dtype if dtype is None else dtype)


def zeros_like(x: object, dtype: object = None) -> Tensor:
    """A tensor of zeros with the shape of x, and its dtype unless one is given.

    >>> import graphc as gc
    >>> gc.zeros_like(gc.input("x", ("N", 3)))
    <broadcast_to: float32(N, 3)>
    """
    return full_like(x, 0, dtype)


def ones_like(x: object, dtype: object = None) -> Tensor:
    """A tensor of ones with the shape of x, and its dtype unless one is given.

    >>> import graphc as gc
    >>> gc.ones_like(gc.input("x", ("N", 3)), "bool")
    <broadcast_to: bool(N, 3)>
    """
    return full_like(x, 1, dtype)


def eye(rows: Dim | str, columns: Dim | str | None = None, k: int = 0, dtype: object = "float32") -> Tensor:
    """A matrix with ones on its k-th diagonal and zeros elsewhere.

    >>> import graphc as gc
    >>> gc.eye("N")
    <astype: float32(N, N)>
    """
    height = one_size(rows, "eye")
    width = height if columns is None else one_size(columns, "eye")
    shift = integer(k, "k", "eye")
    columns_of_ones = subtract(arange(width), shift) if shift else arange(width)
    return astype(equal(expand_dims(arange(height), 1), columns_of_ones), dtype)
