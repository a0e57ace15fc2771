"""Dropout of elements and of whole channels: a tensor enters, one with zeros in it leaves.

Names, arguments and meaning are those of ``torch.nn.functional``. The masks are drawn anew at every
call of the compiled function, from its ``seed``.
"""

from __future__ import annotations

from graphc import ops
from graphc.errors import ShapeError
from graphc.ir.dimension import Shape, format_shape
from graphc.ir.dtype import FLOAT32, FLOAT64
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.arguments import float_tensor, probability
from graphc.ops.elementwise import unguarded_where


def dropout(x: object, p: float = 0.5, training: bool = True) -> Tensor:
    """x with each element set to 0 with probability p and the others divided by 1 − p.

    Without ``training``, x itself. Raises GraphError where p is outside [0, 1]. Srivastava et al.
    2014.

    >>> import graphc as gc
    >>> gc.nn.dropout(gc.input("x", ("N", 8)), p=0.2)
    <where: float32(N, 8)>
    """
    p = probability(p, "dropout")
    x = float_tensor(x, "dropout")
    return _dropped(x, x.shape, p) if training else x


def dropout1d(x: object, p: float = 0.5, training: bool = True) -> Tensor:
    """x with each channel set to 0 as a whole with probability p, the others divided by 1 − p.

    ``x`` is (N, C, L), or (C, L) for one example. Without ``training``, x itself. Raises ShapeError
    for another number of axes, GraphError where p is outside [0, 1]. Neighbouring elements of a
    channel tell almost the same, so dropping single ones would drop little. Tompson et al. 2015.

    >>> import graphc as gc
    >>> gc.nn.dropout1d(gc.input("x", ("N", 8, "L")), p=0.2)
    <where: float32(N, 8, L)>
    """
    return _channel_dropout(x, p, training, 1)


def dropout2d(x: object, p: float = 0.5, training: bool = True) -> Tensor:
    """x with each channel set to 0 as a whole with probability p, the others divided by 1 − p.

    ``x`` is (N, C, H, W), or (C, H, W) for one example (which PyTorch still takes for (N, C, L), with
    a warning). Else as `dropout1d`.

    >>> import graphc as gc
    >>> gc.nn.dropout2d(gc.input("x", ("N", 8, 32, 32)), p=0.2)
    <where: float32(N, 8, 32, 32)>
    """
    return _channel_dropout(x, p, training, 2)


def dropout3d(x: object, p: float = 0.5, training: bool = True) -> Tensor:
    """x with each channel set to 0 as a whole with probability p, the others divided by 1 − p.

    ``x`` is (N, C, D, H, W), or (C, D, H, W) for one example. Else as `dropout1d`.

    >>> import graphc as gc
    >>> gc.nn.dropout3d(gc.input("x", ("N", 8, 4, 32, 32)), p=0.2)
    <where: float32(N, 8, 4, 32, 32)>
    """
    return _channel_dropout(x, p, training, 3)


def _channel_dropout(x: object, p: float, training: bool, spatial: int) -> Tensor:
    op = f"dropout{spatial}d"
    p = probability(p, op)
    x = float_tensor(x, op)
    if x.ndim not in (spatial + 1, spatial + 2):
        sizes = ", ".join("DHW"[3 - spatial :]) if spatial > 1 else "L"
        raise ShapeError(
            f"x has shape {format_shape(x.shape)}, where (N, C, {sizes}) or (C, {sizes}) is needed",
            op=op, location=user_location(),
            remedy="use the dropout of as many axes as follow the channels, or gc.nn.dropout for elements",
        )  # fmt: skip
    return _dropped(x, (*x.shape[:-spatial], *[1] * spatial), p) if training else x


def _dropped(x: Tensor, drawn: Shape, p: float) -> Tensor:
    """x where a draw of this shape, which broadcasts with x, keeps it, scaled by 1 / (1 − p); else 0."""
    if p == 0:
        return x
    kept = ops.random_uniform(drawn, FLOAT64 if x.dtype == FLOAT64 else FLOAT32) >= p
    # At p = 1 nothing is kept, and the scale does not matter.
    return unguarded_where(kept, x * (1 / (1 - p) if p < 1 else 1.0), 0.0)
