"""Derivatives of windows, convolution and pooling: each adjoint is an op of the same family.

The three convolutions are the partial derivatives of one trilinear form (see ``graphc.ops.convolution``):
with one operand given and the cotangent in the place of the result, what is missing is the third.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.autodiff.pieces import full
from graphc.autodiff.rule import Custom, Linear, Rule, not_differentiable
from graphc.ir.build import apply
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ops import convolution as c
from graphc.ops import pooling as p
from graphc.ops import windows as w
from graphc.ops.elementwise import astype, greater, not_equal, where


# -- windows ---------------------------------------------------------------------------------------
def _window(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    (x,) = node.inputs
    attrs = node.attrs
    return apply(
        w.FOLD, (cotangent,), axes=attrs["axes"], shape=tuple(x.shape[a] for a in attrs["axes"]),
        stride=attrs["stride"], dilation=attrs["dilation"],
    )  # fmt: skip


def _fold(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    (y,) = node.inputs
    attrs = node.attrs
    return apply(
        w.WINDOW, (cotangent,), axes=attrs["axes"], size=y.shape[cotangent.ndim :],
        stride=attrs["stride"], dilation=attrs["dilation"],
    )  # fmt: skip


# -- convolution -----------------------------------------------------------------------------------
# x, w and u of the trilinear form, by the op that computes the third from the other two.
_INPUT, _FILTER, _OUTPUT = range(3)
_ARGUMENTS: dict[Op, tuple[int, int, int]] = {  # of the operands, and of the result
    c.CONVOLUTION: (_INPUT, _FILTER, _OUTPUT),
    c.TRANSPOSED_CONVOLUTION: (_OUTPUT, _FILTER, _INPUT),
    c.FILTER_GRADIENT: (_INPUT, _OUTPUT, _FILTER),
}


def _third(known: dict[int, Tensor], missing: int, like: Tensor, geometry: c.Geometry) -> Tensor:
    """The partial derivative of the trilinear form by the argument that is not known, shaped ``like``."""
    if missing == _OUTPUT:
        return c.convolution(known[_INPUT], known[_FILTER], geometry)
    if missing == _INPUT:
        return c.transposed_convolution(known[_OUTPUT], known[_FILTER], like.shape[2:], geometry)
    return c.filter_gradient(known[_INPUT], known[_OUTPUT], like.shape[2:], geometry)


def _convolution(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    arguments = _ARGUMENTS[node.op]
    geometry = c.Geometry.of(node.attrs)
    wanted, other, result = arguments[index], arguments[1 - index], arguments[2]
    value = node.inputs[1 - index]
    if masked:
        # Read as zero where every cotangent that it would multiply is zero: 0 · ∞ must not become NaN.
        alive = astype(not_equal(cotangent, 0), node.dtype)
        ones = full(1.0, node.inputs[index].shape, node.dtype)
        met = _third({result: alive, wanted: ones}, other, value, geometry)
        value = where(greater(met, 0), value, 0.0)
    return _third({result: cotangent, other: value}, wanted, node.inputs[index], geometry)


# -- pooling ---------------------------------------------------------------------------------------
def _where_largest(node: Tensor) -> tuple[Tensor, int]:
    return p.window_index(node.inputs[0], node, node.attrs), len(node.attrs["size"])


def _max_pool_cotangent(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    places, rank = _where_largest(node)
    return p.added_to_planes(cotangent, places, node.inputs[0].shape, rank)


def _max_pool_tangent(node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
    (tangent,) = tangents
    if tangent is None:
        return None
    places, rank = _where_largest(node)
    return p.taken_from_planes(tangent, places, rank)


RULES: dict[Op, Rule] = {
    w.WINDOW: Linear(_window),
    w.FOLD: Linear(_fold),
    **dict.fromkeys(_ARGUMENTS, Linear(_convolution)),
    p.MAX_POOL: Custom(_max_pool_cotangent, _max_pool_tangent),
    p.WINDOW_INDEX: not_differentiable("its result is an integer index"),
}
