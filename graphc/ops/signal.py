"""Convolution as signal processing knows it: two signals enter, one turned round and slid along the other.

Not to be mistaken for what deep learning calls convolution (`gc.nn.conv1d` and its kin), which does not turn
the filter round and is the cross-correlation here.
"""

from __future__ import annotations

from graphc.errors import DTypeError, UnsupportedError
from graphc.ir.dimension import Dim, Shape, format_shape, simplified
from graphc.ir.dtype import BOOL
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ops.arguments import shape_error
from graphc.ops.convolution import Geometry, convolution
from graphc.ops.shape import expand_dims, flip, reshape
from graphc.ops.sources import as_tensor

_MODES = ("full", "same", "valid")


def convolve(a: object, v: object, mode: str = "full") -> Tensor:
    """The convolution of signal processing, ``y[t] = Σ_k a[t − k] · v[k]``, over all axes.

    a and v have one number of axes. Along each, of M and K elements, ``full`` (wide) gives M + K − 1
    places, ``valid`` (narrow) the M − K + 1 where they overlap wholly, ``same`` (of equal width) the M
    in the middle of the full ones. For one axis this is numpy.convolve, whose "same" has the longer
    one's size; for more it is scipy.signal.convolve. It commutes, unlike `gc.nn.conv2d`, which does not
    turn its filter round. Sizes of ``a`` may be symbolic, those of ``v`` are known.

    Raises ShapeError where the axes differ in number or a signal is empty.
    Source: Qiu Xipeng, *Neural Networks and Deep Learning*, section 5.1.

    >>> import graphc as gc
    >>> x = gc.input("x", ("T",))
    >>> gc.convolve(x, [1.0, 0.5, 0.25]).shape, gc.convolve(x, [1.0, 0.5, 0.25], "valid").shape
    ((T + 2,), (T - 2,))
    """
    signal, kernel = _pair(a, v, mode, "convolve")
    if signal.ndim == 1 and _is_longer(kernel.shape[0], signal.shape[0]):
        signal, kernel = kernel, signal
    if mode == "valid" and _fits_only_turned(kernel.shape, signal.shape):
        signal, kernel = kernel, signal
    return _correlated(signal, flip(kernel), mode, "convolve")


def correlate(a: object, v: object, mode: str = "valid") -> Tensor:
    """The cross-correlation of signal processing, ``y[t] = Σ_k a[t + k] · v[k]``, over all axes.

    The convolution by v turned round; for one axis it is numpy.correlate. See `convolve` for the modes.

    >>> import graphc as gc
    >>> gc.correlate(gc.input("x", ("T",)), [1.0, -2.0, 1.0]).shape
    (T - 2,)
    """
    signal, kernel = _pair(a, v, mode, "correlate")
    if signal.ndim == 1 and _is_longer(kernel.shape[0], signal.shape[0]):
        return flip(_correlated(kernel, signal, mode, "correlate"))
    if mode == "valid" and _fits_only_turned(kernel.shape, signal.shape):
        return flip(_correlated(kernel, signal, mode, "correlate"))
    return _correlated(signal, kernel, mode, "correlate")


def _pair(a: object, v: object, mode: str, op: str) -> tuple[Tensor, Tensor]:
    if mode not in _MODES:
        raise UnsupportedError(
            f"there is no mode {mode!r}", op=op, location=user_location(),
            remedy=f"use one of {', '.join(map(repr, _MODES))}",
        )  # fmt: skip
    pair = as_tensor(a), as_tensor(v)
    shapes = " and ".join(format_shape(x.shape) for x in pair)
    if pair[0].ndim != pair[1].ndim or not pair[0].ndim:
        raise shape_error(
            op,
            f"shapes {shapes} have {pair[0].ndim} and {pair[1].ndim} axes",
            "give two signals of the same number of axes, at least one",
        )
    for x in pair:
        if any(isinstance(n, int) and n == 0 for n in x.shape):
            raise shape_error(op, f"of shapes {shapes} one is empty", "give signals with elements")
        if x.dtype == BOOL:
            raise DTypeError(
                "a signal is bool", op=op, location=user_location(), remedy='convert it with astype("int64")'
            )
    return pair


def _is_longer(first: Dim, second: Dim) -> bool:
    return isinstance(first, int) and isinstance(second, int) and first > second


def _fits_only_turned(kernel: Shape, signal: Shape) -> bool:
    """Whether the kernel is as large as the signal along every axis, and larger along one."""
    pairs = list(zip(kernel, signal, strict=True))
    return any(_is_longer(k, n) for k, n in pairs) and not any(_is_longer(n, k) for k, n in pairs)


def _correlated(signal: Tensor, kernel: Tensor, mode: str, op: str) -> Tensor:
    rank = signal.ndim
    sizes = []
    for k in kernel.shape:
        if not isinstance(k, int):
            raise shape_error(
                op,
                f"the second signal, {format_shape(kernel.shape)}, has the symbolic size {k}",
                "give the one whose size is not known first",
            )
        sizes.append(k)
    if mode == "valid":
        sides = [(0, 0)] * rank
    elif mode == "full":
        sides = [(k - 1, k - 1) for k in sizes]
    else:  # the middle of the full one; NumPy and SciPy count from (K − 1) // 2
        sides = [(k - 1 - (k - 1) // 2, (k - 1) // 2) for k in sizes]
    ones = (1,) * rank
    y = convolution(
        expand_dims(signal, (0, 1)), expand_dims(kernel, (0, 1)), Geometry(ones, tuple(sides), ones)
    )
    return reshape(y, tuple([simplified(n) for n in y.shape[2:]]))
