"""Linear algebra: products of tensors enter as matmul or einsum nodes, with NumPy's meaning of each name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, Shape, broadcast_shapes, format_shape, larger, same, simplified, smaller
from graphc.ir.dtype import DType, result_dtype, ufunc_dtypes
from graphc.ir.op import Attrs, Op
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import integer, one_axis, several_axes, shape_error
from graphc.ops.einsum_equation import LETTERS, canonical, operand_terms
from graphc.ops.elementwise import common_dtype, multiply
from graphc.ops.reductions import sum as sum_over
from graphc.ops.shape import reshape, squeeze, strided_part
from graphc.ops.sources import as_tensor

Array = np.ndarray[Any, Any]


# -- ops -------------------------------------------------------------------------------------------
def _infer_matmul(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    x, y = inputs
    if not x.shape or not y.shape:
        raise ShapeError(
            f"shapes {format_shape(x.shape)} and {format_shape(y.shape)}: a 0-dimensional one has no rows",
            remedy="multiply by a number with *",
        )
    inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
    if not same(x.shape[-1], inner):
        where = "axis -2" if y.ndim > 1 else "axis 0"
        raise ShapeError(
            f"shapes {format_shape(x.shape)} and {format_shape(y.shape)} do not multiply: "
            f"the inner sizes are {x.shape[-1]} (axis -1 of the first) and {inner} ({where} of the second)",
            remedy="transpose or reshape one of them so that the inner sizes agree",
        )
    rows, columns = x.shape[-2:-1], y.shape[-1:] if y.ndim > 1 else ()
    batch = broadcast_shapes([x.shape[:-2], y.shape[:-2]])
    return (*batch, *rows, *columns), ufunc_dtypes(np.matmul, (x.dtype, y.dtype))[-1]


def _infer_einsum(inputs: tuple[Tensor, ...], attrs: Attrs) -> tuple[Shape, DType]:
    terms, output = attrs["equation"].split("->")
    sizes: dict[str, Dim] = {}
    for number, (term, x) in enumerate(zip(terms.split(","), inputs, strict=True)):
        if len(term) != x.ndim:
            raise ShapeError(
                f"operand {number} has shape {format_shape(x.shape)}, the equation names {term!r}"
            )
        for letter, size in zip(term, x.shape, strict=True):
            if not same(sizes.setdefault(letter, size), size):
                raise ShapeError(
                    f"index {letter!r} has size {sizes[letter]} and, in operand {number} of shape "
                    f"{format_shape(x.shape)}, {size}",
                    remedy="give different indices different letters",
                )
    return tuple([sizes[letter] for letter in output]), result_dtype(*[x.dtype for x in inputs])


MATMUL = Op("matmul", "linear algebra", _infer_matmul, lambda attrs, x, y: np.asarray(np.matmul(x, y)))
# The equation is explicit ("ab,bc->ac"): letters only, no ellipsis, no spaces, one size a letter.
EINSUM = Op(
    "einsum", "linear algebra", _infer_einsum, lambda attrs, *x: np.array(np.einsum(attrs["equation"], *x))
)

OPS = (MATMUL, EINSUM)


# -- functions -------------------------------------------------------------------------------------
def matmul(x: object, y: object) -> Tensor:
    """The matrix product, as ``x @ y``: the last two axes are matrices, those before them broadcast.

    A 1-dimensional operand is a row (left) or a column (right), dropped from the result. Raises
    ShapeError where the inner sizes differ.

    >>> import graphc as gc
    >>> gc.matmul(gc.input("x", ("N", 784)), gc.parameter("w", (784, 10)))
    <matmul: float32(N, 10)>
    """
    return apply(MATMUL, (as_tensor(x), as_tensor(y)))


def einsum(equation: str, *operands: object) -> Tensor:
    """Sums of products in Einstein's notation, as ``numpy.einsum``.

    Diagonals, transposes and the ellipsis are understood. Without ``->`` the result has the indices that
    occur once, in alphabetical order. Axes of size 1 broadcast. Raises ShapeError where the
    equation does not fit the operands.

    >>> import graphc as gc
    >>> q, k = gc.input("q", ("N", "T", 64)), gc.input("k", ("N", "T", 64))
    >>> gc.einsum("...qd,...kd->...qk", q, k)
    <einsum: float32(N, T, T)>
    """
    nodes = common_dtype(operands, "einsum") if operands else ()
    terms, output = canonical(equation, [x.shape for x in nodes])
    fitted: list[Tensor] = []
    for number, (x, kept) in enumerate(operand_terms(terms, [x.shape for x in nodes])):
        node = nodes[number]
        fitted.append(squeeze(node, x) if x else node)
        terms[number] = kept
    return apply(EINSUM, tuple(fitted), equation=f"{','.join(terms)}->{output}")


def tensordot(x: object, y: object, axes: int | Sequence[int | Sequence[int]] = 2) -> Tensor:
    """The sum of products over axes: the last n of x with the first n of y, or pairs of axes.

    >>> import graphc as gc
    >>> gc.tensordot(gc.input("x", (2, 3, 4)), gc.input("y", (4, 3)), axes=([1, 2], [1, 0]))
    <einsum: float32(2,)>
    """
    x, y = as_tensor(x), as_tensor(y)
    if isinstance(axes, (tuple, list)):
        if len(axes) != 2:
            raise shape_error(
                "tensordot", f"axes has {len(axes)} parts", "give the axes of x and the axes of y"
            )
        left, right = (several_axes(a, t.ndim, "tensordot") for a, t in zip(axes, (x, y), strict=True))
    else:
        count = integer(axes, "axes", "tensordot")
        if not 0 <= count <= min(x.ndim, y.ndim):
            raise shape_error(
                "tensordot", f"{count} axes of tensors of {x.ndim} and {y.ndim} axes", "sum over fewer axes"
            )
        left, right = tuple(range(x.ndim - count, x.ndim)), tuple(range(count))
    if len(left) != len(right):
        raise shape_error("tensordot", f"{len(left)} axes of x, {len(right)} of y", "pair each axis with one")
    for a, b in zip(left, right, strict=True):
        if not same(x.shape[a], y.shape[b]):
            raise shape_error(
                "tensordot",
                f"shapes {format_shape(x.shape)} and {format_shape(y.shape)}: "
                f"axis {a} of size {x.shape[a]} is paired with axis {b} of size {y.shape[b]}",
                "pair axes of equal size",
            )
    if x.ndim + y.ndim - len(left) > len(LETTERS):
        raise shape_error(
            "tensordot", f"{x.ndim + y.ndim} axes are more than there are letters", "reshape first"
        )
    first = list(LETTERS[: x.ndim])
    second = list(LETTERS[x.ndim : x.ndim + y.ndim])
    for a, b in zip(left, right, strict=True):
        second[b] = first[a]
    output = [c for a, c in enumerate(first) if a not in left] + [
        c for b, c in enumerate(second) if b not in right
    ]
    equation = f"{''.join(first)},{''.join(second)}->{''.join(output)}"
    return apply(EINSUM, common_dtype((x, y), "tensordot"), equation=equation)


def dot(x: object, y: object) -> Tensor:
    """NumPy's dot product: a number times, a matrix product, or the last axis of x with the second last of y.

    >>> import graphc as gc
    >>> gc.dot(gc.input("x", (3,)), gc.input("y", (3,)))
    <matmul: float32()>
    """
    a, b = as_tensor(x), as_tensor(y)
    if a.ndim == 0 or b.ndim == 0:
        return multiply(x, y)
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, ((a.ndim - 1,), (max(b.ndim - 2, 0),)))


def inner(x: object, y: object) -> Tensor:
    """The sum of products over the last axes.

    >>> import graphc as gc
    >>> gc.inner(gc.input("x", (2, 3)), gc.input("y", (4, 3)))
    <einsum: float32(2, 4)>
    """
    a, b = as_tensor(x), as_tensor(y)
    if a.ndim == 0 or b.ndim == 0:
        return multiply(x, y)
    return tensordot(a, b, ((a.ndim - 1,), (b.ndim - 1,)))


def vdot(x: object, y: object) -> Tensor:
    """The sum of products of all elements, both read in C order.

    >>> import graphc as gc
    >>> gc.vdot(gc.input("x", (2, 3)), gc.input("y", (3, 2)))
    <matmul: float32()>
    """
    return matmul(reshape(x, (-1,)), reshape(y, (-1,)))


def outer(x: object, y: object) -> Tensor:
    """Every element of x, in C order, times every element of y.

    >>> import graphc as gc
    >>> gc.outer(gc.input("x", ("N",)), gc.input("y", (3,)))
    <multiply: float32(N, 3)>
    """
    return multiply(reshape(x, (-1, 1)), reshape(y, (1, -1)))


def kron(x: object, y: object) -> Tensor:
    """The Kronecker product: every element of x replaced by that element times y.

    >>> import graphc as gc
    >>> gc.kron(gc.input("x", (2, 3)), gc.input("y", (4, 5)))
    <reshape: float32(8, 15)>
    """
    a, b = as_tensor(x), as_tensor(y)
    rank = max(a.ndim, b.ndim)
    first: Shape = (1,) * (rank - a.ndim) + a.shape
    second: Shape = (1,) * (rank - b.ndim) + b.shape
    wide = reshape(a, tuple([size for s in first for size in (s, 1)]))
    tiles = reshape(b, tuple([size for s in second for size in (1, s)]))
    sizes = tuple([simplified(m * n) for m, n in zip(first, second, strict=True)])
    return reshape(multiply(wide, tiles), sizes)


def diagonal(x: object, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The elements whose indices on the two axes differ by ``offset``, as a new last axis.

    >>> import graphc as gc
    >>> gc.diagonal(gc.input("x", ("N", 3, 3)), axis1=1, axis2=2)
    <einsum: float32(N, 3)>
    """
    x = as_tensor(x)
    if x.ndim < 2:
        raise shape_error(
            "diagonal", f"shape {format_shape(x.shape)} has no two axes", "give a matrix or more axes"
        )
    a, b = one_axis(axis1, x.ndim, "diagonal"), one_axis(axis2, x.ndim, "diagonal")
    if a == b:
        raise shape_error("diagonal", f"axis1 and axis2 are both axis {a}", "name two different axes")
    shift = integer(offset, "the offset", "diagonal")
    down, right = max(-shift, 0), max(shift, 0)
    length = larger(smaller(simplified(x.shape[a] - down), simplified(x.shape[b] - right)), 0)
    if down or right or not (same(x.shape[a], length) and same(x.shape[b], length)):
        start, size = [0] * x.ndim, list(x.shape)
        start[a], start[b] = (0, 0) if same(length, 0) else (down, right)
        size[a] = size[b] = length
        x = strided_part(x, start, size, [1] * x.ndim)
    letters = list(LETTERS[: x.ndim])
    letters[b] = letters[a]
    rest = [c for axis, c in enumerate(letters) if axis not in (a, b)]
    return apply(EINSUM, (x,), equation=f"{''.join(letters)}->{''.join(rest)}{letters[a]}")


def trace(x: object, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum of a diagonal.

    >>> import graphc as gc
    >>> gc.trace(gc.input("x", (3, 3)))
    <sum: float32()>
    """
    return sum_over(diagonal(x, offset, axis1, axis2), axis=-1)
