"""Max pooling and back: images enter, the largest element of each window leaves, or is put back."""

from __future__ import annotations

from typing import Any

from graphc import ops
from graphc.ir.dimension import element_count, format_shape, same_shape, simplified
from graphc.ir.tensor import Tensor
from graphc.nn.pooling_windows import Windows, pooled
from graphc.nn.spatial import Ints, Padding
from graphc.ops.arguments import shape_error, whole_shape
from graphc.ops.indexing import positions
from graphc.ops.pooling import added_to_planes, max_pool, window_index
from graphc.ops.sources import as_tensor
from graphc.ops.windows import each_axis


def max_pool1d(
    x: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str | None = None,
) -> Any:
    """The largest element of each window along the last axis: (N, C, L) to (N, C, L'). See `max_pool2d`.

    >>> import graphc as gc
    >>> gc.nn.max_pool1d(gc.input("x", ("N", 4, 10)), 3, stride=2).shape
    (N, 4, 4)
    """
    return _max_pooled(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, 1)


def max_pool2d(
    x: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str | None = None,
) -> Any:
    """The largest element of each window: (N, C, H, W) or (C, H, W) to ⌊(H + 2p − d·(K − 1) − 1)/s⌋ + 1 rows.

    ``stride`` is the window's size if left out. ``padding`` is never the largest; ``ceil_mode`` keeps a
    last window that is not whole. With ``return_indices`` also where each maximum is in its plane (int64,
    row by row), which `max_unpool2d` takes. The gradient goes to the first maximum of a window.

    Raises ShapeError where a window does not fit or the padding is more than half of it.
    Source: torch.nn.functional.max_pool2d.

    >>> import graphc as gc
    >>> gc.nn.max_pool2d(gc.input("x", ("N", 16, 28, 28)), 2)
    <max_pool: float32(N, 16, 14, 14)>
    """
    return _max_pooled(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, 2)


def max_pool3d(
    x: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Padding = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str | None = None,
) -> Any:
    """The largest element of each window of volumes, (N, C, D, H, W). See `max_pool2d`.

    >>> import graphc as gc
    >>> gc.nn.max_pool3d(gc.input("x", ("N", 2, 4, 4, 4)), 2).shape
    (N, 2, 2, 2, 2)
    """
    return _max_pooled(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, 3)


def _max_pooled(
    x: object, kernel_size: object, stride: object, padding: object, dilation: object, ceil_mode: bool,
    return_indices: bool, layout: str | None, rank: int,
) -> Any:  # fmt: skip
    op = f"max_pool{rank}d"
    windows = Windows(kernel_size, stride, padding, dilation, ceil_mode, rank, op)

    def function(images: Tensor) -> Any:
        sides = windows.completed(images, windows.sides(images))
        y = max_pool(images, windows.size, windows.stride, sides, windows.dilation)
        return (y, window_index(images, y, y.attrs)) if return_indices else y

    return pooled(function, as_tensor(x), rank, layout, op)


# -- unpooling -------------------------------------------------------------------------------------
def max_unpool1d(
    x: object,
    indices: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: object = None,
) -> Tensor:
    """Values back at the places that `max_pool1d` took them from, zeros elsewhere. See `max_unpool2d`.

    >>> import graphc as gc
    >>> y, where = gc.nn.max_pool1d(gc.input("x", ("N", 4, 10)), 2, return_indices=True)
    >>> gc.nn.max_unpool1d(y, where, 2).shape
    (N, 4, 10)
    """
    return _unpooled(x, indices, kernel_size, stride, padding, output_size, 1)


def max_unpool2d(
    x: object,
    indices: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: object = None,
) -> Tensor:
    """Values back at the places that `max_pool2d` took them from, zeros elsewhere.

    (N, C, H, W) to (N, C, H', W'), with H' = (H − 1)·s − 2p + K unless ``output_size`` says otherwise.
    ``indices`` are those of ``return_indices``, ``output_size`` the spatial sizes or the whole shape. A
    place that several windows name gets the mean of their values, which is the value itself where they come
    from one pooling.

    Raises ShapeError where values and indices differ in shape.
    Source: torch.nn.functional.max_unpool2d.

    >>> import graphc as gc
    >>> y, where = gc.nn.max_pool2d(gc.input("x", ("N", 4, 10, 10)), 2, return_indices=True)
    >>> gc.nn.max_unpool2d(y, where, 2).shape
    (N, 4, 10, 10)
    """
    return _unpooled(x, indices, kernel_size, stride, padding, output_size, 2)


def max_unpool3d(
    x: object,
    indices: object,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: object = None,
) -> Tensor:
    """Values back at the places that `max_pool3d` took them from, zeros elsewhere. See `max_unpool2d`.

    >>> import graphc as gc
    >>> y, where = gc.nn.max_pool3d(gc.input("x", ("N", 4, 4, 4, 4)), 2, return_indices=True)
    >>> gc.nn.max_unpool3d(y, where, 2).shape
    (N, 4, 4, 4, 4)
    """
    return _unpooled(x, indices, kernel_size, stride, padding, output_size, 3)


def _unpooled(
    x: object,
    indices: object,
    kernel_size: object,
    stride: object,
    padding: object,
    output_size: Any,
    rank: int,
) -> Tensor:
    op = f"max_unpool{rank}d"
    values, index = as_tensor(x), as_tensor(indices)
    if not same_shape(values.shape, index.shape) or values.ndim < rank:
        raise shape_error(
            op,
            f"the values have shape {format_shape(values.shape)}, the indices {format_shape(index.shape)}",
            "give the indices that max_pool returned beside values of their shape",
        )
    size = each_axis(kernel_size, rank, "kernel_size", op)
    steps = size if stride is None else each_axis(stride, rank, "stride", op)
    around = each_axis(padding, rank, "padding", op, least=0)
    spatial = values.shape[values.ndim - rank :]
    if output_size is None:
        wanted = tuple(
            [
                simplified((n - 1) * s - 2 * p + k)
                for n, s, p, k in zip(spatial, steps, around, size, strict=True)
            ]
        )
    else:
        wanted = whole_shape(tuple(output_size), op)[-rank:]
    shape = (*values.shape[: values.ndim - rank], *wanted)
    places = positions(index, simplified(element_count(wanted)), op, index.ndim - 1)
    result = added_to_planes(values, places, shape, rank)
    if all(s >= k for s, k in zip(steps, size, strict=True)):
        return result
    shares = added_to_planes(ops.ones_like(values), places, shape, rank)
    return result / ops.maximum(shares, 1)
