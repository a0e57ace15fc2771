"""Derivatives of shape and indexing ops: all are linear, and each adjoint is another of them."""

from __future__ import annotations

from graphc.autodiff.pieces import reshape, transpose, unbroadcast
from graphc.autodiff.rule import Linear, Rule, not_differentiable
from graphc.ir.build import apply
from graphc.ir.dimension import Dim, simplified
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ops import indexing as i
from graphc.ops import shape as s


def _reshape(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    return reshape(cotangent, node.inputs[0].shape)


def _transpose(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    axes = node.attrs["axes"]
    return transpose(cotangent, tuple(sorted(range(len(axes)), key=axes.__getitem__)))


def _broadcast_to(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    return unbroadcast(cotangent, node.inputs[0].shape)


def _concatenate(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    axis: int = node.attrs["axis"]
    start: list[Dim] = [0] * node.ndim
    for before in node.inputs[:index]:
        start[axis] = simplified(start[axis] + before.shape[axis])
    return s.strided_part(cotangent, start, node.inputs[index].shape, [1] * node.ndim)


def _pad(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    start = [before for before, _ in node.attrs["widths"]]
    return s.strided_part(cotangent, start, node.inputs[0].shape, [1] * node.ndim)


def _flip(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    return apply(s.FLIP, (cotangent,), axes=node.attrs["axes"])


def _slice(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    return s.embed(cotangent, node.inputs[0].shape, node.attrs["start"], node.attrs["step"])


def _embed(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    return s.strided_part(cotangent, node.attrs["start"], node.inputs[0].shape, node.attrs["step"])


def _take(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    x, places = node.inputs
    axis = node.attrs["axis"]
    return i.scatter_add(cotangent, places, axis, x.shape[axis])


def _scatter_add(node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor:
    return i.taken(cotangent, node.inputs[1], node.attrs["axis"])


RULES: dict[Op, Rule] = {
    s.RESHAPE: Linear(_reshape),
    s.TRANSPOSE: Linear(_transpose),
    s.BROADCAST_TO: Linear(_broadcast_to),
    s.CONCATENATE: Linear(_concatenate, jointly=True),
    s.PAD: Linear(_pad, linear_part=lambda attrs: {**attrs, "value": 0.0}),
    s.FLIP: Linear(_flip),
    s.SLICE: Linear(_slice),
    s.EMBED: Linear(_embed),
    i.TAKE: Linear(_take),
    i.SCATTER_ADD: Linear(_scatter_add),
    i.INDEX_CHECK: not_differentiable("its result is an integer index"),
}
