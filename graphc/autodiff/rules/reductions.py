"""Derivatives of reductions and scans."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.autodiff.pieces import broadcast_to, expand_axes, like, reshape, sum_over, transpose
from graphc.autodiff.rule import Custom, Linear, Rule, Weighted, masked_multiply, not_differentiable, product
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, Shape, element_count, simplified
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ops import reductions as r
from graphc.ops.elementwise import astype, divide, equal, exp, multiply, subtract, where
from graphc.ops.shape import PAD, SLICE, flip
from graphc.ops.sources import arange, dimension_value


# -- axes ------------------------------------------------------------------------------------------
def _expanded(node: Tensor, value: Tensor) -> Tensor:
    """A value of the result's shape, with the reduced axes back so that it broadcasts with the operand."""
    axes = node.attrs["axis"]
    in_front = axes == tuple(range(len(axes)))  # where broadcasting puts new axes by itself
    return value if node.attrs["keepdims"] or in_front else expand_axes(value, axes)


def _contracted(node: Tensor, value: Tensor) -> Tensor:
    return sum_over(value, node.attrs["axis"], node.attrs["keepdims"])


def _count(x: Tensor, axes: Sequence[int]) -> Dim:
    return simplified(element_count([x.shape[a] for a in axes]))


def _weighted(weights: object) -> Weighted:
    return Weighted(weights, _expanded, _contracted)  # type: ignore[arg-type]


# -- sums ------------------------------------------------------------------------------------------
def _sum_adjoint(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    return broadcast_to(_expanded(node, cotangent), node.inputs[0].shape)


def _mean_adjoint(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    count = _count(node.inputs[0], node.attrs["axis"])
    if isinstance(count, int):
        share = product(cotangent, 1 / count) if count > 0 else cotangent
        assert share is not None
    else:
        share = divide(cotangent, dimension_value(count, cotangent.dtype))
    return broadcast_to(_expanded(node, share), node.inputs[0].shape)


def _cumsum_adjoint(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    axis = node.attrs["axis"]
    return flip(apply(r.CUMSUM, (flip(cotangent, axis),), axis=axis), axis)


# -- extremes --------------------------------------------------------------------------------------
def _extreme_weights(node: Tensor) -> Tensor:
    """1 at the extreme; 1/k each where k elements share it."""
    x = node.inputs[0]
    chosen = astype(equal(x, _expanded(node, node)), node.dtype)
    return divide(chosen, sum_over(chosen, node.attrs["axis"], keepdims=True))


# -- products --------------------------------------------------------------------------------------
def _prod_weights(node: Tensor) -> Tensor:
    """For each element the product of the others: no division, so zeros are exact, to any order."""
    (x,) = node.inputs
    axes: tuple[int, ...] = node.attrs["axis"]
    if not axes:
        return like(x, 1.0)
    rest = tuple(a for a in range(x.ndim) if a not in axes)
    order = (*rest, *axes)
    count = _count(x, axes)
    rows = reshape(transpose(x, order), (*(x.shape[a] for a in rest), count))
    others = _products_of_others(rows, count) if isinstance(count, int) else _products_by_square(rows, count)
    back = tuple(sorted(range(x.ndim), key=order.__getitem__))
    return transpose(reshape(others, tuple(x.shape[a] for a in order)), back)


def _products_of_others(rows: Tensor, count: int) -> Tensor:
    """Products before each place times products after it, both by doubling: 2·log2(count) products."""
    if count <= 1:
        return like(rows, 1.0)
    before = _shifted(rows, 1, count)
    after = _shifted(rows, -1, count)
    distance = 1
    while distance < count - 1:
        before = multiply(before, _shifted(before, distance, count))
        after = multiply(after, _shifted(after, -distance, count))
        distance *= 2
    return multiply(before, after)


def _shifted(rows: Tensor, by: int, count: int) -> Tensor:
    """The last axis moved by some places, ones coming in."""
    still: Shape = (0,) * (rows.ndim - 1)
    kept = apply(
        SLICE, (rows,), start=(*still, max(-by, 0)),
        size=(*rows.shape[:-1], count - abs(by)), step=(1,) * rows.ndim,
    )  # fmt: skip
    widths = (*((0, 0) for _ in still), (max(by, 0), max(-by, 0)))
    return apply(PAD, (kept,), widths=widths, value=1.0)


def _products_by_square(rows: Tensor, count: Dim) -> Tensor:
    """For a size that is not known: rows of all elements with 1 in place of each in turn, multiplied."""
    own = equal(reshape(arange(count), (count, 1)), arange(count))
    square = where(own, 1.0, reshape(rows, (*rows.shape[:-1], 1, count)))
    return apply(r.PROD, (square,), axis=(square.ndim - 1,), keepdims=False)


# -- softmax and its kin ---------------------------------------------------------------------------
def _softmax_product(node: Tensor, direction: Tensor, masked: bool) -> Tensor:
    """The Jacobian diag(s) − s sᵀ is symmetric: one product serves both modes."""
    times = masked_multiply(masked)
    weighted = times(direction, node)
    return subtract(weighted, times(sum_over(weighted, (node.attrs["axis"],), keepdims=True), node))


def _softmax_tangent(node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
    (tangent,) = tangents
    return None if tangent is None else _softmax_product(node, tangent, masked=False)


def _log_softmax_cotangent(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    sums = sum_over(cotangent, (node.attrs["axis"],), keepdims=True)
    return subtract(cotangent, masked_multiply(masked)(sums, exp(node)))


def _log_softmax_tangent(node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
    (tangent,) = tangents
    if tangent is None:
        return None
    return subtract(tangent, sum_over(multiply(tangent, exp(node)), (node.attrs["axis"],), keepdims=True))


_BOOL = "its result is bool"
_INDEX = "its result is an integer index"

RULES: dict[Op, Rule] = {
    r.SUM: Linear(_sum_adjoint),
    r.MEAN: Linear(_mean_adjoint),
    r.CUMSUM: Linear(_cumsum_adjoint),
    r.MAX: _weighted(_extreme_weights),
    r.MIN: _weighted(_extreme_weights),
    r.PROD: _weighted(_prod_weights),
    r.LOGSUMEXP: _weighted(lambda node: exp(subtract(node.inputs[0], _expanded(node, node)))),
    r.SOFTMAX: Custom(lambda node, g, index, masked: _softmax_product(node, g, masked), _softmax_tangent),
    r.LOG_SOFTMAX: Custom(_log_softmax_cotangent, _log_softmax_tangent),
    r.ANY: not_differentiable(_BOOL),
    r.ALL: not_differentiable(_BOOL),
    r.ARGMAX: not_differentiable(_INDEX),
    r.ARGMIN: not_differentiable(_INDEX),
}
