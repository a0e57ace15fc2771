"""Rules about ops that only move elements; each is exact, since no element changes."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphc.ops as ops
from graphc.ir.build import apply
from graphc.ir.dimension import element_count, same, same_shape
from graphc.ir.dtype import DType
from graphc.ir.tensor import Tensor
from graphc.rewrite.pattern import Bindings, call, variables
from graphc.rewrite.rule import rule

(x,) = variables("x")
transpose, reshape, broadcast_to, flip, slice_, concatenate, astype = map(
    call, ["transpose", "reshape", "broadcast_to", "flip", "slice", "concatenate", "astype"]
)


def _inner(node: Tensor) -> Tensor:
    return node.inputs[0]


def _joined_transpose(node: Tensor, bound: Bindings) -> Tensor:
    """The two permutations as one."""
    inner = _inner(node).attrs["axes"]
    return ops.transpose(bound["x"], tuple(inner[a] for a in node.attrs["axes"]))


def _kept(node: Tensor, bound: Bindings) -> Tensor | None:
    """x, where the op leaves every element in its place."""
    value: Tensor = bound["x"]
    match node.op.name:
        case "transpose":
            unchanged = node.attrs["axes"] == tuple(range(node.ndim))
        case "flip":
            unchanged = all(same(node.shape[a], 1) for a in node.attrs["axes"])
        case "slice":
            unchanged = same_shape(node.shape, value.shape) and all(s > 0 for s in node.attrs["step"])
        case "astype":
            unchanged = node.dtype == value.dtype
        case _:
            unchanged = same_shape(node.shape, value.shape)
    return value if unchanged else None


def _last_shape(node: Tensor, bound: Bindings) -> Any:
    """Only the last of two shapes matters."""
    return apply(node.op, (bound["x"],), **node.attrs)


def _one_repeated(node: Tensor, bound: Bindings) -> Tensor | None:
    """One element broadcast to the last shape, however it came to its own."""
    value: Tensor = bound["x"]
    if not same(element_count(value.shape), 1):
        return None
    return ops.broadcast_to(ops.reshape(value, ()) if value.ndim else value, node.shape)


def _flips_cancel(node: Tensor, bound: Bindings) -> Tensor:
    """Axes flipped twice stay; the others are flipped once."""
    once = set(node.attrs["axes"]) ^ set(_inner(node).attrs["axes"])
    return ops.flip(bound["x"], tuple(sorted(once))) if once else bound["x"]


def represents(dtype: DType, source: DType) -> bool:
    """Whether every value of ``source`` is one of ``dtype``; NumPy's "safe" also rounds int64 to float64."""
    if dtype.kind == "f" and source.kind in "iu":
        return np.iinfo(source).bits - (source.kind == "i") <= np.finfo(dtype).nmant + 1
    return bool(np.can_cast(source, dtype, "safe"))


def _cast_back(node: Tensor, bound: Bindings) -> Tensor | None:
    """x, where the dtype between holds all its values."""
    value: Tensor = bound["x"]
    return value if node.dtype == value.dtype and represents(_inner(node).dtype, value.dtype) else None


# fmt: off
RULES = (
    rule("transpose_of_transpose", transpose(transpose(x)),        _joined_transpose, example={"x": (2, 3, 4)}),
    rule("transpose_of_nothing",   transpose(x),                   _kept,             example={"x": (3, 2), "axes": (0, 1)}),
    rule("reshape_of_reshape",     reshape(reshape(x)),            _last_shape,       example={"x": (2, 6)}),
    rule("reshape_of_nothing",     reshape(x),                     _kept,             example={"x": (3, 2)}),
    rule("broadcast_of_broadcast", broadcast_to(broadcast_to(x)),  _last_shape,       example={"x": (3, 1)}),
    rule("reshape_of_one_repeated", reshape(broadcast_to(x)),      _one_repeated,     example={"x": (1, 1)}),
    rule("broadcast_of_nothing",   broadcast_to(x),                _kept,             example={"x": (3, 2)}),
    rule("flip_of_flip",           flip(flip(x)),                  _flips_cancel,     example={"x": (3, 2)}),
    rule("slice_of_whole",         slice_(x),                      _kept,             example={"x": (3, 2)}),
    rule("concatenate_of_one",     concatenate(x),                 _kept,             example={"x": (3, 2)}),
    rule("cast_of_nothing",        astype(x),                      _kept,             example={"x": (3, 2)}),
    rule("cast_and_back",          astype(astype(x)),              _cast_back,        example={"x": (3, 2)}),
)
# fmt: on
